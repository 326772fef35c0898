package repo

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cms/content"
	"cms/race"
)

// sourceOf is the text of an entry on the branch.
func sourceOf(t *testing.T, r *Repo, collection, s string) string {
	t.Helper()
	e, ok := r.View().Entry(collection, slug(t, s))
	if !ok {
		return ""
	}
	src, err := e.Source()
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// putText makes an entry that text.
func putText(t *testing.T, r *Repo, s, text string) Result {
	t.Helper()
	return update(t, r, func(tx *Tx) error {
		_, err := tx.Put("consultations", slug(t, s), content.Parse([]byte(text)))
		return err
	})
}

// TestJoin: both sides went on. What is in different files, or in different fields of one,
// comes together; every commit that was told of stays.
func TestJoin(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	pushed(t, work, "_consultations/velo.md", "---\ntitle: Le vélo\nstatus: ouvert\ndate: 2020-01-01\n---\nTexte.\n")
	r := upstreamed(t, &Remote{URL: bare})
	ours := putText(t, r, "velo", "---\ntitle: Le vélo\nstatus: clos\ndate: 2020-01-01\n---\nTexte.\n").Commit
	put(t, r, "consultations", "ici", "Ici")
	theirs := pushed(t, work, "_consultations/velo.md", "---\ntitle: Le plan vélo\nstatus: ouvert\ndate: 2020-01-01\n---\nTexte.\n")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "---\ntitle: Le plan vélo\nstatus: clos\ndate: 2020-01-01\n---\nTexte.\n"
	if got := sourceOf(t, r, "consultations", "velo"); got != want {
		t.Errorf("joined: got %q, want %q", got, want)
	}
	for name, commit := range map[string]string{"ours": ours.String(), "theirs": theirs} {
		if _, ok := r.Position(NewHash(commit)); !ok {
			t.Errorf("the commit of %s is not on the branch any more", name)
		}
	}
	if got := strings.Fields(git(t, r.path, "rev-list", "--parents", "-1", "main")); len(got) != 3 {
		t.Errorf("joined by %v, want a merge", got)
	}
	if list, err := r.Conflicts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("conflicts: got %v, %v; want none", list, err)
	}
	inStep(t, r, bare)
	tip := r.View().Commit()
	fetched(t, r, tip.String()) // once is enough
	put(t, r, "consultations", "velo", "Encore")
	inStep(t, r, bare)
}

// TestJoinClash: what cannot be brought together is set aside, and nothing else.
func TestJoinClash(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	for _, name := range []string{"velo", "bus", "tram", "eau"} {
		pushed(t, work, "_consultations/"+name+".md", "---\ntitle: "+name+"\n---\n")
	}
	r := upstreamed(t, &Remote{URL: bare})
	putText(t, r, "velo", "---\ntitle: Nôtre\n---\n")
	updated := putText(t, r, "eau", "---\ntitle: De l'eau\n---\n")
	update(t, r, func(tx *Tx) error { return tx.Delete("consultations", slug(t, "bus")) })
	putText(t, r, "tram", "---\ntitle: Nôtre\n---\n")
	putText(t, r, "neuf", "---\ntitle: Nôtre\n---\n")
	write(t, work, "_consultations/velo.md", "---\ntitle: Leur\n---\n")
	write(t, work, "_consultations/bus.md", "---\ntitle: Leur\n---\n")
	write(t, work, "_consultations/neuf.md", "---\ntitle: Leur\n---\n")
	git(t, work, "rm", "-q", "_consultations/tram.md")
	pushed(t, work, "_consultations/leur.md", "---\ntitle: Leur\n---\n")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"velo": "Leur", "bus": "Leur", "neuf": "Leur", "leur": "Leur", "eau": "De l'eau", "tram": ""} {
		if want != "" {
			want = "---\ntitle: " + want + "\n---\n"
		}
		if got := sourceOf(t, r, "consultations", name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	list, err := r.Conflicts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, c := range list {
		text := "deleted"
		if !c.Ours.IsZero() {
			src, err := r.Blob(t.Context(), c.Ours)
			if err != nil {
				t.Fatal(err)
			}
			text = strings.TrimSpace(strings.ReplaceAll(string(src), "---\n", ""))
		}
		told = append(told, fmt.Sprintf("%s/%s %s by %s", c.Collection, c.Slug, text, c.Author.Name))
		if _, ok := r.Position(c.Commit); !ok {
			t.Errorf("%s: its commit %s is not on the branch", c.Path, c.Commit)
		}
		theirs := tipOf(t, work, "HEAD")
		if files := strings.TrimSpace(git(t, r.path, "diff", "--name-only", theirs, "cms/conflicts/"+c.ID)); files != c.Path.String() {
			t.Errorf("the branch of the conflict about %s differs from theirs in %q", c.Path, files)
		}
	}
	want := []string{
		"consultations/bus deleted by Anne Éditrice", "consultations/neuf title: Nôtre by Anne Éditrice",
		"consultations/tram title: Nôtre by Anne Éditrice", "consultations/velo title: Nôtre by Anne Éditrice",
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("set aside:\n%s\nwant:\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	joined, err := r.ChangesOf(t.Context(), r.View().Commit())
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]string)
	for _, a := range joined.Aside {
		said[a.Conflict] = a.Path.String() + " " + a.Collection + "/" + a.Slug.String()
	}
	for _, c := range list {
		if got, want := said[c.ID], c.Path.String()+" "+c.Collection+"/"+c.Slug.String(); got != want {
			t.Errorf("the join says of conflict %s: %q, want %q", c.ID, got, want)
		}
		if got := r.AsideOf(c.Path); !slices.Equal(got, []string{c.ID}) {
			t.Errorf("set aside of %s: got %q, want %s", c.Path, got, c.ID)
		}
	}
	if len(said) != len(list) {
		t.Errorf("the join says that it set aside %v", said)
	}
	if _, ok := r.Position(updated.Commit); !ok {
		t.Error("the commit of an edit that came through is gone")
	}
	inStep(t, r, bare)
	if heads := git(t, bare, "branch", "--list"); strings.Contains(heads, "conflicts") {
		t.Errorf("the host has %s", heads)
	}

	// The host has them where that is asked for, and those of others.
	git(t, bare, "branch", "cms/conflicts/autre", "main")
	onBranches := func(want int) {
		t.Helper()
		inStep(t, r, bare)
		if heads := strings.Fields(git(t, bare, "for-each-ref", "--format=%(refname)", "refs/heads/cms/conflicts")); len(heads) != want+1 {
			t.Errorf("the host has %q, want %d and that of others", heads, want)
		}
	}
	r.remote.PushConflicts = true
	onBranches(len(list))
	for _, c := range list {
		if here, there := tipOf(t, r.path, "cms/conflicts/"+c.ID), tipOf(t, bare, "cms/conflicts/"+c.ID); here != there {
			t.Errorf("conflict %s is at %s, at the host at %s", c.ID, here, there)
		}
	}

	git(t, r.path, "pack-refs", "--all")
	for i, c := range list {
		if err := r.EndConflict(c.ID); err != nil {
			t.Fatal(err)
		}
		if left, err := r.Conflicts(t.Context()); err != nil || len(left) != len(list)-i-1 {
			t.Errorf("after %d are resolved: %v, %v", i+1, left, err)
		}
		onBranches(len(list) - i - 1)
		if got := r.AsideOf(c.Path); len(got) != 0 {
			t.Errorf("after it was resolved, %s has the conflicts %q", c.Path, got)
		}
		if err := r.EndConflict(c.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("resolved twice: got %v, want ErrNotFound", err)
		}
	}
}

// TestJoinInTheWay: a file where the other side has a folder is set aside.
func TestJoinInTheWay(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	r := upstreamed(t, &Remote{URL: bare})
	putFile := func(name, text string) {
		t.Helper()
		u, err := r.Upload(t.Context(), int64(len(text)), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		p, err := content.ParsePath(name)
		if err != nil {
			t.Fatal(err)
		}
		update(t, r, func(tx *Tx) error { return tx.PutFile(p, u) })
	}
	putFile("assets/plan", "nôtre")
	putFile("assets/b/c.txt", "nôtre")
	putFile("assets/d.txt", "nôtre")
	write(t, work, "assets/plan/un.txt", "leur")
	write(t, work, "assets/b", "leur")
	pushed(t, work, "assets/e.txt", "leur")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(git(t, r.path, "ls-tree", "-r", "--name-only", "main", "assets"))
	if want := "assets/b assets/d.txt assets/e.txt assets/plan/un.txt"; strings.Join(got, " ") != want {
		t.Errorf("joined: got %v, want %s", got, want)
	}
	list, err := r.Conflicts(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("set aside: %v, %v; want two files", list, err)
	}
	for _, c := range list {
		if text := git(t, r.path, "show", "cms/conflicts/"+c.ID+":"+c.Path.String()); text != "nôtre" {
			t.Errorf("%s: set aside is %q", c.Path, text)
		}
	}
	inStep(t, r, bare)
}

// TestJoinWhatWasTaken: what the host has of ours by other commits, squashed or picked, is
// not applied twice, and clashes with nothing.
func TestJoinWhatWasTaken(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	r := upstreamed(t, &Remote{URL: bare})
	put(t, r, "consultations", "un", "Premier")
	first := r.View().Commit()
	put(t, r, "consultations", "un", "Deuxième")
	put(t, r, "consultations", "deux", "Deux")
	git(t, work, "fetch", "-q", r.path, "main")
	git(t, work, "cherry-pick", first.String()) // an earlier version of an entry, and the whole of another
	git(t, work, "checkout", "-q", "FETCH_HEAD", "--", "_consultations/deux.md")
	pushed(t, work, "_consultations/la.md", "---\ntitle: Là\n---\n")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sourceOf(t, r, "consultations", "un"); !strings.Contains(got, "Deuxième") {
		t.Errorf("un: got %q, want our later version", got)
	}
	if list, err := r.Conflicts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("conflicts: %v, %v; want none", list, err)
	}
	inStep(t, r, bare)
}

// TestJoinRewritten: a force push takes away what it takes away, and nothing that was not
// there. Our old tip is kept, and what is made again says what it stands for.
func TestJoinRewritten(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	pushed(t, work, "_consultations/secret.md", "---\ntitle: Secret\n---\n")
	r := upstreamed(t, &Remote{URL: bare})
	put(t, r, "consultations", "un", "Un")
	inStep(t, r, bare)
	a := put(t, r, "consultations", "deux", "Deux").Commit
	putText(t, r, "parc", "---\ntitle: Nôtre\n---\n")
	put(t, r, "consultations", "deux", "Deux fois")
	old := r.View().Commit()

	git(t, work, "fetch", "-q", "origin")
	git(t, work, "reset", "-q", "--hard", "origin/main~2") // without the secret
	write(t, work, "_consultations/parc.md", "---\ntitle: Leur\n---\n")
	write(t, work, "_consultations/un.md", "---\ntitle: Un\n---\n")
	commitAll(t, work, "Sans le secret")
	push(t, work, "-f")
	theirs := tipOf(t, work, "HEAD")
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(git(t, r.path, "rev-list", "--count", theirs+"..main")); got != "2" {
		t.Errorf("%s commits upon theirs, want the two that it lacks", got)
	}
	if got := git(t, r.path, "log", "--format=%an|%B", "main~1", "-1"); !strings.Contains(got, "Anne Éditrice|") || !strings.Contains(got, "\nReplaces: "+a.String()+"\n") {
		t.Errorf("made again: %q", got)
	}
	for name, want := range map[string]string{"secret": "", "parc": "Leur", "deux": "Deux fois"} {
		if got := sourceOf(t, r, "consultations", name); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if name, err := r.Backup(t.Context(), old); err != nil || name == "" {
		t.Errorf("backup of our tip: %q, %v", name, err)
	}
	list, err := r.Conflicts(t.Context())
	if err != nil || len(list) != 1 || list[0].Path.String() != "_consultations/parc.md" {
		t.Errorf("conflicts: %v, %v; want that of parc", list, err)
	}
	inStep(t, r, bare)
	if out, err := tryGit(bare, "merge-base", "--is-ancestor", a.String(), "main"); err == nil {
		t.Errorf("what was rewritten came back: %s", out)
	}

	// The host goes back to before what it had, and there is work that it has not.
	put(t, r, "consultations", "trois", "Trois")
	setBranch(t, bare, "main", theirs)
	inStep(t, r, bare)
	if got := sourceOf(t, r, "consultations", "trois"); !strings.Contains(got, "Trois") {
		t.Errorf("trois: got %q", got)
	}
	if got := sourceOf(t, r, "consultations", "deux"); got != "" {
		t.Errorf("deux, which the host took back: got %q", got)
	}
}

// TestUnrelated: what shares no commit is not joined, and neither side is touched.
func TestUnrelated(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	dir := filepath.Join(t.TempDir(), "site.git")
	o := options(dir)
	r, stop := run(t, o)
	put(t, r, "consultations", "ici", "Ici")
	ours := r.View().Commit()
	stop()
	o.Remote = &Remote{URL: bare, Push: true}
	r = start(t, o)
	if err := r.Fetch(t.Context()); !errors.Is(err, ErrUnrelated) {
		t.Errorf("fetch: got %v, want ErrUnrelated", err)
	}
	if got := r.View().Commit(); got != ours {
		t.Errorf("moved to %s", got)
	}
}
