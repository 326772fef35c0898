package editor

import (
	"strings"
	"testing"
)

// TestMarked: what differs in a text, word by word.
func TestMarked(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"le plan vélo", "le plan piéton", "le plan <del>vélo</del><ins>piéton</ins>"},
		{"a b", "a b", "a b"},
		{"", "<i>", "<ins>&lt;i&gt;</ins>"},
		{"l’été & l’hiver", "l’hiver", "<del>l’été &amp; </del>l’hiver"},
	} {
		if got := string(newComparison().marked(c[0], c[1])); got != c[2] {
			t.Errorf("%q and %q: got %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// TestBodyParts: parts of a text that differ, with a line on both sides, and how many lie
// between.
func TestBodyParts(t *testing.T) {
	t.Parallel()
	var said []string
	for _, p := range newComparison().bodyParts("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\nquatre\n5\n6\n7\n8\n9\n") {
		if p.Skipped > 0 {
			said = append(said, strings.Repeat("·", p.Skipped))
			continue
		}
		said = append(said, string(p.HTML))
	}
	want := "··|3\n<del>4</del><ins>quatre</ins>\n5\n|··|8\n<ins>9\n</ins>"
	if got := strings.Join(said, "|"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWorkOfComparisons: a comparison costs what one may, however many parts differ, and
// tells them all the same.
func TestWorkOfComparisons(t *testing.T) {
	t.Parallel()
	text := func(word string) string {
		return strings.Repeat(strings.Repeat(word+" ", 1000)+"\n\nmême\n\n", 150)
	}
	d := newComparison()
	parts := d.bodyParts(text("avant"), text("après"))
	if d.left < 0 {
		t.Errorf("it took %d steps more than it may", -d.left)
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(string(p.HTML))
	}
	if got := strings.Count(b.String(), "avant"); got != 150_000 {
		t.Errorf("%d words are told as removed, want 150000", got)
	}
}
