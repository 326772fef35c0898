package editor_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"cms/content"
)

const velo = "---\ntitle: Plan vélo   # ici\nnote: 3\nmethodes: [un, deux, trois]\netapes:\n  - nom: Un\n    jour: 2023-01-02\n  - {nom: Deux, jour: 2023-02-03}\n  - nom: Trois\n---\nPremier.\n\nDeuxième.\n"

func (s *service) open(client *http.Client, slug string) *form {
	s.Helper()
	return s.get(client, "entry/consultations/"+slug).form("consultations/" + slug)
}

// wantSaved is a page that says that a form was saved.
func (p *page) wantSaved(how string) {
	p.Helper()
	if p.status != http.StatusOK || !strings.HasSuffix(p.at, "?saved="+how) {
		p.Fatalf("saving says (%d) at %s: %s", p.status, p.at, p.text())
	}
}

// want is that a page is answered with a status and says so.
func (p *page) want(status int, texts ...string) *page {
	p.Helper()
	if p.status != status {
		p.Fatalf("%s is answered with %d, want %d: %s", p.at, p.status, status, p.text())
	}
	for _, text := range texts {
		if !strings.Contains(p.text(), text) {
			p.Errorf("%s does not say %q but %s", p.at, text, p.text())
		}
	}
	return p
}

// wantNot is that nothing of a page says so, seen or not.
func (p *page) wantNot(texts ...string) {
	p.Helper()
	for _, text := range texts {
		if strings.Contains(p.source, text) {
			p.Errorf("%s has %q:\n%s", p.at, text, p.source)
		}
	}
}

// byID is the element with an id, which it has alone.
func (p *page) byID(id string) *html.Node {
	p.Helper()
	var found []*html.Node
	for n := range p.root.Descendants() {
		if is, ok := attr(n, "id"); ok && is == id {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		p.Fatalf("%s has %d elements with the id %q", p.at, len(found), id)
	}
	return found[0]
}

// edited is the text of velo after a change of it.
func edited(t *testing.T, pairs ...string) string {
	t.Helper()
	is := velo
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(is, pairs[i]) != 1 {
			t.Fatalf("%q is not once in %q", pairs[i], is)
		}
		is = strings.Replace(is, pairs[i], pairs[i+1], 1)
	}
	return is
}

func (s *service) wantFile(path, want string) {
	s.Helper()
	if got := s.file(path); got != want {
		s.Errorf("%s is\n%q, want\n%q", path, got, want)
	}
}

// TestFaults are shown all at once, each beside its field, and what was entered is kept.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	tip := s.Tip()
	f := s.open(s.http, "velo")
	f.set("f/title", "")
	f.set("f/note", "12")
	f.set("f/link", "pas une adresse")
	f.set("f/etapes/1/nom", "")
	f.set("f/etapes/1/jour", "2024-05-06")
	f.set("body", "Un autre texte.\n")
	p := f.submit("save")
	p.want(http.StatusUnprocessableEntity, "rien n’est perdu")
	if s.Tip() != tip {
		t.Fatal("a form with faults was saved")
	}
	links := map[string]bool{}
	for _, n := range all(p.root, "a") {
		to, _ := attr(n, "href")
		if to, err := url.PathUnescape(to); err == nil && strings.HasPrefix(to, "#f/") {
			links[to[1:]] = true
			p.byID(to[1:])
		}
	}
	if want := []string{"f/etapes/1/nom", "f/link", "f/note", "f/title"}; !slices.Equal(slices.Sorted(maps.Keys(links)), want) {
		t.Errorf("the summary leads to %v, want %v", slices.Sorted(maps.Keys(links)), want)
	}
	for id := range links {
		control := p.byID(id)
		said, _ := attr(control, "aria-describedby")
		if invalid, _ := attr(control, "aria-invalid"); invalid != "true" || !strings.Contains(said, id+"-fault") || text(p.byID(id+"-fault")) == "" {
			t.Errorf("%s is not told as wrong: aria-invalid %q, described by %q", id, invalid, said)
		}
	}
	folded := p.byID("f/etapes/1/nom").Parent
	for folded.Data != "details" {
		folded = folded.Parent
	}
	if !has(folded, "open") {
		t.Error("the fold around a fault is closed")
	}
	again := p.form("velo")
	for name, want := range map[string]string{"f/title": "", "f/note": "12", "f/link": "pas une adresse", "f/etapes/1/nom": "", "f/etapes/1/jour": "2024-05-06", "body": "Un autre texte.\r\n"} {
		if got := again.get(name); got != want {
			t.Errorf("%s became %q, want %q", name, got, want)
		}
	}
	again.set("f/title", "Plan vélo")
	again.set("f/note", "4")
	again.set("f/link", "https://example.org/")
	again.set("f/etapes/1/nom", "Deux bis")
	again.submit("save").wantSaved("1")
	got := s.file(entryFile)
	for _, want := range []string{"title: Plan vélo   # ici\n", "note: 4\n", "{nom: Deux bis, jour: 2024-05-06}", "link: https://example.org/\n", "---\nUn autre texte.\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the file has no %q:\n%s", want, got)
		}
	}
}

// TestReview shows what would be saved, by words, and takes a message for the commit.
func TestReview(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	tip := s.Tip()
	f := s.open(s.http, "velo")
	f.set("f/title", "Plan piéton")
	f.set("f/note", "4")
	f.set("body", "Premier.\n\nTroisième.\n")
	p := f.submit("review")
	p.want(http.StatusOK, "Ce qui change")
	for _, want := range []string{"Plan <del>vélo</del><ins>piéton</ins>", "<del>3</del>", "<ins>4</ins>", "<del>Deuxième</del><ins>Troisième</ins>"} {
		if !strings.Contains(p.source, want) {
			t.Errorf("the review has no %s", want)
		}
	}
	if s.Tip() != tip {
		t.Fatal("a review was saved")
	}
	f = p.form("velo")
	f.set("message", "  Le vélo attendra ")
	f.submit("save").wantSaved("1")
	s.wantFile(entryFile, edited(t, "Plan vélo", "Plan piéton", "note: 3", "note: 4", "Deuxième", "Troisième"))
	if got := strings.TrimSpace(s.RunGit("log", "-1", "--format=%an: %s", "main")); got != "Camille: Le vélo attendra" {
		t.Errorf("the commit is %q", got)
	}

	s.open(s.http, "velo").submit("review").want(http.StatusOK, "Rien ne change")
	f = s.open(s.http, "velo")
	f.set("f/title", "<script>alert(1)</script>")
	f.submit("review").wantNot("<script>alert")
}

// TestLists are changed by buttons of the form, without scripts, and only the lines of
// what was changed differ.
func TestLists(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		steps []string // buttons, or NAME=VALUE
		old   []string // what becomes what
	}{
		{"add", []string{"add:/methodes", "f/methodes/n0=quatre"}, []string{"deux, trois]", "deux, trois, quatre]"}},
		{"add two", []string{"add:/methodes", "add:/methodes", "f/methodes/n1=cinq", "f/methodes/n0=quatre"}, []string{"deux, trois]", "deux, trois, quatre, cinq]"}},
		{"add an empty one", []string{"add:/methodes"}, nil},
		{"add and remove", []string{"add:/methodes", "remove:/methodes/n0"}, nil},
		{"remove", []string{"remove:/methodes/1"}, []string{"un, deux, trois", "un, trois"}},
		{"up", []string{"up:/methodes/2"}, []string{"un, deux, trois", "un, trois, deux"}},
		{"down", []string{"down:/methodes/0"}, []string{"un, deux, trois", "deux, un, trois"}},
		{"beyond the ends", []string{"up:/methodes/0", "down:/methodes/2"}, nil},
		{"there and back", []string{"up:/methodes/1", "down:/methodes/1"}, nil},
		{"edited and moved", []string{"f/methodes/0=UN", "down:/methodes/0"}, []string{"un, deux, trois", "deux, UN, trois"}},
		{"remove an object", []string{"remove:/etapes/0"}, []string{"  - nom: Un\n    jour: 2023-01-02\n", ""}},
		{"move objects", []string{"up:/etapes/1"}, []string{"  - nom: Un\n    jour: 2023-01-02\n  - {nom: Deux, jour: 2023-02-03}\n", "  - {nom: Deux, jour: 2023-02-03}\n  - nom: Un\n    jour: 2023-01-02\n"}},
		{"add an object", []string{"add:/etapes", "f/etapes/n0/nom=Quatre"}, []string{"  - nom: Trois\n", "  - nom: Trois\n  - nom: Quatre\n"}},
		{"edit the last of removed", []string{"remove:/etapes/0", "f/etapes/2/jour=2023-03-04"}, []string{"  - nom: Un\n    jour: 2023-01-02\n", "", "  - nom: Trois\n", "  - nom: Trois\n    jour: 2023-03-04\n"}},
		{"no such item", []string{"remove:/methodes/9", "up:/methodes/n7", "remove:", "down:/nichts/1"}, nil},
	}
	slug := func(i int) string { return fmt.Sprintf("velo-%02d", i) }
	path := func(i int) string { return "_consultations/" + slug(i) + ".md" }
	files := map[string]string{}
	for i := range cases {
		files[path(i)] = velo
	}
	s := newService(t, files)
	for i, c := range cases {
		t.Log(c.name)
		f := s.open(s.http, slug(i))
		for _, step := range c.steps {
			if name, value, ok := strings.Cut(step, "="); ok {
				f.set(name, value)
				continue
			}
			p := f.submit(step)
			p.want(http.StatusOK)
			f = p.form(slug(i))
		}
		how := "1"
		if len(c.old) == 0 {
			how = "same"
		}
		f.submit("save").wantSaved(how)
		s.wantFile(path(i), edited(t, c.old...))
	}
}

// TestTwoPeople edit one entry: what can be merged is, what clashes is theirs to decide.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	other := s.logIn("dominique")
	late := func(theirs, mine map[string]string) *page { // who saves later
		t.Helper()
		f, g := s.open(s.http, "velo"), s.open(other, "velo")
		for name, value := range theirs {
			g.set(name, value)
		}
		g.submit("save").wantSaved("1")
		for name, value := range mine {
			f.set(name, value)
		}
		return f.submit("save")
	}
	late(map[string]string{"f/note": "4", "body": "Premier !\n\nDeuxième.\n"}, map[string]string{"f/title": "Plan piéton", "body": "Premier.\n\nDernier.\n"}).wantSaved("merged")
	s.wantFile(entryFile, edited(t, "Plan vélo", "Plan piéton", "note: 3", "note: 4", "Premier.", "Premier !", "Deuxième", "Dernier"))

	// Theirs, mine, and mine anew.
	p := late(map[string]string{"f/title": "Plan bus", "f/note": "1", "f/methodes/0": "eins", "body": "A.\n\nDernier.\n"},
		map[string]string{"f/title": "Plan tram", "f/note": "2", "f/methodes/0": "uno", "f/methodes/2": "III", "body": "B.\n\nDernier.\n"})
	p.want(http.StatusConflict, "Quelqu’un a modifié la même chose", "Plan bus", "Plan tram")
	f := p.form("velo")
	f.tick("settle/title", "theirs")
	f.tick("settle/note", "mine")
	part := f.part()
	if got := f.get(part); got != "B.\r\n" {
		t.Errorf("the part that clashes is %q", got)
	}
	f.tick(strings.TrimPrefix(part, "text"), "mine")
	f.set(part, "A et B.")
	if i := slices.IndexFunc(all(p.root, "input"), func(n *html.Node) bool {
		name, _ := attr(n, "name")
		return strings.HasPrefix(name, "settle/methodes")
	}); i >= 0 {
		name, _ := attr(all(p.root, "input")[i], "name")
		f.tick(name, "mine")
	}
	f.submit("save").wantSaved("merged")
	s.wantFile(entryFile, edited(t, "Plan vélo", "Plan bus", "note: 3", "note: 2", "[un, deux, trois]", "[uno, deux, III]", "Premier.", "A et B.", "Deuxième", "Dernier"))

	// Nothing decided: the same page again, and nothing is saved.
	p = late(map[string]string{"f/title": "Plan métro"}, map[string]string{"f/title": "Plan barque", "f/note": "5"})
	tip := s.Tip()
	p = p.form("velo").submit("save")
	p.want(http.StatusConflict, "Plan métro", "Plan barque")
	if s.Tip() != tip {
		t.Fatal("an undecided clash was saved")
	}

	// Somebody is there again meanwhile: what was decided and written is still there.
	f = p.form("velo")
	f.tick("settle/title", "mine")
	f.set("textsettle/title", "Plan pédalo")
	g := s.open(other, "velo")
	g.set("f/title", "Plan train")
	g.submit("save").wantSaved("1")
	p = f.submit("save")
	p.want(http.StatusConflict, "Plan train")
	f = p.form("velo")
	if got := f.get("textsettle/title"); got != "Plan pédalo" {
		t.Errorf("what was written anew became %q", got)
	}
	if got := f.get("settle/title"); got != "mine" {
		t.Errorf("the decision became %q", got)
	}
	f.submit("save").wantSaved("merged")
	if got := s.file(entryFile); !strings.Contains(got, "title: Plan pédalo   # ici\nnote: 5\n") {
		t.Errorf("the file became\n%s", got)
	}
}

// part is the name of the control that writes the first part of a text anew that clashes.
func (f *form) part() string {
	f.Helper()
	for _, v := range f.values {
		if strings.HasPrefix(v.name, "textsettle:") {
			return v.name
		}
	}
	f.Fatalf("no part of the text clashes: %s", f.text())
	return ""
}

// TestClashingParts: of a text, each part that clashes is decided for itself, and what
// either side has done elsewhere stays.
func TestClashingParts(t *testing.T) {
	t.Parallel()
	const base = "Un.\n\nDeux.\n\nTrois.\n\nQuatre.\n\nCinq.\n"
	s := newService(t, map[string]string{entryFile: "---\ntitle: Parts\n---\n" + base})
	other := s.logIn("dominique")
	f, g := s.open(s.http, "velo"), s.open(other, "velo")
	g.set("body", "Un, d’eux.\n\nDeux, d’eux.\n\nTrois.\n\nQuatre, d’eux.\n\nCinq.\n")
	g.submit("save").wantSaved("1")
	f.set("body", "Un.\n\nDeux, de moi.\n\nTrois.\n\nQuatre, de moi.\n\nCinq, de moi.\n")
	p := f.submit("save").want(http.StatusConflict, "Deux, d’eux.", "Quatre, de moi.")
	f = p.form("velo")
	var parts []string
	for _, v := range f.values {
		if name, ok := strings.CutPrefix(v.name, "text"); ok && strings.HasPrefix(name, "settle:") {
			parts = append(parts, name)
		}
	}
	if len(parts) != 2 {
		t.Fatalf("%d parts clash: %s", len(parts), p.text())
	}
	tip := s.Tip()
	f.tick(parts[0], "theirs")
	f = f.submit("save").want(http.StatusConflict).form("velo") // one is left
	if s.Tip() != tip {
		t.Fatal("half of the clashes were decided, and it was saved")
	}
	f.tick(parts[1], "mine")
	f.submit("save").wantSaved("merged")
	s.wantFile(entryFile, "---\ntitle: Parts\n---\nUn, d’eux.\n\nDeux, d’eux.\n\nTrois.\n\nQuatre, de moi.\n\nCinq, de moi.\n")
}

// TestClashInsideList is decided at its item.
func TestClashInsideList(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	f, g := s.open(s.http, "velo"), s.open(s.logIn("dominique"), "velo")
	g.set("f/etapes/1/nom", "Leur")
	g.submit("save").wantSaved("1")
	f.set("f/etapes/1/nom", "Mien")
	f.set("f/etapes/0/nom", "Premier")
	p := f.submit("save")
	p.want(http.StatusConflict, "Leur", "Mien")
	f = p.form("velo")
	for _, n := range all(p.root, "input") {
		if name, _ := attr(n, "name"); strings.HasPrefix(name, "settle/etapes") {
			f.tick(name, "mine")
			break
		}
	}
	f.submit("save").wantSaved("merged")
	s.wantFile(entryFile, edited(t, "nom: Un", "nom: Premier", "nom: Deux", "nom: Mien"))
}

// TestDeletedMeanwhile loses nothing of what was entered.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	f := s.open(s.http, "velo")
	source := s.get(s.http, "source/consultations/velo").form("source/consultations/velo")
	other := s.logIn("dominique")
	s.get(other, "delete/consultations/velo").form("delete/consultations/velo").submit("").want(http.StatusOK, "Supprimé")

	f.set("f/title", "Plan piéton")
	f.set("f/methodes/2", "III")
	f.set("body", "Tout ce que j’ai écrit.\n")
	p := f.submit("save")
	p.want(http.StatusConflict, "supprimée", "rien n’est perdu")
	f = p.form("new/consultations")
	for name, want := range map[string]string{"f/title": "Plan piéton", "f/methodes/0": "un", "f/methodes/2": "III", "body": "Tout ce que j’ai écrit.\r\n", "slug": "velo"} {
		if got := f.get(name); got != want {
			t.Errorf("%s became %q, want %q", name, got, want)
		}
	}
	f.submit("save").wantSaved("1")
	d := content.Parse([]byte(s.file(entryFile)))
	if title, _ := d.Fields().Get("title"); title != "Plan piéton" || d.Body() != "Tout ce que j’ai écrit.\n" || d.Fields().Len() != 4 {
		t.Errorf("the file became\n%s", s.file(entryFile))
	}

	s.get(other, "delete/consultations/velo").form("delete/consultations/velo").submit("")
	source.set("text", "---\ntitle: Le mien\n---\nMon texte\n")
	if p := source.submit("").want(http.StatusConflict, "supprimé"); newlines(text(p.byID("text"))) != "---\r\ntitle: Le mien\r\n---\r\nMon texte\r\n" {
		t.Errorf("the text became %q", text(p.byID("text")))
	}
}

// TestSentTwice is a form that a second click, or a lost answer, sends again.
func TestSentTwice(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	count := func() string { t.Helper(); return strings.TrimSpace(s.RunGit("rev-list", "--count", "main")) }
	before := count()
	if before != "1" {
		t.Fatalf("there are %s commits", before)
	}
	f := s.open(s.http, "velo")
	f.set("f/title", "Plan piéton")
	f.submit("save").wantSaved("1")
	f.submit("save").wantSaved("1")
	if got := count(); got != "2" {
		t.Errorf("a form that was sent twice made %s commits of 1", got)
	}
	f.set("f/note", "5") // gone back to, changed, and sent again
	f.submit("save").wantSaved("merged")
	if got := count(); got != "3" || !strings.Contains(s.file(entryFile), "Plan piéton   # ici\nnote: 5\n") {
		t.Errorf("a form that was gone back to made %s commits of 2:\n%s", got, s.file(entryFile))
	}

	// All at once, of a new entry, also where it was refused before.
	f = s.get(s.http, "new/consultations").form("new/consultations")
	p := f.submit("save")
	p.want(http.StatusUnprocessableEntity)
	f = p.form("new/consultations")
	f.set("f/title", "Deux clics")
	var wait sync.WaitGroup
	pages := make([]*page, 4)
	for i := range pages {
		wait.Go(func() { pages[i] = f.submit("save") })
	}
	wait.Wait()
	for _, p := range pages {
		p.wantSaved("1")
		if p.at != pages[0].at {
			t.Errorf("one click leads to %s, another to %s", pages[0].at, p.at)
		}
	}
	if got := count(); got != "4" {
		t.Errorf("four clicks made %s commits of 3", got)
	}
}
