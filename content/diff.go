package content

import (
	"fmt"
	"strconv"
	"strings"

	"znkr.io/diff"
	"znkr.io/diff/textdiff"
)

// DocumentDiff is what lies between two revisions of a document.
type DocumentDiff struct {
	Changed     []FieldChange `json:"changed"`
	BodyChanged bool          `json:"body_changed"`
	Unified     string        `json:"unified"`
}

// FieldChange is a top-level field that changed. Old is absent where the field
// was added, New where it was removed.
type FieldChange struct {
	Field string `json:"field"`
	Old   Maybe  `json:"old,omitzero"`
	New   Maybe  `json:"new,omitzero"`
}

// Diff compares two revisions of a document, either of which is nil where
// there was none. Unified is their difference in the unified format with three
// lines of context, which git apply and patch read; it is empty if the bytes
// are the same. Its name is that of the file, a path in the repository.
func Diff(before, after *Document, name string) DocumentDiff {
	from, to := "/dev/null", "/dev/null"
	if before != nil {
		from = quoteName("a/" + name)
	}
	if after != nil {
		to = quoteName("b/" + name)
	}
	before, after = orEmpty(before), orEmpty(after)
	d := DocumentDiff{Changed: Changes(before, after), BodyChanged: before.Body() != after.Body()}
	if hunks := unified(before.Source(), after.Source()); hunks != "" {
		d.Unified = "--- " + from + "\n+++ " + to + "\n" + hunks
	}
	return d
}

// thorough is how many lines two texts may have together to be compared for the fewest
// changes, which can take work by the square of them. Beyond that only lines that occur
// once, and the runs around them, are matched, which suffices unless nearly all are
// repeated.
const thorough = 4000

// replaced is one hunk, from the first line that differs to the last one.
func replaced(x, y string) string {
	if x == y {
		return ""
	}
	was, is := strings.SplitAfter(x, "\n"), strings.SplitAfter(y, "\n")
	if was[len(was)-1] == "" {
		was = was[:len(was)-1]
	}
	if is[len(is)-1] == "" {
		is = is[:len(is)-1]
	}
	from := 0
	for from < min(len(was), len(is)) && was[from] == is[from] {
		from++
	}
	toWas, toIs := len(was), len(is)
	for toWas > from && toIs > from && was[toWas-1] == is[toIs-1] {
		toWas, toIs = toWas-1, toIs-1
	}
	before, after := min(from, 3), min(len(was)-toWas, 3)
	var b strings.Builder
	side := func(sign string, from, to int) string {
		if from == to {
			return fmt.Sprintf("%s%d,0", sign, from)
		}
		return fmt.Sprintf("%s%d,%d", sign, from+1, to-from)
	}
	fmt.Fprintf(&b, "@@ %s %s @@\n", side("-", from-before, toWas+after), side("+", from-before, toIs+after))
	for _, part := range []struct {
		sign  string
		lines []string
	}{{" ", was[from-before : from]}, {"-", was[from:toWas]}, {"+", is[from:toIs]}, {" ", was[toWas : toWas+after]}} {
		for _, l := range part.lines {
			b.WriteString(part.sign)
			b.WriteString(l)
			if !strings.HasSuffix(l, "\n") {
				b.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	return b.String()
}

// unified gives the hunks. Those of an empty text begin before line 1, which
// textdiff does not say.
func unified(before, after []byte) string {
	x, y := string(before), string(after)
	if countLines(x)+countLines(y) > maxLines {
		return replaced(x, y)
	}
	options := []diff.Option{diff.Context(3)}
	if countLines(x)+countLines(y) > thorough {
		options = append(options, diff.Fast())
	}
	hunks := textdiff.Unified(x, y, options...)
	if x == "" {
		hunks = strings.Replace(hunks, "@@ -1,0 ", "@@ -0,0 ", 1)
	}
	if y == "" {
		hunks = strings.Replace(hunks, " +1,0 @@", " +0,0 @@", 1)
	}
	return hunks
}

// quoteName writes a file name as git does in the header of a diff: in quotes
// where it has some itself, and with a tab after it where it has blanks, so
// that patch sees its end.
func quoteName(name string) string {
	if strings.ContainsRune(name, '"') {
		name = strconv.Quote(name)
	}
	if strings.ContainsRune(name, ' ') {
		name += "\t"
	}
	return name
}

// Changes are the top-level fields whose values are not [Equal], in the order
// of before, then those that after adds, in its order. The result is not nil.
// It is empty if one of the documents cannot be read, as nothing can be said
// then. A document that is nil has no fields.
func Changes(before, after *Document) []FieldChange {
	changed := []FieldChange{}
	before, after = orEmpty(before), orEmpty(after)
	if before.Err() != nil || after.Err() != nil {
		return changed
	}
	was, is := before.Fields(), after.Fields()
	inAfter, inBefore := is.index(), was.index()
	for _, m := range was.Members {
		old, now := Maybe{m.Value, true}, Maybe{}
		if now.Value, now.Present = inAfter(m.Key); !old.equal(now) {
			changed = append(changed, FieldChange{m.Key, old, now})
		}
	}
	for _, m := range is.Members {
		if _, ok := inBefore(m.Key); !ok {
			changed = append(changed, FieldChange{Field: m.Key, New: Maybe{m.Value, true}})
		}
	}
	return changed
}

func orEmpty(d *Document) *Document {
	if d == nil {
		return Parse(nil)
	}
	return d
}
