package editor_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestConflictPages: what was set aside is found from the first page on, and decided field
// by field, or as a whole.
func TestConflictPages(t *testing.T) {
	t.Parallel()
	const base = "---\ntitle: Plan\nnote: 1\nlieu: {ville: Valmont}\n---\nPremier.\n\nDernier.\n"
	host := strings.NewReplacer("Plan", "Leur plan", "note: 1", "note: 2", "Premier", "Leur premier").Replace(base)
	here := strings.NewReplacer("Plan", "Notre plan", "note: 1", "note: 3", "Valmont", "Aubeterre", "Premier", "Notre premier", "Dernier.", "Dernier mot.").Replace(base)
	s := newService(t, map[string]string{
		"_consultations/un.md": host, "_consultations/deux.md": host, "_consultations/trois.md": host, "_consultations/cinq.md": host, "_consultations/six.md": host,
	})
	set := func(id, slug, base, text string) {
		t.Helper()
		s.SetAside(id, "consultations", slug, base, text)
	}
	set("aaaaaaaaaaaa", "un", base, here)
	set("bbbbbbbbbbbb", "deux", base, here)
	set("cccccccccccc", "trois", base, "")
	set("dddddddddddd", "quatre", base, here)
	set("eeeeeeeeeeee", "cinq", "", here)
	set("ffffffffffff", "six", base, strings.Replace(here, "title: Notre plan", "title: 3", 1))

	s.get(s.http, "").want(http.StatusOK, "Versions mises de côté")
	s.get(s.http, "problems").want(http.StatusOK, "Versions mises de côté", "Leur plan", "quatre")
	reader := s.logIn("rene")
	s.get(reader, "conflict/aaaaaaaaaaaa").want(http.StatusNotFound).wantNot("Notre plan")
	s.get(reader, "problems").want(http.StatusOK).wantNot("mises de côté")
	s.get(s.http, "conflict/zzzz").want(http.StatusNotFound)

	// Field by field. What nobody else changed comes with it.
	p := s.get(s.http, "conflict/aaaaaaaaaaaa").want(http.StatusOK, "Version mise de côté", "Leur plan", "Notre plan", "Aubeterre", "Prendre ce qui a été mis de côté")
	f := p.form("conflict/aaaaaaaaaaaa")
	tip := s.Tip()
	f.tick("settle/title", "theirs")
	p = f.submit("aside").want(http.StatusConflict, "choisissez pour chaque champ")
	if s.Tip() != tip {
		t.Fatal("an undecided conflict was saved")
	}
	f = p.form("conflict/aaaaaaaaaaaa")
	if got := f.get("settle/title"); got != "theirs" {
		t.Errorf("the decision became %q", got)
	}
	f.tick("settle/note", "mine")
	part := f.part()
	f.tick(strings.TrimPrefix(part, "text"), "mine")
	f.set(part, "Les deux.")
	f.submit("aside").wantSaved("1")
	want := strings.NewReplacer("Plan", "Leur plan", "note: 1", "note: 3", "Valmont", "Aubeterre", "Premier", "Les deux", "Dernier.", "Dernier mot.").Replace(base)
	s.wantFile("_consultations/un.md", want)
	s.get(s.http, "conflict/aaaaaaaaaaaa").want(http.StatusNotFound)

	// The entry changed since the page was shown: nothing is saved, and the page comes again.
	f = s.get(s.http, "conflict/bbbbbbbbbbbb").form("conflict/bbbbbbbbbbbb")
	g := s.open(s.http, "deux")
	g.set("f/description", "Entre-temps")
	g.submit("save").wantSaved("1")
	f.tick("settle/title", "mine")
	f.tick("settle/note", "mine")
	f.tick(strings.TrimPrefix(f.part(), "text"), "mine")
	tip = s.Tip()
	p = f.submit("aside").want(http.StatusConflict, "choisissez à nouveau", "Notre plan")
	if s.Tip() != tip {
		t.Fatal("a decision about another state was saved")
	}
	p.form("conflict/bbbbbbbbbbbb").submit("branch")
	if got := s.file("_consultations/deux.md"); s.Tip() != tip || !strings.Contains(got, "Leur plan") {
		t.Errorf("the entry that was to stay became\n%s", got)
	}
	s.get(s.http, "conflict/bbbbbbbbbbbb").want(http.StatusNotFound)

	// A deletion; an entry that is gone; one that both created; one that the schema refuses.
	s.get(s.http, "conflict/cccccccccccc").want(http.StatusOK, "supprimée ici").form("conflict/cccccccccccc").submit("aside").want(http.StatusOK, "Supprimé")
	s.get(s.http, "entry/consultations/trois").want(http.StatusNotFound)
	s.get(s.http, "conflict/dddddddddddd").want(http.StatusOK, "supprimée dans le dépôt du site").form("conflict/dddddddddddd").submit("aside").wantSaved("1")
	s.wantFile("_consultations/quatre.md", here)
	f = s.get(s.http, "conflict/eeeeeeeeeeee").want(http.StatusOK, "Leur plan", "Notre plan").form("conflict/eeeeeeeeeeee")
	f.tick("settle/title", "mine")
	f.tick("settle/note", "theirs")
	f.tick("settle/lieu/ville", "mine")
	f.tick(strings.TrimPrefix(f.part(), "text"), "theirs")
	f.submit("aside").wantSaved("1")
	s.wantFile("_consultations/cinq.md", strings.NewReplacer("Leur plan", "Notre plan", "Valmont", "Aubeterre").Replace(host))
	f = s.get(s.http, "conflict/ffffffffffff").form("conflict/ffffffffffff")
	f.tick("settle/title", "mine")
	f.tick("settle/note", "mine")
	f.tick(strings.TrimPrefix(f.part(), "text"), "mine")
	f.submit("aside").want(http.StatusUnprocessableEntity, "Version mise de côté")
	s.wantFile("_consultations/six.md", host)
	s.get(s.http, "").want(http.StatusOK, "Versions mises de côté")
	s.get(s.http, "conflict/ffffffffffff").form("conflict/ffffffffffff").submit("branch")
	s.get(s.http, "").want(http.StatusOK).wantNot("mises de côté")
}
