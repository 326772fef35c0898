package repo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// article is a document of n lines, of which some are other ones in each edition.
func article(title string, n, other int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\ntitle: %s\n---\n", title)
	for i := range n {
		if i < other {
			fmt.Fprintf(&b, "%s: la ligne %d a été récrite.\n", title, i)
		} else {
			fmt.Fprintf(&b, "%s: ligne %d du compte rendu.\n", title, i)
		}
	}
	return b.String()
}

// TestRenames: what was moved and edited in one commit is followed from where half of
// it is the same on, as git log --follow does.
func TestRenames(t *testing.T) {
	t.Parallel()
	long(t)
	dir := t.TempDir()
	r := start(t, options(dir))
	put(t, r, "pages", "index", "Accueil")
	work := clone(t, dir)
	push := func(message string) Hash {
		commitAll(t, work, message)
		push(t, work)
		return update(t, r, func(*Tx) error { return nil }).Commit
	}
	for i, c := range []struct {
		name         string
		lines, other int
		moved        bool
	}{
		{"as it was", 20, 0, true},
		{"one line", 20, 1, true},
		{"a third", 30, 10, true},
		{"two thirds", 30, 20, false},
		{"all of it", 20, 20, false},
	} {
		from, to := fmt.Sprintf("_consultations/%d/a.md", i), fmt.Sprintf("_consultations/%d/b.md", i)
		write(t, work, from, article(c.name, c.lines, 0))
		first := push(c.name)
		git(t, work, "mv", from, to)
		write(t, work, to, article(c.name, c.lines, c.other))
		second := push(c.name + ", moved")
		want := []Hash{second}
		if c.moved {
			want = append(want, first)
		}
		var told []string
		list, err := r.History(t.Context(), filePath(t, to))
		if err != nil {
			t.Fatal(err)
		}
		for _, ch := range list {
			told = append(told, ch.Commit.String())
		}
		if got := strings.Fields(git(t, dir, "log", "--follow", "--format=%H", "main", "--", to)); fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("%s: history %v, git log --follow %v, want %v", c.name, told, got, want)
		}
		changes, err := r.Changes(t.Context(), first, second, 0)
		if err != nil {
			t.Fatal(err)
		}
		files := changes[0].Changes
		if c.moved {
			if len(files) != 1 || files[0].Action != Moved || files[0].From.String() != from || files[0].Previous.IsZero() || files[0].Revision.IsZero() {
				t.Errorf("%s: changes %+v, want one that was moved from %s", c.name, files, from)
			}
			blob, err := r.Blob(t.Context(), files[0].Previous)
			if err != nil || string(blob) != article(c.name, c.lines, 0) {
				t.Errorf("%s: before it was %q, %v", c.name, blob, err)
			}
		} else if len(files) != 2 {
			t.Errorf("%s: changes %+v, want two", c.name, files)
		}
	}
}

// TestOwnMoveWithEdit: our own commit tells of it as one that is read again does, and
// the index keeps it.
func TestOwnMoveWithEdit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	put(t, r, "consultations", "parc", "Le parc")
	res := update(t, r, func(tx *Tx) error {
		if err := tx.Move("consultations", slug(t, "parc"), "consultations", slug(t, "2026/parc")); err != nil {
			return err
		}
		_, err := tx.Put("consultations", slug(t, "2026/parc"), document("Le grand parc"))
		return err
	})
	check := func(r *Repo) {
		t.Helper()
		e, _ := r.View().Entry("consultations", slug(t, "2026/parc"))
		if u := e.Updated(); u.Action != Moved || u.From.String() != "_consultations/parc.md" || u.Commit != res.Commit || u.Message != "Move consultations/parc to consultations/2026/parc" {
			t.Errorf("updated: got %+v", u)
		}
		if list, err := r.History(t.Context(), e.Path); err != nil || len(list) != 2 {
			t.Errorf("history: got %v, %v; want 2", list, err)
		}
	}
	check(r)
	end(t, r, stop)
	r = start(t, options(dir))
	check(r)
	name, text := "img/plan.txt", article("Plan", 40, 0)
	upload := func(path, text string, before func(*Tx) error) Hash {
		t.Helper()
		u, err := r.Upload(t.Context(), int64(len(text)), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		return update(t, r, func(tx *Tx) error {
			if err := before(tx); err != nil {
				return err
			}
			return tx.PutFile(filePath(t, path), u)
		}).Commit
	}
	first := upload(name, text, func(*Tx) error { return nil })
	second := upload("img/2026/plan.txt", article("Plan", 40, 3), func(tx *Tx) error { return tx.DeleteFile(filePath(t, name)) })
	changes, err := r.Changes(t.Context(), first, second, 0)
	if err != nil || len(changes) != 1 || len(changes[0].Changes) != 1 || changes[0].Changes[0].Action != Moved {
		t.Errorf("changes of an upload that takes the place of a file: %+v, %v", changes, err)
	}
}

// TestRenamesAreBounded: where there is too much to compare, files are told apart by
// their bytes alone, and no file is read that is too long.
func TestRenamesAreBounded(t *testing.T) {
	t.Parallel()
	text := func(i, other int) []byte { return []byte(article(fmt.Sprint("n", i), 40, other)) }
	for name, c := range map[string]struct {
		files, moved int
		same         bool // names
		size         func(i int) int
	}{
		"few":                        {20, 20, false, nil},
		"too many to compare":        {101, 0, false, nil},
		"many of the same names":     {150, 150, true, nil},
		"more than is read":          {20, 0, true, func(int) int { return maxRenameFile - 1<<10 }},
		"one that is too long to be": {2, 1, true, func(i int) int { return i * maxRenameFile }},
	} {
		blobs, read := make(map[Hash][]byte), 0
		var changes []diffEntry
		for i := range c.files {
			for side, other := range []int{0, 1} {
				raw := text(i, other)
				if c.size != nil {
					raw = append(raw, strings.Repeat("x\n", c.size(i)/2)...)
				}
				h := Hash{byte(side), byte(i)}
				blobs[h] = raw
				d := diffEntry{path: fmt.Sprintf("%d/f%d", side, i)}
				if f := (file{0o100644, h}); side == 0 {
					d.before = f
				} else {
					d.after = f
					if !c.same {
						d.path += "b"
					}
				}
				changes = append(changes, d)
			}
		}
		moved := 0
		for _, ch := range classify(changes, func(h Hash) ([]byte, bool) {
			if len(blobs[h]) > maxRenameFile {
				return nil, false
			}
			read += len(blobs[h])
			return blobs[h], true
		}) {
			if ch.action == Moved {
				moved++
				if strings.TrimSuffix(ch.path[1:], "b") != ch.from[1:] {
					t.Errorf("%s: %s was moved from %s", name, ch.path, ch.from)
				}
			}
		}
		if moved != c.moved || read > maxRenameBytes+maxRenameFile {
			t.Errorf("%s: %d moved and %d bytes read, want %d and %d at most", name, moved, read, c.moved, maxRenameBytes+maxRenameFile)
		}
	}
}

// TestRenameOfWhatIsGone: a blob that is missing keeps no commit from being taken in.
func TestRenameOfWhatIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := run(t, options(dir))
	put(t, r, "pages", "index", "Accueil")
	work := clone(t, dir)
	git(t, dir, "config", "receive.unpackLimit", "100")
	write(t, work, "_consultations/a.md", article("a", 20, 0))
	commitAll(t, work, "a")
	push(t, work)
	blob := strings.TrimSpace(git(t, dir, "rev-parse", "main:_consultations/a.md"))
	git(t, work, "mv", "_consultations/a.md", "_consultations/b.md")
	write(t, work, "_consultations/b.md", article("a", 20, 1))
	commitAll(t, work, "b")
	push(t, work)
	stop()
	if err := os.Remove(filepath.Join(dir, "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	r, err := Open(context.Background(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := r.View().Len("consultations"); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// TestRenamesOfEqualFiles: of files with the same bytes those of one base name are one, the
// others follow each other, and however many are moved, each is looked at a few times.
func TestRenamesOfEqualFiles(t *testing.T) {
	t.Parallel()
	same, empty := file{0o100644, Hash{1}}, file{}
	for name, c := range map[string]struct{ deleted, created, want string }{
		"names":                 {"a/1 a/2 a/3", "b/3 b/1 b/2", "a/1>b/1 a/2>b/2 a/3>b/3"},
		"other names":           {"a/1 a/2 a/3", "b/4 b/5 b/6", "a/1>b/4 a/2>b/5 a/3>b/6"},
		"both":                  {"a/1 a/2 a/3 c/2", "b/0 b/2 b/9 d/2", "a/1>b/0 a/2>b/2 a/3>b/9 c/2>d/2"},
		"a name that was taken": {"a/1 a/2", "b/0 b/1 b/2", "a/1>b/0 a/2>b/1 >b/2"},
		"fewer":                 {"a/1 a/2 a/3", "b/2", "a/1> a/3> a/2>b/2"},
	} {
		var changes []diffEntry
		for p := range strings.FieldsSeq(c.deleted) {
			changes = append(changes, diffEntry{path: p, before: same, after: empty})
		}
		for p := range strings.FieldsSeq(c.created) {
			changes = append(changes, diffEntry{path: p, before: empty, after: same})
		}
		var got []string
		for _, d := range classify(changes, nil) {
			switch d.action {
			case Moved:
				got = append(got, d.from+">"+d.path)
			case Created:
				got = append(got, ">"+d.path)
			case Deleted:
				got = append(got, d.path+">")
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	const many = 10_000
	for name, to := range map[string]string{"named alike": "%d", "named anew": "x%d", "of one name": "x"} {
		var e equals
		for i := range many {
			e.add(&diffEntry{path: fmt.Sprintf("a/%d", i), action: Deleted})
		}
		for i := range many {
			d := e.next(strings.ReplaceAll(to, "%d", fmt.Sprint(i)))
			if d == nil {
				t.Fatalf("%s: %d of %d are found", name, i, many)
			}
			d.action = ""
		}
		if d := e.next("x"); d != nil || e.looked > 4*many {
			t.Errorf("%s: looked at %d files, want %d at most; and %v is left", name, e.looked, 4*many, d)
		}
	}
}

// TestComparingIsBounded: files of many short lines, of which some are in each, are told apart
// by their bytes where comparing all of them would take too long, whatever is read of them.
func TestComparingIsBounded(t *testing.T) {
	t.Parallel()
	lines := func(from, to int) (text []byte) {
		for i := from; i < to; i++ {
			text = fmt.Appendf(text, "%d\n", i)
		}
		return text
	}
	for name, c := range map[string]struct {
		files, lines int
		moved        bool
	}{
		"what a person moves": {40, 500, true},
		"what takes too long": {90, 3000, false},
	} {
		finder := renameFinder{}
		blobs := make(map[Hash][]byte)
		var before, after []*diffEntry
		for i := range c.files {
			for side := range 2 {
				h := Hash{byte(side), byte(i)}
				own := 100_000 + i*c.lines
				// Most of each file is its own, and the rest is in all of them.
				blobs[h] = append(lines(0, c.lines/3), lines(own, own+c.lines*2/3-side)...)
				if d := (diffEntry{path: fmt.Sprintf("%d/f%d-%d", side, side, i)}); side == 0 {
					d.before = file{0o100644, h}
					before = append(before, &d)
				} else {
					d.after = file{0o100644, h}
					after = append(after, &d)
				}
			}
		}
		finder.read = func(h Hash) ([]byte, bool) { return blobs[h], true }
		pairs := finder.pair(before, after)
		if moved := len(pairs) == c.files; moved != c.moved || finder.left < 0 {
			t.Errorf("%s: %d of %d files were moved, and %d bytes could be read yet", name, len(pairs), c.files, finder.left)
		}
		if most := maxRenameSteps + c.lines; maxRenameSteps-finder.steps > most {
			t.Errorf("%s: took %d steps, want %d at most", name, maxRenameSteps-finder.steps, most)
		}
	}
}
