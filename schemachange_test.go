//go:build !js

package hhs_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// A kind as its first version defined it, and as the second one does.
type (
	post1  struct{ Text string }
	style1 struct {
		Color string
		Frame frame1
	}
	frame1 struct{ Width int }
	card1  struct{ Title hhs.Register[string] }
	room1  struct {
		Title hhs.Register[string]
		Posts hhs.Log[post1]
		Style hhs.Register[style1]
		Cards hhs.Map[card1]
		Marks hhs.Map[hhs.Register[post1]]
		Steps hhs.List[post1]
	}

	post2 struct {
		Text  string
		Reply *string
	}
	style2 struct {
		Color string
		Font  *string
		Frame frame2
	}
	frame2 struct {
		Width int
		Dash  *int
	}
	card2 struct {
		Title hhs.Register[string]
		Votes hhs.Counter
		Notes hhs.Map[hhs.Register[string]]
		Story hhs.Text
	}
	room2 struct {
		Title hhs.Register[string]
		Posts hhs.Log[post2]
		Style hhs.Register[style2]
		Cards hhs.Map[card2]
		Marks hhs.Map[hhs.Register[post2]]
		Steps hhs.List[post2]
		Due   hhs.Register[string]
		Tags  hhs.Set[string]
		Essay hhs.Text
		Queue hhs.List[string]
	}
)

var (
	roomV1 = hhs.Define[room1]("test.example/room", 1)
	roomV2 = hhs.Define[room2]("test.example/room", 2)
)

// carry gives a node all that another copy has.
func carry(t testing.TB, n *hhs.Node, from *hhs.AnySpace) *hhs.AnySpace {
	t.Helper()
	here := must(n.JoinSpace(within(t), from.Link().String()))(t)
	for b, err := range from.Replica().Batches(here.Replica().Heads(), 1<<20) {
		ok(t, err)
		_, err = here.Replica().Ingest(context.Background(), b, replica.Source{Device: fromDevice(t, from)})
		ok(t, err)
	}
	return here
}

func value[T any](t testing.TB, r hhs.Register[T]) T {
	t.Helper()
	v, _, err := r.Get()
	ok(t, err)
	return v
}

// TestSchemaChange: an old and a new program share a room before, during and after the change.
func TestSchemaChange(t *testing.T) {
	ana, ben := offline(t), offline(t) // Ana founds and upgrades, Ben has the old program all along
	old := must(hhs.Create(within(t), ana, roomV1))(t)
	ok(t, old.Update(within(t), func(tx *hhs.Tx, r room1) error {
		card, err := r.Cards.Make(tx, "milk")
		return errors.Join(err, r.Title.Set(tx, "before"), r.Posts.Append(tx, post1{"one"}), r.Style.Set(tx, style1{"red", frame1{1}}),
			card.Title.Set(tx, "Milk"), r.Marks.At("m").Set(tx, post1{"mark"}), r.Steps.Append(tx, post1{"step"}))
	}))
	bens := must(hhs.As(carry(t, ben, old.AnySpace), roomV1))(t)

	// A newer program of somebody who is no founder reads what is missing as empty, and is told when it writes it.
	cleo := offline(t)
	early := must(hhs.As(carry(t, cleo, old.AnySpace), roomV2))(t)
	root := early.Root()
	if v, set, err := root.Due.Get(); v != "" || set || err != nil {
		t.Errorf("%q, %v, %v", v, set, err)
	}
	if n, err := root.Cards.At("milk").Votes.Value(); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for what, write := range map[string]func(tx *hhs.Tx, r room2) error{
		"due":                 func(tx *hhs.Tx, r room2) error { return r.Due.Set(tx, "x") },
		"essay":               func(tx *hhs.Tx, r room2) error { return r.Essay.Insert(tx, 0, "x") },
		"queue":               func(tx *hhs.Tx, r room2) error { return r.Queue.Append(tx, "x") },
		`cards["milk"].votes`: func(tx *hhs.Tx, r room2) error { return r.Cards.At("milk").Votes.Add(tx, 1) },
		`cards["milk"].story`: func(tx *hhs.Tx, r room2) error { return r.Cards.At("milk").Story.Insert(tx, 0, "x") },
	} {
		err := early.Update(within(t), write)
		if !errors.Is(err, hhs.ErrOldSchema) || hhs.Code(err) != "old_schema" {
			t.Errorf("%s: %v", what, err)
		}
		mentions(t, err, what, "upgrade")
	}
	if _, err := early.Upgrade(within(t)); !errors.Is(err, hhs.ErrSchema) {
		t.Errorf("upgraded by %v", err)
	}
	long := "more"
	err := early.Update(within(t), func(tx *hhs.Tx, r room2) error { return r.Posts.Append(tx, post2{"x", &long}) })
	mentions(t, err, "posts.reply", "of version 1, and the program's version 2 upgrades it")
	err = early.Update(within(t), func(tx *hhs.Tx, r room2) error { return r.Steps.Append(tx, post2{"x", &long}) })
	mentions(t, err, "steps", "reply", "the program's version 2 upgrades it")
	ok(t, early.Update(within(t), func(tx *hhs.Tx, r room2) error { return r.Posts.Append(tx, post2{"early", nil}) }))

	// The change, by itself, while Ben writes without having heard of it.
	next, stop := iter.Pull2(old.Watch(within(t)))
	defer stop()
	grown := must(hhs.As(old.AnySpace, roomV2))(t)
	if c, err, _ := next(); err != nil || c.Schema == nil || c.Schema.Version() != 2 {
		t.Errorf("told of %+v, %v", c, err)
	}
	if m := must(grown.Manifest())(t); m.Version != 2 || len(must(grown.PlanUpgrade(must(roomV2.Manifest())(t)))(t)) != 0 {
		t.Errorf("version %d", m.Version)
	}
	ok(t, bens.Update(within(t), func(tx *hhs.Tx, r room1) error {
		return errors.Join(r.Posts.Append(tx, post1{"during"}), r.Cards.At("milk").Title.Set(tx, "Oat milk"))
	}))
	font, dash := "mono", 3
	ok(t, grown.Update(within(t), func(tx *hhs.Tx, r room2) error {
		milk := r.Cards.At("milk")
		return errors.Join(r.Due.Set(tx, "friday"), r.Tags.Add(tx, "new"), r.Posts.Append(tx, post2{"two", &font}),
			r.Style.Set(tx, style2{"red", &font, frame2{1, &dash}}), milk.Votes.Add(tx, 2), milk.Notes.At("n").Set(tx, "note"),
			r.Marks.At("m").Set(tx, post2{"mark", &font}), r.Steps.Set(tx, 0, post2{"step", &font}),
			r.Essay.Insert(tx, 0, "x"), r.Queue.Append(tx, "x"), milk.Story.Insert(tx, 0, "x"))
	}))
	bens = must(hhs.As(carry(t, ben, grown.AnySpace), roomV1))(t)

	// Ben replaces values whole: what his program does not know is written back.
	ok(t, bens.Update(within(t), func(tx *hhs.Tx, r room1) error {
		return errors.Join(r.Style.Set(tx, style1{"blue", frame1{2}}), r.Marks.At("m").Set(tx, post1{"remark"}), r.Steps.Set(tx, 0, post1{"stride"}),
			r.Posts.Append(tx, post1{"after"}))
	}))
	carry(t, ana, bens.AnySpace)
	r := grown.Root()
	if got := value(t, r.Style); got.Color != "blue" || got.Font == nil || *got.Font != font || got.Frame.Width != 2 || got.Frame.Dash == nil || *got.Frame.Dash != dash {
		t.Errorf("style %+v", got)
	}
	if got := value(t, r.Marks.At("m")); got.Text != "remark" || got.Reply == nil || *got.Reply != font {
		t.Errorf("mark %+v", got)
	}
	for e, err := range r.Steps.All() {
		if err != nil || e.Value.Text != "stride" || e.Value.Reply == nil {
			t.Errorf("step %+v, %v", e.Value, err)
		}
	}
	if value(t, r.Cards.At("milk").Title) != "Oat milk" || must(r.Cards.At("milk").Votes.Value())(t) != 2 || value(t, r.Due) != "friday" {
		t.Error("what was written at the same time is not there")
	}
	var posts []string
	for e, err := range bens.Root().Posts.All() {
		ok(t, err)
		posts = append(posts, e.Value.Text)
	}
	slices.Sort(posts)
	if !slices.Equal(posts, []string{"after", "during", "one", "two"}) {
		t.Errorf("posts %q", posts)
	}

	// Cleo's program was open all the time.
	carry(t, cleo, grown.AnySpace)
	ok(t, early.Update(within(t), func(tx *hhs.Tx, r room2) error {
		return errors.Join(r.Due.Set(tx, "monday"), r.Cards.At("milk").Votes.Add(tx, 1))
	}))
	if value(t, early.Root().Due) != "monday" || must(early.Root().Cards.At("milk").Votes.Value())(t) != 3 {
		t.Error("the space has them, and not the program that was open")
	}

	// Opened again and rebuilt it is the same; so is what a past version was.
	list := must(grown.SchemaChanges())(t)
	if len(list) != 1 || list[0].Version != 2 || list[0].Identity != ana.Identity() || !slices.Contains(list[0].Fields, "due") {
		t.Fatalf("%+v", list)
	}
	past := must(grown.At(within(t), list[0].Commit))(t)
	if v := value(t, past.Root().Due); v != "" || value(t, past.Root().Style).Color != "red" {
		t.Errorf("due %q then", v)
	}
	var file bytes.Buffer
	must(grown.Export(within(t), &file))(t)
	dora := offline(t)
	must(dora.Import(within(t), &file))(t)
	again := must(hhs.As(must(dora.Space(grown.ID()))(t), roomV2))(t)
	if value(t, again.Root().Due) != "friday" || *value(t, again.Root().Style).Font != font {
		t.Error("imported it is another one")
	}
	for _, found := range must(ana.Check(within(t), false, nil))(t) {
		if !found.Sound() {
			t.Errorf("%+v", found)
		}
	}
}

// TestSchemaVersionNotRaised: who adds a field and leaves the version as it is is told to raise it.
func TestSchemaVersionNotRaised(t *testing.T) {
	n := offline(t)
	old := must(hhs.Create(within(t), n, roomV1))(t)
	same := must(hhs.As(old.AnySpace, hhs.Define[room2]("test.example/room", 1)))(t)
	err := same.Update(within(t), func(tx *hhs.Tx, r room2) error { return r.Due.Set(tx, "friday") })
	if !errors.Is(err, hhs.ErrOldSchema) {
		t.Error(err)
	}
	mentions(t, err, "due", "version 1", "raise the program's version to 2")
	reply := "yes"
	err = same.Update(within(t), func(tx *hhs.Tx, r room2) error { return r.Posts.Append(tx, post2{"x", &reply}) })
	mentions(t, err, "posts.reply", "raise the program's version to 2")
	must(same.Upgrade(within(t)))(t)
	ok(t, same.Update(within(t), func(tx *hhs.Tx, r room2) error { return r.Due.Set(tx, "friday") }))
}

type (
	strict2 struct {
		Color string
		Font  *string `hhs:"max=3"`
		Frame frame2
	}
	step2 struct {
		Text  string
		Reply *string `hhs:"max=3"`
	}
	room3 struct {
		Style hhs.Register[strict2]
		Steps hhs.List[step2]
	}
)

// TestSchemaOtherType: a value does not change its type, whoever opens the space with such a program.
func TestSchemaOtherType(t *testing.T) {
	type item struct{ Count string }
	type item2 struct{ Count int }
	type shop struct {
		Due   hhs.Register[string]
		Items hhs.Map[hhs.Register[item]]
	}
	type shopDue struct{ Due hhs.Register[int] }
	type shopItems struct {
		Items hhs.Map[hhs.Register[item2]]
	}
	n := offline(t)
	old := must(hhs.Create(within(t), n, hhs.Define[shop]("test.example/shop", 1)))(t)
	ok(t, old.Update(within(t), func(tx *hhs.Tx, r shop) error { return r.Due.Set(tx, "friday") }))
	due := must(hhs.As(old.AnySpace, hhs.Define[shopDue]("test.example/shop", 2)))(t)
	_, err := due.Upgrade(within(t))
	if !errors.Is(err, hhs.ErrKind) {
		t.Error(err)
	}
	mentions(t, err, "due", "string", "integer", "a new field")
	items := must(hhs.As(old.AnySpace, hhs.Define[shopItems]("test.example/shop", 2)))(t)
	_, err = items.Upgrade(within(t))
	mentions(t, err, "items[...].count", "string", "integer")
	if m := must(old.Manifest())(t); m.Version != 1 {
		t.Errorf("the space is at version %d", m.Version)
	}
	ok(t, old.Update(within(t), func(tx *hhs.Tx, r shop) error { return r.Due.Set(tx, "monday") }))
}

// TestSchemaStricter: what an old program keeps stays as it is while it fits; where it does not any more, the error says what
// it is and what helps, and a value written without it is one.
func TestSchemaStricter(t *testing.T) {
	roomV3 := hhs.Define[room3]("test.example/room", 3)
	n := offline(t)
	old := must(hhs.Create(within(t), n, roomV1))(t)
	two := must(hhs.As(old.AnySpace, roomV2))(t)
	mono, reply := "mono", "yes"
	ok(t, two.Update(within(t), func(tx *hhs.Tx, r room2) error {
		return errors.Join(r.Style.Set(tx, style2{Color: "red", Font: &mono}), r.Steps.Append(tx, post2{"step", &reply}, post2{"step", &mono}))
	}))
	three := must(hhs.As(old.AnySpace, roomV3))(t)
	err := old.Update(within(t), func(tx *hhs.Tx, r room1) error { return r.Style.Set(tx, style1{Color: "blue"}) })
	if hhs.Code(err) != "schema" || hhs.Path(err) != "font" {
		t.Errorf("%v: %s at %s", err, hhs.Code(err), hhs.Path(err))
	}
	mentions(t, err, "font", "at most 3", "update the program", "write the value without it")
	err = old.Update(within(t), func(tx *hhs.Tx, r room1) error { return r.Steps.Set(tx, 1, post1{"stride"}) })
	mentions(t, err, "reply", "update the program")
	ok(t, old.Update(within(t), func(tx *hhs.Tx, r room1) error { return r.Steps.Set(tx, 0, post1{"stride"}) }))
	for e, err := range three.Root().Steps.All() {
		if ok(t, err); e.Value.Reply == nil || *e.Value.Reply != reply && *e.Value.Reply != mono {
			t.Errorf("step %+v", e.Value)
		}
	}
	_, err = old.Apply(within(t), []hhs.Op{{Field: "style", Action: "set", Value: map[string]any{"color": "blue", "frame": map[string]any{"width": 1}}}})
	ok(t, err)
	ok(t, old.Update(within(t), func(tx *hhs.Tx, r room1) error { return r.Style.Set(tx, style1{Color: "green"}) }))
	if got := value(t, three.Root().Style); got.Color != "green" || got.Font != nil {
		t.Errorf("style %+v", got)
	}
}

// TestSchemaUnfit: a program whose types are others is refused by field and reason, and a node opened so leaves the schema.
func TestSchemaUnfit(t *testing.T) {
	n := new(wires).open(t, hhs.Offline(), hhs.WithoutUpgrade())
	s := must(hhs.Create(within(t), n, roomV1))(t)
	type other struct {
		Cards hhs.Map[struct{ Title hhs.Set[string] }]
	}
	_, err := hhs.As(s.AnySpace, hhs.Define[other]("test.example/room", 3))
	if !errors.Is(err, hhs.ErrKind) || hhs.Code(err) != "kind_mismatch" {
		t.Error(err)
	}
	mentions(t, err, "cards[...].title", "register", "set")
	later := must(hhs.As(s.AnySpace, roomV2))(t)
	if m := must(s.Manifest())(t); m.Version != 1 {
		t.Error("it was upgraded")
	}
	fields := must(later.Upgrade(within(t)))(t)
	if len(fields) == 0 || must(s.Manifest())(t).Version != 2 {
		t.Errorf("declared %v", fields)
	}
	if fields := must(later.Upgrade(within(t)))(t); len(fields) != 0 {
		t.Errorf("and again %v", fields)
	}
	if got := must(hhs.As(s.AnySpace, roomV1))(t); got == nil || must(s.Manifest())(t).Version != 2 {
		t.Error("an old program took it back")
	}
	want := authority.Extend(must(roomV1.Manifest())(t).Fields, must(roomV2.Manifest())(t).Fields)
	if have := must(s.Manifest())(t).Fields; !reflect.DeepEqual(values(have), values(want)) {
		t.Errorf("%v, not %v", values(have), values(want))
	}
}

func values(fields []authority.Field) (list []any) {
	for i := range fields {
		list = append(list, fields[i].Value())
	}
	return list
}
