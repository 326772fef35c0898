package api_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"cms/api"
	"cms/api/hooks"
	"cms/auth"
	"cms/content"
	"cms/site/sitetest"
	"cms/web"
	"cms/web/once"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// TestDocument holds the document against the schema of OpenAPI 3.1. With
// CMS_OPENAPI it writes it to that file, for a linter.
func TestDocument(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1:8080")
	document := s.do(request{method: "GET", path: "/openapi.json", token: "-"}).body
	if file := os.Getenv("CMS_OPENAPI"); file != "" {
		if err := os.WriteFile(file, document, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := libopenapi.NewDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(parsed, config.WithSchemaCache(nil)) // of the document, not of answers
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		t.Errorf("got %v", errs)
	}
}

// TestDocumentTellsOfCommits: what reads or writes content takes Cms-Commit, and what writes it
// answers with one.
func TestDocumentTellsOfCommits(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1:8080")
	c := newConformance(t, s.do(request{method: "GET", path: "/openapi.json", token: "-"}).body)
	about, others := 0, 0
	for id, op := range c.operations {
		takes := slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.Name == web.CommitHeader })
		is := regexp.MustCompile(`^/v1/(collections|batch|search|media|media-move|media-references|conflicts|changes|events)(/|$)`).MatchString(op.path)
		if takes != is {
			t.Errorf("%s %s takes Cms-Commit: %t, want %t", op.method, op.path, takes, is)
		}
		if !is {
			others++
			continue
		}
		about++
		writes := slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.Name == once.Header })
		for status, r := range op.Responses {
			well := strings.HasPrefix(status, "2")
			if _, tells := r.Headers[web.CommitHeader]; writes && well && !tells || tells && (!well || op.method == "GET") {
				t.Errorf("%s answers %s with Cms-Commit: %t", id, status, tells)
			}
		}
	}
	if about < 20 || others == 0 {
		t.Errorf("%d operations are about content, %d are not", about, others)
	}
}

// conformance holds answers against the document, and counts them.
type conformance struct {
	validator  func() (validator.Validator, error)
	operations map[string]operation // by id
	succeeded  map[string]int
	refused    map[string]int
}

type operation struct {
	method, path string
	OperationID  string
	Parameters   []parameter
	RequestBody  *struct {
		Content map[string]struct {
			Schema  json.RawMessage
			Example json.RawMessage
		}
	}
	Responses map[string]documentedResponse
}

type parameter struct {
	Ref             string `json:"$ref"`
	In, Name, Style string
	Required        bool
	Explode         *bool
	Example         any
	Schema          struct{ Examples []any }
}

type documentedResponse struct {
	Ref              string `json:"$ref"`
	Headers, Content map[string]struct{}
}

func newConformance(t *testing.T, source []byte) *conformance {
	t.Helper()
	var document struct {
		Paths      map[string]map[string]operation
		Components struct {
			Responses  map[string]documentedResponse
			Parameters map[string]parameter
		}
	}
	if err := json.Unmarshal(source, &document); err != nil {
		t.Fatal(err)
	}
	c := &conformance{validatorOf(source), map[string]operation{}, map[string]int{}, map[string]int{}}
	for path, methods := range document.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			for i, p := range op.Parameters {
				if name, shared := strings.CutPrefix(p.Ref, "#/components/parameters/"); shared {
					op.Parameters[i] = document.Components.Parameters[name]
				}
			}
			for status, r := range op.Responses {
				if name, shared := strings.CutPrefix(r.Ref, "#/components/responses/"); shared {
					op.Responses[status] = document.Components.Responses[name]
				}
			}
			c.operations[op.OperationID] = op
		}
	}
	return c
}

// validators are what validatorOf gives, by the text of the document.
var validators sync.Map

// validatorOf makes what holds answers against a document when it is first asked for, once for
// all tests: it compiles every schema, which takes longer than most tests.
func validatorOf(source []byte) func() (validator.Validator, error) {
	made, _ := validators.LoadOrStore(string(source), sync.OnceValues(func() (validator.Validator, error) {
		parsed, err := libopenapi.NewDocument(source)
		if err != nil {
			return nil, err
		}
		v, errs := validator.NewValidator(parsed)
		return v, errors.Join(errs...)
	}))
	return made.(func() (validator.Validator, error))
}

// check holds the answer to a request of an operation against the document.
func (c *conformance) check(s *server, id string, r request, res response) {
	s.Helper()
	if res.status >= http.StatusInternalServerError && res.status != http.StatusServiceUnavailable {
		s.Errorf("%s: %s %s %q %q: got %d %s", id, r.method, r.path, r.header, r.body, res.status, res.body)
	}
	if res.status < http.StatusBadRequest {
		c.succeeded[id]++
	} else {
		c.refused[id]++
		s.problem(res)
	}
	op := c.operations[id]
	documented, ok := op.Responses[strconv.Itoa(res.status)]
	if !ok {
		s.Errorf("%s: %s %s: the status %d is not documented: %s", id, r.method, r.path, res.status, res.body)
		return
	}
	for _, h := range []string{"ETag", "Location", "WWW-Authenticate", "Retry-After", "Accept-Patch", "Set-Cookie"} {
		if _, known := documented.Headers[h]; res.header.Get(h) != "" && !known {
			s.Errorf("%s: %s %s: the header %s of a %d is not documented", id, r.method, r.path, h, res.status)
		}
	}
	if len(documented.Content) == 0 {
		if len(res.body) > 0 {
			s.Errorf("%s: %s %s: a %d has a body", id, r.method, r.path, res.status)
		}
		return
	}
	// The validator matches one segment for each parameter: what was broken in
	// the path is of no account to the answer's form.
	path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(op.path, "x")
	req, err := http.NewRequest(op.method, "http://127.0.0.1"+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	answer := &http.Response{StatusCode: res.status, Header: res.header, Body: io.NopCloser(bytes.NewReader(res.body)), Request: req}
	v, err := c.validator()
	if err != nil {
		s.Fatal(err)
	}
	if ok, errs := v.ValidateHttpResponse(req, answer); !ok {
		for _, e := range errs {
			s.Errorf("%s: %s %s: the %d is not as documented: %s %s %v\n%s", id, r.method, r.path, res.status, e.Message, e.Reason, e.SchemaValidationErrors, res.body)
		}
	}
}

// whole is a server that has everything that has operations, with the other
// parties: a site that takes webhooks and an identity provider.
type whole struct {
	*server
	site     *builder
	provider *loginProvider
	receiver string // the URL of the site
}

const pushSecret = "un-secret-convenu-avec-la-forge-01"

func newWholeServer(t *testing.T, others ...content.Collection) *whole {
	t.Helper()
	w := &whole{site: &builder{status: http.StatusOK}, provider: newLoginProvider(t)}
	w.provider.ends = true
	receiver := httptest.NewServer(w.site)
	t.Cleanup(receiver.Close)
	w.receiver = receiver.URL
	db := openAccounts(t)
	sessions, err := auth.NewSessions(auth.SessionOptions{Hash: sitetest.CheapHash, State: db})
	if err != nil {
		t.Fatal(err)
	}
	inbound, err := inbound.New(inbound.Options{Hooks: []inbound.Hook{{Provider: "github", Secrets: []string{pushSecret}}}, Branch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	keys := db.Keys()
	var relay *webhooks.Relay
	w.server = newServerOf(t, others, func(o *options) {
		o.Sessions, o.Providers, o.PublicURL = sessions, []*auth.Provider{w.provider.provider()}, "http://127.0.0.1"
		o.Keys, o.Inbound, o.Logger = &keys, inbound, slog.New(slog.DiscardHandler)
		relay, err = webhooks.New(t.Context(), webhooks.Options{
			Source: o.Site, State: db, PublicURL: "http://cms.example.org", Private: true, Logger: o.Logger,
			Endpoints: []webhooks.Endpoint{{Name: "site", URL: w.receiver, Secret: hookSecret, AllowPrivate: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Webhooks = relay
		if o.Deployments, err = webhooks.OpenDeployments(t.Context(), db, nil, o.Site.Position); err != nil {
			t.Fatal(err)
		}
	})
	w.operator = w.mint("operator")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("webhooks: %v", err)
		}
	})
	return w
}

// conforming is a request for an operation, which succeeds when it is sent
// after those before it.
type conforming struct {
	id string
	request
}

// arrange brings the entries and files that the requests are about to the state
// that they are for, whatever the broken ones before have done.
func (s *whole) arrange(r conforming) {
	s.Helper()
	anew := map[string]string{"If-None-Match": "*", "Content-Type": "text/markdown"}
	whatever := map[string]string{"If-Match": "*"}
	asJSON := map[string]string{"Content-Type": "application/json"}
	steps := map[string][]request{
		"move-entry": {
			{method: "DELETE", path: entryPath("2026/plan-velo"), header: whatever},
			{method: "PUT", path: entryPath("plan-velo"), header: anew, body: sample},
		},
		"delete-entry":     {{method: "PUT", path: entryPath("2026/plan-velo"), header: anew, body: sample}},
		"revert-entry":     {{method: "PUT", path: entryPath("plan-velo"), header: anew, body: sample}},
		"entry-references": {{method: "PUT", path: entryPath("plan-velo"), header: anew, body: sample}},
		"batch":            {{method: "PUT", path: "/v1/collections/pages/entries/accueil", header: anew, body: sample}},
		"put-media":        {{method: "DELETE", path: "/v1/media/plan.svg", header: whatever}},

		"create-webhook":   {{method: "DELETE", path: "/v1/webhooks/carte", token: s.operator}},
		"delete-webhook":   {{method: "POST", path: "/v1/webhooks", token: s.operator, body: strings.ReplaceAll(newWebhook, "{receiver}", s.receiver), header: asJSON}},
		"entry-deployment": {{method: "PUT", path: entryPath("plan-velo"), header: anew, body: sample}},

		"get-media":        {{method: "PUT", path: "/v1/media/plan.svg", header: anew, body: `<svg xmlns="http://www.w3.org/2000/svg"/>`}},
		"media-references": {{method: "PUT", path: "/v1/media/plan.svg", header: anew, body: `<svg xmlns="http://www.w3.org/2000/svg"/>`}},
		"move-media": {
			{method: "DELETE", path: "/v1/media/2026/plan.svg", header: whatever},
			{method: "PUT", path: "/v1/media/plan.svg", header: anew, body: `<svg xmlns="http://www.w3.org/2000/svg"/>`},
		},
		"delete-media": {{method: "PUT", path: "/v1/media/plan.svg", header: anew, body: `<svg xmlns="http://www.w3.org/2000/svg"/>`}},
	}[r.id]
	if r.header["If-None-Match"] == "*" && r.method == "PUT" {
		steps = append(steps, request{method: "DELETE", path: r.path, header: whatever})
	}
	for _, step := range steps {
		if res := s.do(step); res.status >= http.StatusInternalServerError {
			s.Fatalf("%s %s: got %d %s", step.method, step.path, res.status, res.body)
		}
	}
}

const newWebhook = `{"name":"carte","url":"{receiver}/crochet","events":["entry.*"],"collections":["consultations"]}`

// fill puts what the server knows now where a request says {so}.
func (s *whole) fill(r conforming) conforming {
	s.Helper()
	cookies := func(res response) (all string) {
		for _, c := range (&http.Response{Header: res.header}).Cookies() {
			all += "; " + c.Name + "=" + c.Value
		}
		return strings.TrimPrefix(all, "; ")
	}
	values := map[string]func() string{
		"{receiver}": func() string { return s.receiver },
		"{revision}": func() string {
			return strings.Trim(s.do(request{method: "GET", path: entryPath("plan-velo")}).header.Get("ETag"), `"`)
		},
		"{commit}": s.head,
		"{conflict}": func() string {
			s.setAside("0123456789ab", "consultations", "plan-velo", "", sample)
			return "0123456789ab"
		},
		"{delivery}": func() (id string) {
			s.until("a delivery", func() bool {
				var page struct{ Items []hooks.Delivery }
				s.operate("GET", "/v1/deliveries?webhook=site&state=delivered&limit=1", "", http.StatusOK, &page)
				if len(page.Items) > 0 {
					id = page.Items[0].ID
				}
				return id != ""
			})
			return id
		},
		"{signature}": func() string {
			mac := hmac.New(sha256.New, []byte(pushSecret))
			mac.Write([]byte(r.body))
			return hex.EncodeToString(mac.Sum(nil))
		},
		"{session}": func() string {
			login := loginRequest(email, password)
			login.token = "-"
			return cookies(s.do(login))
		},
	}
	if strings.Contains(r.path, "{state}") {
		begun := s.do(request{method: "GET", path: "/v1/auth/oidc/id/start", token: "-"})
		where, err := url.Parse(begun.header.Get("Location"))
		if err != nil {
			s.Fatal(err)
		}
		s.provider.asked = where.Query()
		values["{state}"] = func() string { return s.provider.asked.Get("state") }
		values["{login}"] = func() string { return cookies(begun) }
	}
	vouched := func() string {
		begun := s.do(request{method: "GET", path: "/v1/auth/oidc/id/start", token: "-"})
		where, err := url.Parse(begun.header.Get("Location"))
		if err != nil {
			s.Fatal(err)
		}
		s.provider.asked = where.Query()
		return cookies(s.do(request{method: "GET", path: "/v1/auth/oidc/id/callback?code=good&state=" + s.provider.asked.Get("state"), token: "-", header: map[string]string{"Cookie": cookies(begun)}}))
	}
	values["{vouched}"] = vouched
	if strings.Contains(r.path, "{goodbye}") {
		out := s.do(request{method: "POST", path: "/v1/auth/logout", token: "-", header: map[string]string{"Cookie": vouched(), "Sec-Fetch-Site": "same-origin"}})
		var told api.LoggedOut
		if err := json.Unmarshal(out.body, &told); err != nil {
			s.Fatal(err)
		}
		where, err := url.Parse(told.LogoutURL)
		if err != nil {
			s.Fatal(err)
		}
		values["{goodbye}"] = func() string { return where.Query().Get("state") }
		values["{logout}"] = func() string { return cookies(out) }
	}
	header := map[string]string{}
	for k, v := range r.header {
		header[k] = v
	}
	r.header = header
	for name, value := range values {
		if strings.Contains(r.path+r.body+strings.Join(slices.Collect(maps.Values(header)), ""), name) {
			now := value()
			r.path, r.body = strings.ReplaceAll(r.path, name, now), strings.ReplaceAll(r.body, name, now)
			for k, v := range header {
				header[k] = strings.ReplaceAll(v, name, now)
			}
		}
	}
	return r
}

// conformingRequests are at least one for each operation, on entries that have
// the revision that * stands for. The operator is one of webhooks.
func conformingRequests(operator string) []conforming {
	of := func(media string) map[string]string { return map[string]string{"Content-Type": media, "If-Match": "*"} }
	const plan, pages = "/v1/collections/consultations/", "/v1/collections/pages/"
	return []conforming{
		{"list-collections", request{method: "GET", path: "/v1/collections"}},
		{"get-collection", request{method: "GET", path: "/v1/collections/consultations"}},
		{"create-entry", request{method: "POST", path: plan + "entries", body: `{"fields":{"title":"Plan vélo","note":3},"body":"Corps.\n"}`, header: map[string]string{"Content-Type": "application/json"}}},
		{"create-entry", request{method: "POST", path: plan + "entries?dry_run=true", body: `{"fields":{"title":"Marché couvert"}}`, header: map[string]string{"Content-Type": "application/json"}}},
		{"list-entries", request{method: "GET", path: plan + "entries?sort=-title&limit=10&filter[note][gte]=1&fields=title"}},
		{"get-entry", request{method: "GET", path: plan + "entries/plan-velo"}},
		{"get-entry", request{method: "GET", path: plan + "entries/plan-velo", header: map[string]string{"Accept": "text/markdown"}}},
		{"get-entry", request{method: "GET", path: plan + "entries/plan-velo", header: map[string]string{"If-None-Match": "*"}}},
		{"get-entry", request{method: "GET", path: plan + "entries/plan-velo?at={commit}"}},
		{"put-entry", request{method: "PUT", path: plan + "entries/plan-velo", body: `{"fields":{"title":"Plan vélo 2026"},"body":"Autre.\n"}`, header: of("application/json")}},
		{"put-entry", request{method: "PUT", path: pages + "entries/accueil", body: "Bonjour.\n", header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}}},
		{"patch-entry", request{method: "PATCH", path: plan + "entries/plan-velo", body: `{"fields":{"in_progress":true}}`, header: of("application/merge-patch+json")}},
		{"patch-entry", request{method: "PATCH", path: plan + "entries/plan-velo?dry_run=true", body: `[{"op":"replace","path":"/fields/in_progress","value":false}]`, header: of("application/json-patch+json")}},
		{"entry-history", request{method: "GET", path: plan + "history/plan-velo?limit=2"}},
		{"entry-diff", request{method: "GET", path: plan + "diff/plan-velo"}},
		{"move-entry", request{method: "POST", path: plan + "move/plan-velo", body: `{"to":"2026/plan-velo"}`, header: of("application/json")}},
		{"revert-entry", request{method: "POST", path: plan + "revert/plan-velo", body: `{"to":"{revision}"}`, header: of("application/json")}},
		{"delete-entry", request{method: "DELETE", path: plan + "entries/2026/plan-velo", header: of("application/json")}},
		{"list-deleted", request{method: "GET", path: plan + "deleted?limit=2"}},
		{"list-facets", request{method: "GET", path: plan + "facets?field=note&field=updated.author.name&filter[note][gte]=1"}},
		{"list-changes", request{method: "GET", path: "/v1/changes?order=desc&limit=1"}},
		{"batch", request{method: "POST", path: "/v1/batch", body: `{"message":"Ouvre","operations":[{"op":"patch","collection":"pages","slug":"accueil","if_match":"*","body":"Bonsoir.\n"}]}`, header: map[string]string{"Content-Type": "application/json"}}},
		{"search", request{method: "GET", path: "/v1/search?q=bonsoir"}},
		{"preview", request{method: "POST", path: "/v1/preview", body: `{"body":"# Été"}`, header: map[string]string{"Content-Type": "application/json"}}},
		{"put-media", request{method: "PUT", path: "/v1/media/plan.svg", body: `<svg xmlns="http://www.w3.org/2000/svg"/>`, header: map[string]string{"If-None-Match": "*"}}},
		{"list-media", request{method: "GET", path: "/v1/media"}},
		{"get-media", request{method: "GET", path: "/v1/media/plan.svg"}},
		{"get-media", request{method: "GET", path: "/v1/media/plan.svg", header: map[string]string{"Range": "bytes=0-3"}}},
		{"put-media", request{method: "PUT", path: "/v1/media/plan.svg?dry_run=true", body: `<svg xmlns="http://www.w3.org/2000/svg"/>`, header: map[string]string{"If-None-Match": "*"}}},
		{"delete-media", request{method: "DELETE", path: "/v1/media/plan.svg?dry_run=true", header: of("")}},
		{"delete-media", request{method: "DELETE", path: "/v1/media/plan.svg", header: of("")}},
		{"media-references", request{method: "GET", path: "/v1/media-references/plan.svg?limit=2"}},
		{"move-media", request{method: "POST", path: "/v1/media-move/plan.svg?references=refuse", body: `{"to":"2026/plan.svg"}`, header: of("application/json")}},
		{"list-changes", request{method: "GET", path: "/v1/changes"}},
		{"me", request{method: "GET", path: "/v1/me"}},
		{"login", request{method: "POST", path: "/v1/auth/login", token: "-", body: `{"email":"` + email + `","password":"` + password + `"}`, header: map[string]string{"Content-Type": "application/json"}}},
		{"create-webhook", request{method: "POST", path: "/v1/webhooks", token: operator, body: newWebhook, header: of("application/json")}},
		{"list-webhooks", request{method: "GET", path: "/v1/webhooks", token: operator}},
		{"get-webhook", request{method: "GET", path: "/v1/webhooks/carte", token: operator}},
		{"patch-webhook", request{method: "PATCH", path: "/v1/webhooks/carte", token: operator, body: `{"enabled":true,"fields":["title"]}`, header: of("application/merge-patch+json")}},
		{"renew-webhook-secret", request{method: "POST", path: "/v1/webhooks/carte/secret", token: operator, body: `{"overlap":"1h"}`, header: of("application/json")}},
		{"test-webhook", request{method: "POST", path: "/v1/webhooks/carte/test", token: operator}},
		{"list-deliveries", request{method: "GET", path: "/v1/deliveries?webhook=carte&limit=2", token: operator}},
		{"redeliver-range", request{method: "POST", path: "/v1/webhooks/carte/redeliver", token: operator, body: `{"since":"2026-05-04T08:00:00Z"}`, header: of("application/json")}},
		{"get-delivery", request{method: "GET", path: "/v1/deliveries/{delivery}", token: operator}},
		{"redeliver", request{method: "POST", path: "/v1/deliveries/{delivery}/redeliver", token: operator}},
		{"delete-webhook", request{method: "DELETE", path: "/v1/webhooks/carte", token: operator}},
		{"report-deployment", request{method: "POST", path: "/v1/deployments", token: operator, body: `{"commit":"{commit}","state":"live","url":"https://www.example.org/"}`, header: of("application/json")}},
		{"list-conflicts", request{method: "GET", path: "/v1/conflicts"}},
		{"resolve-conflict", request{method: "POST", path: "/v1/conflicts/{conflict}/resolve", body: `{"take":"branch"}`, header: of("application/json")}},
		{"entry-deployment", request{method: "GET", path: plan + "deployment/plan-velo"}},
		{"entry-references", request{method: "GET", path: plan + "references/plan-velo?limit=2"}},
		{"stream-events", request{method: "GET", path: "/v1/events"}},
		{"receive-hook", request{method: "POST", path: "/hooks/github", token: "-", body: `{"ref":"refs/heads/main","after":"3f786850e387550fdab836ed7e6dc881de23001b"}`,
			header: map[string]string{"Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": "1", "X-Hub-Signature-256": "sha256={signature}"}}},
		{"start-login", request{method: "GET", path: "/v1/auth/oidc/id/start?return_to=%2Feditor%2F", token: "-"}},
		{"finish-login", request{method: "GET", path: "/v1/auth/oidc/id/callback?code=good&state={state}", token: "-", header: map[string]string{"Cookie": "{login}"}}},
		{"refresh", request{method: "POST", path: "/v1/auth/refresh", token: "-", header: map[string]string{"Cookie": "{session}", "Sec-Fetch-Site": "same-origin"}}},
		{"logout", request{method: "POST", path: "/v1/auth/logout", token: "-"}},
		{"logout", request{method: "POST", path: "/v1/auth/logout", token: "-", header: map[string]string{"Cookie": "{vouched}", "Sec-Fetch-Site": "same-origin"}}},
		{"logout", request{method: "POST", path: "/v1/auth/logout?return_to=%2F", token: "-", header: map[string]string{"Cookie": "{vouched}", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}}},
		{"finish-logout", request{method: "GET", path: "/v1/auth/oidc/id/logged-out?state={goodbye}", token: "-", header: map[string]string{"Cookie": "{logout}"}}},
	}
}

// broken are requests made of one that succeeds by breaking a part of it.
func broken(op operation, r request, dice *rand.Rand) []request {
	var all []request
	with := func(change func(*request)) {
		b := r
		b.header = map[string]string{}
		for k, v := range r.header {
			b.header[k] = v
		}
		change(&b)
		all = append(all, b)
	}
	odd := []string{"", "%00", "%ff", "..%2F..%2Fetc", strings.Repeat("x", 5000), "%F0%9F%9A%B2", "e%CC%81t%C3%A9", "-1", "null", "%7B%7D", "absent"}
	pick := func() string { return odd[dice.IntN(len(odd))] }
	with(func(b *request) { b.token = "-" })
	with(func(b *request) { b.token = "abc.def.ghi" })
	path, _, _ := strings.Cut(r.path, "?")
	with(func(b *request) { b.path = path + "?inconnu=1" })
	with(func(b *request) { b.path = path + "?limit=%zz" })
	for _, p := range op.Parameters {
		for range 3 {
			value := pick()
			switch p.In {
			case "query":
				with(func(b *request) { b.path = path + "?" + p.Name + "=" + value })
			case "header":
				with(func(b *request) { b.header[p.Name] = value })
			case "path":
				if value != "" {
					segment := path[strings.LastIndex(path, "/")+1:]
					with(func(b *request) { b.path = strings.TrimSuffix(path, segment) + value })
				}
			}
		}
	}
	for _, name := range []string{"If-Match", "If-None-Match"} {
		with(func(b *request) { delete(b.header, name) })
		with(func(b *request) { b.header[name] = `W/"3f786850e387550fdab836ed7e6dc881de23001b"` })
		with(func(b *request) { b.header[name] = `"3f786850e387550fdab836ed7e6dc881de23001b"` })
	}
	if op.RequestBody == nil {
		return all
	}
	with(func(b *request) { b.header["Content-Type"] = "application/xml" })
	for _, body := range []string{"", "null", "[]", "{", `"texte"`, `{"a":1,"a":2}`, `{"inconnu":true}`, "\xff\xfe", `{"fields":[],"body":1,"to":[],"operations":{},"email":{}}`, strings.Repeat("[", 2000), strings.Repeat("x", maxBody+1)} {
		with(func(b *request) { b.body = body })
	}
	for range 10 {
		at := dice.IntN(len(r.body))
		with(func(b *request) { b.body = r.body[:at] })
		with(func(b *request) { b.body = r.body[:at] + string([]byte{byte(dice.IntN(256))}) + r.body[at:] })
	}
	return all
}

// TestConformance sends each request that succeeds, and before it those made of
// it by breaking something. Whatever the answer is, the document has to say so.
func TestConformance(t *testing.T) {
	sitetest.Sibling(t, "TestExamplesWork")
	t.Parallel()
	s := newWholeServer(t)
	c := newConformance(t, s.do(request{method: "GET", path: "/openapi.json"}).body)
	dice := rand.New(rand.NewPCG(1, 2))
	for _, r := range conformingRequests(s.operator) {
		op, ok := c.operations[r.id]
		if !ok {
			t.Fatalf("the document has no operation %s", r.id)
		}
		s.arrange(r)
		for _, b := range broken(op, s.fill(r).request, dice) {
			if matches(op, b.path) {
				c.check(s.server, r.id, b, s.do(b))
			}
		}
		s.arrange(r)
		r = s.fill(r)
		res := s.do(r.request)
		if res.status >= http.StatusBadRequest {
			t.Errorf("%s: %s %s: got %d %s", r.id, r.method, r.path, res.status, res.body)
		}
		c.check(s.server, r.id, r.request, res)
	}
	for id := range c.operations {
		if c.succeeded[id] == 0 || c.refused[id] < 2 {
			t.Errorf("%s: got %d answers of success and %d refusals, want 1 and 2 at least", id, c.succeeded[id], c.refused[id])
		}
	}
}

// matches says whether a path is one of the operation's.
func matches(op operation, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	pattern := regexp.QuoteMeta(op.path)
	pattern = strings.NewReplacer(`\{slug\}`, `.+`, `\{path\}`, `.+`).Replace(pattern)
	return regexp.MustCompile(`^` + regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, `[^/]+`) + `$`).MatchString(path)
}
