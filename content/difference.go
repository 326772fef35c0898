package content

import (
	"time"

	"cms/say"
)

// diff is the intent that makes v of n with the fewest changes: key by key,
// item by item. It is nil where n means v already. Keys keep their order.
func (e *editor) diff(n *node, v Value) (*intent, error) {
	if n.kind == alias {
		it, err := e.diff(n.resolve(), v)
		if it != nil {
			it = it.anew()
		}
		return it, err
	}
	switch x := v.(type) {
	case *Object:
		if n.kind == mapping && len(n.pairs) > 0 && x.Len() > 0 {
			return e.diffMapping(n, x, keyOrder{})
		}
	case []Value:
		if n.kind == list && len(n.items) > 0 && len(x) > 0 {
			return e.diffList(n, x)
		}
	}
	if e.equal(n.value, v) {
		return nil, nil
	}
	if _, isTime := n.value.(Time); isTime && n.style == plain {
		if s, ok := v.(string); ok {
			return timeOver(s), nil
		}
	}
	return fresh(v), nil
}

// timeOver is the intent of a string in the place of a plain time: a time, if
// it reads as one. RFC 3339 is how JSON writes times, so it takes the layout of
// the value; another form that stands for a time in YAML is what is meant.
func timeOver(s string) *intent {
	t, ok := ParseTime(s)
	if !ok {
		return fresh(s)
	}
	it := fresh(t)
	if _, layout, isYAML := scanTime(s); isYAML && layout != dateLayout && !isRFC3339(s) {
		it.text = s
	}
	return it
}

func isRFC3339(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}

// diffMapping compares member by member. New members go behind the ones that
// come before them in order, or to the end.
func (e *editor) diffMapping(n *node, o *Object, order keyOrder) (*intent, error) {
	it := intentOf(n)
	it.open()
	parent := e.path
	defer func() { e.path = parent }()
	get := o.index()
	here := memberIndex{o: &Object{}}
	var copies map[string][]int
	if n.doubled {
		copies = make(map[string][]int)
		for i := range n.pairs {
			copies[n.pairs[i].name] = append(copies[n.pairs[i].name], i)
		}
	}
	changed := false
	parts := it.parts[:0]
	for i := range n.pairs {
		p := &n.pairs[i]
		keep := part{at: i, name: p.name}
		if p.merge {
			parts = append(parts, keep)
			continue
		}
		e.path = append(parent[:len(parent):len(parent)], p.name)
		if _, again := here.find(p.name); !again {
			here.add(Member{Key: p.name})
		}
		v, stays := get(p.name)
		val, err := e.diffPair(it, p, copies[p.name], v, stays)
		if err != nil {
			return nil, err
		}
		changed = changed || val != nil || !stays
		if keep.val = val; stays {
			parts = append(parts, keep)
		}
	}
	it.parts = parts
	own := n.value.(*Object)
	if len(here.o.Members) < own.Len() { // some come from merge keys
		for _, m := range own.Members {
			if _, isOwn := here.find(m.Key); !isOwn {
				v, stays := get(m.Key)
				if !stays {
					e.path = append(parent[:len(parent):len(parent)], m.Key)
					return nil, e.fail(KindRefused, say.New("the field comes from a merge key, and cannot be removed here"))
				}
				if e.equal(m.Value, v) {
					here.add(m)
				}
			}
		}
	}
	for _, m := range order.sort(o.Members) {
		if _, known := here.find(m.Key); !known {
			it.addMember(m.Key, it.predecessor(m.Key, order)).val = fresh(m.Value)
			changed = true
		}
	}
	if !changed {
		return nil, nil
	}
	return it, nil
}

// diffPair compares the value of p, of which v is what it is to be if stays.
// Of keys that are the same the last one counts, and none can be changed.
func (e *editor) diffPair(it *intent, p *pair, copies []int, v Value, stays bool) (val *intent, err error) {
	if stays {
		if len(copies) > 1 && p != &it.was.pairs[copies[len(copies)-1]] {
			return nil, nil
		}
		if val, err = e.diff(p.val, v); err != nil || val == nil {
			return nil, err
		}
	} else if it.merged(p.name) != nil {
		return nil, e.fail(KindRefused, say.New("a merge key gives the field too, and it would still be there"))
	}
	switch {
	case len(copies) > 1:
		return nil, e.ambiguous(it.was, p.name)
	case p.complex:
		return nil, e.fail(KindRefused, say.New(`the key is not written as "key:"`))
	}
	return val, nil
}

// diffList keeps the longest common subsequence in its place. An item that is
// elsewhere in the new list is moved with its bytes; of what is left, the items
// that stand in each other's place are compared.
func (e *editor) diffList(n *node, values []Value) (*intent, error) {
	if e.unchanged(n.value, values) {
		return nil, nil
	}
	kept := e.commonItems(n.value.([]Value), values)
	free := make([]bool, len(n.items)+1) // old items that are not taken; the last is none
	for i := range n.items {
		free[i] = true
	}
	it := &intent{was: n, kind: list, opened: true, parts: make([]part, len(values))}
	for j, at := range kept {
		if it.parts[j].at = at; at >= 0 {
			free[at] = false
		}
	}
	e.takeMoved(it, values, free)
	parent := e.path
	defer func() { e.path = parent }()
	next := 0 // the old item behind the last one kept or compared
	for j := range it.parts {
		part := &it.parts[j]
		switch {
		case kept[j] >= 0:
			next = kept[j] + 1
		case part.at >= 0:
		case free[next]:
			e.path = append(parent[:len(parent):len(parent)], j)
			val, err := e.diff(n.items[next], values[j])
			if err != nil {
				return nil, err
			}
			part.at, part.val = next, val
			free[next] = false
			next++
		default:
			part.val = fresh(values[j])
		}
	}
	return it, nil
}

// takeMoved finds items that are free for the values that equal them.
func (e *editor) takeMoved(it *intent, values []Value, free []bool) {
	same := make(map[int][]int)
	for i, item := range it.was.items {
		if free[i] {
			n := e.identities().of(item.value)
			same[n] = append(same[n], i)
		}
	}
	for j := range it.parts {
		if it.parts[j].at >= 0 {
			continue
		}
		n := e.identities().of(values[j])
		if found := same[n]; len(found) > 0 && e.equal(it.was.items[found[0]].value, values[j]) {
			it.parts[j].at = found[0]
			free[found[0]] = false
			same[n] = found[1:]
		}
	}
}

// unchanged says whether now is equal to was. Lists that are known to differ, as they
// are part of a list that was looked at, are not compared again.
func (e *editor) unchanged(was Value, now []Value) bool {
	if e.known != nil && e.known.of(was) != e.known.of(now) {
		return false
	}
	return e.equal(was, now)
}

// commonItems is, for each of the values now, the index of the item that stays in its
// place, -1 for none.
func (e *editor) commonItems(was, now []Value) []int {
	x := e.identities()
	return e.budget.common(x.all(was), x.all(now), func(i, j int) bool { return e.equal(was[i], now[j]) })
}

// identities are of values as this edit compares them, at the least.
func (e *editor) identities() *identities {
	if e.known == nil {
		e.known = newIdentities(e.budget, looseKey)
	}
	return e.known
}
