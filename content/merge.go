package content

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"cms/bounded"
	"cms/say"
)

// Clash is a place that two edits changed in different ways.
type Clash struct {
	Field   string `json:"field"`   // etapes[1].date; "body" for the body
	Pointer string `json:"pointer"` // RFC 6901, within ours; "" for the body
	Base    Maybe  `json:"base,omitzero"`
	Ours    Maybe  `json:"ours,omitzero"`
	Theirs  Maybe  `json:"theirs,omitzero"`
}

// Merge brings two edits of base together: ours, which stands in the
// repository now, and theirs, which comes in. The result is ours with the
// bytes of what theirs changed replaced, and nothing else.
//
// Mappings are merged key by key, at any depth. In lists, what the two sides
// insert, remove and replace in different places is merged; so are members of
// the same mapping in a list, and texts and numbers that both add in the same
// place, ours first. The body is merged by lines, where at least one unchanged
// line lies between the changes of the two; line endings stay those of ours.
// The same change on both sides is one change. What only the layout of theirs
// changed (comments, quotes, the order of keys) is taken over only where ours
// is base.
//
// Where both changed the same thing in different ways the result keeps ours,
// and a clash is added. A value that one side removed and the other changed is
// a clash too.
//
// The first clashes are told, and how many more there are. Bodies of more than 100,000
// lines clash as wholes. The work takes a bounded number of steps, and ends when ctx
// does.
//
// A document that cannot be read merges only if ours or theirs is base byte for
// byte; else the error wraps its *[SyntaxError]. Other errors are those of
// [Document.Replace].
func Merge(ctx context.Context, base, ours, theirs *Document) (*Merged, error) {
	var merged *Merged
	b := newMergeBudget(ctx)
	err := b.Run(func() (err error) {
		merged, err = merge(b, base, ours, theirs)
		return err
	})
	return merged, err
}

func newMergeBudget(ctx context.Context) *budget {
	return &budget{Work: bounded.New(ctx), much: say.New("so much was changed since its base that the edit cannot be merged; make it on the current revision")}
}

// Merged is the result of a merge.
type Merged struct {
	*Document
	Clashes []Clash // the first ones
	More    int     // clashes
}

func merge(b *budget, base, ours, theirs *Document) (*Merged, error) {
	switch {
	case bytes.Equal(ours.Source(), base.Source()):
		return &Merged{Document: theirs}, nil
	case bytes.Equal(theirs.Source(), base.Source()), bytes.Equal(ours.Source(), theirs.Source()):
		return &Merged{Document: ours}, nil
	}
	for _, d := range []struct {
		name string
		*Document
	}{{"base", base}, {"ours", ours}, {"theirs", theirs}} {
		if err := d.Err(); err != nil {
			return nil, fmt.Errorf("merge: read %s: %w", d.name, err)
		}
	}
	m := merger{identities: newIdentities(b, exactKey)}
	fields := m.object(base.Fields(), ours.Fields(), theirs.Fields())
	body, ok := mergeLines(b, base.Body(), ours.Body(), theirs.Body())
	if !ok {
		body = ours.Body()
		m.note(Clash{
			Field: "body", Base: Maybe{base.Body(), true}, Ours: Maybe{body, true}, Theirs: Maybe{theirs.Body(), true},
		})
	}
	merged, err := ours.replace(fields, body, added(ours.Fields(), fields), comparison{times: repeats, rounds: true, budget: b})
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	return &Merged{merged, m.clashes, m.more}, nil
}

// added are the keys that merged has beyond ours, each behind the one it follows.
func added(ours, merged *Object) (order []string) {
	inOurs := ours.index()
	for i, m := range merged.Members {
		if _, ok := inOurs(m.Key); ok {
			continue
		}
		if i > 0 {
			order = append(order, merged.Members[i-1].Key)
		}
		order = append(order, m.Key)
	}
	return order
}

type merger struct {
	*identities
	path FieldPath // in ours
	noted
}

// noted are the clashes so far.
type noted struct {
	clashes []Clash
	more    int // that are not told
	bytes   int // of the paths of those that are
}

func (m *merger) clash(base, ours, theirs Maybe) Maybe {
	c := Clash{Base: base, Ours: ours, Theirs: theirs}
	if !m.full() {
		c.Field, c.Pointer = m.path.String(), m.path.Pointer()
	}
	m.note(c)
	return ours
}

// full says whether clashes are only counted from now on.
func (n *noted) full() bool { return len(n.clashes) >= maxListed || n.bytes >= maxListedBytes }

// note adds a clash, or counts it.
func (n *noted) note(c Clash) {
	if n.full() {
		n.more++
		return
	}
	n.clashes = append(n.clashes, c)
	n.bytes += len(c.Field) + len(c.Pointer)
}

// object merges mappings, any of which may be nil. The keys are in the order
// of ours; those that theirs added follow the key they follow in theirs.
func (m *merger) object(base, ours, theirs *Object) *Object {
	inBase, inOurs, inTheirs := base.index(), ours.index(), theirs.index()
	var kept []Member
	place := make(map[string]int) // in kept
	for _, o := range members(ours) {
		if v := m.member(o.Key, inBase, Maybe{o.Value, true}, inTheirs); v.Present {
			place[o.Key] = len(kept)
			kept = append(kept, Member{o.Key, v.Value})
		}
	}
	more, behind := make(map[int][]Member), -1 // what theirs added, by the place of the key before
	for _, t := range members(theirs) {
		if i, ok := place[t.Key]; ok {
			behind = i
		} else if _, ok := inOurs(t.Key); !ok {
			if v := m.member(t.Key, inBase, Maybe{}, inTheirs); v.Present {
				more[behind] = append(more[behind], Member{t.Key, v.Value})
			}
		}
	}
	merged := &Object{Members: more[-1]}
	for i, o := range kept {
		merged.Members = append(append(merged.Members, o), more[i]...)
	}
	return merged
}

func members(o *Object) []Member {
	if o == nil {
		return nil
	}
	return o.Members
}

func (m *merger) member(key string, inBase func(string) (Value, bool), ours Maybe, inTheirs func(string) (Value, bool)) Maybe {
	var base, theirs Maybe
	base.Value, base.Present = inBase(key)
	theirs.Value, theirs.Present = inTheirs(key)
	return m.value(key, base, ours, theirs)
}

// value merges what stands at step below the path.
func (m *merger) value(step any, base, ours, theirs Maybe) Maybe {
	switch {
	case m.equal(theirs, base), m.equal(theirs, ours):
		return ours
	case m.equal(ours, base):
		return theirs
	}
	m.path = append(m.path, step)
	defer func() { m.path = m.path[:len(m.path)-1] }()
	switch o := ours.Value.(type) {
	case *Object:
		b, known := base.Value.(*Object)
		if t, ok := theirs.Value.(*Object); ok && (known || base.Value == nil) {
			return Maybe{m.object(b, o, t), true}
		}
	case []Value:
		b, known := base.Value.([]Value)
		if t, ok := theirs.Value.([]Value); ok && (known || base.Value == nil) {
			if merged, ok := m.list(b, o, t); ok {
				return Maybe{merged, true}
			}
		}
	}
	return m.clash(base, ours, theirs)
}

// equal says whether a and b are. Of lists and mappings their numbers tell.
func (m *merger) equal(a, b Maybe) bool {
	if scalars([]Value{a.Value, b.Value}) {
		return a.equal(b)
	}
	return m.of(a.Value) == m.of(b.Value)
}

// list merges lists. It is false where they clash as lists; a clash within an
// item is noted, and the item is that of ours.
func (m *merger) list(base, ours, theirs []Value) (merged []Value, ok bool) {
	before := m.noted
	isBase, isOurs, isTheirs := m.all(base), m.all(ours), m.all(theirs)
	count := make(tally)
	merged = make([]Value, 0, max(len(ours), len(theirs)))
	for _, r := range m.diff3(isBase, isOurs, isTheirs, false) {
		b, o, t := base[r.base.from:r.base.to], ours[r.ours.from:r.ours.to], theirs[r.theirs.from:r.theirs.to]
		nb, no, nt := isBase[r.base.from:r.base.to], isOurs[r.ours.from:r.ours.to], isTheirs[r.theirs.from:r.theirs.to]
		part, is := o, no
		switch {
		case !r.changedTheirs:
		case !r.changedOurs:
			part, is = t, nt
		case slices.Equal(no, nt):
		case len(b) == 0 && scalars(o) && scalars(t):
			part, is = union(o, t, no, nt)
		case len(b) == len(o) && len(b) == len(t) && mappings(b) && mappings(o) && mappings(t):
			for i := range b {
				item := m.value(r.ours.from+i, Maybe{b[i], true}, Maybe{o[i], true}, Maybe{t[i], true})
				merged = append(merged, item.Value)
			}
			continue
		default:
			m.noted = before
			return nil, false
		}
		count.add(nb, no, nt, is)
		merged = append(merged, part...)
	}
	if !count.adds() {
		m.noted = before
		return nil, false
	}
	return merged, true
}

// union is ours and what theirs has beyond it, told by the numbers of the items.
func union(ours, theirs []Value, isOurs, isTheirs []int) (all []Value, is []int) {
	all, is = slices.Clone(ours), slices.Clone(isOurs)
	has := make(map[int]bool, len(ours))
	for _, n := range isOurs {
		has[n] = true
	}
	for i, n := range isTheirs {
		if !has[n] {
			all, is = append(all, theirs[i]), append(is, n)
		}
	}
	return all, is
}

func scalars(items []Value) bool {
	return !slices.ContainsFunc(items, func(v Value) bool {
		switch v.(type) {
		case []Value, *Object:
			return true
		}
		return false
	})
}

func mappings(items []Value) bool {
	return !slices.ContainsFunc(items, func(v Value) bool { _, ok := v.(*Object); return !ok })
}

// tally counts how often each item occurs in base, ours, theirs and the merged
// list. It finds what merging by place gets wrong: an item that one side moves
// and the other removes would stay, one that both move would be doubled.
type tally map[int]*[4]int

func (c tally) add(lists ...[]int) {
	for i, items := range lists {
		for _, n := range items {
			if c[n] == nil {
				c[n] = new([4]int)
			}
			c[n][i]++
		}
	}
}

// adds says whether the merged list has as many of each item as it should.
func (c tally) adds() bool {
	for _, n := range c {
		base, ours, theirs, merged := n[0], n[1], n[2], n[3]
		want := ours
		if ours == base {
			want = theirs
		} else if theirs != base && theirs != ours {
			return false
		}
		if merged != want {
			return false
		}
	}
	return true
}
