package lfs

import (
	"strings"
	"testing"
)

// TestWildmatchIsBounded: whatever a pattern is made of, to match it takes the product of its
// length and that of the path, as each edit asks each line of .gitattributes.
func TestWildmatchIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		pattern, text string
		inPath        bool
	}{
		"stars in a name":       {strings.Repeat("*a", 500) + "b", strings.Repeat("a", 250), false},
		"few stars in a name":   {strings.Repeat("*aaaaaaaaaa", 20) + "b", strings.Repeat("a", 250), false},
		"stars in a path":       {strings.Repeat("*a", 500) + "b", strings.Repeat("a", 250), true},
		"stars in each folder":  {strings.Repeat("*a*a*a/", 50) + "b", strings.Repeat("aaaaaaa/", 50) + "a", true},
		"any number of folders": {strings.Repeat("**/a/", 100) + "b", strings.Repeat("a/", 300) + "a", true},
		"signs and folders":     {strings.Repeat("**/?*[a]/", 60) + "b", strings.Repeat("aa/", 300) + "a", true},
	} {
		m := &matcher{pattern: c.pattern, text: c.text, inPath: c.inPath}
		if m.match(0, 0) {
			t.Errorf("%s: it matches", name)
		}
		if most := 2 * len(c.pattern) * len(c.text); m.steps > most {
			t.Errorf("%s: took %d steps, want %d at most", name, m.steps, most)
		}
	}
}
