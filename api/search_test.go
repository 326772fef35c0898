package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"cms/api"
	"cms/auth"
)

// find gives the slugs that a search finds, in order, and the whole answer.
func (s *server) find(query, token string) (string, api.Hits) {
	s.Helper()
	res := s.do(request{method: "GET", path: "/v1/search?" + query, token: token})
	var hits api.Hits
	if err := json.Unmarshal(res.body, &hits); err != nil || res.status != 200 {
		s.Fatalf("%s: got %d %s", query, res.status, res.body)
	}
	var slugs []string
	for _, h := range hits.Items {
		slugs = append(slugs, h.Entry.Slug)
	}
	return strings.Join(slugs, " "), hits
}

func q(words string) string { return "q=" + url.QueryEscape(words) }

func TestSearch(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "velo", "---\ntitle: Plan vélo\ndate: 2026-01-01\n---\nDes pistes <b>cyclables</b> & [larges](https://example.org/route).\n")
	s.create("consultations", "eau", "---\ntitle: L’eau\ndate: 2026-01-01\n---\nPas de vélos ici.\n")
	s.create("pages", "aide", "---\ntitle: Aide\nmotcle: vélo\n---\n\n")
	if got, _ := s.find(q("velos"), ""); got != "velo aide eau" {
		t.Errorf("got %s", got)
	}
	_, hits := s.find(q("piste l'cyclable"), "")
	if hits.Total != 1 || hits.Commit != s.head() || len(hits.Items[0].Highlights) != 1 ||
		hits.Items[0].Highlights[0] != (api.Highlight{Field: "body", HTML: "Des <mark>pistes</mark> <mark>cyclables</mark> &amp; [larges ."}) {
		t.Errorf("got %+v", hits)
	}
	for query, want := range map[string]string{
		q("vélo") + "&collection=pages": "aide", q("route"): "", q("eau"): "eau", q("vélo eau"): "eau",
	} {
		if got, _ := s.find(query, ""); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	var pages []string
	cursor := ""
	for range 3 {
		got, hits := s.find(q("vélo")+"&limit=1"+cursor, "")
		pages = append(pages, got)
		if hits.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *hits.NextCursor
	}
	if got := strings.Join(pages, " "); got != "velo aide eau" {
		t.Errorf("in pages: got %s", got)
	}
	if res := s.do(request{method: "DELETE", path: entryPath("velo"), header: map[string]string{"If-Match": "*"}}); res.status != 204 && res.status != 200 {
		t.Fatalf("delete: got %d", res.status)
	}
	if got, hits := s.find(q("vélo"), ""); got != "aide eau" || hits.Commit != s.head() {
		t.Errorf("after a deletion: got %s at %s", got, hits.Commit)
	}
	for query, status := range map[string]int{
		"": 422, q("?!"): 400, q("vélo") + "&limit=0": 422, q("vélo") + "&cursor=x": 400, q("eau") + cursor: 400,
		q("vélo") + "&collection=none": 404, q("vélo") + "&a=b": 422,
	} {
		if res := s.do(request{method: "GET", path: "/v1/search?" + query}); res.status != status {
			t.Errorf("%s: got %d %s, want %d", query, res.status, res.body, status)
		} else {
			s.problem(res)
		}
	}
}

func TestSearchShowsOnlyWhatTheCallerSees(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for i, org := range []string{"Valmont", "Ailleurs"} {
		s.create("consultations", strings.ToLower(org), fmt.Sprintf("---\ntitle: Jardin\norganisateur: %s\ndate: 2026-01-01\nnote: %d\nautre: [partage]\n---\nTexte.\n", org, i+1))
	}
	s.create("pages", "jardin", "---\ntitle: Jardin\n---\n\n")
	limited, err := auth.Mint(s.issuer, auth.Claims{Subject: "val", Name: "Val", Email: "val@example.org", Roles: []string{"limited"}, TTL: time.Hour,
		Extra: map[string]any{"org": "Valmont"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, hits := s.find(q("jardin"), limited); got != "valmont" || hits.Total != 1 {
		t.Errorf("got %s of %d", got, hits.Total)
	}
	if got, _ := s.find(q("ailleurs"), limited); got != "" {
		t.Errorf("got %s", got)
	}
	if got, _ := s.find(q("jardin"), s.mint("reader")); got != "ailleurs valmont" {
		t.Errorf("a reader of consultations finds %s", got)
	}
	if got, _ := s.find(q("jardin"), s.mint("photographer")); got != "" {
		t.Errorf("who reads no collection finds %s", got)
	}
}
