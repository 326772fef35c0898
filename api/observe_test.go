package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// lines is a log that a test can read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take is what the log has since it was taken last.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// audit is a line of the audit log.
type audit struct {
	Who struct {
		Address, Issuer, Subject, Name, Email string
	}
	Operation, Method, Path string
	Result                  struct {
		Status  int
		Code    string
		Changed []struct{ Collection, Name, Commit string }
		Asked   []struct{ Collection, Name, Commit string } // where it was refused
	}
	RequestID string `json:"request_id"`
}

// audits takes the audit lines out of the log.
func (l *lines) audits(t *testing.T) []audit {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []audit
	for scan := bufio.NewScanner(&l.b); scan.Scan(); {
		var line struct {
			Msg   string
			Audit audit
		}
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatalf("%v: %s", err, scan.Text())
		}
		if line.Msg == "audit" {
			found = append(found, line.Audit)
		}
	}
	l.b.Reset()
	return found
}

func TestAudit(t *testing.T) {
	t.Parallel()
	var log lines
	s := newServerWith(t, func(o *options) { o.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	tag := s.create("consultations", "plan", sample)
	log.audits(t)
	patch := map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": tag}

	for _, c := range []struct {
		name      string
		r         request
		operation string
		status    int
		code      string
		changed   string // name of the entry
	}{
		{"an edit", request{method: "PATCH", path: entryPath("plan"), body: `{"fields": {"note": 4}}`, header: patch}, "patch-entry", 200, "", "plan"},
		{"a stale edit", request{method: "PATCH", path: entryPath("plan"), body: `{"fields": {"note": 1}}`, header: patch}, "patch-entry", 412, "precondition_failed", ""},
		{"a creation", request{method: "POST", path: "/v1/collections/consultations/entries", body: `{"fields": {"title": "L’eau"}}`,
			header: map[string]string{"Content-Type": "application/json"}}, "create-entry", 201, "", "l-eau"},
		{"a role that may not", request{method: "DELETE", path: entryPath("plan"), token: s.mint("reader"), header: map[string]string{"If-Match": "*"}}, "delete-entry", 403, "forbidden", ""},
		{"a deletion", request{method: "DELETE", path: entryPath("plan"), header: map[string]string{"If-Match": "*"}}, "delete-entry", 204, "", "plan"},
		{"a read of what is not there", request{method: "GET", path: entryPath("rien")}, "get-entry", 404, "not_found", ""},
		{"a read without a token", request{method: "GET", path: entryPath("plan"), token: "-"}, "get-entry", 401, "unauthenticated", ""},
		{"a read with a false token", request{method: "GET", path: entryPath("plan"), token: "a.b.c"}, "get-entry", 401, "unauthenticated", ""},
	} {
		res := s.do(c.r)
		found := log.audits(t)
		if len(found) != 1 {
			t.Errorf("%s: got %d lines, want 1", c.name, len(found))
			continue
		}
		got := found[0]
		if got.Operation != c.operation || got.Method != c.r.method || got.Path != c.r.path || got.Result.Status != c.status || got.Result.Code != c.code {
			t.Errorf("%s: got %+v", c.name, got)
		}
		if got.RequestID != res.header.Get("X-Request-Id") || got.Who.Address != "127.0.0.1" {
			t.Errorf("%s: got request %s of %s", c.name, got.RequestID, got.Who.Address)
		}
		if known := c.status != 401; known != (got.Who.Subject == "ann" && got.Who.Issuer == "cms" && got.Who.Email == "ann@example.org") {
			t.Errorf("%s: got %+v", c.name, got.Who)
		}
		if c.changed == "" {
			if len(got.Result.Changed) != 0 {
				t.Errorf("%s: changed %+v", c.name, got.Result.Changed)
			}
		} else if ch := got.Result.Changed; len(ch) != 1 || ch[0].Name != c.changed || ch[0].Collection != "consultations" || ch[0].Commit != s.head() {
			t.Errorf("%s: changed %+v, want %s by %s", c.name, ch, c.changed, s.head())
		}
	}

	s.do(request{method: "GET", path: "/v1/me"})
	s.do(request{method: "GET", path: "/v1/me?access_token=" + s.token})
	log.mu.Lock()
	text := log.b.String()
	log.mu.Unlock()
	if strings.Contains(text, s.token) || strings.Contains(text, s.token[strings.LastIndex(s.token, ".")+1:]) {
		t.Errorf("the log holds a token: %s", text)
	}
	if found := log.audits(t); len(found) != 1 || found[0].Result.Status != 422 {
		t.Errorf("a read and a refused one left %+v, want one line", found)
	}
}

func TestAuditNamesTheTargetsOfBatchesAndMedia(t *testing.T) {
	t.Parallel()
	var log lines
	s := newServerWith(t, func(o *options) { o.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	asJSON := map[string]string{"Content-Type": "application/json"}
	batch := func(path, second string) request {
		return request{method: "POST", path: path, header: asJSON, body: `{"operations": [` +
			`{"op": "create", "collection": "consultations", "slug": "quais", "fields": {"title": "Les quais"}},` + second + `]}`}
	}
	move := `{"op": "move", "collection": "consultations", "slug": "quais", "if_match": "*", "to": "berges"}`
	for _, c := range []struct {
		name           string
		r              request
		status         int
		changed, asked string
	}{
		{"a batch that is refused", batch("/v1/batch", `{"op": "delete", "collection": "pages", "slug": "rien", "if_match": "*"}`), 404, "", "consultations/quais pages/rien"},
		{"a dry run", batch("/v1/batch?dry_run=true", move), 200, "", ""},
		{"a batch", batch("/v1/batch", move), 200, "consultations/quais consultations/berges", ""},
		{"an upload", request{method: "PUT", path: "/v1/media/plan.pdf", body: "%PDF-1.4\n", header: map[string]string{"If-None-Match": "*"}}, 201, "media/plan.pdf", ""},
		{"a deletion", request{method: "DELETE", path: "/v1/media/plan.pdf", header: map[string]string{"If-Match": "*"}}, 204, "media/plan.pdf", ""},
	} {
		log.audits(t)
		if res := s.do(c.r); res.status != c.status {
			t.Fatalf("%s: got %d %s", c.name, res.status, res.body)
		}
		found := log.audits(t)
		if len(found) != 1 {
			t.Fatalf("%s: got %d lines, want 1", c.name, len(found))
		}
		var changed, asked []string
		for _, at := range found[0].Result.Changed {
			changed = append(changed, at.Collection+"/"+at.Name)
			if at.Commit != s.head() {
				t.Errorf("%s: got commit %s, want %s", c.name, at.Commit, s.head())
			}
		}
		for _, at := range found[0].Result.Asked {
			asked = append(asked, at.Collection+"/"+at.Name)
		}
		if got := strings.Join(changed, " "); got != c.changed {
			t.Errorf("%s: changed %q, want %q", c.name, got, c.changed)
		}
		if got := strings.Join(asked, " "); got != c.asked {
			t.Errorf("%s: asked for %q, want %q", c.name, got, c.asked)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const safe = "8c9e6a32-6a0f-4d3c-9a0e-6f4d8a1f2b3c"
	for given, want := range map[string]bool{
		safe:                     true,
		strings.ToUpper(safe):    true,
		"":                       false,
		"1":                      false,
		safe[:35] + "\u00e9":     false,
		`"><script>alert(1)`:     false,
		"{" + safe[1:35] + "}":   false,
		strings.Repeat("a", 36):  false,
		strings.Repeat("a", 4e3): false,
	} {
		res := s.do(request{method: "GET", path: "/v1/none", header: map[string]string{"X-Request-Id": given}})
		s.problem(res)
		got := res.header.Get("X-Request-Id")
		if len(got) != 36 || want != (got == safe) {
			t.Errorf("X-Request-Id %q: got %q", given, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, func(o *options) { o.Registry, o.Metrics = prometheus.NewRegistry(), true })
	s.create("consultations", "plan", sample)
	s.create("consultations", "a/b", sample)
	s.do(request{method: "GET", path: entryPath("plan")})
	s.do(request{method: "GET", path: entryPath("a/b")})
	s.do(request{method: "GET", path: entryPath("rien")})
	s.do(request{method: "GET", path: "/v1/nowhere/" + strings.Repeat("x", 99)})
	s.do(request{method: "BREW", path: "/v1/me"})

	res := s.do(request{method: "GET", path: "/metrics", token: "-"})
	if res.status != http.StatusOK || !strings.HasPrefix(res.header.Get("Content-Type"), "text/plain") {
		t.Fatalf("got %d %s", res.status, res.header.Get("Content-Type"))
	}
	const entry = `route="/v1/collections/{collection}/entries/{slug}"`
	for _, want := range []string{
		`cms_http_requests_total{method="GET",` + entry + `,status="200"} 2`,
		`cms_http_requests_total{method="GET",` + entry + `,status="404"} 1`,
		`cms_http_requests_total{method="PUT",` + entry + `,status="201"} 2`,
		`cms_http_requests_total{method="GET",route="none",status="404"} 1`,
		`cms_http_requests_total{method="other",route="none",status="405"} 1`,
		`cms_http_request_duration_seconds_count{method="GET",` + entry + `} 3`,
	} {
		if !strings.Contains(string(res.body), want+"\n") {
			t.Errorf("no %s in\n%s", want, res.body)
		}
	}
}

func TestMetricsAreServedOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, func(o *options) { o.Registry = prometheus.NewRegistry() })
	if res := s.do(request{method: "GET", path: "/metrics"}); res.status != http.StatusNotFound {
		t.Errorf("got %d, want 404", res.status)
	}
}
