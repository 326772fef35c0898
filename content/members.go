package content

import "slices"

// memberOrder finds the parts of a mapping by name, and holds their order while
// they are edited: they stay where they are in the slice, so that no edit has
// to look at all of them.
type memberOrder struct {
	last    map[string]int  // the last part of each name
	several map[string]bool // names of more than one part
	next    []int           // for each part the one behind it, -1 at the end
	head    int             // the first part, -1 if there is none
	tail    int
}

// edited is the mapping's members, to be changed until it is settled.
func (it *intent) edited() *memberOrder {
	if it.members != nil {
		return it.members
	}
	m := &memberOrder{last: make(map[string]int, len(it.parts)), head: -1, tail: -1}
	for i := range it.parts {
		name := it.parts[i].name
		if _, again := m.last[name]; again {
			if m.several == nil {
				m.several = make(map[string]bool)
			}
			m.several[name] = true
		}
		m.last[name] = i
		m.link(m.tail)
	}
	it.members = m
	return m
}

// link puts one more part behind another, -1 for the front.
func (m *memberOrder) link(behind int) {
	i, next := len(m.next), m.head
	if behind >= 0 {
		next = m.next[behind]
		m.next[behind] = i
	} else {
		m.head = i
	}
	if behind == m.tail {
		m.tail = i
	}
	m.next = append(m.next, next)
}

// member is the index of the part called name, -1 if there is none, and
// whether there are several. A merge key is no member.
func (it *intent) member(name string) (i int, several bool) {
	m := it.edited()
	i, ok := m.last[name]
	if !ok || it.parts[i].at >= 0 && it.was.pairs[it.parts[i].at].merge {
		return -1, false
	}
	return i, m.several[name]
}

// addMember makes room for a member after another one, or at the end. It is
// the last of the parts until they are settled.
func (it *intent) addMember(name, after string) *part {
	m := it.edited()
	behind := m.tail
	if i, ok := m.last[after]; ok && after != "" {
		behind = i
	}
	m.link(behind)
	m.last[name] = len(it.parts)
	it.parts = append(it.parts, part{at: -1, name: name})
	return &it.parts[len(it.parts)-1]
}

func (it *intent) removeMember(i int) {
	delete(it.edited().last, it.parts[i].name)
	it.parts[i].gone = true
}

func (it *intent) renameMember(i int, name string) {
	m, p := it.edited(), &it.parts[i]
	delete(m.last, p.name)
	m.last[name] = i
	p.name, p.renamed = name, p.at >= 0
}

// compact puts the parts of all that was edited into their order.
func (it *intent) compact() {
	if m := it.members; m != nil {
		parts := make([]part, 0, len(it.parts))
		for i := m.head; i >= 0; i = m.next[i] {
			if !it.parts[i].gone {
				parts = append(parts, it.parts[i])
			}
		}
		it.parts, it.members = parts, nil
	}
	for i := range it.parts {
		if v := it.parts[i].val; v != nil {
			v.compact()
			if old := it.old(i); old != nil && old.kind == alias && v.copied && identical(v.result(), old.value) {
				it.parts[i].val = nil // it says what it said, so it stays an alias
			}
		}
	}
}

// keyOrder is the order in which new keys are to stand.
type keyOrder struct {
	keys  []string
	place map[string]int
}

func orderOf(keys []string) keyOrder {
	place := make(map[string]int, len(keys))
	for i, key := range slices.Backward(keys) {
		place[key] = i
	}
	return keyOrder{keys, place}
}

// sort puts members in the order of their keys; those it does not name come
// last.
func (o keyOrder) sort(all []Member) []Member {
	if len(o.keys) == 0 {
		return all
	}
	place := func(m Member) int {
		if i, ok := o.place[m.Key]; ok {
			return i
		}
		return len(o.keys)
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b Member) int { return place(a) - place(b) })
	return sorted
}

// predecessor is the nearest key that comes before name in order and is there.
func (it *intent) predecessor(name string, order keyOrder) string {
	place, ok := order.place[name]
	if !ok {
		return ""
	}
	there := it.edited().last
	for _, key := range slices.Backward(order.keys[:place]) {
		if _, ok := there[key]; ok {
			return key
		}
	}
	return ""
}
