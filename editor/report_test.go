package editor_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// leads are where the links of a page lead to whose text is this.
func (p *page) leads(label string) (to []string) {
	for _, n := range all(p.root, "a") {
		if strings.Join(strings.Fields(text(n)), " ") == label {
			href, _ := attr(n, "href")
			to = append(to, href)
		}
	}
	return to
}

// TestReport counts what could be better in a collection by rules, and leads to each place.
func TestReport(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"_consultations/une.md":    "---\ntitle: Une\nintro: \"![](photo.jpg)\"\n---\nAvant.\n\nVoir [ici](https://example.org/a) et [ici](https://example.org/a).\n",
		"_consultations/deux.md":   "---\ntitle: Deux\n---\n![](image.png)\n",
		"_consultations/bonne.md":  "---\ntitle: Bonne\n---\nRien.\n",
		"_consultations/cassee.md": "---\ntitle: [\n---\n![](image.png)\n",
	}
	for i := range 60 {
		files[fmt.Sprintf("_consultations/z%02d.md", i)] = fmt.Sprintf("---\ntitle: Z%02d\n---\n## \n", i)
	}
	s := newService(t, files)
	p := s.get(s.http, "report/consultations").want(http.StatusOK, "Contrôles : Consultations", "Image sans texte de remplacement", "2 endroits", "2 entrées", "Titre vide", "60 endroits", "64 entrées regardées")
	p.want(http.StatusOK, "Le lien ne dit pas où il mène")
	to := p.leads("Image sans texte de remplacement")
	if len(to) != 1 {
		t.Fatalf("the rule leads to %v", to)
	}
	p = s.get(s.http, strings.TrimPrefix(to[0], "/editor/")).want(http.StatusOK, "Une", "Deux", "image.png")
	p.wantNot("Bonne", "Cassee", "Z01")
	places := append(p.leads("Ligne 1"), p.leads("intro, Ligne 1")...)
	if strings.Join(places, " ") != "/editor/block/consultations/deux?n=0 /editor/entry/consultations/une#f%2Fintro" {
		t.Errorf("the places are at %v", places)
	}
	s.get(s.http, "block/consultations/deux?n=0").want(http.StatusOK, "Source du passage")
	s.get(s.http, "entry/consultations/une").byID("f/intro")
	p = s.get(s.http, "report/consultations?rule=link-vague").want(http.StatusOK, "Une")
	if got := p.leads("Ligne 3"); len(got) != 2 || got[0] != "/editor/block/consultations/une?n=1" {
		t.Errorf("the links are at %v", got)
	}

	// By pages: each entry once.
	seen, at := map[string]bool{}, "report/consultations?rule=heading-empty"
	for n := 0; at != ""; n++ {
		p := s.get(s.http, at).want(http.StatusOK, "Titre vide")
		for i := range 60 {
			if len(p.leads(fmt.Sprintf("Z%02d", i))) > 0 {
				if seen[fmt.Sprint(i)] {
					t.Errorf("Z%02d is shown twice", i)
				}
				seen[fmt.Sprint(i)] = true
			}
		}
		if at = strings.Join(p.leads("Suite"), ""); at != "" {
			at = strings.TrimPrefix(at, "/editor/")
		}
		if n > 5 {
			t.Fatal("there is no end")
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d entries are shown of 60", len(seen))
	}
	s.get(s.http, "report/consultations?cursor=nichts").want(http.StatusOK, "64 entrées")
	s.get(s.http, "report/consultations?rule=nichts").want(http.StatusOK, "Contrôles : Consultations")
	s.get(s.http, "report/autres").want(http.StatusNotFound)
	s.get(s.http, "list/consultations").want(http.StatusOK, "Contrôles")
	reader := s.logIn("rene")
	p = s.get(reader, "report/consultations?rule=image-alternative").want(http.StatusOK, "Deux")
	if got := p.leads("Ligne 1"); len(got) != 1 || got[0] != "/editor/entry/consultations/deux#body" {
		t.Errorf("a reader is led to %v", got)
	}
}

// TestProblems are told by collection, rule and field, to who may see them.
func TestProblems(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{
		"_consultations/une.md":    "---\ntitle: Une\nnote: 12\netapes:\n  - nom: Un\n  - jour: 2024-01-01\n  - jour: 2024-01-02\n---\n",
		"_consultations/deux.md":   "---\nnote: 14\n---\n",
		"_consultations/bonne.md":  "---\ntitle: Bonne\n---\n",
		"_consultations/cassee.md": "---\ntitle: [\n---\n",
	})
	s.Commit(map[string]string{"_consultations/Perdue.MD": "---\ntitle: Perdue\n---\n", "_consultations/Bonne.md": "---\ntitle: Bonne\n---\n"})
	s.get(s.http, "").want(http.StatusOK, "À corriger 3 entrées", "Tout voir")
	p := s.get(s.http, "problems").want(http.StatusOK, "Consultations 3 entrées", "_consultations/Perdue.MD", "Ligne 3", "Adresses trop semblables")
	for _, slug := range []string{"Bonne", "bonne"} { // well in themselves, but alike
		if got := p.leads(slug); !slices.Equal(got, []string{"/editor/entry/consultations/" + slug}) {
			t.Errorf("%s leads to %v", slug, got)
		}
	}
	places := map[string]bool{}
	for _, label := range []string{"Une", "deux", "cassee"} {
		for _, to := range p.leads(label) {
			places[to] = true
			path, fragment, _ := strings.Cut(to, "#")
			q := s.get(s.http, strings.TrimPrefix(path, "/editor/")).want(http.StatusOK)
			if fragment != "" {
				id, err := url.PathUnescape(fragment)
				if err != nil {
					t.Fatal(err)
				}
				q.byID(id)
			}
		}
	}
	for _, want := range []string{"une#f%2Fnote", "une#f%2Fetapes%2F1%2Fnom", "une#f%2Fetapes%2F2%2Fnom", "deux#f%2Ftitle", "deux#f%2Fnote"} {
		if !places["/editor/entry/consultations/"+want] {
			t.Errorf("nothing leads to %s of %v", want, places)
		}
	}
	if !places["/editor/source/consultations/cassee"] {
		t.Errorf("nothing leads to the file that cannot be read, of %v", places)
	}
	s.get(s.http, "problems?in=consultations").want(http.StatusOK, "Consultations 3 entrées").wantNot("Perdue.MD")
	s.get(s.http, "problems?in=autres").want(http.StatusOK, "Tout est en ordre")

	// Of a field that is hidden from them, and of files that may not be for them, readers are
	// told nothing.
	p = s.get(s.logIn("rene"), "problems").want(http.StatusOK, "Une")
	p.wantNot("Perdue", "f%2Fnote", "note")
}

// TestListsTellMore: what is wrong with an entry, and where its page is.
func TestListsTellMore(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{"_consultations/une.md": "---\ntitle: Une\nnote: 12\n---\n"})
	p := s.get(s.http, "list/consultations").want(http.StatusOK, "1 champ à corriger", "note : doit être inférieur ou égal à 5")
	if got := p.leads("Voir sur le site"); len(got) != 1 || got[0] != "https://example.org/une/" {
		t.Errorf("the page is at %v", got)
	}
	s.get(s.logIn("rene"), "list/consultations").want(http.StatusOK, "Une").wantNot("note")
}
