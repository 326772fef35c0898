package api_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/auth"
	"cms/state/statetest"
	"cms/webhooks"
)

func TestDeploymentIsNotHiddenByTheETagOfItsEntry(t *testing.T) {
	t.Parallel()
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	s := newServerWith(t, func(o *options) {
		var err error
		if o.Deployments, err = webhooks.OpenDeployments(t.Context(), db, nil, o.Site.Position); err != nil {
			t.Fatal(err)
		}
	})
	tag := s.create("consultations", "plan", sample)
	entry := func(tag string) response {
		return s.do(request{method: "GET", path: entryPath("plan"), header: map[string]string{"If-None-Match": tag}})
	}
	const path = "/v1/collections/consultations/deployment/plan"
	documented := newConformance(t, s.do(request{method: "GET", path: "/openapi.json"}).body)
	deployment := func(tag string, token ...string) response {
		t.Helper()
		r := request{method: "GET", path: path, header: map[string]string{"If-None-Match": tag}, token: strings.Join(token, "")}
		res := s.do(r)
		documented.check(s, "entry-deployment", r, res)
		return res
	}
	if res := deployment(`"x"`); res.status != 404 {
		t.Errorf("before the first build: got %d %s", res.status, res.body)
	}
	if res := entry(`"x"`); res.status != 200 || res.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("before the first build: got %d, Cache-Control %q", res.status, res.header.Get("Cache-Control"))
	}
	report := func(state string) {
		t.Helper()
		res := s.do(request{method: "POST", path: "/v1/deployments", token: s.mint("operator"), header: jsonBody(""),
			body: `{"commit": "` + s.head() + `", "state": "` + state + `"}`})
		if res.status != 204 {
			t.Fatalf("report: got %d %s", res.status, res.body)
		}
	}

	told := func(w *watch, what string) {
		t.Helper()
		if m := w.next(); m.name != "deployment" || m.id != "" || m.event.Commit != s.head() {
			t.Errorf("%s: the stream says %+v, want a deployment of %s", what, m, s.head())
		}
	}

	early := s.watch(s.mint("editor"), "")
	report("building")
	told(early, "the first report")
	seen := deployment(`"x"`)
	if seen.status != 200 || !strings.Contains(string(seen.body), `"state":"building"`) {
		t.Fatalf("got %d %s", seen.status, seen.body)
	}
	if res := deployment(seen.header.Get("ETag")); res.status != 304 || len(res.body) > 0 || res.header.Get("ETag") != seen.header.Get("ETag") {
		t.Errorf("unchanged: got %d %s", res.status, res.body)
	}
	late := s.watch(s.mint("editor"), "")
	report("live")
	told(early, "the second report")
	told(late, "who came between")
	if res := deployment(seen.header.Get("ETag")); res.status != 200 || !strings.Contains(string(res.body), `"state":"live"`) {
		t.Errorf("who polls the deployment gets %d %s, want that it is live", res.status, res.body)
	}
	if res := entry(`"x"`); res.status != 200 || res.header.Get("ETag") != tag || res.header.Get("Cache-Control") != "no-store" || !strings.Contains(string(res.body), `"state":"live"`) {
		t.Errorf("the entry: got %d, ETag %s, Cache-Control %q: %s", res.status, res.header.Get("ETag"), res.header.Get("Cache-Control"), res.body)
	}
	if res := entry(tag); res.status != 304 { // by contract: the revision is what it was
		t.Errorf("the entry at its revision: got %d", res.status)
	}
	if res := deployment(`x`); res.status != 400 {
		t.Errorf("a tag without quotes: got %d %s", res.status, res.body)
	}

	stranger, err := auth.Mint(s.issuer, auth.Claims{Subject: "bob", Roles: []string{"limited"}, TTL: 60e9, Extra: map[string]any{"org": "Ville de Brasse"}})
	if err != nil {
		t.Fatal(err)
	}
	if res := deployment(`"x"`, stranger); res.status != 404 || strings.Contains(string(res.body), "build") {
		t.Errorf("who may not see the entry: got %d %s", res.status, res.body)
	}
}

// TestBuildsThatFailOrLackAPage: the reason of a failure is told to those who see everything,
// and an entry is not live whose page is not on the site, until a build has it.
func TestBuildsThatFailOrLackAPage(t *testing.T) {
	t.Parallel()
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	s := newServerWith(t, func(o *options) {
		var err error
		if o.Deployments, err = webhooks.OpenDeployments(t.Context(), db, nil, o.Site.Position); err != nil {
			t.Fatal(err)
		}
	})
	s.create("consultations", "plan", sample)
	s.create("consultations", "autre", sample)
	documented := newConformance(t, s.do(request{method: "GET", path: "/openapi.json"}).body)
	report := func(body string, want int) {
		t.Helper()
		r := request{method: "POST", path: "/v1/deployments", token: s.mint("operator"), header: jsonBody(""), body: `{"commit": "` + s.head() + `", ` + body + `}`}
		res := s.do(r)
		if documented.check(s, "report-deployment", r, res); res.status != want {
			t.Fatalf("%s: got %d %s, want %d", body, res.status, res.body, want)
		}
	}
	is := func(slug, token, want string) {
		t.Helper()
		r := request{method: "GET", path: "/v1/collections/consultations/deployment/" + slug, token: token}
		res := s.do(r)
		documented.check(s, "entry-deployment", r, res)
		if got := string(res.body); !strings.HasPrefix(got, `{"state":"`+want+`"`) {
			t.Errorf("%s: got %s, want %s", slug, got, want)
		}
	}
	limited := s.limitedAs("val", "Ville de Valmont")
	all, some := s.watch(s.mint("editor"), ""), s.watch(limited, "")
	report(`"state": "failed", "reason": "avant\u001b[31m\nErreur : casse.md\u0000\n"`, 204)
	for token, want := range map[string]bool{s.mint("editor"): true, limited: false, s.mint("reader"): false} {
		for _, path := range []string{entryPath("plan"), "/v1/collections/consultations/deployment/plan"} {
			res := s.do(request{method: "GET", path: path, token: token})
			if got := strings.Contains(string(res.body), `"reason":"avant\nErreur : casse.md"`); res.status != 200 || got != want || !want && strings.Contains(string(res.body), "casse") {
				t.Errorf("%s: got %d %s, want the reason: %t", path, res.status, res.body, want)
			}
		}
	}
	for w, want := range map[*watch]bool{all: true, some: false} {
		if m := w.next(); m.name != "deployment" || strings.Contains(m.data, "casse.md") != want {
			t.Errorf("the stream tells %s, want the reason: %t", m.data, want)
		}
	}
	if res := s.do(request{method: "GET", path: entryPath("plan")}); !strings.Contains(string(res.body), `"state":"failed"`) {
		t.Errorf("got %s", res.body)
	}
	report(`"state": "live", "missing": ["consultations/plan"], "found": ["consultations/autre"]`, 204)
	is("plan", "", "missing")
	is("autre", "", "live")
	is("plan", limited, "missing")
	s.create("consultations", "neuf", sample)
	report(`"state": "live"`, 204) // nobody has looked
	is("plan", "", "missing")
	is("neuf", "", "live")
	report(`"state": "live", "found": ["consultations/plan"]`, 204)
	is("plan", "", "live")
	report(`"state": "live", "missing": ["consultations/plan"]`, 204)
	is("plan", "", "missing")
	s.patch("plan", `{"fields":{"title":"Plan, renommé"}}`)
	is("plan", "", "pending")
	report(`"state": "building"`, 204)
	is("plan", "", "building")
	report(`"state": "live"`, 204)
	is("plan", "", "live")
	for _, bad := range []string{`"state": "live", "missing": "x"`, `"state": "live", "found": ["a\nb"]`, `"state": "live", "missing": ["a\u0000b"]`, `"state": "live", "missing": [""]`, `"state": "live", "missing": [` + strings.Repeat(`"a/b",`, 500) + `"a/b"]`, `"state": "failed", "reason": 1`} {
		report(bad, 422)
	}
}

// TestReportsAreTakenOnce: a signed report that comes again changes nothing, and nor
// does one that was made before the last.
func TestReportsAreTakenOnce(t *testing.T) {
	t.Parallel()
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	var deployments *webhooks.Deployments
	open := func(position func(string) (int, bool)) *webhooks.Deployments {
		d, err := webhooks.OpenDeployments(t.Context(), db, []webhooks.Endpoint{{Name: "site", URL: "https://builds.example.org", Secret: hookSecret}}, position)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	s := newServerWith(t, func(o *options) {
		deployments = open(o.Site.Position)
		o.Deployments = deployments
	})
	s.create("consultations", "plan", sample)
	sign, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	report := func(id, state string, at time.Time) request {
		t.Helper()
		body := `{"commit": "` + s.head() + `", "state": "` + state + `"}`
		signature, err := sign.Sign(id, at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return request{method: "POST", path: "/v1/deployments", token: "-", body: body, header: map[string]string{"Content-Type": "application/json",
			"webhook-id": id, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": signature}}
	}
	building, failed := report("r1", "building", now.Add(-20*time.Second)), report("r2", "failed", now.Add(-20*time.Second))
	for _, step := range []struct {
		what string
		r    request
		want string
	}{
		{"the first", building, "building"},
		{"of the same second", failed, "failed"},
		{"the first again", building, "failed"},
		{"made before", report("r3", "queued", now.Add(-time.Minute)), "failed"},
		{"made later", report("r4", "building", now.Add(-10*time.Second)), "building"},
		{"the second again", failed, "building"},
		{"an id again", report("r4", "failed", now.Add(-5*time.Second)), "building"},
		{"by a clock that is fast", report("r5", "queued", now.Add(4*time.Minute)), "queued"},
		{"with a token", request{method: "POST", path: "/v1/deployments", token: s.mint("operator"), header: jsonBody(""), body: `{"commit": "` + s.head() + `", "state": "failed"}`}, "failed"},
	} {
		if res := s.do(step.r); res.status != 204 {
			t.Fatalf("%s: got %d %s", step.what, res.status, res.body)
		}
		for _, d := range []*webhooks.Deployments{deployments, open(func(string) (int, bool) { return 0, true })} { // after a restart too
			if got, _ := d.OfEntry(t.Context(), "", s.head()); got.State != step.want {
				t.Errorf("%s: got %s, want %s", step.what, got.State, step.want)
			}
		}
	}
}
