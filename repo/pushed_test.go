package repo

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/race"
)

// TestRepackEndsAfterPush: what a push brings may stand on objects that nothing led to, of a
// push that was refused. A repack of Git's that began before the branch led to them drops
// them as it ends, and what an edit stands on is whole all the same.
func TestRepackEndsAfterPush(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := t.TempDir()
	r, s := opened(t, dir)
	git(t, dir, "config", "receive.unpackLimit", "100") // as Git has it
	s.commit(t, "un", "parc")
	work := clone(t, dir)
	write(t, work, "_consultations/neuf/dehors.md", "---\ntitle: dehors\n---\n")
	write(t, work, "plan/a.txt", "a\n")
	commitAll(t, work, "Dehors")

	lock := filepath.Join(dir, "refs/heads/main.lock") // the branch moves just now
	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "git", "push", "-q", "origin", "HEAD:main")
	if cmd.Dir = work; cmd.Run() == nil {
		t.Fatal("the push was not refused")
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "repack", "-q", "-d", "--geometric=2") // which packs loose objects, too
	s.commit(t, "deux", "bus")
	git(t, work, "pull", "-q", "--rebase")

	before := besideRepack(t, r, func() {
		git(t, work, "push", "-q", "origin", "HEAD:main")
		taken(t, r)
	})
	fsck(t, dir)
	s.commit(t, "trois", "vélo")
	s.acked["dehors"] = "dehors"
	fsck(t, dir)
	if after := packsOf(t, r); slices.ContainsFunc(before, func(name string) bool { return slices.Contains(after, name) }) {
		t.Errorf("packs are still there: %v", after)
	}
}

// besideRepack does something while a git repack -a -d is under way, which drops the packs
// that there were before.
func besideRepack(t *testing.T, r *Repo, do func()) (before []string) {
	t.Helper()
	before = packsOf(t, r)
	git(t, r.path, "repack", "-q", "-a") // what -d adds comes below
	do()
	for _, name := range before {
		for _, ext := range []string{".idx", ".rev", ".pack"} {
			_ = os.Remove(name + ext)
		}
	}
	return before
}

// TestWhatIsCopiedOfPushes: a push is packed once more, whole, unless that would be more than
// the service takes upon itself.
func TestWhatIsCopiedOfPushes(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	for name, tt := range map[string]struct {
		bytes int // the bound
		text  string
		depth int
		want  int // objects that are copied
	}{
		"small":            {maxOutgoing, "---\ntitle: a\n---\n", 1, 4},
		"a large file":     {2000, "---\ntitle: a\n---\n" + strings.Repeat("a", 3000), 1, 0},
		"folders too deep": {maxOutgoing, "a\n", maxPathLen/2 + 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, s := opened(t, dir)
			s.commit(t, "un", "parc")
			r.pushBytes = tt.bytes
			before := r.packs.Load()

			file := strings.Repeat("d/", tt.depth) + "file.md"
			importStream(t, dir, strings.NewReader(fmt.Sprintf("commit refs/heads/main\ncommitter D <d@ville.example> 1790000000 +0000\ndata 0\n"+
				"from refs/heads/main^0\nM 100644 inline %s\ndata %d\n%s\n", file, len(tt.text), tt.text)), "-c", "fastimport.unpackLimit=10000")
			if got, want := taken(t, r).Commit().String(), tipOf(t, dir, "main"); got != want {
				t.Fatalf("taken in: got %s, want %s", got, want)
			}
			if got := r.packs.Load() - before; got != int64(min(tt.want, 1)) {
				t.Fatalf("packs: got %d", got)
			}
			loose, _ := filepath.Glob(filepath.Join(dir, "objects/[0-9a-f][0-9a-f]/*"))
			if tt.want == 0 {
				return
			}
			if len(loose) != tt.want {
				t.Fatalf("loose objects: got %d, want %d", len(loose), tt.want)
			}
			for _, name := range loose {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
			fsck(t, dir)
			if keeps, _ := filepath.Glob(filepath.Join(r.packFolder(), "*.keep")); len(keeps) != 0 {
				t.Errorf("still kept: %v", keeps)
			}
		})
	}
}

// TestPushThatIsNotWhole: a file outside of the collections that is missing in a push is
// told, and keeps nobody from editing.
func TestPushThatIsNotWhole(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	dir := t.TempDir()
	r, s := opened(t, dir)
	var log strings.Builder
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	s.commit(t, "un", "parc")
	importStream(t, dir, strings.NewReader("commit refs/heads/main\ncommitter D <d@ville.example> 1790000000 +0000\ndata 0\n"+
		"from refs/heads/main^0\nM 100644 inline logo.svg\ndata 6\n<svg/>\n"), "-c", "fastimport.unpackLimit=10000")
	missing := hashObject(plumbing.BlobObject, []byte("<svg/>")).String()
	if err := os.Remove(filepath.Join(dir, "objects", missing[:2], missing[2:])); err != nil {
		t.Fatal(err)
	}
	taken(t, r)
	s.commit(t, "deux", "bus")
	if !strings.Contains(log.String(), "a push is not whole") || !strings.Contains(log.String(), missing) {
		t.Errorf("log: got %s", &log)
	}
}
