package content

import (
	"context"
	"slices"
	"strings"
)

// region is a stretch of three sequences, of which ours and theirs derive from
// base: either nobody changed it, or one side did, or both.
type region struct {
	base, ours, theirs         span
	changedOurs, changedTheirs bool
}

// span is the elements from one index up to another.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// diff3 divides three sequences into regions, which cover all of them in order.
// Changes of the two sides that overlap are one region; so are insertions of
// both in the same place. With touching, changes that nothing unchanged
// separates are one region too.
func (b *budget) diff3(base, ours, theirs []int, touching bool) []region {
	left, right := b.changes(base, ours), b.changes(base, theirs)
	var regions []region
	end := region{} // of what is divided
	advance := func(to span, left, right []change) {
		r := region{base: to, changedOurs: len(left) > 0, changedTheirs: len(right) > 0}
		r.ours = span{end.ours.to, end.ours.to + to.len() + growth(left)}
		r.theirs = span{end.theirs.to, end.theirs.to + to.len() + growth(right)}
		if r.base.len()+r.ours.len()+r.theirs.len() > 0 {
			regions = append(regions, r)
		}
		end = r
	}
	for len(left)+len(right) > 0 {
		r := first(left, right)
		l, n := 0, 0
		for grown := true; grown; {
			grown = false
			for ; l < len(left) && left[l].joins(r, touching); l++ {
				r.to, grown = max(r.to, left[l].base.to), true
			}
			for ; n < len(right) && right[n].joins(r, touching); n++ {
				r.to, grown = max(r.to, right[n].base.to), true
			}
		}
		advance(span{end.base.to, r.from}, nil, nil)
		advance(r, left[:l], right[:n])
		left, right = left[l:], right[n:]
	}
	advance(span{end.base.to, len(base)}, nil, nil)
	return regions
}

// change is the replacement of a stretch of base by another number of elements.
type change struct {
	base  span
	count int
}

// changes are the differences between base and other, in order; something
// unchanged lies between each two of them.
func (b *budget) changes(base, other []int) []change {
	var all []change
	i, j := 0, 0 // what is divided
	advance := func(toBase, toOther int) {
		if toBase > i || toOther > j {
			all = append(all, change{span{i, toBase}, toOther - j})
		}
		i, j = toBase+1, toOther+1
	}
	for at, from := range b.common(base, other, nil) {
		if from >= 0 {
			advance(from, at)
		}
	}
	advance(len(base), len(other))
	return all
}

// first is the stretch of the change that comes first. An insertion comes
// before the change of what stands after it.
func first(left, right []change) span {
	switch {
	case len(left) == 0:
		return right[0].base
	case len(right) == 0:
		return left[0].base
	}
	l, r := left[0].base, right[0].base
	if l.from < r.from || l.from == r.from && l.to <= r.to {
		return l
	}
	return r
}

// joins says whether c, which does not begin before r, belongs to its region.
func (c change) joins(r span, touching bool) bool {
	return c.base.from < r.to ||
		c.base.from == r.to && (touching || c.base.len() == 0 && r.len() == 0)
}

// growth is how many elements the changes add.
func growth(changes []change) (n int) {
	for _, c := range changes {
		n += c.count - c.base.len()
	}
	return n
}

// mergeLines merges texts by their lines. It is false where they clash, or have too
// many lines. What a line ends with makes no difference between lines, so that a side
// which has other line endings has not thereby changed every line; those of ours stay.
func mergeLines(b *budget, base, ours, theirs string) (string, bool) {
	parts, ok := mergeParts(b, base, ours, theirs)
	if !ok || slices.ContainsFunc(parts, func(p TextPart) bool { return p.Clash }) {
		return "", false
	}
	var merged strings.Builder
	for _, p := range parts {
		merged.WriteString(p.Merged)
	}
	return merged.String(), true
}

// TextPart is a part of a text that two have edited.
type TextPart struct {
	Clash              bool   // both changed it, in different ways
	Merged             string // what both come to, where it is no clash
	Base, Ours, Theirs string // what it was, and what each made of it, where it is one
}

// TextParts divides a text that clashes into the parts that do and those that lie between,
// which are merged. It gives one part where they would take too much work to find.
func TextParts(ctx context.Context, base, ours, theirs string) (parts []TextPart, err error) {
	b := newMergeBudget(ctx)
	found := false
	err = b.Run(func() error {
		parts, found = mergeParts(b, base, ours, theirs)
		return nil
	})
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil || !found {
		parts = []TextPart{{Clash: true, Base: base, Ours: ours, Theirs: theirs}}
	}
	return parts, nil
}

// mergeParts divides a text into what merges and what clashes; false for one of too many
// lines.
func mergeParts(b *budget, base, ours, theirs string) ([]TextPart, bool) {
	switch {
	case theirs == base, theirs == ours:
		return []TextPart{{Merged: ours}}, true
	case ours == base:
		return []TextPart{{Merged: theirs}}, true
	case max(countLines(base), countLines(ours), countLines(theirs)) > maxLines:
		return nil, false
	}
	was, our, their := slices.Collect(strings.Lines(base)), slices.Collect(strings.Lines(ours)), slices.Collect(strings.Lines(theirs))
	known := make(lineNumbers)
	ourNumbers, theirNumbers := known.of(our), known.of(their)
	var parts []TextPart
	var merged []string
	rest := func() {
		if len(merged) > 0 {
			parts = append(parts, TextPart{Merged: strings.Join(merged, "")})
			merged = merged[:0]
		}
	}
	for _, r := range b.diff3(known.of(was), ourNumbers, theirNumbers, true) {
		switch o, t := r.ours, r.theirs; {
		case !r.changedTheirs, slices.Equal(ourNumbers[o.from:o.to], theirNumbers[t.from:t.to]):
			merged = append(merged, our[o.from:o.to]...)
		case !r.changedOurs:
			merged = append(merged, their[t.from:t.to]...)
		default:
			rest()
			parts = append(parts, TextPart{
				Clash: true, Base: strings.Join(was[r.base.from:r.base.to], ""), Ours: strings.Join(our[o.from:o.to], ""), Theirs: strings.Join(their[t.from:t.to], ""),
			})
		}
	}
	rest()
	return parts, true
}

func countLines(s string) int { return strings.Count(s, "\n") + 1 }

// lineNumbers give lines numbers, the same to those that differ in nothing but their
// ending.
type lineNumbers map[string]int

func (known lineNumbers) of(lines []string) []int {
	numbers := make([]int, len(lines))
	for i, l := range lines {
		if text, ended := strings.CutSuffix(l, "\n"); ended && strings.HasSuffix(text, "\r") {
			l = strings.TrimRight(text, "\r") + "\n"
		}
		n, ok := known[l]
		if !ok {
			n = len(known)
			known[l] = n
		}
		numbers[i] = n
	}
	return numbers
}
