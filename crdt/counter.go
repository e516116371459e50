package crdt

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// counterType is "counter": the exact sum of what its effective ops add. An op adds an integer of 64 bits, negative ones
// too, and names nothing; the sum is not bounded.
//
// The state has an entry for each op, by the number of its commit and its index, and one total, which is changed by what
// an op adds when the op comes, becomes void or comes back. Nothing is summed up by reading.
type counterType struct{}

func (counterType) Name() string { return "counter" }

func (counterType) Check(_ *schema.Schema, op Op) error {
	if op.Action != ActionAdd {
		return unknownAction("counter", &op)
	}
	if err := checkRefs(&op, 0); err != nil {
		return err
	}
	_, err := counterAmount(&op)
	return err
}

// counterAmount reads what an op adds.
func counterAmount(op *Op) (int64, error) {
	r := object.NewReader(op.Payload)
	n, err := r.Int()
	if err == nil {
		err = r.End()
	}
	if err != nil {
		const why = "what is added to a counter is not an integer of 64 bits in canonical CBOR"
		return 0, &Ignored{Reason: why, Err: &object.ValueError{Reason: why}}
	}
	return n, nil
}

func (t counterType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if done, err := f.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	if !effective {
		return nil, f.put(counterKey(spaceRest, &op), counted)
	}
	if err := f.put(counterKey(spaceShown, &op), counted); err != nil {
		return nil, err
	}
	return f.tally(&op, true)
}

func (counterType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	from, to := counterKey(spaceRest, &op), counterKey(spaceShown, &op)
	if !effective {
		from, to = to, from
	}
	v, err := f.get(from)
	if err != nil {
		return nil, err
	}
	if v == nil {
		if v, err = f.get(to); err != nil || v != nil {
			return nil, err // it has this verdict already
		}
		return nil, f.wasIgnored(&op)
	}
	if err := f.remove(from); err != nil {
		return nil, err
	}
	if err := f.put(to, counted); err != nil {
		return nil, err
	}
	return f.tally(&op, effective)
}

// Shows implements [Shower]: a key of a map is there when anything was added under it.
func (counterType) Shows(env *Env) (bool, error) {
	t, err := CounterTotal(env)
	return t.Adds > 0, err
}

// counted is the entry of an op: where it is says it all.
var counted = []byte{flagBare}

func counterKey(space byte, op *Op) []byte {
	return appendOrdered(appendOrdered([]byte{space}, op.Num), uint64(op.Ref.Index))
}

// tally takes an op into the total, or out of it.
func (f *field) tally(op *Op, effective bool) ([]Change, error) {
	n, err := counterAmount(op)
	if err != nil {
		return nil, err
	}
	was, err := CounterTotal(f.Env)
	if err != nil {
		return nil, err
	}
	now := was.with(n)
	if !effective {
		now = was.without(n)
	}
	if err := f.putTotal(now); err != nil || f.Quiet {
		return nil, err
	}
	return []Change{{Before: was.value(), After: now.value(), Op: *op, Effective: effective}}, nil
}

func (f *field) putTotal(t Total) error {
	key := []byte{spaceCount}
	if t.Adds == 0 {
		return f.remove(key)
	}
	v := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+16), t.Adds)
	return f.put(key, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(v, t.hi), t.lo))
}

// CounterAdd makes the op that adds n.
func CounterAdd(n int64) (Draft, error) {
	payload, err := object.Encode(n)
	return Draft{Action: ActionAdd, Payload: payload}, err
}

// CounterTotal reads the total; it is zero where nothing was added. It needs only State.
func CounterTotal(env *Env) (Total, error) {
	key := []byte{spaceCount}
	v, err := on(env).get(key)
	if err != nil || v == nil {
		return Total{}, err
	}
	adds, n := binary.Uvarint(v)
	if n <= 0 || adds == 0 || len(v) != n+16 {
		return Total{}, &Corrupt{Key: key, Reason: "not the total of a counter"}
	}
	return Total{Adds: adds, hi: binary.BigEndian.Uint64(v[n:]), lo: binary.BigEndian.Uint64(v[n+8:])}, nil
}

// Total is what a counter shows. The sum has 128 bits in two's complement, and that is enough: Adds has 64 bits, and so
// has what each of them adds.
type Total struct {
	Adds   uint64 // effective ops; a counter is there, as the key of a map is, when there are any
	hi, lo uint64
}

func (t Total) with(n int64) Total {
	lo, carry := bits.Add64(t.lo, uint64(n), 0)
	hi, _ := bits.Add64(t.hi, uint64(n>>63), carry)
	return Total{t.Adds + 1, hi, lo}
}

func (t Total) without(n int64) Total {
	lo, borrow := bits.Sub64(t.lo, uint64(n), 0)
	hi, _ := bits.Sub64(t.hi, uint64(n>>63), borrow)
	return Total{t.Adds - 1, hi, lo}
}

// Int64 returns the sum, or *[Overflow] when it has more than 64 bits.
func (t Total) Int64() (int64, error) {
	if n := int64(t.lo); t.hi == uint64(n>>63) {
		return n, nil
	}
	return 0, &Overflow{t}
}

// String returns the sum in decimal digits, exactly.
func (t Total) String() string {
	hi, lo, sign := t.hi, t.lo, ""
	if int64(hi) < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
		sign = "-"
	}
	const group, digits = 1e19, 19 // the greatest power of ten in 64 bits; hi is below it
	top, low := bits.Div64(hi, lo, group)
	text := strconv.FormatUint(low, 10)
	if top == 0 {
		return sign + text
	}
	return sign + strconv.FormatUint(top, 10) + "0000000000000000000"[:digits-len(text)] + text
}

// value is the sum as canonical bytes, nil where nothing was added: an integer, and beyond 64 bits the decimal digits as
// text, since there is no such integer.
func (t Total) value() []byte {
	if t.Adds == 0 {
		return nil
	}
	var v any = t.String()
	if n, err := t.Int64(); err == nil {
		v = n
	}
	b, err := object.Encode(v)
	if err != nil {
		panic(fmt.Sprintf("crdt: encode the total %s: %v", t, err)) // an integer or some digits: cannot fail
	}
	return b
}

// Overflow is a read of a counter whose sum has more than 64 bits. Total has it exactly.
type Overflow struct{ Total Total }

func (e *Overflow) Error() string {
	return fmt.Sprintf("the counter stands at %s, which is more than an integer of 64 bits holds; read it as decimal text", e.Total)
}
