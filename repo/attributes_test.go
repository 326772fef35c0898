package repo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cms/lfs"
)

// TestTracked: what .gitattributes says counts from the commit on that says so, whoever
// made it, in rehearsals and in the writer.
func TestTracked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, options(dir))
	put(t, r, "consultations", "parc", "Le parc")
	update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "img/plans/a.jpg"), upload(t, r, "a")) })
	work := clone(t, dir)
	commit := func(files map[string]string) {
		t.Helper()
		pull(t, work)
		for name, content := range files {
			file := filepath.Join(work, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.RemoveAll(file)); err != nil {
				t.Fatal(err)
			}
			if target, link := strings.CutPrefix(content, "-> "); link {
				if err := os.Symlink(target, file); err != nil {
					t.Fatal(err)
				}
			} else if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		commitAll(t, work, "Sans LFS")
		push(t, work)
		if err := r.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tracked := func() string {
		t.Helper()
		var rehearsed, written []string
		say := func(to *[]string) func(*Tx) error {
			return func(tx *Tx) error {
				*to = nil
				for _, name := range []string{"img/a.jpg", "img/plans/a.jpg", "img/plans/b/c.jpg", "neu/a.jpg", "_consultations/parc.md"} {
					switch is, err := tx.Tracked(filePath(t, name)); {
					case err != nil:
						return err
					case is:
						*to = append(*to, name)
					}
				}
				return nil
			}
		}
		if err := r.DryRun(r.View(), false, say(&rehearsed)); err != nil {
			t.Fatal(err)
		}
		update(t, r, say(&written))
		got := strings.Join(written, " ")
		if other := strings.Join(rehearsed, " "); got != other {
			t.Errorf("rehearsed: %s, written: %s", other, got)
		}
		return got
	}
	for _, step := range []struct {
		files map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{".gitattributes": "*.jpg filter=lfs\n"}, "img/a.jpg img/plans/a.jpg img/plans/b/c.jpg neu/a.jpg"},
		{map[string]string{"img/plans/.gitattributes": "a.jpg !filter\n"}, "img/a.jpg img/plans/b/c.jpg neu/a.jpg"},
		{map[string]string{".gitattributes": "[attr]big filter=lfs\n", "img/plans/.gitattributes": "/b/** big\n", "_consultations/.gitattributes": "*.md big\n"}, "img/plans/b/c.jpg _consultations/parc.md"},
		{map[string]string{"_consultations/.gitattributes": "-> ../.gitattributes", ".gitattributes": "*.png filter=lfs\n"}, ""},
		{map[string]string{".gitattributes": "*.jpg filter=lfs\n" + strings.Repeat("#\n", lfs.MaxAttributes/2)}, ""},
		{map[string]string{".gitattributes": "neu/* filter=lfs\n"}, "neu/a.jpg"},
	} {
		if step.files != nil {
			commit(step.files)
		}
		if got := tracked(); got != step.want {
			t.Errorf("%v: got %s, want %s", step.files, got, step.want)
		}
		// Our own commits keep what was read.
		update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "neu/x.png"), upload(t, r, step.want)) })
		if got := tracked(); got != step.want {
			t.Errorf("%v: after an edit got %s, want %s", step.files, got, step.want)
		}
		if step.files != nil && len(r.View().attributes.byFolder) == 0 {
			t.Error("an edit forgets what was read")
		}
	}
	// One of ours that changes the file itself is read anew.
	update(t, r, func(tx *Tx) error {
		return tx.PutFile(filePath(t, ".gitattributes"), upload(t, r, "img/* filter=lfs\n"))
	})
	if got := tracked(); got != "img/a.jpg" {
		t.Errorf("after an update of the file: got %s", got)
	}
}

// TestPointer reads what is a pointer, and of a large file nothing.
func TestPointer(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
	for content, want := range map[string]bool{pointer: true, "": false, pointer + strings.Repeat("\n", lfs.MaxPointer-len(pointer)-1): true, pointer + strings.Repeat("\n", lfs.MaxPointer-len(pointer)): false} {
		update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "a.jpg"), upload(t, r, content)) })
		f, err := r.View().File(filePath(t, "a.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		if p, is, err := f.Pointer(size); err != nil || is != want || is && p.Size != 12345 {
			t.Errorf("%d bytes: got %v, %t, %v", size, p, is, err)
		}
	}
}
