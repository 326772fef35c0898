package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"cms/api"
)

// push commits files with plain Git, as someone from outside, and waits until
// the service has taken them over.
func (s *server) push(files map[string]string) {
	s.Helper()
	work := filepath.Join(s.TempDir(), "work")
	for name, text := range files {
		file := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			s.Fatal(err)
		}
	}
	steps := [][]string{{"read-tree", "main"}, {"add", "--ignore-removal", "."}, {"commit", "-q", "-m", "From outside"}}
	if s.repo.View().Commit().IsZero() {
		steps = steps[1:]
	}
	index := filepath.Join(s.TempDir(), "index")
	for _, step := range steps {
		cmd := exec.Command("git", append([]string{"--git-dir", s.git, "--work-tree", work}, step...)...)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_INDEX_FILE="+index,
			"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
		if out, err := cmd.CombinedOutput(); err != nil {
			s.Fatalf("git %v: %v\n%s", step, err, out)
		}
	}
	s.takeOver()
}

// takeOver has the service look for commits now that others have made.
func (s *server) takeOver() {
	s.Helper()
	if err := s.repo.Fetch(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// changedLines are the lines that the last commit took away and added.
func (s *server) changedLines() string {
	s.Helper()
	var lines []string
	for line := range strings.Lines(s.runGit("show", "--format=", "--unified=0", "main")) {
		if line[0] == '-' && !strings.HasPrefix(line, "---") || line[0] == '+' && !strings.HasPrefix(line, "+++") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(lines, "\n")
}

func (s *server) entry(res response) api.Entry {
	s.Helper()
	var e api.Entry
	if err := json.Unmarshal(res.body, &e); err != nil {
		s.Fatalf("entry: %v: %s", err, res.body)
	}
	return e
}

func mergePatch(etag string) map[string]string {
	return map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": etag}
}

// TestEditsTouchTheirLines makes one edit of each kind and looks at the diff.
func TestEditsTouchTheirLines(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, tt := range map[string]struct {
		request
		want string
	}{
		"scalar": {request{method: "PATCH", header: mergePatch("*"), body: `{"fields": {"in_progress": false}}`},
			"-in_progress: true\n+in_progress: false"},
		"date keeps its layout": {request{method: "PATCH", header: mergePatch("*"), body: `{"fields": {"date": "2019-02-01T10:00:00+01:00"}}`},
			"-date: 2019-01-15 09:29:08 +0000\n+date: 2019-02-01 10:00:00 +0100"},
		"date in another zone": {request{method: "PATCH", header: mergePatch("*"), body: `{"fields": {"date": "2019-01-15T10:29:08+01:00"}}`},
			"-date: 2019-01-15 09:29:08 +0000\n+date: 2019-01-15 10:29:08 +0100"},
		"empty value": {request{method: "PATCH", header: mergePatch("*"), body: `{"fields": {"link": "https://valmont.example.fr/avis"}}`},
			"-link:\n+link: https://valmont.example.fr/avis"},
		"new field": {request{method: "PATCH", header: mergePatch("*"), body: `{"fields": {"ordre": 2}}`},
			"+ordre: 2"},
		"removed field": {request{method: "PATCH", header: mergePatch("*"), body: `{"fields": {"organisateur": null}}`},
			"-organisateur : Ville de Valmont"},
		"list item": {request{method: "PATCH", header: map[string]string{"Content-Type": "application/json-patch+json", "If-Match": "*"},
			body: `[{"op": "add", "path": "/fields/methodes/-", "value": "En ligne"}]`},
			"+- En ligne"},
		"body": {request{method: "PATCH", header: mergePatch("*"), body: `{"body": "\nCorps.  \nSuite.\n"}`},
			"+Suite."},
		"JSON of all": {request{method: "PUT", header: map[string]string{"Content-Type": "application/json", "If-Match": "*"},
			body: `{"fields": {"note": 4, "in_progress": true, "date": "2019-01-15T09:29:08Z", "methodes": ["L'atelier"], "organisateur": "Ville de Valmont", "link": null, "title": "Plan vélo"}, "body": "\nCorps.  \n"}`},
			"-note: 3\n+note: 4"},
		"Markdown of all": {request{method: "PUT", header: map[string]string{"Content-Type": "text/markdown", "If-Match": "*"},
			body: "---\nnote: 4\ntitle: 'Plan vélo'\nlink: ~\norganisateur: \"Ville de Valmont\"\nmethodes: [L'atelier]\ndate: 2019-01-15T09:29:08Z\nin_progress: true\n---\n\nCorps.  \n"},
			"-note: 3\n+note: 4"},
		"exact": {request{method: "PUT", path: "?exact=true", header: map[string]string{"Content-Type": "text/markdown", "If-Match": "*"},
			body: strings.Replace(sample, "organisateur : ", "organisateur: ", 1)},
			"-organisateur : Ville de Valmont\n+organisateur: Ville de Valmont"},
	} {
		t.Run(name, func(t *testing.T) {
			slug := strings.ReplaceAll(name, " ", "-")
			s.create("consultations", slug, sample)
			tt.request.path = entryPath(slug) + tt.request.path
			res := s.do(tt.request)
			if res.status != http.StatusOK {
				t.Fatalf("got %d %s, want 200", res.status, res.body)
			}
			if got := s.changedLines(); got != tt.want {
				t.Errorf("got the diff\n%s\nwant\n%s", got, tt.want)
			}
			if e := s.entry(res); !e.Valid || res.header.Get("ETag") != `"`+e.Revision+`"` {
				t.Errorf("got ETag %s of %s", res.header.Get("ETag"), res.body)
			}
		})
	}
}

// TestUnchangedSavesCommitNothing saves in every way what is there already.
func TestUnchangedSavesCommitNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	before := s.head()
	read := s.do(request{method: "GET", path: entryPath("plan-velo")})
	var whole struct {
		Fields json.RawMessage `json:"fields"`
		Body   string          `json:"body"`
	}
	if err := json.Unmarshal(read.body, &whole); err != nil {
		t.Fatal(err)
	}
	replacement, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []request{
		{method: "PUT", header: map[string]string{"Content-Type": "application/json", "If-Match": tag}, body: string(replacement)},
		{method: "PUT", header: map[string]string{"Content-Type": "text/markdown", "If-Match": tag}, body: sample},
		{method: "PATCH", header: mergePatch(tag), body: `{"fields": {"note": 3.0, "date": "2019-01-15T09:29:08.000Z"}}`},
		{method: "PATCH", header: mergePatch(tag), body: `{}`},
	} {
		r.path = entryPath("plan-velo")
		res := s.do(r)
		if res.status != http.StatusOK || res.header.Get("ETag") != tag {
			t.Errorf("%s %s: got %d, ETag %s, want 200 with %s", r.method, r.body, res.status, res.header.Get("ETag"), tag)
		}
	}
	if after := s.head(); after != before {
		t.Errorf("there are new commits: %s", s.runGit("log", "-p", before+".."+after))
	}
}

// TestBaseMerges lets two clients edit the same revision: edits of different
// parts come together, and edits of the same field clash, both told.
func TestBaseMerges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	base := strings.Trim(s.create("consultations", "plan-velo", sample), `"`)
	first := s.do(request{method: "PATCH", path: entryPath("plan-velo"), header: mergePatch("*"), body: `{"fields": {"note": 4, "title": "Plan vélo 2030"}}`})
	if first.status != http.StatusOK {
		t.Fatalf("got %d %s", first.status, first.body)
	}
	noMatch := map[string]string{"Content-Type": "application/merge-patch+json"}

	merged := s.do(request{method: "PATCH", path: entryPath("plan-velo") + "?base=" + base, header: noMatch, body: `{"fields": {"in_progress": false}}`})
	if merged.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", merged.status, merged.body)
	}
	if got, want := s.changedLines(), "-in_progress: true\n+in_progress: false"; got != want {
		t.Errorf("got the diff\n%s\nwant\n%s", got, want)
	}

	whole := strings.Replace(sample, "organisateur : Ville de Valmont", "organisateur: Métropole de Valmont", 1)
	merged = s.do(request{method: "PUT", path: entryPath("plan-velo") + "?base=" + base, header: map[string]string{"Content-Type": "text/markdown"}, body: whole})
	if merged.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", merged.status, merged.body)
	}
	if got, want := s.changedLines(), "-organisateur : Ville de Valmont\n+organisateur : Métropole de Valmont"; got != want {
		t.Errorf("got the diff\n%s\nwant\n%s", got, want)
	}

	before := s.head()
	clash := s.do(request{method: "PATCH", path: entryPath("plan-velo") + "?base=" + base, header: noMatch, body: `{"fields": {"note": 5, "in_progress": false}}`})
	if clash.status != http.StatusConflict {
		t.Fatalf("got %d %s, want 409", clash.status, clash.body)
	}
	if got, want := string(clash.body), `"clashes":[{"field":"note","pointer":"/fields/note","base":3,"ours":4,"theirs":5}]`; !strings.Contains(got, want) {
		t.Errorf("got %s, want it to hold %s", got, want)
	}
	if after := s.head(); after != before {
		t.Errorf("the clash was committed: %s", s.changedLines())
	}

	// The base of a merge is no way to read another entry.
	other := strings.Trim(s.create("pages", "secret", "---\ntitle: Secret\n---\n"), `"`)
	if res := s.do(request{method: "PATCH", path: entryPath("plan-velo") + "?base=" + other, header: noMatch, body: `{"fields": {"title": "x"}}`}); res.status != http.StatusBadRequest {
		t.Errorf("another entry's revision as base: got %d %s, want 400", res.status, res.body)
	}
}

// TestDryRun asks what each write would change, and finds nothing changed.
func TestDryRun(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	before := s.head()
	res := s.do(request{method: "PATCH", path: entryPath("plan-velo") + "?dry_run=true", header: mergePatch(tag), body: `{"fields": {"note": 4}, "body": "\nAutre.\n"}`})
	var d struct {
		BodyChanged bool `json:"body_changed"`
		Unified     string
	}
	if err := json.Unmarshal(res.body, &d); err != nil || res.status != http.StatusOK {
		t.Fatalf("got %d %s: %v", res.status, res.body, err)
	}
	if !d.BodyChanged || !strings.Contains(string(res.body), `"changed":[{"field":"note","old":3,"new":4}]`) ||
		!strings.Contains(d.Unified, "-note: 3\n+note: 4\n") || !strings.Contains(d.Unified, "--- a/_consultations/plan-velo.md\n") {
		t.Errorf("got %s", res.body)
	}
	res = s.do(request{method: "POST", path: "/v1/collections/consultations/entries?dry_run=true", header: map[string]string{"Content-Type": "application/json"}, body: `{"fields": {"title": "Plan vélo"}}`})
	if res.status != http.StatusOK || !strings.Contains(string(res.body), `"slug":"plan-velo-2"`) || !strings.Contains(string(res.body), "+title: Plan vélo") {
		t.Errorf("create: got %d %s", res.status, res.body)
	}
	res = s.do(request{method: "DELETE", path: entryPath("plan-velo") + "?dry_run=true", header: map[string]string{"If-Match": tag}})
	if res.status != http.StatusOK || !strings.Contains(string(res.body), "-title: Plan vélo") {
		t.Errorf("delete: got %d %s", res.status, res.body)
	}
	if res := s.do(request{method: "PATCH", path: entryPath("plan-velo") + "?dry_run=true", header: mergePatch(`"0"`), body: `{}`}); res.status != http.StatusPreconditionFailed {
		t.Errorf("stale: got %d, want 412", res.status)
	}
	if after := s.head(); after != before {
		t.Error("a dry run has committed")
	}
}

// TestBrokenFiles shows what becomes of files that cannot be read, are
// ambiguous or break the schema: they are listed with what is wrong and where,
// read raw, not edited by field, and replaced raw.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	files := map[string]struct {
		src          string
		line, column int
		rule         string
	}{
		"invalid YAML":         {"---\ntitle: Un\nlink: a: b\n---\nCorps\n", 3, 8, "syntax"},
		"not UTF-8":            {"---\ntitle: Un\nlieu: \xe9t\xe9\n---\nCorps\n", 3, 7, "syntax"},
		"unterminated":         {"---\ntitle: Un\n", 1, 1, "syntax"},
		"duplicate key":        {"---\ntitle: Un\nordre: 1\ntitle: Deux\n---\nCorps\n", 4, 1, "duplicate_key"},
		"shared anchor":        {"---\ntitle: &t Un\nlieu: *t\n---\nCorps\n", 2, 8, "shared_anchor"},
		"tab":                  {"---\ntitle: Un\ncontact:\n\tnom: x\n---\nCorps\n", 4, 1, "syntax"},
		"second YAML document": {"---\ntitle: Un\n--- # suite\ntitle: Deux\n---\nCorps\n", 3, 1, "syntax"},
		"too many values":      {"---\ntitle: Un\nliste:\n" + strings.Repeat("- 0\n", 100_001) + "---\nCorps\n", 2, 1, "too_large"},
		"a long number":        {"+++\ntitle = \"Un\"\nn = 0." + strings.Repeat("1", 1000) + "\n+++\nCorps\n", 3, 5, "too_large"},
	}
	s, pushed := newServer(t), map[string]string{}
	slug := func(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }
	for name, tt := range files {
		pushed["_consultations/"+slug(name)+".md"] = tt.src
	}
	s.push(pushed)
	list := s.do(request{method: "GET", path: "/v1/collections/consultations/entries"})
	var page api.Entries
	if err := json.Unmarshal(list.body, &page); err != nil || len(page.Items) != len(files) {
		t.Fatalf("got %s: %v", list.body, err)
	}
	for name, tt := range files {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.TB = t
			i := slices.IndexFunc(page.Items, func(e api.Entry) bool { return e.Slug == slug(name) })
			if i < 0 {
				t.Fatalf("got %s", list.body)
			}
			e := page.Items[i]
			if e.Valid || len(e.Problems) == 0 || e.Problems[0].Rule != tt.rule || e.Problems[0].Line != tt.line || e.Problems[0].Column != tt.column {
				t.Errorf("got problems %+v, want %s at line %d, column %d", e.Problems, tt.rule, tt.line, tt.column)
			}
			raw := s.do(request{method: "GET", path: entryPath(slug(name)), header: map[string]string{"Accept": "text/markdown"}})
			if raw.status != http.StatusOK || string(raw.body) != tt.src {
				t.Errorf("raw: got %d %.200q, want %.200q", raw.status, raw.body, tt.src)
			}
			before := s.head()
			edit := s.do(request{method: "PATCH", path: entryPath(slug(name)), header: mergePatch("*"), body: `{"fields": {"title": "Trois"}}`})
			if edit.status != http.StatusUnprocessableEntity {
				t.Errorf("edit: got %d %s, want 422", edit.status, edit.body)
			} else if p := s.problem(edit); len(p.Errors) == 0 || name != "unterminated" && name != "duplicate key" && p.Errors[0].Line != tt.line {
				t.Errorf("edit: got %s, want the line %d", edit.body, tt.line)
			}
			if s.head() != before {
				t.Error("the refused edit was committed")
			}
			put := s.do(request{method: "PUT", path: entryPath(slug(name)), header: map[string]string{"Content-Type": "text/markdown", "If-Match": raw.header.Get("ETag")}, body: sample})
			if put.status != http.StatusOK || !s.entry(put).Valid {
				t.Errorf("replace: got %d %s, want 200 and a valid entry", put.status, put.body)
			}
			if got := s.file("_consultations/" + slug(name) + ".md"); got != sample {
				t.Errorf("replace: got %q, want %q", got, sample)
			}
		})
	}
}

// TestSharedAnchors lets an editor work on the fields of a file beside those
// that take their value from one another, and save such a file.
func TestSharedAnchors(t *testing.T) {
	t.Parallel()
	const src = "---\ntitle: &t Un\nlieu: *t\nnote: 1\n---\nCorps\n"
	s := newServer(t)
	s.create("consultations", "partage", src)
	res := s.do(request{method: "PATCH", path: entryPath("partage"), header: mergePatch("*"), body: `{"fields": {"note": 2}}`})
	if got, want := s.changedLines(), "-note: 1\n+note: 2"; res.status != http.StatusOK || got != want {
		t.Errorf("got %d %s with the diff\n%s\nwant\n%s", res.status, res.body, got, want)
	}
	if e := s.entry(res); e.Valid || len(e.Problems) != 1 || e.Problems[0].Rule != "shared_anchor" {
		t.Errorf("got problems %+v, want that of the anchor", e.Problems)
	}
	res = s.do(request{method: "PUT", path: entryPath("partage"), header: map[string]string{"Content-Type": "text/markdown", "If-Match": "*"},
		body: strings.Replace(src, "&t Un", "&t Deux", 1)})
	if got, want := s.changedLines(), "-title: &t Un\n+title: &t Deux\n-note: 2\n+note: 1"; res.status != http.StatusOK || got != want {
		t.Errorf("got %d %s with the diff\n%s\nwant\n%s", res.status, res.body, got, want)
	}
}

// TestOldProblemsStay lets an editor work on a file that breaks a rule in a
// field that the edit leaves alone.
func TestOldProblemsStay(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.push(map[string]string{"_consultations/ancienne.md": "---\ntitle: Ancienne\nnote: 9\nlink: pas un lien\n---\n"})
	res := s.do(request{method: "PATCH", path: entryPath("ancienne"), header: mergePatch("*"), body: `{"fields": {"title": "Ancienne et corrigée"}}`})
	if res.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", res.status, res.body)
	}
	if e := s.entry(res); e.Valid || len(e.Problems) != 2 {
		t.Errorf("got problems %+v, want those of note and link", e.Problems)
	}
	res = s.do(request{method: "PATCH", path: entryPath("ancienne"), header: mergePatch("*"), body: `{"fields": {"note": 8, "link": "javascript:alert(1)"}}`})
	if p := s.problem(res); res.status != http.StatusUnprocessableEntity || len(p.Errors) != 2 {
		t.Errorf("got %d %s, want 422 with both fields", res.status, res.body)
	}
}

// TestReserializingClient puts every document of the corpus through a client
// that decodes it, changes the title and writes all of its front matter anew.
func TestReserializingClient(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("CMS_CORPUS")
	if dir == "" {
		t.Skip("CMS_CORPUS names no folder of Markdown files")
	}
	s := newServer(t)
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".md" {
			return err
		}
		src, err := os.ReadFile(file)
		rel, _ := filepath.Rel(dir, file)
		if strings.HasPrefix(filepath.Base(rel), ".") || strings.Contains(rel, "/.") {
			return err
		}
		files["pages/"+rel] = string(src)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.push(files)
	edited := 0
	for name, src := range files {
		rest, ok := strings.CutPrefix(src, "---\n")
		if !ok {
			continue
		}
		front, body, ok := strings.Cut(rest, "\n---\n")
		var fields map[string]any
		if !ok || yaml.Unmarshal([]byte(front), &fields) != nil || fields["title"] == nil {
			continue
		}
		fields["title"] = fmt.Sprint(fields["title"], " (révisé)")
		encoded, err := yaml.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		slug := strings.TrimSuffix(strings.TrimPrefix(name, "pages/"), ".md")
		res := s.do(request{method: "PUT", path: "/v1/collections/pages/entries/" + slug, header: map[string]string{"Content-Type": "text/markdown", "If-Match": "*"},
			body: "---\n" + string(encoded) + "---\n" + body})
		if res.status != http.StatusOK {
			t.Errorf("%s: got %d %s", name, res.status, res.body)
			continue
		}
		edited++
		for line := range strings.SplitSeq(s.changedLines(), "\n") {
			if !strings.Contains(strings.ToLower(line), "title") && !strings.Contains(line, "(révisé)") && !strings.Contains(front, "title: >") {
				t.Errorf("%s: the diff touches %q", name, line)
			}
		}
	}
	t.Logf("%d of %d files edited by a client that writes front matter anew", edited, len(files))
	if edited < len(files)/2 {
		t.Errorf("only %d of %d files could be edited", edited, len(files))
	}
}
