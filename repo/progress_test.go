package repo

import (
	"fmt"
	"strings"
	"testing"

	"cms/race"
)

// TestProgress counts every commit that is read at the first opening, in parts side by side.
func TestProgress(t *testing.T) {
	race.TakesLong(t)
	dir := t.TempDir()
	git(t, dir, "init", "-q", "--bare", "-b", "master")
	var in strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&in, "commit refs/heads/master\ncommitter A <a@example.org> %d +0000\ndata 1\nx\nM 100644 inline notes/v%d.%d/a.b.md\ndata 2\n%d\n\n", 1_700_000_000+i, i%7, i%11, i%10)
	}
	importStream(t, dir, strings.NewReader(in.String()))
	var p Progress
	o := options(dir)
	o.Progress = &p
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if phase, done, total := p.Now(); phase != ReadingChanges || done != 2500 || total != 2500 {
		t.Errorf("got %d: %d of %d", phase, done, total)
	}
}
