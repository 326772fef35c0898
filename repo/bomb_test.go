package repo

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// item is one of a tree, for Git to take as it is.
func item(mode, name, hash string) string {
	return fmt.Sprintf("%s %s\x00%s", mode, name, hexBytes(hash))
}

// push puts a commit of the tree on top of main.
func pushTree(t *testing.T, dir, tree string) Hash {
	t.Helper()
	parent := tipOf(t, dir, "main")
	c := NewHash(object(t, dir, "commit", fmt.Appendf(nil,
		"tree %s\nparent %s\nauthor D <d@x> 1700000000 +0000\ncommitter D <d@x> 1700000000 +0000\n\nx\n", tree, parent)))
	setMain(t, dir, c)
	return c
}

// TestUnsortedTree: a tree whose items are in no order, or twice there, reads the
// same in each way, and an edit in it makes it a good one.
func TestUnsortedTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, s := opened(t, dir)
	s.commit(t, "1", "parc")
	blob := func(title string) string { return object(t, dir, "blob", document(title).Source()) }
	empty := object(t, dir, "tree", nil)
	inner := object(t, dir, "tree", []byte(item("100644", "z.md", blob("z"))+item("100644", "a.md", blob("a"))+item("100644", "m.md", blob("m"))+
		item("100644", "a.md", blob("a again"))+item("40000", "sub", object(t, dir, "tree", []byte(item("100644", "b.md", blob("b"))+item("100644", "a.md", blob("sub")))))))
	tip := pushTree(t, dir, object(t, dir, "tree", []byte(item("100644", "z.md", blob("page"))+item("100644", "_consultations/a.md", blob("no path"))+item("40000", "empty", empty)+item("40000", "_consultations", inner)+item("100644", "b.md", blob("b")))))
	if taken(t, r).Commit() != tip {
		t.Fatal("not taken in")
	}
	titles := func() string {
		var b strings.Builder
		for _, c := range []string{"consultations", "pages"} {
			for _, e := range r.View().Entries(c) {
				title, _ := e.Fields().Get("title")
				f, err := r.View().File(e.Path)
				if err != nil || f.Revision != e.Revision || e.Updated().Commit.IsZero() {
					t.Errorf("%s: file %v, %v; updated %v", e.Path, f, err, e.Updated())
				}
				fmt.Fprintf(&b, "%s=%v ", e.Path, title)
			}
		}
		return b.String()
	}
	want := "_consultations/a.md=a _consultations/m.md=m _consultations/sub/a.md=sub _consultations/sub/b.md=b _consultations/z.md=z b.md=b z.md=page "
	if got := titles(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	compare(t, r)
	s.commit(t, "2", "m", "sub/a", "neu") // neu is written beside the rest, m and sub/a in their places
	for _, name := range []string{"m", "sub/a", "neu"} {
		if s.acked[name] == "" {
			t.Errorf("%s cannot be edited", name)
		}
	}
	update := &request{ctx: t.Context(), meta: Meta{Author: ann}, done: make(chan struct{}), fn: func(tx *Tx) error {
		return tx.Delete("pages", slug(t, "z"))
	}}
	r.commit(t.Context(), []*request{update})
	if update.err != nil {
		t.Error(update.err)
	}
	got := git(t, dir, "ls-tree", "-r", "--name-only", "main")
	if want := "_consultations/a.md\n_consultations/m.md\n_consultations/neu.md\n_consultations/sub/a.md\n_consultations/sub/b.md\n_consultations/z.md\nb.md\n"; got != want {
		t.Errorf("files: got %s, want %s", got, want)
	}
	compare(t, r)
	for _, tree := range strings.Fields(git(t, dir, "ls-tree", "-r", "-d", "-t", "--format=%(objectname)", "main")) {
		raw, err := r.store.object(2, NewHash(tree))
		if err != nil {
			t.Fatal(err)
		}
		if good, err := normalized(raw); err != nil || !bytes.Equal(good, raw) {
			t.Errorf("tree %s is not in order: %v", tree, err)
		}
	}
}

// TestDeepTree: folders that are nested deeper than a path can say are left out, and
// the log says so.
func TestDeepTree(t *testing.T) {
	t.Parallel()
	atLength(t)
	long(t)
	var log bytes.Buffer
	o := options(t.TempDir())
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := newScript(r)
	s.commit(t, "1", "parc")
	p := newPack()
	blob := document("x").Source()
	h := hashObject(3, blob)
	p.add(3, h, blob)
	tree := []byte(item("100644", "x.md", h.String()))
	const levels = 50_000
	for range levels {
		h = hashObject(2, tree)
		p.add(2, h, tree)
		tree = []byte(item("40000", "d", h.String()))
	}
	if err := p.save(osDisk{}, r.drafts, &r.keepFiles); err != nil {
		t.Fatal(err)
	}
	inner := object(t, o.Path, "tree", []byte(item("100644", "neu.md", object(t, o.Path, "blob", blob))))
	tip := pushTree(t, o.Path, object(t, o.Path, "tree", []byte(item("40000", "_consultations", inner)+item("40000", "d", h.String()))))
	if taken(t, r).Commit() != tip {
		t.Fatal("not taken in")
	}
	if n := r.View().Len("consultations"); n != 1 {
		t.Errorf("%d entries, want the one beside the deep folders", n)
	}
	if !strings.Contains(log.String(), "nested too deep") {
		t.Errorf("the log says nothing of it: %s", log.String())
	}
	s.commit(t, "2", "neu")
	if s.acked["neu"] == "" {
		t.Error("no edit is possible beside it")
	}
	if got := git(t, o.Path, "rev-parse", "main:d"); got != h.String()+"\n" {
		t.Errorf("the folder became %s", got)
	}
	compare(t, r)
}

// withdrawn takes a push that was refused from the branch, of which nothing was published since
// before, and edits go on.
func (s *script) withdrawn(t *testing.T, before *Snapshot) {
	t.Helper()
	if s.repo.View() != before {
		t.Error("something of it is published")
	}
	setMain(t, s.repo.path, before.Commit())
	s.commit(t, "2", "parc")
	if s.acked["parc"] != "2" {
		t.Error("no edit is possible once it was withdrawn")
	}
	verify(t, s.repo)
}

// TestTreeBomb: a push that stands for more files than can be taken in is refused
// within bounds, whatever it is made of, and what was there is served on. It can be
// withdrawn.
func TestTreeBomb(t *testing.T) {
	t.Parallel()
	long(t)
	for name, leaf := range map[string]func(dir string) (mode, hash string){
		"of files":   func(dir string) (string, string) { return "100644", object(t, dir, "blob", document("x").Source()) },
		"of folders": func(dir string) (string, string) { return "40000", object(t, dir, "tree", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, s := opened(t, dir)
			s.commit(t, "1", "parc")
			before := r.View()
			mode, at := leaf(dir)
			for range 10 {
				var b strings.Builder
				for i := range 10 {
					b.WriteString(item(mode, fmt.Sprintf("%d.md", i), at))
				}
				mode, at = "40000", object(t, dir, "tree", []byte(b.String()))
			}
			pushTree(t, dir, at)
			r.history.maxSteps = 20_000
			if _, err := r.catchUp(t.Context()); !errors.Is(err, ErrStorage) || !errors.Is(err, errDiffTooLarge) {
				t.Errorf("got error %v, want that there are too many", err)
			}
			r.store.Close()
			r.store.dir = "nowhere" // the second time nothing is read
			if _, err := r.catchUp(t.Context()); !errors.Is(err, errDiffTooLarge) {
				t.Errorf("the second time: got error %v, want the same", err)
			}
			r.store.dir = dir
			s.withdrawn(t, before)
		})
	}
}

// TestModesThatGitReads: Git reads more modes than it writes, and has no word against most of
// them: a file or a folder of any of them is one here, too.
func TestModesThatGitReads(t *testing.T) {
	t.Parallel()
	for _, m := range []struct{ folder, file string }{
		{"40000", "100644"}, {"40000", "100600"}, {"40000", "100664"}, {"40000", "100666"}, {"40000", "100777"}, {"40000", "100000"},
		{"40000", "0100644"}, {"40755", "100644"}, {"040000", "100644"}, {"40777", "100644"},
	} {
		t.Run(m.folder+" "+m.file, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, s := opened(t, dir)
			s.commit(t, "1", "parc")
			below := object(t, dir, "tree", []byte(item(m.file, "odd.md", object(t, dir, "blob", document("odd").Source()))))
			pushTree(t, dir, object(t, dir, "tree", []byte(item(m.folder, "_consultations", below))))
			if _, ok := taken(t, r).Entry("consultations", slug(t, "odd")); !ok {
				t.Error("the file is no entry")
			}
			if found, err := r.View().Misplaced(); len(found) > 0 || err != nil {
				t.Errorf("misplaced: %v, %v", found, err)
			}
			s.commit(t, "2", "autre", "odd")
			if got := strings.Fields(git(t, dir, "ls-tree", "-r", "--name-only", "main")); !slices.Equal(got, []string{"_consultations/autre.md", "_consultations/odd.md"}) {
				t.Errorf("Git has %v", got)
			}
			compare(t, r)
			if _, err := Verify(t.Context(), dir); err != nil {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// TestCommitBomb: a commit that is too large to be held in memory, which a small pack can hold,
// is neither read nor taken in, and what was there is served on.
func TestCommitBomb(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bytes   int
		refused bool
	}{
		"long":     {maxCommit - 1000, false},
		"too long": {maxCommit, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, s := opened(t, dir)
			s.commit(t, "1", "parc")
			before := r.View()
			of := func(parent Hash, message string) Hash {
				return NewHash(object(t, dir, "commit", fmt.Appendf(nil, "tree %s\nparent %s\nauthor D <d@x> 1700000000 +0000\ncommitter D <d@x> 1700000000 +0000\n\n%s\n",
					tipOf(t, dir, "main^{tree}"), parent, message)))
			}
			tip := of(of(before.Commit(), strings.Repeat("x", c.bytes)), "after it")
			q, err := r.Quarantine()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.Compare(t.Context(), before.Commit(), tip); errors.Is(err, ErrPushTooLarge) != c.refused || err != nil && !c.refused {
				t.Errorf("a push: got %v, want that it is refused to be %t", err, c.refused)
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			setMain(t, dir, tip)
			if _, err := r.catchUp(t.Context()); errors.Is(err, ErrPushTooLarge) != c.refused || err != nil && !c.refused {
				t.Errorf("on the branch: got %v, want that it is refused to be %t", err, c.refused)
			}
			if !c.refused {
				return
			}
			s.withdrawn(t, before)
		})
	}
}
