package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cms/api"
	"cms/auth"
)

// TestDocumentIsForClients holds the document to what generators of clients and
// simple clients need.
func TestDocumentIsForClients(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "https://cms.example.org")
	var document struct {
		Servers    []struct{ URL string }
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Type  any
					AnyOf []struct {
						Ref  string `json:"$ref"`
						Type string
					}
				}
			}
		}
	}
	source := s.do(request{method: "GET", path: "/openapi.json"}).body
	if err := json.Unmarshal(source, &document); err != nil {
		t.Fatal(err)
	}
	if len(source) > 125_000 {
		t.Errorf("the document has %d bytes, want 125,000 at most", len(source))
	}
	if len(document.Servers) != 2 || document.Servers[0].URL != "/" || document.Servers[1].URL != "https://cms.example.org" {
		t.Errorf("got the servers %v, want the one of the document first", document.Servers)
	}
	sent, read := map[string]bool{}, map[string]bool{}
	for _, op := range newConformance(t, source).operations {
		for _, p := range op.Parameters {
			if p.In == "header" {
				sent[p.Name] = true
				if slices.Contains([]string{"Accept", "Authorization", "Content-Type"}, p.Name) {
					t.Errorf("%s: the header %s is a parameter, which generated clients send beside their own", op.OperationID, p.Name)
				}
			}
			if p.Style == "deepObject" && (p.Explode == nil || !*p.Explode) {
				t.Errorf("%s: %s does not explode", op.OperationID, p.Name)
			}
		}
		if op.RequestBody != nil {
			for media, content := range op.RequestBody.Content {
				if strings.Contains(string(content.Schema), `"null"`) {
					t.Errorf("%s: a body of %s may be null: %s", op.OperationID, media, content.Schema)
				}
			}
			if _, ok := op.RequestBody.Content["application/json"]; !ok && op.method == "PATCH" {
				t.Errorf("%s: application/json is not accepted", op.OperationID)
			}
		}
		if op.Responses["default"].Content == nil {
			t.Errorf("%s: no default answer", op.OperationID)
		}
		for _, r := range op.Responses {
			for name := range r.Headers {
				read[name] = true
			}
		}
	}
	diff := document.Components.Schemas["Difference"].Properties["from"]
	if len(diff.AnyOf) != 2 || diff.AnyOf[0].Ref != "#/components/schemas/State" || diff.AnyOf[1].Type != "null" {
		t.Errorf("from of a diff is %+v, want a State or null", diff)
	}

	// What is documented can be sent and read by pages of other origins, and what
	// browsers and tracing add.
	cross := newServerWith(t, func(o *options) { o.Origins = []string{"https://edit.example.org"} })
	for _, name := range []string{"Authorization", "Content-Type", "Accept", "Content-Digest", "Repr-Digest", "Cache-Control", "Traceparent", "Tracestate", "X-Requested-With"} {
		sent[name] = true
	}
	asked := strings.ToLower(strings.Join(slices.Sorted(maps.Keys(sent)), ","))
	res := cross.do(request{method: "OPTIONS", path: entryPath("plan"), token: "-", header: map[string]string{
		"Origin": "https://edit.example.org", "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": asked}})
	if got := res.header.Get("Access-Control-Allow-Headers"); res.status != http.StatusNoContent || got != asked {
		t.Errorf("preflight for %s: got %d %q", asked, res.status, got)
	}
	res = cross.do(request{method: "GET", path: "/v1/me", header: map[string]string{"Origin": "https://edit.example.org"}})
	exposed := strings.Split(strings.ToLower(res.header.Get("Access-Control-Expose-Headers")), ", ")
	delete(read, "Set-Cookie") // which pages cannot read
	for name := range read {
		if !slices.Contains(exposed, strings.ToLower(name)) {
			t.Errorf("the header %s is not exposed", name)
		}
	}
}

// TestRequiredMembers: what the document says is required is refused without it.
func TestRequiredMembers(t *testing.T) {
	t.Parallel()
	s := newWholeServer(t)
	s.create("consultations", "plan-velo", sample)
	s.setAside("0123456789ab", "consultations", "plan-velo", "", sample)
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
		}
		Components struct {
			Schemas map[string]struct{ Required []string }
		}
	}
	if err := json.Unmarshal(s.do(request{method: "GET", path: "/openapi.json"}).body, &document); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path, operations := range document.Paths {
		for method, op := range operations {
			ref := op.RequestBody.Content["application/json"].Schema.Ref
			for _, member := range document.Components.Schemas[ref[strings.LastIndex(ref, "/")+1:]].Required {
				seen++
				header := map[string]string{"Content-Type": "application/json", "If-Match": "*"}
				token := s.token
				if strings.HasPrefix(path, "/v1/webhooks") || strings.HasPrefix(path, "/v1/deployments") {
					token = s.operator
				}
				if op.OperationID == "batch" || op.OperationID == "login" {
					delete(header, "If-Match")
				}
				at := strings.NewReplacer("{collection}", "consultations", "{slug}", "plan-velo", "{name}", "site", "{conflict}", "0123456789ab").Replace(path)
				res := s.do(request{method: strings.ToUpper(method), path: at, token: token, header: header, body: `{}`})
				if op.OperationID == "login" && res.status == http.StatusUnauthorized {
					continue // as any other login that fails
				}
				if res.status != http.StatusUnprocessableEntity || !strings.Contains(string(res.body), `"/`+member+`"`) {
					t.Errorf("%s without %s: got %d %s, want 422 that names it", op.OperationID, member, res.status, res.body)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("got %d required members", seen)
	}
}

func TestDiffOfANewEntryIsFromNothing(t *testing.T) {
	t.Parallel()
	s := newWholeServer(t)
	s.create("consultations", "plan", sample)
	r := request{method: "GET", path: "/v1/collections/consultations/diff/plan"}
	c := newConformance(t, s.do(request{method: "GET", path: "/openapi.json"}).body)
	res := s.do(r)
	if !strings.Contains(string(res.body), `"from":null`) {
		t.Errorf("got %d %s", res.status, res.body)
	}
	c.check(s.server, "entry-diff", r, res)
}

// TestPatchAsJSON: a client that sends application/json means a merge patch.
func TestPatchAsJSON(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	res := s.do(request{method: "PATCH", path: entryPath("plan-velo"), header: jsonBody(tag), body: `{"fields":{"note":4,"organisateur":null}}`})
	var got api.Entry
	if err := json.Unmarshal(res.body, &got); err != nil || res.status != http.StatusOK {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	if _, there := got.Fields.Get("organisateur"); there {
		t.Errorf("organisateur was set to null, and is still there: %s", res.body)
	}
	if res := s.do(request{method: "PATCH", path: entryPath("plan-velo"), header: jsonBody("*"), body: `[{"op":"remove","path":"/fields/note"}]`}); res.status != http.StatusUnprocessableEntity {
		t.Errorf("a JSON Patch by another name: got %d %s", res.status, res.body)
	}
	res = s.do(request{method: "PATCH", path: entryPath("plan-velo"), header: map[string]string{"Content-Type": "text/plain", "If-Match": "*"}, body: `{}`})
	if got := res.header.Get("Accept-Patch"); res.status != http.StatusUnsupportedMediaType || !strings.HasPrefix(got, "application/json, ") {
		t.Errorf("another type: got %d with Accept-Patch %q", res.status, got)
	}
}

// TestFlatFilters: what where asks for is what filter asks for.
func TestFlatFilters(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for slug, note := range map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"} {
		s.create("consultations", slug, strings.Replace(strings.Replace(sample, "note: 3", "note: "+note, 1), "Plan vélo", "'Plan: "+slug+"'", 1))
	}
	const list = "/v1/collections/consultations/entries?"
	find := func(query string) (slugs string) {
		t.Helper()
		res := s.do(request{method: "GET", path: list + query})
		var page api.Entries
		if err := json.Unmarshal(res.body, &page); err != nil || res.status != http.StatusOK {
			t.Fatalf("%s: got %d %s", query, res.status, res.body)
		}
		for _, e := range page.Items {
			slugs += e.Slug
		}
		return slugs
	}
	for _, c := range []struct {
		where  []string
		filter string
		want   string
	}{
		{[]string{"note:eq:2"}, "filter[note]=2", "b"},
		{[]string{"note:gte:2", "note:lt:4"}, "filter[note][gte]=2&filter[note][lt]=4", "bc"},
		{[]string{"note:in:1,4"}, "filter[note][in]=1,4", "ad"},
		{[]string{"title:eq:Plan: c"}, "filter[title]=Plan: c", "c"},
		{[]string{"title:contains:plan:"}, "filter[title][contains]=plan:", "abcd"},
		{[]string{"link:exists:false", "note:ne:1"}, "filter[link][exists]=false&filter[note][ne]=1", "bcd"},
	} {
		escape := func(s string) string { return strings.ReplaceAll(s, " ", "%20") }
		query := url.Values{"where": c.where}.Encode()
		if flat, deep := find(query), find(escape(c.filter)); flat != c.want || deep != flat {
			t.Errorf("%s: got %s, and by %s %s; want %s", query, flat, c.filter, deep, c.want)
		}
	}
	if got := find("where=note:gte:2&filter[note][lt]=4"); got != "bc" {
		t.Errorf("both forms: got %s", got)
	}
	for _, query := range []string{"where=note", "where=note:2", "where=note:is:2", "where=:eq:2", "where=note:eq"} {
		res := s.do(request{method: "GET", path: list + query})
		if p := s.problem(res); p.Status != http.StatusUnprocessableEntity || !strings.Contains(string(res.body), "field:op:value") {
			t.Errorf("%s: got %d %s", query, res.status, res.body)
		}
	}
	for _, query := range []string{"where=note:eq:2&where=", "sort=note&sort=title"} {
		if res := s.do(request{method: "GET", path: list + query}); res.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", query, res.status, res.body)
		}
	}
}

// TestTagsBehindProxies: whatever a proxy that compresses makes of a tag, it names the
// revision that it did, to each kind of conditional request.
func TestTagsBehindProxies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	made := map[string]func(string) string{
		"as it was":      func(tag string) string { return tag },
		"nginx":          func(tag string) string { return "W/" + tag },
		"Apache":         func(tag string) string { return strings.TrimSuffix(tag, `"`) + `-gzip"` },
		"both":           func(tag string) string { return "W/" + strings.TrimSuffix(tag, `"`) + `-gzip"` },
		"Jetty":          func(tag string) string { return strings.TrimSuffix(tag, `"`) + `--gzip"` },
		"Caddy's brotli": func(tag string) string { return strings.TrimSuffix(tag, `"`) + `-br"` },
		"one of several": func(tag string) string { return `"0", W/` + tag },
	}
	svg := func(id string) string { return `<svg xmlns="http://www.w3.org/2000/svg" id="` + id + `"/>` }
	for name, proxy := range made {
		slug := strings.ReplaceAll(strings.ToLower(name), " ", "-")
		slug = strings.ReplaceAll(slug, "'", "")
		tag := s.create("consultations", slug, sample)
		stale := tag
		step := func(what string, r request) {
			t.Helper()
			r.header["If-Match"] = proxy(tag)
			res := s.do(r)
			if res.status >= 300 {
				t.Fatalf("%s: %s with If-Match %s: got %d %s", name, what, proxy(tag), res.status, res.body)
			}
			if got := res.header.Get("ETag"); got != "" {
				tag = got
			}
		}
		typed := func(media string) map[string]string { return map[string]string{"Content-Type": media} }
		step("PATCH", request{method: "PATCH", path: entryPath(slug), header: typed("application/merge-patch+json"), body: `{"fields":{"note":4}}`})
		step("PUT", request{method: "PUT", path: entryPath(slug), header: typed("application/json"), body: `{"fields":{"title":"Autre"},"body":"x"}`})
		res := s.do(request{method: "PATCH", path: entryPath(slug), header: map[string]string{"Content-Type": "application/json", "If-Match": proxy(stale)}, body: `{"fields":{"note":5}}`})
		if res.status != http.StatusPreconditionFailed {
			t.Errorf("%s: a stale tag: got %d", name, res.status)
		}
		step("revert", request{method: "POST", path: "/v1/collections/consultations/revert/" + slug, header: typed("application/json"), body: `{"to":` + stale + `}`})
		step("move", request{method: "POST", path: "/v1/collections/consultations/move/" + slug, header: typed("application/json"), body: `{"to":"moved-` + slug + `"}`})
		slug = "moved-" + slug
		member, err := json.Marshal(proxy(tag))
		if err != nil {
			t.Fatal(err)
		}
		if res := s.do(request{method: "POST", path: "/v1/batch", header: typed("application/json"), body: `{"operations":[{"op":"patch","collection":"consultations","slug":"` + slug + `","if_match":` + string(member) + `,"body":"y"}]}`}); res.status != http.StatusOK {
			t.Errorf("%s: batch: got %d %s", name, res.status, res.body)
		}
		tag = s.do(request{method: "GET", path: entryPath(slug)}).header.Get("ETag")
		step("GET", request{method: "GET", path: entryPath(slug), header: map[string]string{}})
		res = s.do(request{method: "GET", path: entryPath(slug), header: map[string]string{"If-None-Match": proxy(tag)}})
		if res.status != http.StatusNotModified {
			t.Errorf("%s: If-None-Match: got %d", name, res.status)
		}
		step("DELETE", request{method: "DELETE", path: entryPath(slug), header: map[string]string{}})

		file := "/v1/media/" + slug + ".svg"
		if res = s.upload(slug+".svg", svg("a"), "", "If-None-Match", "*"); res.status != http.StatusCreated {
			t.Fatalf("%s: upload: got %d %s", name, res.status, res.body)
		}
		tag = res.header.Get("ETag")
		step("GET of a file", request{method: "GET", path: file, header: map[string]string{}})
		res = s.do(request{method: "GET", path: file, header: map[string]string{"If-None-Match": proxy(tag)}})
		if res.status != http.StatusNotModified {
			t.Errorf("%s: If-None-Match of a file: got %d", name, res.status)
		}
		step("PUT of a file", request{method: "PUT", path: file, header: map[string]string{}, body: svg("b")})
		res = s.do(request{method: "GET", path: file, header: map[string]string{"If-Match": proxy(`"0"`)}})
		if name != "one of several" && res.status != http.StatusPreconditionFailed {
			t.Errorf("%s: a stale tag of a file: got %d", name, res.status)
		}
		step("DELETE of a file", request{method: "DELETE", path: file, header: map[string]string{}})
	}
}

// TestStreamsBeginWithAnID: who is cut off before the first change misses none, also of a
// repository without commits.
func TestStreamsBeginWithAnID(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	open := func(last string) *watch {
		return s.listen(http.DefaultClient, func(h http.Header) {
			h.Set("Authorization", "Bearer "+s.token)
			if last != "" {
				h.Set("Last-Event-ID", last)
			}
		})
	}
	first := open("")
	id := first.began.id
	first.close()
	s.create("consultations", "un", sample)
	again := open(id)
	again.want("created un")
	if again.began.id != id {
		t.Errorf("the stream goes on from %s, want %s", again.began.id, id)
	}
	again.close()
	now := open("")
	if now.began.id != s.head() {
		t.Errorf("the stream begins at %s, want %s", now.began.id, s.head())
	}
}

// TestStreamOfATokenWithinItsLeeway goes on as long as the token is taken.
func TestStreamOfATokenWithinItsLeeway(t *testing.T) {
	t.Parallel()
	issuer := auth.Issuer{Issuer: "bots", Audience: "cms", Algorithms: []string{"HS256"}, Secret: []byte("fedcba9876543210fedcba9876543210"), Leeway: 30 * time.Second}
	s := newServer(t, issuer)
	token := forge(t, jwt.SigningMethodHS256, issuer.Secret, jwt.MapClaims{
		"iss": "bots", "aud": "cms", "sub": "bot", "roles": []string{"editor"}, "exp": time.Now().Add(-time.Second).Unix(),
	}, nil)
	if res := s.do(request{method: "GET", path: "/v1/me", token: token}); res.status != http.StatusOK {
		t.Fatalf("a token within its leeway: got %d %s", res.status, res.body)
	}
	w := s.watch(token, "")
	s.create("consultations", "un", sample)
	w.want("created un")
}

// TestExamplesWork sends each operation as the examples of the document have it. Some ask
// for what is not here; none is malformed.
func TestExamplesWork(t *testing.T) {
	t.Parallel()
	s := newWholeServer(t)
	s.create("consultations", "plan-velo", sample)
	c := newConformance(t, s.do(request{method: "GET", path: "/openapi.json"}).body)
	sent := 0
	for _, id := range slices.Sorted(maps.Keys(c.operations)) {
		op := c.operations[id]
		if id == "receive-hook" || id == "finish-login" || id == "finish-logout" || id == "start-login" || id == "stream-events" || id == "put-media" {
			continue // which other parties send, or which are no JSON
		}
		path, query, header := op.path, url.Values{}, map[string]string{}
		for _, p := range op.Parameters {
			example := p.Example
			if len(p.Schema.Examples) > 0 {
				example = p.Schema.Examples[0]
			}
			values, several := example.([]any)
			switch text, ok := example.(string); {
			case several:
				for _, v := range values {
					query.Add(p.Name, v.(string))
				}
			case !ok:
			case p.In == "path":
				path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(text))
			case p.In == "query":
				query.Set(p.Name, text)
			case p.In == "header":
				header[p.Name] = text
			}
		}
		body := ""
		if op.RequestBody != nil {
			body, header["Content-Type"] = string(op.RequestBody.Content["application/json"].Example), "application/json"
			if body == "" {
				t.Errorf("%s has no example", id)
			}
		}
		if id == "batch" || id == "create-entry" { // which are about no entry that is there
			delete(header, "If-Match")
		}
		token := s.token
		if strings.HasPrefix(path, "/v1/webhooks") || strings.HasPrefix(path, "/v1/deliveries") || strings.HasPrefix(path, "/v1/deployments") {
			token = s.operator
		}
		if len(query) > 0 {
			path += "?" + query.Encode()
		}
		sent++
		res := s.do(request{method: op.method, path: path, header: header, body: body, token: token})
		asked := map[string]int{"report-deployment": 422, "revert-entry": 400, "list-deliveries": 403}[id] // of a commit, and by a role, that are not here
		if !slices.Contains([]int{200, 201, 202, 204, 304, 401, 404, 409, asked}, res.status) {
			t.Errorf("%s: %s %s %v %s: got %d %s", id, op.method, path, header, body, res.status, res.body)
		}
	}
	if sent < 30 {
		t.Errorf("sent %d examples", sent)
	}
}
