package site

import "testing"

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
