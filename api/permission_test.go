package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What a role may not see does not exist for it, and what it may not set it
// cannot, by whichever door.
func TestPermissions(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	blob := strings.Trim(s.create("consultations", "nous", strings.Replace(sample, "note: 3", "note: 2", 1)), `"`)
	eux := strings.Trim(s.create("consultations", "eux", strings.Replace(sample, "Ville de Valmont", "Ville d’Aubeterre", 1)), `"`)
	parti := strings.Trim(s.create("consultations", "parti", sample), `"`)
	ops := func(operations string) string { return `{"operations":[` + operations + `]}` }
	const (
		at   = "/v1/collections/consultations"
		list = at + "/entries"
		page = "/v1/collections/pages/entries/accueil"
	)
	json, anyJSON := jsonBody(""), jsonBody("*")
	patch := map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": "*"}
	for path, body := range map[string]string{
		"/v1/batch": `{"message":"Ouvrir l’accueil","operations":[{"op":"create","collection":"pages","slug":"accueil","fields":{"title":"Accueil"}},
			{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"title":"Plan tram","note":4}}]}`,
		at + "/move/parti": `{"to":"cachette","collection":"pages"}`,
	} {
		if res := s.do(request{method: "POST", path: path, body: body, header: anyJSON}); res.status != http.StatusOK {
			t.Fatalf("%s: got %d %s", path, res.status, res.body)
		}
	}
	tokens := map[string]string{"editor": s.token, "reader": s.mint("reader"), "limited": s.limited("Ville de Valmont"), "stranger": s.mint("stranger")}
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
		{"limited", "GET", list + "?sort=note,title", "", nil, 400, "No entry has a field", "eux"},
		{"limited", "GET", list + "?filter[note][eq]=4", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[note][ne]=4", "", nil, 400, "No entry has a field", ""},
		{"limited", "GET", list + "?filter[note][ne]=1", "", nil, 400, "No entry has a field", ""},
		{"limited", "GET", list + "?filter[note][exists]=true", "", nil, 400, "No entry has a field", ""},
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
		// By the other doors: each route, for each role.
		{"reader", "GET", "/v1/me", "", nil, 200, `"consultations"`, `"pages"`},
		{"limited", "GET", "/v1/me", "", nil, 200, `"consultations"`, `"pages"`},
		{"editor", "GET", "/v1/me", "", nil, 200, `"pages"`, ""},
		{"stranger", "GET", "/v1/me", "", nil, 200, "", "consultations"},
		{"reader", "GET", "/v1/collections", "", nil, 200, "consultations", `"pages"`},
		{"limited", "GET", "/v1/collections", "", nil, 200, "consultations", `"pages"`},
		{"editor", "GET", "/v1/collections", "", nil, 200, `"pages"`, ""},
		{"stranger", "GET", "/v1/collections", "", nil, 403, "", "consultations"},
		{"reader", "GET", at, "", nil, 200, `"total":2`, ""},
		{"editor", "GET", at, "", nil, 200, `"name":"note"`, ""},
		{"stranger", "GET", at, "", nil, 403, "", "note"},
		{"reader", "GET", "/v1/collections/pages", "", nil, 404, "", "accueil"},
		{"limited", "GET", "/v1/collections/pages", "", nil, 404, "", "accueil"},
		{"stranger", "GET", "/v1/collections/pages", "", nil, 403, "", "accueil"},
		{"reader", "GET", "/v1/collections/pages/entries", "", nil, 404, "", "accueil"},
		{"stranger", "GET", "/v1/collections/pages/entries", "", nil, 403, "", "accueil"},
		{"editor", "GET", "/v1/collections/pages/entries", "", nil, 200, "accueil", ""},
		{"reader", "GET", page, "", nil, 404, "", "Accueil"},
		{"limited", "GET", page, "", nil, 404, "", "Accueil"},
		{"stranger", "GET", page, "", nil, 403, "", "Accueil"},
		{"editor", "GET", page, "", nil, 200, "Accueil", ""},
		{"reader", "GET", entryPath("eux"), "", nil, 200, "Aubeterre", ""},
		{"stranger", "GET", entryPath("eux"), "", nil, 403, "", "Aubeterre"},
		{"limited", "GET", entryPath("parti"), "", nil, 404, "", "parti"},

		// Lists: no filter, sort, search or choice of fields tells of what is hidden.
		{"limited", "GET", list + "?fields=note,title", "", nil, 200, `"title"`, `"note"`},
		{"reader", "GET", list + "?fields=note", "", nil, 200, `"note"`, `"title"`},
		{"limited", "GET", list + "?filter[note]=4", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[note][lt]=9", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[note][lte]=4", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[note][gt]=3", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[note][in]=3,4,5", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[note][contains]=4", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[note][exists]=false", "", nil, 400, "No entry has a field", ""},
		{"limited", "GET", list + "?filter[note.x][exists]=true", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?filter[organisateur]=Ville%20d%E2%80%99Aubeterre", "", nil, 200, `"total":0`, "eux"},
		{"reader", "GET", list + "?filter[organisateur]=Ville%20d%E2%80%99Aubeterre", "", nil, 200, `"total":1`, ""},
		{"limited", "GET", list + "?filter[organisateur][ne]=x", "", nil, 200, `"total":1`, "eux"},
		{"limited", "GET", list + "?sort=-note", "", nil, 400, "No entry has a field", "nous"},
		{"limited", "GET", list + "?limit=1&sort=note", "", nil, 400, "No entry has a field", "eux"},
		{"limited", "GET", list + "?q=valmont", "", nil, 200, `"total":1`, "eux"},
		{"limited", "GET", list + "?q=d%E2%80%99Aubeterre", "", nil, 200, `"total":0`, "eux"},
		{"stranger", "GET", list + "?q=valmont", "", nil, 403, "", "nous"},
		{"reader", "GET", "/v1/collections/pages/entries?q=accueil", "", nil, 404, "", "Accueil"},

		// History and what lies between its states.
		{"reader", "GET", at + "/history/nous", "", nil, 200, "created", "pages"},
		{"editor", "GET", at + "/history/nous", "", nil, 200, "Ouvrir l’accueil", ""},
		{"reader", "GET", at + "/history/nous", "", nil, 200, "", "accueil"},
		{"limited", "GET", at + "/history/nous", "", nil, 200, "", "accueil"},
		{"stranger", "GET", at + "/history/nous", "", nil, 403, "", "created"},
		{"reader", "GET", at + "/history/parti", "", nil, 200, "deleted", "cachette"},
		{"limited", "GET", at + "/history/parti", "", nil, 200, "deleted", "cachette"},
		{"reader", "GET", "/v1/collections/pages/history/accueil", "", nil, 404, "", "created"},
		{"limited", "GET", "/v1/collections/pages/history/accueil", "", nil, 404, "", "created"},
		{"editor", "GET", "/v1/collections/pages/history/accueil", "", nil, 200, "created", ""},
		{"editor", "GET", at + "/diff/nous", "", nil, 200, `"note"`, ""},
		{"reader", "GET", at + "/diff/nous", "", nil, 200, `"note"`, ""},
		{"limited", "GET", at + "/diff/nous", "", nil, 200, `"title"`, "note"},
		{"limited", "GET", at + "/diff/eux", "", nil, 404, "", "Aubeterre"},
		{"limited", "GET", at + "/diff/nous?from=" + blob, "", nil, 400, "", blob},
		{"reader", "GET", at + "/diff/nous?from=" + blob, "", nil, 200, "", "accueil"},
		{"stranger", "GET", at + "/diff/nous", "", nil, 403, "", "Valmont"},
		{"reader", "GET", at + "/diff/parti", "", nil, 200, "", "cachette"},
		{"reader", "GET", "/v1/collections/pages/diff/accueil", "", nil, 404, "", "Accueil"},
		{"limited", "GET", "/v1/collections/pages/diff/accueil", "", nil, 404, "", "Accueil"},

		// The feeds, of which a batch's message may name anything.
		{"editor", "GET", "/v1/changes", "", nil, 200, "Ouvrir l’accueil", ""},
		{"reader", "GET", "/v1/changes", "", nil, 200, "eux", "Ouvrir"},
		{"limited", "GET", "/v1/changes", "", nil, 200, "nous", "Ouvrir"},
		{"reader", "GET", "/v1/changes", "", nil, 200, "deleted", "cachette"},
		{"limited", "GET", "/v1/changes", "", nil, 200, "deleted", "cachette"},
		{"limited", "GET", "/v1/changes", "", nil, 200, "title", "note"},
		{"limited", "GET", "/v1/changes", "", nil, 200, "", blob},

		// Writes without the right to them.
		{"reader", "POST", list, `{"slug":"neuf","fields":{"title":"Neuf"}}`, json, 403, "create", ""},
		{"reader", "PUT", entryPath("nous"), `{"fields":{"title":"x"},"body":"x"}`, anyJSON, 403, "update", ""},
		{"reader", "PATCH", entryPath("nous"), `{"fields":{"title":"x"}}`, patch, 403, "update", ""},
		{"reader", "DELETE", entryPath("nous"), "", patch, 403, "delete", ""},
		{"reader", "DELETE", entryPath("nulle-part"), "", patch, 403, "delete", ""},
		{"reader", "POST", at + "/move/nous", `{"to":"autre"}`, anyJSON, 403, "update", ""},
		{"reader", "POST", at + "/move/nous", `{"to":"autre","collection":"pages"}`, anyJSON, 403, "", ""},
		{"reader", "POST", at + "/revert/nous", `{"to":"` + blob + `"}`, anyJSON, 403, "", "note"},
		{"reader", "POST", at + "/revert/parti", `{"to":"` + parti + `"}`, json, 403, "", "note"},
		{"stranger", "POST", list, `{"slug":"neuf","fields":{"title":"Neuf"}}`, json, 403, "", ""},
		{"stranger", "PUT", entryPath("nous"), `{"fields":{"title":"x"},"body":"x"}`, anyJSON, 403, "", "Valmont"},
		{"stranger", "PATCH", entryPath("nous"), `{"fields":{"title":"x"}}`, patch, 403, "", "Valmont"},
		{"stranger", "DELETE", entryPath("nous"), "", patch, 403, "", "Valmont"},
		{"stranger", "POST", at + "/move/nous", `{"to":"autre"}`, anyJSON, 403, "", ""},
		{"stranger", "POST", at + "/revert/nous", `{"to":"` + blob + `"}`, anyJSON, 403, "", ""},
		{"reader", "POST", "/v1/collections/pages/entries", `{"slug":"neuf"}`, json, 404, "", ""},
		{"limited", "POST", "/v1/collections/pages/entries", `{"slug":"neuf"}`, json, 404, "", ""},
		{"limited", "PUT", page, `{"fields":{"title":"x"},"body":"x"}`, anyJSON, 404, "", "Accueil"},
		{"limited", "PATCH", page, `{"fields":{"title":"x"}}`, patch, 404, "", "Accueil"},
		{"limited", "DELETE", page, "", patch, 404, "", "Accueil"},
		{"limited", "POST", "/v1/collections/pages/move/accueil", `{"to":"autre"}`, anyJSON, 404, "", "Accueil"},
		{"limited", "POST", "/v1/collections/pages/revert/accueil", `{"to":"` + blob + `"}`, anyJSON, 404, "", "Accueil"},
		{"stranger", "PATCH", page, `{"fields":{"title":"x"}}`, patch, 403, "", "Accueil"},

		// Moves and reverts within what a role reaches.
		{"limited", "POST", at + "/move/eux", `{"to":"autre"}`, anyJSON, 404, "", "Aubeterre"},
		{"limited", "POST", at + "/move/nous", `{"to":"autre","collection":"pages"}`, anyJSON, 404, "", "note"},
		{"limited", "POST", at + "/move/nous?dry_run=true", `{"to":"ailleurs"}`, anyJSON, 200, "", "note"},
		{"limited", "POST", at + "/revert/eux", `{"to":"` + eux + `"}`, anyJSON, 400, "not a commit or revision of this entry", "Aubeterre"},
		{"limited", "POST", at + "/revert/nulle-part", `{"to":"` + eux + `"}`, anyJSON, 400, "not a commit or revision of this entry", "Aubeterre"},
		{"limited", "POST", at + "/revert/nous", `{"to":"` + blob + `"}`, anyJSON, 400, "", "note"},
		{"limited", "POST", at + "/revert/parti?dry_run=true", `{"to":"` + s.head() + `"}`, json, 400, "", "cachette"},

		// Batches: all operations are held to the rights, and none is made.
		{"reader", "POST", "/v1/batch", ops(`{"op":"create","collection":"consultations","slug":"b","fields":{"title":"x"}}`), json, 403, "create", ""},
		{"reader", "POST", "/v1/batch", ops(`{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"title":"x"}}`), json, 403, "update", "note"},
		{"reader", "POST", "/v1/batch", ops(`{"op":"put","collection":"consultations","slug":"nous","if_match":"*","fields":{"title":"x"},"body":"x"}`), json, 403, "update", "note"},
		{"reader", "POST", "/v1/batch", ops(`{"op":"delete","collection":"consultations","slug":"nous","if_match":"*"}`), json, 403, "delete", ""},
		{"reader", "POST", "/v1/batch", ops(`{"op":"move","collection":"consultations","slug":"nous","if_match":"*","to":"b"}`), json, 403, "update", ""},
		{"reader", "POST", "/v1/batch", ops(`{"op":"revert","collection":"consultations","slug":"nous","if_match":"*","to":"` + blob + `"}`), json, 403, "", ""},
		{"reader", "POST", "/v1/batch", ops(`{"op":"delete","collection":"pages","slug":"accueil","if_match":"*"}`), json, 403, "", "Accueil"}, // unread
		{"stranger", "POST", "/v1/batch", ops(`{"op":"delete","collection":"consultations","slug":"nous","if_match":"*"}`), json, 403, "", ""},
		{"limited", "POST", "/v1/batch", ops(`{"op":"delete","collection":"pages","slug":"accueil","if_match":"*"}`), json, 404, "", "Accueil"},
		{"limited", "POST", "/v1/batch", ops(`{"op":"delete","collection":"consultations","slug":"eux","if_match":"*"}`), json, 404, "", "Aubeterre"},
		{"limited", "POST", "/v1/batch", ops(`{"op":"patch","collection":"consultations","slug":"eux","if_match":"*","fields":{"title":"x"}}`), json, 404, "", "Aubeterre"},
		{"limited", "POST", "/v1/batch", ops(`{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"note":4}}`), json, 403, "forbidden", "Valmont"},
		{"limited", "POST", "/v1/batch", ops(`{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"in_progress":false}}`), json, 403, "in_progress", "note"},
		{"limited", "POST", "/v1/batch", ops(`{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"organisateur":"x"}}`), json, 403, "organisateur", "note"},
		{"limited", "POST", "/v1/batch", ops(`{"op":"create","collection":"consultations","slug":"b","fields":{"title":"x","organisateur":"y"}}`), json, 403, "organisateur", ""},
		{"limited", "POST", "/v1/batch", ops(`{"op":"move","collection":"consultations","slug":"nous","if_match":"*","to":"pages"},{"op":"delete","collection":"consultations","slug":"eux","if_match":"*"}`), json, 404, "", "Aubeterre"},
		{"limited", "GET", entryPath("pages"), "", nil, 404, "", "Valmont"},
		{"limited", "POST", "/v1/batch?dry_run=true", ops(`{"op":"patch","collection":"consultations","slug":"nous","if_match":"*","fields":{"title":"Essai"}}`), json, 200, "Essai", "note"},

		{"editor", "POST", "/v1/batch?dry_run=true", ops(`{"op":"delete","collection":"pages","slug":"accueil","if_match":"*"}`), json, 200, "pages", ""},

		// Media and previews.
		{"editor", "GET", "/v1/media", "", nil, 200, "items", ""},
		{"limited", "GET", "/v1/media/plan.png", "", nil, 404, "", ""},
		{"limited", "DELETE", "/v1/media/plan.png", "", patch, 404, "", ""},
		{"stranger", "GET", "/v1/media/plan.png", "", nil, 403, "", ""},
		{"reader", "GET", "/v1/media", "", nil, 404, "", "items"},
		{"limited", "GET", "/v1/media", "", nil, 404, "", "items"},
		{"stranger", "GET", "/v1/media", "", nil, 403, "", "items"},
		{"reader", "POST", "/v1/preview", `{"body":"**a**"}`, json, 200, "", "Accueil"},

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
