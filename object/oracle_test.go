//go:build !js

package object

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

// The oracles are the public codec and CID libraries, which cost too much in a page to be used themselves.

func oracleEncMode(t testing.TB) cbor.EncMode {
	t.Helper()
	m, err := cbor.EncOptions{
		Sort: cbor.SortLengthFirst, ShortestFloat: cbor.ShortestFloatNone, NaNConvert: cbor.NaNConvertReject,
		InfConvert: cbor.InfConvertReject, IndefLength: cbor.IndefLengthForbidden, NilContainers: cbor.NilContainerAsEmpty,
	}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func oracleDecMode(t testing.TB) cbor.DecMode {
	t.Helper()
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, MaxNestedLevels: 33,
		MaxArrayElements: MaxBlock, MaxMapPairs: MaxBlock, UTF8: cbor.UTF8RejectInvalid,
		IntDec: cbor.IntDecConvertSignedOrFail, NaN: cbor.NaNDecodeForbidden, Inf: cbor.InfDecodeForbidden,
	}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// forOracle turns links into the tags that the oracle knows.
func forOracle(v any) any {
	switch v := v.(type) {
	case ID:
		c := cid.NewCidV1(uint64(v.Codec()), oracleHash(v))
		return cbor.Tag{Number: 42, Content: append([]byte{0}, c.Bytes()...)}
	case float64:
		if v == 0 {
			return 0.0
		}
	case []any:
		l := make([]any, len(v))
		for i := range v {
			l[i] = forOracle(v[i])
		}
		return l
	case map[string]any:
		m := make(map[string]any, len(v))
		for k := range v {
			m[k] = forOracle(v[k])
		}
		return m
	}
	return v
}

func oracleHash(id ID) mh.Multihash {
	d := id.Digest()
	h, err := mh.Encode(d[:], mh.SHA2_256)
	if err != nil {
		panic(err)
	}
	return h
}

// fromOracle turns what the oracle decoded into values; ok is false where hhs has no such value.
func fromOracle(v any) (out any, ok bool) {
	switch v := v.(type) {
	case nil, bool, int64, string, []byte:
		return v, true
	case float64:
		return v, !(v == 0 && math.Signbit(v))
	case cbor.Tag:
		b, isBytes := v.Content.([]byte)
		if v.Number != 42 || !isBytes || len(b) < 1 || b[0] != 0 {
			return nil, false
		}
		_, c, err := cid.CidFromBytes(b[1:])
		if err != nil || c.ByteLen() != len(b)-1 || c.Version() != 1 || c.Prefix().MhType != mh.SHA2_256 || c.Prefix().MhLength != 32 {
			return nil, false
		}
		var d [32]byte
		copy(d[:], c.Hash()[2:])
		id := IDFromDigest(Codec(c.Type()), d)
		return id, c.Type() == uint64(id.Codec())
	case []any:
		l := make([]any, len(v))
		for i := range v {
			if l[i], ok = fromOracle(v[i]); !ok {
				return nil, false
			}
		}
		return l, true
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			name, isText := k.(string)
			if !isText {
				return nil, false
			}
			if m[name], ok = fromOracle(x); !ok {
				return nil, false
			}
		}
		return m, true
	}
	return nil, false
}

// oracleAccepts reports whether b is canonical in the oracle's eyes: it decodes to values that hhs has, and
// these encode to b again.
func oracleAccepts(enc cbor.EncMode, dec cbor.DecMode, b []byte) bool {
	var raw any
	if err := dec.Unmarshal(b, &raw); err != nil {
		return false
	}
	v, ok := fromOracle(raw)
	if !ok {
		return false
	}
	again, err := enc.Marshal(forOracle(v))
	return err == nil && bytes.Equal(again, b)
}

func TestEncodeAgainstOracle(t *testing.T) {
	enc := oracleEncMode(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		v := randomValue(rng, 5)
		got, err := Encode(v)
		if err != nil {
			t.Fatalf("value %d: %v", i, err)
		}
		want, err := enc.Marshal(forOracle(v))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("value %d %#v:\n%x\nthe oracle says\n%x", i, v, got, want)
		}
	}
}

// TestDecodeAgainstOracle changes valid blocks a little and compares the verdicts.
func TestDecodeAgainstOracle(t *testing.T) {
	enc, dec := oracleEncMode(t), oracleDecMode(t)
	rng := rand.New(rand.NewPCG(3, 4))
	accepted := 0
	for range 20000 {
		b, err := Encode(randomValue(rng, 3))
		if err != nil {
			t.Fatal(err)
		}
		for range rng.IntN(3) {
			b = mutate(rng, b)
		}
		_, err = Decode(b)
		if ok := oracleAccepts(enc, dec, b); ok != (err == nil) {
			t.Fatalf("%x: the oracle says %v, Decode %v", b, ok, err)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted < 5000 || accepted > 18000 {
		t.Fatalf("%d of 20000 accepted: the mutations test nothing", accepted)
	}
}

func TestIDAgainstOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		id := randomID(rng)
		c := cid.NewCidV1(uint64(id.Codec()), oracleHash(id))
		if id.String() != c.String() || !bytes.Equal(id.Bytes(), c.Bytes()) {
			t.Fatalf("%s %x, the oracle says %s %x", id, id.Bytes(), c, c.Bytes())
		}
	}
}
