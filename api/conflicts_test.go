package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cms/repo/repotest"
)

// setAside makes a conflict as the join with a Git host leaves one: an entry's text, "" for a
// deletion, that was set aside; base is the text that both sides began with, "" for none.
func (s *server) setAside(id, collection, slug, base, text string) {
	s.Helper()
	path := "_" + collection + "/" + slug + ".md"
	if collection == "pages" {
		path = "pages/" + slug + ".md"
	}
	repotest.SetAside(s, s.git, repotest.Aside{ID: id, Collection: collection, Slug: slug, Path: path, Base: base, Text: text})
}

// TestConflicts lists what was set aside, and resolves it either way.
func TestConflicts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	asJSON := map[string]string{"Content-Type": "application/json"}
	const base = "---\ntitle: Plan\nnote: 1\n---\nTexte.\n"
	put := func(slug, text string) {
		t.Helper()
		res := s.do(request{method: "PUT", path: entryPath(slug), body: text, header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}})
		if res.status != http.StatusCreated {
			t.Fatalf("put %s: %d %s", slug, res.status, res.body)
		}
	}
	put("un", "---\ntitle: Leur plan\nnote: 1\n---\nTexte.\n\nLeur ligne.\n")
	put("deux", "---\ntitle: Leur plan\nnote: 1\n---\nTexte.\n")
	put("trois", "---\ntitle: Leur plan\nnote: 1\n---\nTexte.\n")
	s.setAside("aaaaaaaaaaaa", "consultations", "un", base, "---\ntitle: Notre plan\nnote: 1\n---\nTexte.\n")
	s.setAside("bbbbbbbbbbbb", "consultations", "deux", base, "---\ntitle: Notre plan\nnote: 1\n---\nTexte.\n")
	s.setAside("cccccccccccc", "consultations", "trois", base, "")
	s.setAside("dddddddddddd", "consultations", "quatre", base, "---\ntitle: Notre plan\nnote: 2\n---\nTexte.\n")

	var list struct {
		Items []struct{ ID, Collection, Slug, Aside string }
	}
	s.operateAs(s.token, "/v1/conflicts", &list)
	var told []string
	for _, c := range list.Items {
		told = append(told, c.ID+" "+c.Collection+"/"+c.Slug)
	}
	if got, want := strings.Join(told, ", "), "bbbbbbbbbbbb consultations/deux, dddddddddddd consultations/quatre, cccccccccccc consultations/trois, aaaaaaaaaaaa consultations/un"; got != want {
		t.Errorf("conflicts: got %s, want %s", got, want)
	}
	var entry struct {
		Valid    bool
		Problems []struct{ Rule, Detail string }
	}
	s.until("the problem of what was set aside", func() bool {
		s.operateAs(s.token, entryPath("un"), &entry)
		return len(entry.Problems) == 1
	})
	if p := entry.Problems; !entry.Valid || p[0].Rule != "set_aside" || !strings.Contains(p[0].Detail, "aaaaaaaaaaaa") {
		t.Errorf("un: valid %v with the problems %v, want valid, and the conflict told", entry.Valid, p)
	}
	resolve := func(id, body string, want int) {
		t.Helper()
		if res := s.do(request{method: "POST", path: "/v1/conflicts/" + id + "/resolve", body: body, header: asJSON}); res.status != want {
			t.Errorf("resolve %s by %s: got %d %s, want %d", id, body, res.status, res.body, want)
		}
	}
	resolve("aaaaaaaaaaaa", `{"take":"ours"}`, http.StatusUnprocessableEntity)
	resolve("aaaaaaaaaaaa", `{"take":"aside","message":"Reprendre"}`, http.StatusNoContent)
	resolve("bbbbbbbbbbbb", `{"take":"branch"}`, http.StatusNoContent)
	resolve("cccccccccccc", `{"take":"aside"}`, http.StatusNoContent)
	resolve("dddddddddddd", `{"take":"aside"}`, http.StatusNoContent)
	resolve("dddddddddddd", `{"take":"aside"}`, http.StatusNotFound)
	resolve("..", `{"take":"aside"}`, http.StatusNotFound)
	s.operateAs(s.token, "/v1/conflicts", &list)
	if len(list.Items) != 0 {
		t.Errorf("left after all are resolved: %v", list.Items)
	}
	for slug, want := range map[string]string{
		"un": "---\ntitle: Notre plan\nnote: 1\n---\nTexte.\n\nLeur ligne.\n", "deux": "---\ntitle: Leur plan\nnote: 1\n---\nTexte.\n",
		"trois": "", "quatre": "---\ntitle: Notre plan\nnote: 2\n---\nTexte.\n",
	} {
		if want != "" {
			entry.Problems = nil
			if s.operateAs(s.token, entryPath(slug), &entry); len(entry.Problems) != 0 {
				t.Errorf("%s, which is resolved, has the problems %v", slug, entry.Problems)
			}
		}
		res := s.do(request{method: "GET", path: entryPath(slug), header: map[string]string{"Accept": "text/markdown"}})
		if got := string(res.body); want == "" && res.status != http.StatusNotFound || want != "" && got != want {
			t.Errorf("%s: got %d %q, want %q", slug, res.status, got, want)
		}
	}
}

// TestConflictsThatCannotBeEnded: the disk fails as a conflict is forgotten, once what was set
// aside is saved or where nothing is to be. Neither is told as not done.
func TestConflictsThatCannotBeEnded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const base, aside = "---\ntitle: Plan\n---\nTexte.\n", "---\ntitle: Notre plan\n---\nTexte.\n"
	s.create("consultations", "un", "---\ntitle: Leur plan\n---\nTexte.\n")
	s.setAside("aaaaaaaaaaaa", "consultations", "un", base, aside)
	s.setAside("bbbbbbbbbbbb", "consultations", "un", base, "---\ntitle: Un autre\n---\nTexte.\n")
	for id, take := range map[string]string{"aaaaaaaaaaaa": "aside", "bbbbbbbbbbbb": "branch"} {
		resolve := request{method: "POST", path: "/v1/conflicts/" + id + "/resolve", body: `{"take":"` + take + `"}`, header: map[string]string{"Content-Type": "application/json"}}
		s.lateAside.Store(1)
		if p := s.problem(s.do(resolve)); p.Status != http.StatusGatewayTimeout || p.Code != "may_be_saved" {
			t.Errorf("%s: got %+v, want 504", take, p)
		}
		if res := s.do(resolve); res.status != http.StatusNotFound {
			t.Errorf("%s once more: got %d %s, want 404", take, res.status, res.body)
		}
	}
	if got := s.file("_consultations/un.md"); got != aside || s.commits() != "2" {
		t.Errorf("after %s commits the entry is %q", s.commits(), got)
	}
}

// operateAs reads an answer.
func (s *server) operateAs(token, path string, into any) {
	s.Helper()
	res := s.do(request{method: "GET", path: path, token: token})
	if res.status != http.StatusOK {
		s.Fatalf("%s: %d %s", path, res.status, res.body)
	}
	if err := json.Unmarshal(res.body, into); err != nil {
		s.Fatal(err)
	}
}
