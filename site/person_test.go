package site_test

import (
	"strings"
	"testing"

	"cms/site"
)

// Whom a commit names cannot end the line that names them, nor begin another.
func TestPersons(t *testing.T) {
	if p, wrong := site.NewPerson(" Zoé d’Ys ", "zoe@example.org"); wrong != nil || p.Name != "Zoé d’Ys" || p.Email != "zoe@example.org" {
		t.Errorf("got %v, %v", p, wrong)
	}
	for _, bad := range [][3]string{
		{"", "zoe@example.org", "type"},
		{" ", "zoe@example.org", "type"},
		{"Zoé", "", "type"},
		{"Zoé", "zoe", "type"},
		{"Zoé", "Zoé <zoe@example.org>", "type"},
		{"Zoé", "zoe@example.org\nX: y", "type"},
		{"Zoé", strings.Repeat("z", 250) + "@a.org", "type"},
		{"Zoé\nCo-authored-by: Max <max@example.org>", "zoe@example.org", "name"},
		{"Zoé <zoe@example.org>", "zoe@example.org", "name"},
		{strings.Repeat("é", 101), "zoe@example.org", "name"},
	} {
		if p, wrong := site.NewPerson(bad[0], bad[1]); p != nil || wrong == nil || wrong.Rule != bad[2] {
			t.Errorf("%q: got %v, %v", bad, p, wrong)
		}
	}
}
