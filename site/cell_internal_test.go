package site

import (
	"strings"
	"testing"
)

// TestCellNames gives cells the same name if they are equal, and only then.
func TestCellNames(t *testing.T) {
	t.Parallel()
	var c cells
	var all []cell
	for _, s := range []string{"1", "1.0", "10e-1", "-0", "0", "1e400", "10e399", "-1e400", "9007199254740993", "9007199254740992", "0.1", "0.10000000000000000001",
		"true", "false", "2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02T01:00:00+01:00", "écluse", "e\u0301cluse", "ecluse", "", "null"} {
		all = append(all, c.readings(s, "")...)
	}
	for i := range all {
		for j := range all {
			if got, want := all[i].name() == all[j].name(), all[i].equal(&all[j]); got != want {
				t.Errorf("%+v and %+v: the names are the same: %t, the cells equal: %t", all[i], all[j], got, want)
			}
		}
	}
}

// TestTextsAreSorted sorts texts as people do: numbers in them by their values, and to
// the end.
func TestTextsAreSorted(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Délibération du conseil municipal ", 9) // 300 letters
	var c cells
	for _, sorted := range [][]string{
		{"lot 1", "Lot 1", "Lot 2", "Lot 10", "Lot 010 bis", "Lot 11", "Lot 100"},
		{"1 rue", "2 rue", "9 rue", "10 rue", "rue 1"},
		{"v1.2", "v1.9", "v1.10", "v1.10.2", "v2"},
		{"Plan", "Plan 2", "Plan 2a", "Plan 2b", "Plan 12"},
		{"cote", "coté", "côte", "côté"},
		{"Annexe 99999999999999999999998", "Annexe 99999999999999999999999", "Annexe 100000000000000000000000"},
		{long + "1", long + "2", long + "10", long + "a"},
	} {
		for i := range sorted[1:] {
			a, b := c.of(sorted[i], "", true), c.of(sorted[i+1], "", true)
			up, down := string(a.appendTo(nil, &c.keys, false)) < string(b.appendTo(nil, &c.keys, false)), string(a.appendTo(nil, &c.keys, true)) > string(b.appendTo(nil, &c.keys, true))
			if a.compare(&b) >= 0 || !up || !down {
				t.Errorf("%.40q comes before %.40q: %d, %t, %t", sorted[i], sorted[i+1], a.compare(&b), up, down)
			}
		}
	}
}
