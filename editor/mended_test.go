package editor_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTextsStayTexts: what stands as text in a body is text on every page, beside links and
// images too, whose addresses are changed there.
func TestTextsStayTexts(t *testing.T) {
	t.Parallel()
	const body = "[lien](https://example.org) ![a](img/x.png) &lt;script src=/editor/file/evil.js&gt;&lt;/script&gt; `<button formaction=x>y</button>` &lt;b&gt;\n"
	s := newService(t, map[string]string{entryFile: "---\ntitle: T\n---\n" + body})
	p := s.get(s.http, "entry/consultations/velo")
	for _, n := range all(p.root, "script") {
		if src, _ := attr(n, "src"); strings.Contains(src, "evil") {
			t.Error("a text became a script")
		}
	}
	for _, n := range all(p.root, "button") {
		if has(n, "formaction") {
			t.Error("a text became a button")
		}
	}
	if !strings.Contains(p.text(), "<script src=/editor/file/evil.js></script> <button formaction=x>y</button> <b>") {
		t.Errorf("the page says %s", p.text())
	}
}

// TestEndsOfNewLines: lines that come in end as the others do.
func TestEndsOfNewLines(t *testing.T) {
	t.Parallel()
	const before = "---\r\ntitle: T\r\n---\r\nune\r\ndeux\r\ntrois\r\n"
	s := newService(t, map[string]string{entryFile: before})
	f := s.get(s.http, "source/consultations/velo").form("velo")
	f.set("text", "---\ntitle: U\n---\nune\ndeux\nde plus\ntrois\n")
	if p := f.submit(""); !strings.Contains(p.at, "saved=1") {
		t.Fatalf("saving says (%d) %s", p.status, p.text())
	}
	if got, want := s.file(entryFile), "---\r\ntitle: U\r\n---\r\nune\r\ndeux\r\nde plus\r\ntrois\r\n"; got != want {
		t.Errorf("the file became %q, want %q", got, want)
	}
	f = s.get(s.http, "block/consultations/velo?n=0").form("velo")
	f.set("text", "une\ndeux et demi\nde plus\ntrois")
	if p := f.submit(""); !strings.Contains(p.at, "saved=1") {
		t.Fatalf("saving says (%d) %s", p.status, p.text())
	}
	if got, want := s.file(entryFile), "---\r\ntitle: U\r\n---\r\nune\r\ndeux et demi\r\nde plus\r\ntrois\r\n"; got != want {
		t.Errorf("the file became %q, want %q", got, want)
	}
}

// TestBlockThatClashes: a block that comes too late is shown within the whole text, where
// it belongs, and overwrites no other one.
func TestBlockThatClashes(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: "---\ntitle: T\n---\nzéro\n\nun\n\ndeux\n"})
	f := s.get(s.http, "block/consultations/velo?n=1").form("velo")
	f.set("text", "un, le mien")
	s.Commit(map[string]string{entryFile: "---\ntitle: T\n---\navant\n\nzéro\n\nun, le leur\n\ndeux\n"})
	p := f.submit("")
	if p.status != http.StatusConflict || !strings.Contains(p.text(), "un, le mien") {
		t.Fatalf("it says (%d) %s", p.status, p.text())
	}
	g := p.form("entry/consultations/velo")
	g.tick(strings.TrimPrefix(g.part(), "text"), "mine")
	if p := g.submit("save"); !strings.Contains(p.at, "saved=") {
		t.Fatalf("saving says (%d) %s", p.status, p.text())
	}
	if got, want := s.file(entryFile), "---\ntitle: T\n---\navant\n\nzéro\n\nun, le mien\n\ndeux\n"; got != want {
		t.Errorf("the file became %q, want %q", got, want)
	}
}

// TestItemsOfAnOlderForm: a form that comes back has the items of its own revision.
func TestItemsOfAnOlderForm(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: "---\ntitle: T\nmethodes: [alpha, beta, gamma]\n---\n"})
	f := s.get(s.http, "entry/consultations/velo").form("velo")
	f.set("f/methodes/2", "GAMMA, la mienne")
	s.Commit(map[string]string{entryFile: "---\ntitle: T\nmethodes: [alpha, beta]\n---\n"})
	for _, do := range []string{"open", "add:/methodes"} {
		if got := f.submit(do).form("velo").get("f/methodes/2"); got != "GAMMA, la mienne" {
			t.Errorf("%s shows %q", do, got)
		}
	}
}

// TestListsOfChoices: items of a list that are chosen, or said yes or no to.
func TestListsOfChoices(t *testing.T) {
	t.Parallel()
	c := consultations()
	c.Schema.Fields = append(c.Schema.Fields,
		fieldOf("publics", "select", "jeunes", "aînés"), fieldOf("drapeaux", "boolean"))
	s := newService(t, map[string]string{entryFile: "---\ntitle: T\npublics: [jeunes]\ndrapeaux: [true]\n---\n"}, c)
	f := s.get(s.http, "entry/consultations/velo").form("velo")
	f = f.submit("add:/drapeaux").form("velo")
	f.set("f/publics/0", `"aînés"`)
	f.set("f/drapeaux/n0", "false")
	if p := f.submit("save"); !strings.Contains(p.at, "saved=1") {
		t.Fatalf("saving says (%d) %s", p.status, p.text())
	}
	if got, want := s.file(entryFile), "---\ntitle: T\npublics: [aînés]\ndrapeaux: [true, false]\n---\n"; got != want {
		t.Errorf("the file became %q, want %q", got, want)
	}
}

// TestThemeKeepsToItself: of a theme's folder anyone may have what pages need, and nothing
// else.
func TestThemeKeepsToItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"theme.css": "a{}", "mark.svg": "<svg/>", ".git/config": "secret", ".env.css": "secret", "notes.txt": "secret", "templates/_brand.html": `{{define "brand"}}<b id="mine">{{.Site}}</b>{{end}}`} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := newService(t, nil)
	e := s.themed(os.DirFS(dir))
	for name, want := range map[string]int{"theme.css": 200, "mark.svg": 200, ".git/config": 404, ".env.css": 404, "notes.txt": 404, "templates/_brand.html": 404, "../fixture.css": 404, "none.css": 404} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/editor/theme/x/"+name, nil))
		if w.Code != want && !(want == 404 && w.Code >= 300) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/editor/login", nil))
	if !strings.Contains(w.Body.String(), `<b id="mine">`) || !strings.Contains(w.Body.String(), "/theme.css") {
		t.Errorf("the theme is not to be seen: %s", w.Body)
	}
}
