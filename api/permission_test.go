package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/auth"
)

// What a role may not see does not exist for it, and what it may not set it
// cannot, by whichever door.
func TestPermissions(t *testing.T) {
	s := newServer(t)
	s.create("consultations", "nous", strings.Replace(sample, "note: 3", "note: 4", 1))
	s.create("consultations", "eux", strings.Replace(sample, "Ville de Valmont", "Ville d’Aubeterre", 1))
	s.create("pages", "accueil", "---\ntitle: Accueil\n---\n")
	limited, err := auth.Mint(s.issuer, auth.Claims{Subject: "lou", Roles: []string{"limited"}, TTL: time.Hour,
		Extra: map[string]any{"org": []string{"Ville de Valmont"}}})
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{"editor": s.token, "reader": s.mint("reader"), "limited": limited, "stranger": s.mint("stranger")}
	const list = "/v1/collections/consultations/entries"
	patch := map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*"}
	for _, tt := range []struct {
		role, method, path, body string
		header                   map[string]string
		status                   int
		has, hasNot              string
	}{
		{"editor", "GET", list, "", nil, 200, `"total":2`, ""},
		{"reader", "GET", list, "", nil, 200, `"note":4`, ""},
		{"stranger", "GET", list, "", nil, 403, "", "nous"},
		{"limited", "GET", list, "", nil, 200, `"total":1`, `"note"`},
		{"limited", "GET", list + "?sort=note,title", "", nil, 200, `"total":1`, "eux"},
		{"limited", "GET", list + "?filter[note][eq]=4", "", nil, 200, `"total":0`, "nous"},
		{"limited", "GET", list + "?filter[note][ne]=4", "", nil, 200, `"total":1`, ""},
		{"limited", "GET", list + "?filter[note][ne]=1", "", nil, 200, `"total":1`, ""},
		{"limited", "GET", list + "?filter[note][exists]=true", "", nil, 200, `"total":0`, ""},
		{"editor", "GET", list + "?filter[note][gte]=4", "", nil, 200, `"total":1`, "eux"},
		{"editor", "GET", list + "?filter[note][gte]=x", "", nil, 400, "", ""},
		{"editor", "GET", list + "?filter[note][like]=x", "", nil, 422, "", ""},
		{"editor", "GET", list + "?cursor=abc", "", nil, 400, "", ""},
		{"editor", "GET", list + "?sort=-note&fields=title", "", nil, 200, "", `"note"`},
		{"limited", "GET", list + "?q=aubeterre", "", nil, 200, `"total":0`, ""},
		{"editor", "GET", list + "?q=aubeterre", "", nil, 200, `"total":1`, ""},
		{"limited", "GET", entryPath("nous"), "", nil, 200, "Valmont", `"note"`},
		{"limited", "GET", entryPath("eux"), "", nil, 404, "", "Aubeterre"},
		{"limited", "GET", entryPath("nous"), "", map[string]string{"Accept": "text/markdown"}, 403, "", "note:"},
		{"reader", "GET", entryPath("nous"), "", map[string]string{"Accept": "text/markdown"}, 200, "note: 4", ""},
		{"limited", "GET", "/v1/collections/consultations/history/nous", "", nil, 200, "created", ""},
		{"limited", "GET", "/v1/collections/consultations/history/eux", "", nil, 404, "", ""},
		{"limited", "GET", "/v1/changes", "", nil, 200, "nous", "eux"},
		{"limited", "GET", "/v1/changes", "", nil, 200, "nous", `"note"`},
		{"reader", "GET", "/v1/changes", "", nil, 200, "eux", "accueil"},
		{"editor", "GET", "/v1/changes", "", nil, 200, "accueil", ""},
		{"stranger", "GET", "/v1/changes", "", nil, 403, "", ""},
		{"stranger", "GET", "/v1/events", "", nil, 403, "", ""},
		{"limited", "GET", "/v1/collections/pages/entries", "", nil, 404, "", ""},
		{"limited", "GET", "/v1/collections/consultations", "", nil, 200, `"total":1`, `"name":"note"`},
		{"limited", "PATCH", entryPath("nous"), `{"fields":{"note":4}}`, patch, 403, "forbidden", ""},
		{"limited", "PATCH", entryPath("nous"), `{"fields":{"note":5}}`, patch, 403, "forbidden", ""},
		{"limited", "PATCH", entryPath("nous"), `{"fields":{"in_progress":false}}`, patch, 403, "in_progress", ""},
		{"limited", "PATCH", entryPath("nous"), `{"fields":{"organisateur":"Ville d’Aubeterre"}}`, patch, 403, "organisateur", ""},
		{"limited", "PATCH", entryPath("eux"), `{"fields":{"title":"x"}}`, patch, 404, "", ""},
		{"limited", "DELETE", entryPath("eux"), "", patch, 404, "", ""},
		{"limited", "PATCH", entryPath("nous") + "?dry_run=true", `{"fields":{"title":"Plan marche"}}`, patch, 200, "Plan marche", "note"},
		{"limited", "PATCH", entryPath("nous"), `{"fields":{"title":"Plan marche"}}`, patch, 200, "Plan marche", `"note"`},
		{"reader", "GET", entryPath("nous"), "", nil, 200, `"note":4`, ""},
		{"limited", "PUT", entryPath("nous"), `{"fields":{"title":"Neuf","organisateur":"Ville de Valmont","in_progress":true},"body":"x"}`, map[string]string{"Content-Type": "application/json", "If-Match": "*"}, 200, "Neuf", `"note"`},
		{"reader", "GET", entryPath("nous"), "", nil, 200, `"note":4`, "Plan marche"},
		{"limited", "POST", list, `{"slug":"neuf","fields":{"title":"Neuf"}}`, map[string]string{"Content-Type": "application/json"}, 201, "Ville de Valmont", ""},
		{"limited", "POST", list, `{"slug":"autre","fields":{"title":"Neuf","organisateur":"Autre"}}`, map[string]string{"Content-Type": "application/json"}, 403, "organisateur", ""},
	} {
		t.Run(fmt.Sprintf("%s %s %s %s", tt.role, tt.method, tt.path, tt.body), func(t *testing.T) {
			res := s.do(request{method: tt.method, path: tt.path, body: tt.body, header: tt.header, token: tokens[tt.role]})
			if res.status != tt.status || !strings.Contains(string(res.body), tt.has) ||
				tt.hasNot != "" && strings.Contains(string(res.body), tt.hasNot) {
				t.Errorf("got %d %s; want %d with %q and without %q", res.status, res.body, tt.status, tt.has, tt.hasNot)
			}
			if tt.status == http.StatusForbidden {
				s.problem(res)
			}
		})
	}
}
