package content

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Identities give values numbers, so that many can be compared without comparing each
// with each. Each value of a tree is looked at once, however deep it is: the parts of a
// list or a mapping stand in its key by their numbers.
type identities struct {
	*budget
	key     func(b []byte, v Value) []byte // of what is neither a list nor a mapping
	numbers map[string]int
	lists   map[*Value]int // by their first item
	objects map[*Object]int
}

func newIdentities(b *budget, key func(b []byte, v Value) []byte) *identities {
	return &identities{budget: b, key: key, numbers: make(map[string]int), lists: make(map[*Value]int), objects: make(map[*Object]int)}
}

// number of a text.
func (x *identities) number(key []byte) int {
	n, known := x.numbers[string(key)]
	if !known {
		n = len(x.numbers)
		x.numbers[string(key)] = n
	}
	return n
}

// of is the number of v.
func (x *identities) of(v Value) int {
	x.step(1)
	switch v := v.(type) {
	case []Value:
		if len(v) == 0 {
			return x.number([]byte("[]"))
		}
		n, known := x.lists[&v[0]]
		if !known {
			b := []byte{'['}
			for _, item := range v {
				b = strconv.AppendInt(append(b, ' '), int64(x.of(item)), 36)
			}
			n = x.number(b)
			x.lists[&v[0]] = n
		}
		return n
	case *Object:
		n, known := x.objects[v]
		if !known {
			n = x.number(x.object(v))
			x.objects[v] = n
		}
		return n
	}
	return x.number(x.key(nil, v))
}

// object is the key of a mapping, in whatever order its members are.
func (x *identities) object(o *Object) []byte {
	sorted := slices.Clone(members(o))
	slices.SortFunc(sorted, func(a, b Member) int { return strings.Compare(a.Key, b.Key) })
	b := []byte{'{'}
	for _, m := range sorted {
		b = strconv.AppendInt(appendJSONString(append(b, ' '), m.Key), int64(x.of(m.Value)), 36)
	}
	return b
}

// all are the numbers of values.
func (x *identities) all(values []Value) []int {
	numbers := make([]int, len(values))
	for i, v := range values {
		numbers[i] = x.of(v)
	}
	return numbers
}

// exactKey is the same for scalars that are [Equal]: but for texts that stand for a
// time in another form than RFC 3339, which are but themselves.
func exactKey(b []byte, v Value) []byte {
	if s, ok := v.(string); ok {
		if t, ok := ParseTime(s); !ok || t.String() != s {
			return appendJSONString(b, s)
		}
	}
	return appendKey(b, v)
}

// looseKey is the same for scalars that any comparison takes for equal.
func looseKey(b []byte, v Value) []byte {
	switch x := v.(type) {
	case Number:
		if f, err := strconv.ParseFloat(string(x), 64); err == nil {
			return strconv.AppendFloat(append(b, 'n'), f+0, 'g', -1, 64) // -0 is 0
		}
	case string:
		t, ok := ParseTime(x)
		if !ok {
			return appendJSONString(b, x)
		}
		return looseKey(b, t)
	case Time:
		return append(append(b, 't'), x.UTC().Format(time.RFC3339Nano)...)
	}
	return appendKey(b, v)
}

// near bounds how many of the elements that are equal to one are tried, where many
// are: those that stand about where it does.
func near(indexes []int, to int) []int {
	const most = 8
	if len(indexes) <= most {
		return indexes
	}
	i, _ := slices.BinarySearch(indexes, to)
	i = min(max(i-most/2, 0), len(indexes)-most)
	return indexes[i : i+most]
}

// stretch keeps also what is the same next to what is kept, as of elements that are
// there often only some were tried.
func stretch(kept []int, count int, same func(i, j int) bool) {
	free := make([]int, len(kept)+1) // for each place, the first index that is kept from there on
	free[len(kept)] = count
	for j, at := range slices.Backward(kept) {
		if free[j] = free[j+1]; at >= 0 {
			free[j] = at
		}
	}
	last := -1 // index that is kept
	taken := make([]int, len(kept))
	for j, at := range kept {
		if at < 0 && j > 0 && kept[j-1] >= 0 && last+1 < free[j] && same(last+1, j) {
			kept[j] = last + 1
		}
		last = max(last, kept[j])
		taken[j] = last
	}
	next := count
	for j, at := range slices.Backward(kept) {
		if at < 0 && j+1 < len(kept) && kept[j+1] >= 0 && next-1 > taken[j] && same(next-1, j) {
			kept[j] = next - 1
		}
		if kept[j] >= 0 {
			next = kept[j]
		}
	}
}

// common is, for each element of now, the index of the one of was that stays in its
// place, -1 for none: a common subsequence (Hunt and Szymanski), the longest one where
// most elements are equal to few others. Elements of the same number may differ yet:
// equal tells, if it is not nil.
func (b *budget) common(was, now []int, equal func(i, j int) bool) []int {
	kept := make([]int, len(now))
	for j := range kept {
		kept[j] = -1
	}
	same := func(i, j int) bool {
		b.step(1)
		return was[i] == now[j] && (equal == nil || equal(i, j))
	}
	from, to, shift := 0, len(now), len(was)-len(now)
	for from < min(to, len(was)) && same(from, from) {
		kept[from] = from
		from++
	}
	for to > from && to+shift > from && same(to+shift-1, to-1) {
		to--
		kept[to] = to + shift
	}
	where := make(map[int][]int)
	for i := from; i < to+shift; i++ {
		b.step(1)
		where[was[i]] = append(where[was[i]], i)
	}
	type link struct {
		i, j int
		back *link
	}
	var tails []*link // the lowest end of a common subsequence of each length
	for j := from; j < to; j++ {
		candidates := near(where[now[j]], j+shift*(j-from)/(to-from))
		for k := len(candidates) - 1; k >= 0; k-- {
			i := candidates[k]
			if !same(i, j) {
				continue
			}
			length, _ := slices.BinarySearchFunc(tails, i, func(l *link, i int) int { return l.i - i })
			if length < len(tails) && tails[length].i == i {
				continue
			}
			l := &link{i: i, j: j}
			if length > 0 {
				l.back = tails[length-1]
			}
			if length == len(tails) {
				tails = append(tails, l)
			} else {
				tails[length] = l
			}
		}
	}
	if len(tails) > 0 {
		for l := tails[len(tails)-1]; l != nil; l = l.back {
			kept[l.j] = l.i
		}
	}
	stretch(kept, len(was), same)
	return kept
}
