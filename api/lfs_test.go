package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cms/api"
)

const (
	lfsOID     = "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
	lfsPointer = "version https://git-lfs.github.com/spec/v1\noid " + lfsOID + "\nsize 12345\n"
)

// TestPointersOfMedia tells which files Git LFS keeps, and serves no pointer for one.
func TestPointersOfMedia(t *testing.T) {
	s := newServer(t)
	picture := encodedPNG(t)
	s.push(map[string]string{
		".gitattributes": "img/grand/** filter=lfs diff=lfs merge=lfs -text\n", "img/grand/a.png": lfsPointer, "img/b.png": lfsPointer, "img/c.png": picture,
	})
	var list api.MediaFiles
	res := s.do(request{method: "GET", path: "/v1/media"})
	if err := json.Unmarshal(res.body, &list); err != nil || list.Total != 3 {
		t.Fatalf("got %s, %v", res.body, err)
	}
	for _, f := range list.Items {
		want := f.Path != "c.png"
		if (f.LFS != nil) != want || want && *f.LFS != (api.Pointer{OID: lfsOID, Size: 12345}) {
			t.Errorf("%s: got %+v", f.Path, f.LFS)
		}
		for _, method := range []string{"GET", "HEAD"} {
			for _, path := range []string{f.URL, "/v1/media/" + f.Path} {
				res := s.do(request{method: method, path: path})
				if !want && res.status != 200 || want && (res.status != 409 || strings.Contains(res.header.Get("Cache-Control"), "immutable")) {
					t.Errorf("%s %s: got %d %v %s", method, path, res.status, res.header, res.body)
				}
				if want && method == "GET" && s.problem(res).Code != "lfs_pointer" {
					t.Errorf("%s %s: got %s", method, path, res.body)
				}
			}
		}
	}
	before := s.head()
	for name, tt := range map[string]struct {
		path, content, precondition string
		status                      int
		code                        string
	}{
		"a new file":               {"grand/b.png", picture, "If-None-Match", 409, "lfs_tracked"},
		"a new folder":             {"grand/2026/b.png", picture, "If-None-Match", 409, "lfs_tracked"},
		"a dry run":                {"grand/b.png?dry_run=true", picture, "If-None-Match", 409, "lfs_tracked"},
		"another content":          {"grand/a.png", picture, "If-Match", 409, "lfs_tracked"},
		"a pointer where they are": {"grand/c.csv", lfsPointer, "If-None-Match", 409, "lfs_tracked"},
		"a pointer elsewhere":      {"c.csv", lfsPointer, "If-None-Match", 422, "invalid"},
		"what is there already":    {"grand/a.png", picture, "If-None-Match", 412, "precondition_failed"},
	} {
		res := s.upload(tt.path, tt.content, "", tt.precondition, "*")
		if p := s.problem(res); res.status != tt.status || p.Code != tt.code {
			t.Errorf("%s: got %d %s", name, res.status, res.body)
		}
	}
	if res := s.upload("grand/b.png", picture, s.mint("photographer"), "If-None-Match", "*"); res.status != 404 {
		t.Errorf("who may not is told %d %s", res.status, res.body)
	}
	if s.head() != before {
		t.Error("there is a commit")
	}
	// What is no pointer any more is a file, and a pointer can go.
	if res := s.upload("b.png", picture, "", "If-Match", "*"); res.status != 200 || strings.Contains(string(res.body), "lfs") {
		t.Errorf("got %d %s", res.status, res.body)
	}
	if res := s.do(request{method: "DELETE", path: "/v1/media/grand/a.png", header: map[string]string{"If-Match": "*"}}); res.status != 204 {
		t.Errorf("got %d %s", res.status, res.body)
	}
	if res := s.do(request{method: "GET", path: "/v1/media/b.png?revision=" + list.Items[0].Revision}); res.status != 409 {
		t.Errorf("what it was: got %d %s", res.status, res.body)
	}
}

// TestPointersOfEntries lists a pointer among entries as one that cannot be read, and
// writes nothing where Git LFS keeps files, by whatever door.
func TestPointersOfEntries(t *testing.T) {
	s := newServer(t)
	s.push(map[string]string{
		".gitattributes":               "[attr]grand filter=lfs -text\n_consultations/archives/** grand\n",
		"pages/.gitattributes":         "*.md filter=lfs\n/libre*.md !filter\n",
		"_consultations/libre.md":      "---\ntitle: Libre\n---\n",
		"_consultations/pointe.md":     lfsPointer,
		"_consultations/archives/a.md": "---\ntitle: Archive\n---\n",
		"_consultations/archives/p.md": lfsPointer,
		"pages/accueil.md":             "---\ntitle: Accueil\n---\n",
		"pages/seconde.md":             "---\ntitle: Seconde\n---\n",
		"pages/libre.md":               "---\ntitle: Libre\n---\n",
	})
	res := s.do(request{method: "GET", path: "/v1/collections/consultations/entries/pointe"})
	e := s.entry(res)
	if e.Valid || len(e.Problems) != 1 || e.Problems[0].Rule != "lfs_pointer" || e.Fields.Len() != 0 {
		t.Errorf("got %d %s", res.status, res.body)
	}
	res = s.do(request{method: "GET", path: "/v1/collections/consultations/entries?filter[valid]=false"})
	if got := strings.Count(string(res.body), `"rule":"lfs_pointer"`); got != 2 {
		t.Errorf("the list of what is not valid has %d pointers: %s", got, res.body)
	}
	before := s.head()
	whatever := map[string]string{"If-Match": "*", "Content-Type": "application/json"}
	markdown := map[string]string{"If-Match": "*", "Content-Type": "text/markdown"}
	created := map[string]string{"If-None-Match": "*", "Content-Type": "text/markdown"}
	const doc = "---\ntitle: Titre\n---\n"
	for name, tt := range map[string]struct {
		request
		code string
	}{
		"create":                    {request{method: "POST", path: "/v1/collections/pages/entries", header: jsonBody(""), body: `{"fields": {"title": "Titre"}}`}, "lfs_tracked"},
		"create with a slug":        {request{method: "POST", path: "/v1/collections/consultations/entries", header: jsonBody(""), body: `{"slug": "archives/b", "fields": {"title": "Titre"}}`}, "lfs_tracked"},
		"create, dry":               {request{method: "POST", path: "/v1/collections/pages/entries?dry_run=true", header: jsonBody(""), body: `{"fields": {"title": "Titre"}}`}, "lfs_tracked"},
		"put a new file":            {request{method: "PUT", path: "/v1/collections/pages/entries/titre", header: created, body: doc}, "lfs_tracked"},
		"put another file":          {request{method: "PUT", path: "/v1/collections/pages/entries/accueil", header: markdown, body: doc}, "lfs_tracked"},
		"patch":                     {request{method: "PATCH", path: "/v1/collections/pages/entries/accueil", header: whatever, body: `{"fields": {"title": "Autre"}}`}, "lfs_tracked"},
		"patch a pointer":           {request{method: "PATCH", path: "/v1/collections/consultations/entries/pointe", header: whatever, body: `{"fields": {"title": "Autre"}}`}, "invalid"},
		"move to where it is kept":  {request{method: "POST", path: "/v1/collections/consultations/move/libre", header: whatever, body: `{"to": "archives/libre"}`}, "lfs_tracked"},
		"move to such a collection": {request{method: "POST", path: "/v1/collections/consultations/move/libre", header: whatever, body: `{"to": "autre", "collection": "pages"}`}, "lfs_tracked"},
		"move a pointer away":       {request{method: "POST", path: "/v1/collections/consultations/move/archives/p", header: whatever, body: `{"to": "p"}`}, "lfs_tracked"},
		"a batch": {request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations": [
			{"op": "create", "collection": "consultations", "slug": "bon", "fields": {"title": "Bon"}},
			{"op": "create", "collection": "pages", "slug": "mauvais", "fields": {"title": "Mauvais"}}]}`}, "lfs_tracked"},
	} {
		res := s.do(tt.request)
		if p := s.problem(res); p.Code != tt.code || tt.code == "lfs_tracked" && res.status != http.StatusConflict {
			t.Errorf("%s: got %d %s, want %s", name, res.status, res.body, tt.code)
		}
	}
	if res := s.do(request{method: "POST", path: "/v1/collections/pages/entries", header: jsonBody(""), body: `{"fields": {"title": "Titre"}}`, token: s.mint("reader")}); res.status != http.StatusNotFound {
		t.Errorf("who may not is told %d %s", res.status, res.body)
	}
	if s.head() != before {
		t.Error("there is a commit")
	}
	for name, tt := range map[string]struct {
		request
		status int
	}{
		"an equal file":               {request{method: "PUT", path: "/v1/collections/pages/entries/accueil", header: markdown, body: "---\ntitle: Accueil\n---\n"}, 200},
		"a file that is not kept":     {request{method: "PATCH", path: "/v1/collections/pages/entries/libre", header: whatever, body: `{"fields": {"title": "Autre"}}`}, 200},
		"a pointer to where it is":    {request{method: "POST", path: "/v1/collections/consultations/move/archives/p", header: whatever, body: `{"to": "archives/q"}`}, 200},
		"a file out of it":            {request{method: "POST", path: "/v1/collections/consultations/move/archives/a", header: whatever, body: `{"to": "a"}`}, 200},
		"a file in a pointer's place": {request{method: "PUT", path: "/v1/collections/consultations/entries/pointe", header: markdown, body: doc}, 200},
		"a deletion":                  {request{method: "DELETE", path: "/v1/collections/pages/entries/seconde", header: map[string]string{"If-Match": "*"}}, 204},
	} {
		if res := s.do(tt.request); res.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, res.status, res.body, tt.status)
		}
	}
	tree := strings.Fields(s.runGit("ls-tree", "-r", "--name-only", "main"))
	if !slices.Contains(tree, "_consultations/archives/q.md") || slices.Contains(tree, "_consultations/bon.md") {
		t.Errorf("got %q", tree)
	}
}

// TestOtherAttributes: what Git does to texts as they are checked out and added is none
// of our affair. Files are stored and read as they were sent.
func TestOtherAttributes(t *testing.T) {
	s := newServer(t)
	s.push(map[string]string{".gitattributes": "* text=auto eol=crlf\n*.csv text working-tree-encoding=UTF-16\n*.md text ident filter=other\n"})
	const csv, doc = "nom;prix\r\nA;1\n", "---\r\ntitle: Titre\r\n---\r\nun\ndeux\r\n"
	if res := s.upload("a.csv", csv, "", "If-None-Match", "*"); res.status != 201 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	s.create("consultations", "a", doc)
	if got := s.file("img/a.csv"); got != csv {
		t.Errorf("git has %q", got)
	}
	if got := s.file("_consultations/a.md"); got != doc {
		t.Errorf("git has %q", got)
	}
	if got := string(s.do(request{method: "GET", path: "/v1/media/a.csv"}).body); got != csv {
		t.Errorf("got %q", got)
	}
}
