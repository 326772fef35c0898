package content

import (
	"slices"
	"strings"

	"znkr.io/diff"
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
func diff3(base, ours, theirs []string, touching bool) []region {
	left, right := changes(base, ours), changes(base, theirs)
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
func changes(base, other []string) []change {
	hunks := diff.Hunks(base, other, append(effort(len(base)+len(other)), diff.Context(0))...)
	all := make([]change, len(hunks))
	for i, h := range hunks {
		all[i] = change{span{h.PosX, h.EndX}, h.EndY - h.PosY}
	}
	return all
}

// effort makes a diff of so many elements take less than about a second,
// whatever they are. Beyond the limit only elements that occur once, and the
// runs around them, are matched, which suffices unless nearly all are repeated.
func effort(elements int) []diff.Option {
	if elements > 20_000 {
		return []diff.Option{diff.Fast()}
	}
	return nil
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

// mergeLines merges texts by their lines. It is false where they clash. What a
// line ends with makes no difference between lines, so that a side which has
// other line endings has not thereby changed every line; those of ours stay.
func mergeLines(base, ours, theirs string) (string, bool) {
	our, their := slices.Collect(strings.Lines(ours)), slices.Collect(strings.Lines(theirs))
	ourText, theirText := lineTexts(our), lineTexts(their)
	merged := make([]string, 0, max(len(our), len(their)))
	for _, r := range diff3(lineTexts(slices.Collect(strings.Lines(base))), ourText, theirText, true) {
		switch o, t := r.ours, r.theirs; {
		case !r.changedTheirs, slices.Equal(ourText[o.from:o.to], theirText[t.from:t.to]):
			merged = append(merged, our[o.from:o.to]...)
		case !r.changedOurs:
			merged = append(merged, their[t.from:t.to]...)
		default:
			return "", false
		}
	}
	return strings.Join(merged, ""), true
}

// lineTexts are lines with LF for the ending of each that has one.
func lineTexts(lines []string) []string {
	texts := make([]string, len(lines))
	for i, l := range lines {
		if text, ended := strings.CutSuffix(l, "\n"); ended {
			l = strings.TrimRight(text, "\r") + "\n"
		}
		texts[i] = l
	}
	return texts
}
