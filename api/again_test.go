package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestRepeatedByTheRightsOfNow: whoever repeats a write is told of it what the
// token in their hand may see, and nothing when it could not make it.
func TestRepeatedByTheRightsOfNow(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	const (
		at   = "/v1/collections/consultations"
		nous = `"title":"Nous","organisateur":"Ville de Valmont","note":2,"in_progress":true`
	)
	etag := s.create("consultations", "nous", sample)
	first := strings.Trim(etag, `"`)
	s.create("consultations", "parti", sample)
	s.create("consultations", "perdu", sample)
	s.create("pages", "accueil", "---\ntitle: Accueil\norganisateur: Ville de Valmont\n---\n")
	of := func(key, media, match string) map[string]string {
		h := map[string]string{"Content-Type": media, "Idempotency-Key": key}
		if match != "" {
			h["If-Match"] = match
		}
		return h
	}
	const asJSON, asPatch = "application/json", "application/merge-patch+json"
	requests := map[string]request{
		"create":   {method: "POST", path: at + "/entries", body: `{"slug":"neuf","fields":{` + nous + `}}`, header: of("k1", asJSON, "")},
		"put":      {method: "PUT", path: entryPath("nous"), body: `{"fields":{` + nous + `},"body":"x"}`, header: of("k2", asJSON, etag)},
		"markdown": {method: "PUT", path: entryPath("nous"), body: strings.Replace(sample, "note: 3", "note: 2", 1), header: of("k3", "text/markdown", "*")},
		"patch":    {method: "PATCH", path: entryPath("nous"), body: `{"fields":{"note":2}}`, header: of("k4", asPatch, "*")},
		"revert":   {method: "POST", path: at + "/revert/nous", body: `{"to":"` + first + `"}`, header: of("k5", asJSON, "*")},
		"move":     {method: "POST", path: at + "/move/parti", body: `{"to":"ailleurs"}`, header: of("k6", asJSON, "*")},
		"batch": {method: "POST", path: "/v1/batch", header: of("k7", asJSON, ""), body: `{"operations":[
			{"op":"create","collection":"consultations","slug":"lot","fields":{` + nous + `}},
			{"op":"patch","collection":"consultations","slug":"lot","if_match":"*","fields":{"note":3}},
			{"op":"delete","collection":"consultations","slug":"perdu","if_match":"*"}]}`},
		"unchanged": {method: "PATCH", path: entryPath("nous"), body: `{"fields":{}}`, header: of("k8", asPatch, "*")},
		"away":      {method: "POST", path: at + "/move/ailleurs", body: `{"to":"ici","collection":"pages"}`, header: of("k9", asJSON, "*")},
		"delete":    {method: "DELETE", path: entryPath("lot"), header: map[string]string{"If-Match": "*", "Idempotency-Key": "k10"}},
		"media":     {method: "PUT", path: "/v1/media/plan.svg", body: `<svg xmlns="http://www.w3.org/2000/svg"/>`, header: map[string]string{"If-None-Match": "*", "Idempotency-Key": "k11"}},
		"file":      {method: "DELETE", path: "/v1/media/plan.svg", header: map[string]string{"If-Match": "*", "Idempotency-Key": "k12"}},
	}
	order := []string{"create", "put", "markdown", "patch", "revert", "move", "batch", "unchanged", "away", "delete", "media", "file"}
	answers := map[string]response{}
	for _, name := range order {
		res := s.do(requests[name])
		if res.status >= 300 {
			t.Fatalf("%s: got %d %s", name, res.status, res.body)
		}
		answers[name] = res
	}
	before := s.head()
	for _, name := range order { // whatever happened since
		s.same(s.do(requests[name]), answers[name])
	}
	repeat := func(name, token string) response {
		t.Helper()
		r := requests[name]
		r.token = token
		res := s.do(r)
		if strings.Contains(string(res.body), `"note"`) || res.header.Get("ETag") != "" && res.header.Get("ETag") == answers[name].header.Get("ETag") {
			t.Errorf("%s: told what is hidden: %v %s", name, res.header, res.body)
		}
		return res
	}
	valmont := s.limitedAs("ann", "Ville de Valmont")
	for _, name := range order {
		for role, token := range map[string]string{"stranger": s.mint("stranger"), "none": s.mint(), "webhooks": s.mint("operator"), "another place": s.limitedAs("ann", "Ville d’Aubeterre"), "reader": s.mint("reader"), "photos": s.mint("photographer")} {
			if res := repeat(name, token); res.status != 403 && res.status != 404 {
				t.Errorf("%s, with the token of %s: got %d %s", name, role, res.status, res.body)
			}
		}
		want := map[string]int{"create": 201, "away": 404, "delete": 204, "media": 404, "file": 404}[name]
		if want == 0 {
			want = 200
		}
		res := repeat(name, valmont)
		if res.status != want {
			t.Errorf("%s, with a token that hides a field: got %d %s, want %d", name, res.status, res.body, want)
		}
		var told struct{ Revision string }
		if json.Unmarshal(res.body, &told); told.Revision != "" && `"`+told.Revision+`"` != res.header.Get("ETag") {
			t.Errorf("%s: got the revision %s and the ETag %s", name, told.Revision, res.header.Get("ETag"))
		}
	}
	if got := s.head(); got != before {
		t.Errorf("repeated, the writes made the commit %s", got)
	}
}

// TestKeptOfAWrite: of what was written nothing is kept beside Git, and of what
// changed nothing not even the key.
func TestKeptOfAWrite(t *testing.T) {
	t.Parallel()
	s, db := newKeyServer(t)
	count := func(query string) (n int) {
		t.Helper()
		if err := db.SQL().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	secret := strings.Repeat("secret-enfoui ", 20_000)
	body := `{"slug":"a","fields":{"title":"Plan"},"body":"` + secret + `"}`
	create := func(key, query, body string) response {
		r := creation(key, "")
		r.path, r.body = r.path+query, body
		return s.do(r)
	}
	media := request{method: "PUT", path: "/v1/media/plan.svg?dry_run=true", body: `<svg xmlns="http://www.w3.org/2000/svg"/>`, header: map[string]string{"If-None-Match": "*", "Idempotency-Key": "m"}}
	for range 2 {
		for _, res := range []response{
			create("d", "?dry_run=true", body), s.do(media),
			s.do(request{method: "POST", path: "/v1/batch?dry_run=true", body: `{"operations":[{"op":"create","collection":"consultations","fields":{"title":"x"}}]}`,
				header: map[string]string{"Content-Type": "application/json", "Idempotency-Key": "b"}}),
		} {
			if res.status != http.StatusOK || res.header.Get("Idempotency-Replayed") != "" {
				t.Fatalf("dry run: got %d %v %s", res.status, res.header, res.body)
			}
		}
		if res := create("r", "", `{"fields":{"link":"`+secret+`"}}`); res.status != http.StatusUnprocessableEntity {
			t.Fatalf("refusal: got %d", res.status)
		}
	}
	if n := count(`SELECT COUNT(*) FROM idempotency_keys`); n != 0 {
		t.Errorf("after dry runs and refusals: got %d keys, want none", n)
	}
	if res := create("k", "", body); res.status != http.StatusCreated {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	if n := count(`SELECT SUM(LENGTH(result)) FROM idempotency_keys`); n == 0 || n > 512 {
		t.Errorf("kept of a write of %d bytes: got %d, want 1 to 512", len(body), n)
	}
	if n := count(`SELECT COUNT(*) FROM idempotency_keys WHERE result LIKE '%secret-enfoui%' OR result LIKE '%Plan%'`); n != 0 {
		t.Error("what was written is kept")
	}
	if res := create("k", "", body); res.header.Get("Idempotency-Replayed") != "true" || !strings.Contains(string(res.body), "secret-enfoui") {
		t.Errorf("repeated: got %d %v", res.status, res.header)
	}
}

// TestLostAnswersByTheRightsOfNow: that a write was made is told, where its answer was
// lost, to those alone who see what it did. To others it is as if it had not been.
func TestLostAnswersByTheRightsOfNow(t *testing.T) {
	t.Parallel()
	s, db := newKeyServer(t)
	s.create("consultations", "nous", sample)
	s.create("consultations", "parti", sample)
	of := func(media, match string) map[string]string {
		h := map[string]string{"Content-Type": media}
		if match != "" {
			h["If-Match"] = match
		}
		return h
	}
	const ours, theirs = `"organisateur":"Ville de Valmont"`, `"organisateur":"Ville d’Aubeterre"`
	svg := `<svg xmlns="http://www.w3.org/2000/svg"/>`
	for i, tt := range []struct {
		request
		sees bool
	}{
		{request{method: "POST", path: "/v1/collections/consultations/entries", body: `{"slug":"a","fields":{"title":"A",` + theirs + `}}`, header: of("application/json", "")}, false},
		{request{method: "POST", path: "/v1/collections/consultations/entries", body: `{"slug":"b","fields":{"title":"B",` + ours + `}}`, header: of("application/json", "")}, true},
		{request{method: "POST", path: "/v1/collections/pages/entries", body: `{"slug":"a","fields":{"title":"A"}}`, header: of("application/json", "")}, false},
		{request{method: "PATCH", path: entryPath("nous"), body: `{"fields":{"note":1}}`, header: of("application/merge-patch+json", "*")}, false},
		{request{method: "PATCH", path: entryPath("nous"), body: `{"fields":{"title":"Autre"}}`, header: of("application/merge-patch+json", "*")}, true},
		{request{method: "POST", path: "/v1/batch", body: `{"operations":[{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"title":"Encore"}},
			{"op":"create","collection":"consultations","slug":"c","fields":{"title":"C",` + theirs + `}}]}`, header: of("application/json", "")}, false},
		{request{method: "POST", path: "/v1/collections/consultations/move/parti", body: `{"to":"page","collection":"pages"}`, header: of("application/json", "*")}, false},
		{request{method: "DELETE", path: entryPath("a"), header: map[string]string{"If-Match": "*"}}, false},
		{request{method: "DELETE", path: entryPath("b"), header: map[string]string{"If-Match": "*"}}, true},
		{request{method: "PUT", path: "/v1/media/plan.svg", body: svg, header: map[string]string{"If-None-Match": "*"}}, false},
		{request{method: "DELETE", path: "/v1/media/plan.svg", header: map[string]string{"If-Match": "*"}}, false},
	} {
		limited, r := s.limitedAs("ann", "Ville de Valmont"), tt.request
		fresh := r
		fresh.token = limited
		r.header["Idempotency-Key"] = "k" + string(rune('a'+i))
		if res := s.do(r); res.status >= 300 {
			t.Fatalf("%s %s: got %d %s", r.method, r.path, res.status, res.body)
		}
		made := s.head()
		if _, err := db.SQL().ExecContext(t.Context(), `UPDATE idempotency_keys SET result = '', size = 0, lease_until = 1`); err != nil {
			t.Fatal(err)
		}
		told := func(r request) (response, bool) {
			res := s.do(r)
			return res, strings.Contains(string(res.body), made) || strings.Contains(string(res.body), "already_made") || res.header.Get("Idempotency-Replayed") != ""
		}
		r.token = limited
		res, sees := told(r)
		if sees != tt.sees || res.status < 400 {
			t.Errorf("%s %s %s: got %d %s, want it told: %t", r.method, r.path, r.body, res.status, res.body, tt.sees)
		}
		if !tt.sees { // it is refused as a write without a key would be
			delete(fresh.header, "Idempotency-Key")
			want := s.do(fresh)
			if want.status != res.status || s.problem(want).Detail != s.problem(res).Detail {
				t.Errorf("%s %s: got %d %s, want %d %s", r.method, r.path, res.status, res.body, want.status, want.body)
			}
			r.header["Idempotency-Key"] = "k" + string(rune('a'+i))
		}
		r.token = ""
		if res, sees := told(r); !sees {
			t.Errorf("%s %s: its maker got %d %s", r.method, r.path, res.status, res.body)
		}
		if s.head() != made {
			t.Fatalf("%s %s: it was made twice", r.method, r.path)
		}
	}
}
