package content

import "testing"

func TestPlace(t *testing.T) {
	yaml := Parse([]byte("---\ntitle: été\n\"a/b\":\n  - un\n  - {c: 2, d: 3}\nbase: &b {x: 1}\nother: *b\n---\n"))
	toml := Parse([]byte("+++\ntitle = 'été'\n[deep]\nx = 1\n+++\n"))
	for _, test := range []struct {
		d            *Document
		pointer      string
		line, column int
	}{
		{yaml, "/title", 2, 8}, {yaml, "/a~1b/0", 4, 5}, {yaml, "/a~1b/1/d", 5, 15}, {yaml, "/a~1b/7", 4, 3}, {yaml, "/other/x", 6, 14},
		{yaml, "/missing", 0, 0}, {yaml, "", 0, 0}, {toml, "/title", 2, 9}, {toml, "/deep/x", 4, 5}, {Parse([]byte("x")), "/a", 0, 0},
	} {
		if line, column := test.d.Place(test.pointer); line != test.line || column != test.column {
			t.Errorf("%s: got %d:%d, want %d:%d", test.pointer, line, column, test.line, test.column)
		}
	}
	for src, want := range map[string]bool{"text": true, "": true, "---\n---\n": false, "---\na: 1\n": false, "+++\n+++\n": false} {
		if got := Parse([]byte(src)).Unframed(); got != want {
			t.Errorf("%q: got %v", src, got)
		}
	}
}
