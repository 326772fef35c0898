package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestNamesOfNewFiles: no door takes a name that a file could not have everywhere, nor
// fails for one.
func TestNamesOfNewFiles(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "ancien", sample)
	s.create("consultations", "un", sample)
	s.upload("plan.png", encodedPNG(t), "", "If-None-Match", "*")
	before := s.head()
	markdown := map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}
	const at = "/v1/collections/consultations/"
	asJSON := func(v string) string { return string(mustJSON(t, v)) }
	deep := strings.Repeat("a/", 505)
	for _, name := range []string{
		strings.Repeat("a", 238), strings.Repeat("a", 239), strings.Repeat("a", 240), strings.Repeat("a", 241), strings.Repeat("é", 119),
		"x/" + strings.Repeat("a", 239), strings.Repeat("a", 241) + "/x", deep + "abcdef", deep + "abcdefgh", strings.Repeat("a/", 5000) + "a",
		"CONIN$", "conout$.fr", "clock$", "com¹", "x/LPT³.a", "con .a", "aux/x", "nul", "a.", "a. ", "a ", "x./y", "x /y", "\u00a0a",
		"a\u200bb", "a\u202eb", "a\ufeffb", "a\u00adb", "a\ufe0f", "a\U000e0041", "a\u3164", "\u115f", "a\uffa0b", "a\u034fb", "a\u2028b", "a\u2800b",
	} {
		path := strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
		requests := map[string]request{
			"post":             {method: "POST", path: at + "entries", header: jsonBody(""), body: `{"slug":` + asJSON(name) + `,"fields":{"title":"x"}}`},
			"put":              {method: "PUT", path: at + "entries/" + path, header: markdown, body: sample},
			"put of JSON":      {method: "PUT", path: at + "entries/" + path, header: map[string]string{"Content-Type": "application/json", "If-None-Match": "*"}, body: `{"fields":{"title":"x"},"body":""}`},
			"move":             {method: "POST", path: at + "move/un", header: jsonBody("*"), body: `{"to":` + asJSON(name) + `}`},
			"move away":        {method: "POST", path: at + "move/un", header: jsonBody("*"), body: `{"collection":"pages","to":` + asJSON(name) + `}`},
			"try":              {method: "POST", path: at + "move/un?dry_run=true", header: jsonBody("*"), body: `{"to":` + asJSON(name) + `}`},
			"batch":            {method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations":[{"op":"create","collection":"consultations","slug":` + asJSON(name) + `,"fields":{"title":"x"}}]}`},
			"move in one":      {method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations":[{"op":"move","collection":"consultations","slug":"un","if_match":"*","to":` + asJSON(name) + `}]}`},
			"revert":           {method: "POST", path: at + "revert/" + path, header: jsonBody(""), body: `{"to":"` + before + `"}`},
			"upload":           {method: "PUT", path: "/v1/media/" + path + ".png", header: map[string]string{"If-None-Match": "*"}, body: encodedPNG(t)},
			"folder":           {method: "PUT", path: "/v1/media/" + path + "/a.png", header: map[string]string{"If-None-Match": "*"}, body: encodedPNG(t)},
			"read":             {method: "GET", path: at + "entries/" + path},
			"history":          {method: "GET", path: at + "history/" + path},
			"diff":             {method: "GET", path: at + "diff/" + path},
			"read of a file":   {method: "GET", path: "/v1/media/" + path + ".png"},
			"delete":           {method: "DELETE", path: at + "entries/" + path, header: map[string]string{"If-Match": "*"}},
			"delete of a file": {method: "DELETE", path: "/v1/media/" + path + ".png", header: map[string]string{"If-Match": "*"}},
		}
		for door, r := range requests {
			res := s.do(r)
			file := strings.HasPrefix(r.path, "/v1/media/")
			switch {
			case file && res.status < 300 && (strings.Trim(name, "aé/bcdefghx") == "" || door != "folder" && strings.Trim(name, "a. ") == ""):
				if res.status == http.StatusCreated { // too long or odd for an entry, but not for a file
					s.do(request{method: "DELETE", path: r.path, header: map[string]string{"If-Match": "*"}})
				}
			case res.status != 400 && res.status != 404 && res.status != 422 && res.status != 414 && res.status != 431:
				t.Errorf("%s of %.40q (%d bytes): got %d %.300s", door, name, len(name), res.status, res.body)
			case res.header.Get("Content-Type") == "application/problem+json":
				if p := s.problem(res); p.Detail.IsZero() {
					t.Errorf("%s of %.40q: got %s without a text", door, name, res.body)
				}
			}
		}
	}
	if got := s.runGit("ls-tree", "-r", "--name-only", "main"); got != "_consultations/ancien.md\n_consultations/un.md\nimg/plan.png\n" {
		t.Errorf("there are\n%s", got)
	}
	long := strings.Repeat("a", 237)
	if res := s.do(request{method: "POST", path: at + "move/un", header: jsonBody("*"), body: `{"to":"` + long + `"}`}); res.status != http.StatusOK {
		t.Errorf("move to the longest slug: got %d %s", res.status, res.body)
	}
	for _, way := range []string{"ancien.md/x", "x/../y"} {
		if res := s.do(request{method: "POST", path: at + "move/" + long, header: jsonBody("*"), body: `{"to":"` + way + `"}`}); res.status != http.StatusConflict && res.status != http.StatusUnprocessableEntity {
			t.Errorf("move to %s: got %d %s", way, res.status, res.body)
		}
	}
	if res := s.upload("plan.png/a.png", encodedPNG(t), "", "If-None-Match", "*"); res.status != http.StatusConflict {
		t.Errorf("a file below a file: got %d %s", res.status, res.body)
	}
}

// TestNamesThatGitBrought: what is there already can be read, edited, moved and
// deleted, whatever it is called.
func TestNamesThatGitBrought(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	names := []string{"con", "CONIN$", "com¹.a", "a\u00adb", "x\u3164", "é\u0301", "a:b", "fin.", "b ", "nul/x"}
	files := map[string]string{}
	for _, name := range names {
		files["_consultations/"+name+".md"] = sample
		files["img/"+name+".png"] = encodedPNG(t)
	}
	s.push(files)
	pushed := s.head()
	const at = "/v1/collections/consultations/"
	for _, name := range names {
		path := strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
		for _, r := range []request{
			{method: "GET", path: at + "entries/" + path},
			{method: "PATCH", path: at + "entries/" + path, header: mergePatch("*"), body: `{"fields":{"note":4}}`},
			{method: "PUT", path: at + "entries/" + path, header: map[string]string{"Content-Type": "text/markdown", "If-Match": "*"}, body: sample},
			{method: "GET", path: at + "history/" + path},
			{method: "POST", path: at + "move/" + path + "?dry_run=true", header: jsonBody("*"), body: `{"to":"bon"}`},
			{method: "POST", path: at + "revert/" + path, header: jsonBody("*"), body: `{"to":"` + pushed + `"}`},
			{method: "DELETE", path: at + "entries/" + path + "?dry_run=true", header: map[string]string{"If-Match": "*"}},
			{method: "GET", path: "/v1/media/" + path + ".png"},
			{method: "PUT", path: "/v1/media/" + path + ".png", header: map[string]string{"If-Match": "*"}, body: encodedPNG(t)},
			{method: "DELETE", path: "/v1/media/" + path + ".png", header: map[string]string{"If-Match": "*"}},
		} {
			if res := s.do(r); res.status != http.StatusOK && res.status != http.StatusNoContent {
				t.Errorf("%s %s: got %d %s", r.method, r.path, res.status, res.body)
			}
		}
	}
}
