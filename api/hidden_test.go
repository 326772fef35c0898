package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/auth"
)

// TestUpdatedTellsOfNoHiddenField: who does not see a field is not told who changed
// it, nor when, by any door that names the last change of an entry.
func TestUpdatedTellsOfNoHiddenField(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	limited := s.limited("Ville de Valmont")
	as := func(name string) string {
		token, err := auth.Mint(s.issuer, auth.Claims{Subject: name, Name: name, Email: name + "@example.org", Roles: []string{"editor"}, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	edit := func(token, body string) string {
		t.Helper()
		res := s.do(request{method: "PATCH", path: entryPath("nous"), body: body, token: token, header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*"}})
		if res.status != 200 {
			t.Fatalf("%s: got %d %s", body, res.status, res.body)
		}
		return s.head()
	}
	s.create("consultations", "nous", sample)
	type entry struct {
		Updated struct {
			Commit string
			Author struct{ Name string }
		}
	}
	check := func(want, author string) {
		t.Helper()
		get := func(path string, to any) {
			t.Helper()
			res := s.do(request{method: "GET", path: path, token: limited})
			if err := json.Unmarshal(res.body, to); err != nil || res.status != 200 {
				t.Fatalf("%s: got %d %s", path, res.status, res.body)
			}
			if strings.Contains(string(res.body), "secret") {
				t.Errorf("%s: got %s", path, res.body)
			}
		}
		var one entry
		var list, history struct {
			Items []struct {
				entry
				Commit string
			}
		}
		var found struct{ Items []struct{ Entry entry } }
		get(entryPath("nous"), &one)
		get("/v1/collections/consultations/entries", &list)
		get("/v1/search?q=valmont", &found)
		get("/v1/collections/consultations/history/nous", &history)
		get("/v1/changes", &struct{}{})
		res := s.do(request{method: "PATCH", path: entryPath("nous"), body: `{"fields":{}}`, token: limited, header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*"}})
		var written entry
		if err := json.Unmarshal(res.body, &written); err != nil {
			t.Fatalf("%v: %s", err, res.body)
		}
		for door, got := range map[string]entry{"entry": one, "list": list.Items[0].entry, "search": found.Items[0].Entry, "a write that changes nothing": written} {
			if got.Updated.Commit != want || got.Updated.Author.Name != author {
				t.Errorf("%s: got %+v, want %s by %s", door, got.Updated, want, author)
			}
		}
		if got := history.Items[0].Commit; got != want {
			t.Errorf("history: got %s, want %s", got, want)
		}
	}
	check(s.head(), "Ann Éditrice")
	seen := edit(as("visible"), `{"fields":{"title":"Autre"}}`)
	check(seen, "visible")
	edit(as("secret"), `{"fields":{"note":1}}`)
	check(seen, "visible")
	edit(as("secret"), `{"fields":{"note":2}}`)
	check(seen, "visible")
	both := edit(as("open"), `{"fields":{"note":3,"title":"Encore"}}`)
	check(both, "open")
	edit(as("secret"), `{"fields":{"note":null}}`)
	check(both, "open")

	out := edit(as("away"), `{"fields":{"organisateur":"Ville d’Aubeterre"}}`)
	edit(as("secret"), `{"fields":{"note":4}}`)
	back := edit(as("back"), `{"fields":{"organisateur":"Ville de Valmont"}}`)
	check(back, "back")
	if out == back {
		t.Fatal("nothing was changed")
	}
	edit(as("secret"), `{"fields":{"note":5}}`)
	own := s.do(request{method: "PATCH", path: entryPath("nous"), body: `{"fields":{"title":"Mien"}}`, token: limited,
		header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*", "Idempotency-Key": "k"}})
	mine := s.head()
	check(mine, "lou")
	edit(as("secret"), `{"fields":{"note":1}}`)
	again := s.do(request{method: "PATCH", path: entryPath("nous"), body: `{"fields":{"title":"Mien"}}`, token: limited,
		header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*", "Idempotency-Key": "k"}})
	s.same(again, own)
}

// TestNoPlacesBesideHiddenFields: a line of the file tells how many there are of
// hidden fields before it, in whatever answer.
func TestNoPlacesBesideHiddenFields(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	secret := ""
	for i := range 7 {
		secret += fmt.Sprintf("  - %d\n", i)
	}
	broken := "---\ntitle: Plan\nnote:\n" + secret + "organisateur: Ville de Valmont\nin_progress: true\nlink: 3\nlink: 4\nanchor: &a [1]\nalias: *a\nquoi: [oui,\n  non]\n---\nCorps\n"
	s.push(map[string]string{"_consultations/nous.md": broken})
	limited := s.limited("Ville de Valmont")
	json, patch, jsonPatch := jsonBody("*"), map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*"}, map[string]string{"Content-Type": "application/json-patch+json", "If-Match": "*"}
	markdown := map[string]string{"Content-Type": "text/markdown", "If-Match": "*"}
	places, problems := 0, 0
	for _, r := range []request{
		{method: "GET", path: entryPath("nous")},
		{method: "GET", path: "/v1/collections/consultations/entries"},
		{method: "GET", path: "/v1/search?q=plan"},
		{method: "PATCH", path: entryPath("nous"), body: `{"fields":{"link":"http://example.org/"}}`, header: patch},
		{method: "PATCH", path: entryPath("nous"), body: `{"fields":{"anchor":[2]}}`, header: patch},
		{method: "PATCH", path: entryPath("nous") + "?dry_run=true", body: `{"fields":{"anchor":[2]}}`, header: patch},
		{method: "PATCH", path: entryPath("nous"), body: `[{"op":"replace","path":"/fields/link","value":"x"}]`, header: jsonPatch},
		{method: "PUT", path: entryPath("nous"), body: `{"fields":{"title":"x","organisateur":"Ville de Valmont","link":5},"body":""}`, header: json},
		{method: "PUT", path: entryPath("nous"), body: "---\ntitle: x\norganisateur: Ville de Valmont\nin_progress: true\nlink: 5\n? {a: b}\n: c\n---\n", header: markdown},
		{method: "PUT", path: entryPath("nous"), body: "---\ntitle: [\n---\n", header: markdown},
		{method: "POST", path: "/v1/batch", body: `{"operations":[{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"link":"x"}}]}`, header: jsonBody("")},
		{method: "POST", path: "/v1/batch?dry_run=true", body: `{"operations":[{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"anchor":null}}]}`, header: jsonBody("")},
		{method: "POST", path: "/v1/collections/consultations/move/nous?dry_run=true", body: `{"to":"ailleurs"}`, header: json},
	} {
		places += strings.Count(string(s.do(r).body), `"line"`)
		r.token = limited
		res := s.do(r)
		problems += strings.Count(string(res.body), `"rule"`)
		for _, sign := range []string{`"line"`, `"column"`, "line 1", "line 2", "Line"} {
			if strings.Contains(string(res.body), sign) {
				t.Errorf("%s %s %s: got %d %s", r.method, r.path, r.body, res.status, res.body)
			}
		}
		if res.status >= http.StatusInternalServerError {
			t.Errorf("%s %s: got %d %s", r.method, r.path, res.status, res.body)
		}
	}
	if places < 5 || problems < 5 {
		t.Errorf("%d places and %d problems are told: the test shows nothing", places, problems)
	}
}
