package repo

import (
	"fmt"
	"strings"
	"testing"
)

// TestFilesAtNoPath: what no path of ours can name is not seen, but what it does to others
// is, and that something changed.
func TestFilesAtNoPath(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	since := put(t, r, "consultations", "parc", "Le parc").Commit
	work := clone(t, r.path)
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() { write(t, work, `assets/caf\e.css`, "body {}\n") }, "and others"},
		{func() { git(t, work, "mv", "_consultations/parc.md", `_consultations/parc\.md`) }, "deleted consultations/parc and others"},
		{func() { git(t, work, "mv", `_consultations/parc\.md`, "_consultations/bois.md") }, "created consultations/bois and others"},
		{func() { git(t, work, "rm", "-q", `assets/caf\e.css`) }, "and others"},
	} {
		step.do()
		git(t, work, "add", "-A")
		git(t, work, "-c", "user.name=Denis", "-c", "user.email=denis@ville.example", "commit", "-q", "-m", "De dehors")
		git(t, work, "push", "-q")
		tip := tipOf(t, work, "HEAD")
		s := await(t, r, func(s *Snapshot) bool { return s.Commit().String() == tip })
		list, err := r.Changes(t.Context(), since, Hash{}, 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("changes: got %d commits, %v; want 1", len(list), err)
		}
		var got []string
		for _, f := range list[0].Changes {
			got = append(got, fmt.Sprintf("%s %s/%s", f.Action, f.Collection, f.Slug))
		}
		if list[0].Others {
			got = append(got, "and others")
		}
		if told := strings.Join(got, " "); told != step.want {
			t.Errorf("changes: got %q, want %q", told, step.want)
		}
		since = s.Commit()
	}
}
