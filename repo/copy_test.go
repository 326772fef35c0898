package repo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copyTo makes a copy in a new folder, whose files each hands over.
func copyTo(t *testing.T, c *Copy) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.git")
	if err := os.MkdirAll(filepath.Join(to, "refs"), 0o777); err != nil {
		t.Fatal(err)
	}
	last := ""
	err := c.Files(t.Context(), func(f CopiedFile) error {
		name := filepath.Join(to, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		w, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if err != nil {
			return err
		}
		n, err := io.Copy(w, f.Content)
		if n != f.Size {
			err = fmt.Errorf("%d bytes of %s, and %d were announced", n, f.Name, f.Size)
		}
		last = f.Name
		return errors.Join(err, w.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != "HEAD" {
		t.Errorf("the last file is %s", last)
	}
	return to
}

// TestCopyBesideAll: edits, and Git's upkeep that removes what it has packed, take nothing
// from a copy of what the references led to when it began.
func TestCopyBesideAll(t *testing.T) {
	t.Parallel()
	atLength(t)
	r, stop := run(t, options(t.TempDir()))
	for i := range 5 {
		put(t, r, "consultations", fmt.Sprintf("parc-%d", i), "1")
	}
	git(t, r.path, "tag", "-a", "-m", "Version 1", "v1", "main")
	git(t, r.path, "pack-refs", "--all")
	packs := put(t, r, "consultations", "bus", "1").Commit
	git(t, r.path, "branch", "side", packs.String())
	for _, upkeep := range [][]string{nil, {"gc", "-q", "--prune=now"}, {"repack", "-a", "-d", "-q"}, {"repack", "-q", "-A", "-d"}, {"pack-refs", "--all"}} {
		tip := put(t, r, "consultations", "metro", strings.Join(upkeep, " ")).Commit
		c, err := NewCopy(r.path)
		if err != nil {
			t.Fatal(err)
		}
		later := put(t, r, "consultations", "metro", "later").Commit
		if upkeep != nil {
			git(t, r.path, upkeep...)
		}
		if err := c.hold(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, r, "consultations", "metro", "even later")
		if upkeep != nil {
			git(t, r.path, upkeep...)
		}
		to := copyTo(t, c)
		if branch, at := c.Branch(); branch != "main" || at != tip || c.References() != 3 {
			t.Errorf("got %s at %s, %d references; want main at %s, 3", branch, at, c.References(), tip)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		found, err := Verify(t.Context(), to)
		if want := strings.Count(git(t, to, "rev-list", "--objects", "--all"), "\n"); err != nil || found.References != 3 || found.Objects != want {
			t.Errorf("%v: found %+v, %v; want %d objects", upkeep, found, err, want)
		}
		if got := tipOf(t, to, "main"); got != tip.String() || got == later.String() {
			t.Errorf("%v: the copy is at %s, want %s", upkeep, got, tip)
		}
		fsck(t, to)
	}
	end(t, r, stop)
}

// TestVerifyFindsDamage wherever it is.
func TestVerifyFindsDamage(t *testing.T) {
	t.Parallel()
	r, stop := run(t, options(t.TempDir()))
	for i := range 3 {
		put(t, r, "consultations", "parc", fmt.Sprint(i))
	}
	end(t, r, stop)
	git(t, r.path, "repack", "-a", "-d", "-q")
	blob := strings.TrimSpace(git(t, r.path, "rev-parse", "main~1:_consultations/parc.md"))
	if _, err := Verify(t.Context(), r.path); err != nil {
		t.Fatal(err)
	}
	packed, err := filepath.Glob(filepath.Join(r.path, "objects/pack/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range packed {
		if ext := filepath.Ext(name); ext != ".pack" && ext != ".idx" {
			continue
		}
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		replace := func(b []byte) {
			t.Helper()
			if err := errors.Join(os.Remove(name), os.WriteFile(name, b, 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		for at := 0; at < len(whole); at += 97 {
			broken := append([]byte(nil), whole...)
			broken[at] ^= 1
			replace(broken)
			if _, err := Verify(t.Context(), r.path); err == nil {
				t.Errorf("%s: a bit at %d is not missed", filepath.Base(name), at)
			}
		}
		replace(whole[:len(whole)-1])
		if _, err := Verify(t.Context(), r.path); err == nil {
			t.Errorf("%s: the end is not missed", filepath.Base(name))
		}
		replace(whole)
	}

	// A history of loose objects, one of which is missing, or is another's content.
	pack, err := filepath.Glob(filepath.Join(r.path, "objects/pack/*.pack"))
	if err != nil || len(pack) != 1 {
		t.Fatal(pack, err)
	}
	away := filepath.Join(t.TempDir(), "one.pack")
	if err := os.Rename(pack[0], away); err != nil {
		t.Fatal(err)
	}
	os.Remove(strings.TrimSuffix(pack[0], "pack") + "idx")
	gitIn(t, r.path, away, "unpack-objects", "-q")
	if _, err := Verify(t.Context(), r.path); err != nil {
		t.Fatal(err)
	}
	loose := func(h string) string { return filepath.Join(r.path, "objects", h[:2], h[2:]) }
	other := strings.TrimSpace(git(t, r.path, "rev-parse", "main:_consultations/parc.md"))
	if err := errors.Join(os.Rename(loose(blob), away), os.Link(loose(other), loose(blob))); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), r.path); err == nil || !strings.Contains(err.Error(), blob) {
		t.Errorf("another's content: got %v", err)
	}
	if err := os.Remove(loose(blob)); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), r.path); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), blob) {
		t.Errorf("a missing object: got %v", err)
	}
	if c, err := NewCopy(r.path); err != nil {
		t.Error(err)
	} else {
		tip := tipOf(t, r.path, "main")
		if err := os.Remove(loose(tip)); err != nil {
			t.Fatal(err)
		}
		if err := c.Files(t.Context(), func(CopiedFile) error { return nil }); !errors.Is(err, ErrNotFound) {
			t.Errorf("a copy without its tip: got %v", err)
		}
		c.Close()
	}
}

// gitIn runs git with a file as standard input.
func gitIn(t *testing.T, dir, file string, args ...string) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, in
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// TestCopySettings: a copy has the settings that its original has.
func TestCopySettings(t *testing.T) {
	t.Parallel()
	dir := site(t)
	git(t, dir, "worktree", "add", "-q", filepath.Join(t.TempDir(), "preview"), "side")
	git(t, dir, "config", "extensions.worktreeConfig", "true")
	git(t, dir, "config", "--worktree", "receive.denyDeletes", "true")
	c, err := NewCopy(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := copyTo(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Verify(t.Context(), to); err != nil {
		t.Error(err)
	}
	if got := git(t, to, "config", "receive.denyDeletes"); got != "true\n" {
		t.Errorf("the setting is %q in the copy", got)
	}
}
