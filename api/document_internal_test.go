package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"cms/api/router"
	"cms/auth"
	"cms/site"
	"cms/web"
	"cms/web/login"
)

// TestRoutesAreDocumented compares the router with the document, both ways.
func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	floor, err := web.New(web.Options{Verifier: &auth.Verifier{}, Sessions: &auth.Sessions{}})
	if err != nil {
		t.Fatal(err)
	}
	logins, err := login.New(login.Options{Web: floor})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Web: floor, Site: &site.Site{}, Logins: logins})
	if err != nil {
		t.Fatal(err)
	}
	beside := []string{"/docs", "/docs/{file}", "/openapi.json"} // for machines and people
	routed := map[string]bool{}
	err = a.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		path = strings.ReplaceAll(path, router.RestOfPath, "}")
		for _, m := range methods {
			if m != http.MethodHead && !slices.Contains(beside, path) { // HEAD is GET without its body
				routed[m+" "+path] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string
			Summary     string
			Tags        []string
		}
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	documented, ids := map[string]bool{}, map[string]bool{}
	for path, operations := range document.Paths {
		for method, op := range operations {
			documented[strings.ToUpper(method)+" "+path] = true
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || len(op.Tags) != 1 || op.Tags[0] == "" {
				t.Errorf("%s %s: got %+v, want an id of its own, a summary and a tag", method, path, op)
			}
			ids[op.OperationID] = true
		}
	}
	if !maps.Equal(routed, documented) || len(routed) < 30 {
		t.Errorf("the router has\n%q\nthe document\n%q", slices.Sorted(maps.Keys(routed)), slices.Sorted(maps.Keys(documented)))
	}
}

// TestEachCodeIsKnown: each refusal of the site has a status, and clients can read of each
// code.
func TestEachCodeIsKnown(t *testing.T) {
	t.Parallel()
	for _, code := range site.Codes() {
		if statusOf(code) == 0 {
			t.Errorf("%s has no status; give it one in problem.go, here or of web", code)
		}
	}
	doc, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range codes() {
		if !strings.Contains(string(doc), "`"+code+"`") {
			t.Errorf("docs/api.md has nothing of the code %s", code)
		}
	}
}
