package pattern_test

import (
	"testing"

	"cms/pattern"
)

// TestLazy: an expression is compiled when it is asked for, and once.
func TestLazy(t *testing.T) {
	words := pattern.Lazy(`^\w+$`)
	if first, again := words(), words(); first != again || !first.MatchString("mot") || first.MatchString("deux mots") {
		t.Error("not one expression that matches words")
	}
	wrong := pattern.Lazy(`(`)
	defer func() {
		if recover() == nil {
			t.Error("what is no expression is taken")
		}
	}()
	wrong()
}
