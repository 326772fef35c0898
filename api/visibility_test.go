package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/api/hooks"
	"cms/auth"
	"cms/content"
	"cms/race"
	"cms/site/sitetest"
)

// The table of all doors and of what a role may not see. Two sites that differ in that
// alone are asked the same, at every operation that there is: the role cannot tell
// which of them answers. An operation without a row fails the test.
//
// What can be noticed nevertheless is left out, as docs/security.md says it: that
// there are commits (their names, how many, when the newest came), and that a name is
// in use.

// world is one of the two sites.
type world struct {
	*whole
	other   bool              // whether it is the second one
	commits map[string]string // those that the role sees, and what to call them
	kinds   map[string]string // what Git calls what else has a name of its kind
}

// mark names the newest commit, which the role sees.
func (w *world) mark(name string) { w.commits[w.tip()] = name }

// tip is the newest commit.
func (w *world) tip() string { return w.repo.View().Commit().String() }

// named is the commit of that name.
func (w *world) named(name string) string {
	for hash, known := range w.commits {
		if known == name {
			return hash
		}
	}
	return ""
}

// either is the one or the other.
func (w *world) either(one, two string) string {
	if w.other {
		return two
	}
	return one
}

// write is a write of an editor.
func (w *world) write(method, path, body string, header ...string) {
	w.Helper()
	h := map[string]string{}
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	if res := w.do(request{method: method, path: path, body: body, header: h}); res.status >= 300 {
		w.Fatalf("%s %s: got %d %s", method, path, res.status, res.body)
	}
}

// secretly makes edits that none of the roles is told of. Each site has as many, of
// other entries, fields and values, by somebody else.
func (w *world) secretly(role string) {
	w.Helper()
	somebody, err := auth.Mint(w.issuer, auth.Claims{
		Subject: w.either("zoe", "yves"), Name: w.either("Zoé Valmont", "Yves Aubeterre"), Email: w.either("zoe@example.org", "yves@example.org"), Roles: []string{"editor"}, TTL: time.Hour,
	})
	if err != nil {
		w.Fatal(err)
	}
	defer func(own string) { w.token = own }(w.token)
	w.token = somebody
	const markdown = "text/markdown"
	put := func(path, src string) {
		w.write("PUT", "/v1/collections/"+path, src, "Content-Type", markdown, "If-None-Match", "*")
	}
	put("pages/entries/"+w.either("accueil", "mentions"), w.either("---\ntitle: Accueil valmont\n---\n", "---\nauteur: Zoé\nnote: 4\n---\nMentions\n"))
	put("liens/entries/un", w.either("---\nvers: nous\n---\n", "---\nvers: deux\n---\n"))
	put("legendes/entries/"+w.either("un", "deux"), w.either("valmont\n", "---\ntitle: x\n---\n"))
	w.write("PUT", "/v1/media/"+w.either("a.svg", "autre/b.svg"), `<svg xmlns="http://www.w3.org/2000/svg"/>`, "If-None-Match", "*")
	closed := "pages/entries/" + w.either("ferme", "clos")
	put(closed, "---\ntitle: Fermé valmont\n---\n")
	w.write("DELETE", "/v1/collections/"+closed, "", "If-Match", "*")
	if role == "reader" {
		return
	}
	gone := "consultations/entries/" + w.either("eux-ote", "eux-retire")
	put(gone, strings.Replace(sample, "Ville de Valmont", w.either("Ville d’Aubeterre", "Ville de Nîmes"), 1))
	w.write("DELETE", "/v1/collections/"+gone, "", "If-Match", "*")
	put("consultations/entries/"+w.either("eux", "eux-aussi"), strings.Replace(sample, "Ville de Valmont", w.either("Ville d’Aubeterre", "Ville de Nîmes"), 1))
	w.patch("nous", w.either(`{"fields":{"note":1}}`, `{"fields":{"note":4}}`))
	w.write("POST", "/v1/collections/consultations/move/"+w.either("eux", "eux-aussi"), w.either(`{"to":"parti"}`, `{"to":"loin"}`), "Content-Type", "application/json", "If-Match", "*")
}

// newWorld makes a site for a role.
func newWorld(t *testing.T, role string, other bool) *world {
	w := &world{whole: newWholeServer(t, content.Collection{Name: "legendes", Folder: "img/photos", Extension: ".md"}, links), other: other, commits: map[string]string{}, kinds: map[string]string{}}
	hidden := w.either("note: 3\n", "note:\n  - 1\n  - deux\n  - {trois: 4}\n")
	also := w.either("", "note: 1\n")
	if role == "reader" {
		hidden, also = "note: 3\n", ""
	}
	entry := "---\ntitle: Plan vélo\n" + hidden + "organisateur: Ville de Valmont\nlink: 3\nin_progress: true\n---\nCorps valmont\n"
	files := map[string]string{
		"_consultations/nous.md":                          entry,
		"_consultations/deux.md":                          "---\ntitle: Deux\norganisateur: Ville de Valmont\n" + also + "---\nDeux\n",
		"img/photos/a.png":                                encodedPNG(t),
		w.either("pages/index.md", "pages/x/y.md"):        "---\ntitle: Pages valmont\n---\n",
		w.either("img/b.png", "img/prive/c.png"):          "\x89PNG, d’ailleurs",
		w.either("img/photos/l.md", "img/photos/m/n.MD"):  "valmont",
		w.either("_data/x.yml", "_layouts/y.html"):        "valmont",
		w.either("pages/casse.md", "img/photos/casse.md"): "---\na: [\n---\n",
	}
	if role != "reader" {
		files["_consultations/"+w.either("eux-1", "eux-2")+".md"] = strings.Replace(entry, "Ville de Valmont", "Ville d’Aubeterre", 1)
		files["_consultations/"+w.either("casse", "cassee")+".md"] = w.either("---\ntitle: [\norganisateur: Ville de Valmont\n---\n", "---\n\ttitle: x\n---\n")
		if other {
			files["_consultations/eux-3.md"] = "---\ntitle: Trois valmont\norganisateur: Autre\n---\n"
		}
	}
	w.push(files)
	w.mark("first")
	w.patch("nous", `{"fields":{"title":"Plan marche"}}`)
	w.mark("title")
	w.secretly(role)
	w.patch("deux", `{"fields":{"title":"Deux bis"}}`)
	w.mark("second")
	hiddenToo := ""
	if role != "reader" {
		hiddenToo = w.either("note: 2\n", "note: 4\n")
	}
	w.write("PUT", "/v1/collections/consultations/entries/fini", "---\ntitle: Fini\n"+hiddenToo+"organisateur: Ville de Valmont\n---\nFini\n", "Content-Type", "text/markdown", "If-None-Match", "*")
	w.mark("finished")
	w.write("DELETE", "/v1/collections/consultations/entries/fini", "", "If-Match", "*")
	w.mark("gone")
	w.write("PUT", "/v1/media/photos/b.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`, "If-None-Match", "*")
	w.mark("picture")
	if role != "reader" {
		w.patch("nous", w.either(`{"fields":{"note":null}}`, `{"fields":{"note":2}}`))
	}
	// A write with a key, by the same person with another token, in one of the two.
	if other {
		w.write("POST", "/v1/collections/pages/entries", keyed, "Content-Type", "application/json", "Idempotency-Key", "k-secret")
	} else {
		w.write("POST", "/v1/collections/pages/entries", `{"slug":"autre","fields":{"title":"x"}}`, "Content-Type", "application/json")
	}
	w.operate("POST", "/v1/deployments", fmt.Sprintf(`{"commit":%q,"state":"live","url":"https://www.example.org/"}`, w.tip()), http.StatusNoContent, nil)
	if role != "reader" {
		w.setAside("aaaaaaaaaaaa", "consultations", "nous", "", w.either("---\ntitle: Un\nnote: 1\n---\n", "---\ntitle: Un\nnote: 2\n---\n"))
	}
	w.delivered()
	return w
}

// delivered waits until all that has changed was delivered.
func (w *world) delivered() {
	w.Helper()
	w.until("the deliveries", func() bool {
		var hook hooks.Webhook
		w.operate("GET", "/v1/webhooks/site", "", http.StatusOK, &hook)
		return hook.Pending == 0 && hook.Commit == w.tip()
	})
}

const keyed = `{"slug":"secrete","fields":{"title":"Secret"}}`

// doors are the requests of each operation.
func doors(w *world) map[string][]request {
	var slugs []string // there, hidden in one of the sites, and nowhere
	for _, s := range []string{"nous", "deux", "eux", "eux-aussi", "eux-1", "eux-3", "casse", "cassee", "parti", "loin", "nulle-part", "fini", "eux-ote", "eux-retire"} {
		slugs = append(slugs, "consultations/{}/"+s)
	}
	for _, s := range []string{"index", "x/y", "accueil", "mentions", "secrete", "casse"} {
		slugs = append(slugs, "pages/{}/"+s)
	}
	slugs = append(slugs, "legendes/{}/l", "legendes/{}/un", "legendes/{}/deux", "liens/{}/un", "absente/{}/x")
	var media []string
	for _, m := range []string{"photos/a.png", "photos/b.svg", "photos/l.md", "photos/m/n.MD", "photos/casse.md", "photos/un.md", "b.png", "prive/c.png", "a.svg", "autre/b.svg", "nulle-part.png"} {
		media = append(media, "/v1/media/"+m)
	}
	at := func(door, slug string) string { return "/v1/collections/" + strings.Replace(slug, "{}", door, 1) }
	all := map[string][]request{}
	add := func(id string, r request) { all[id] = append(all[id], r) }
	each := func(id, method, door, query, body string, header map[string]string) {
		for _, slug := range slugs {
			add(id, request{method: method, path: at(door, slug) + query, body: body, header: header})
		}
	}
	asJSON, whatever := jsonBody(""), jsonBody("*")
	markdown := map[string]string{"Accept": "text/markdown"}

	add("list-collections", request{method: "GET", path: "/v1/collections"})
	for _, c := range []string{"consultations", "pages", "legendes", "absente"} {
		add("get-collection", request{method: "GET", path: "/v1/collections/" + c})
		add("get-collection", request{method: "HEAD", path: "/v1/collections/" + c})
		list := "/v1/collections/" + c + "/entries"
		for _, q := range []string{"", "?limit=1", "?sort=note", "?sort=-note,title", "?sort=note.x", "?sort=-title&limit=1", "?q=valmont", "?q=trois", "?q=3", "?fields=note", "?fields=title,note",
			"?filter[note][exists]=true", "?filter[note][exists]=false", "?filter[note]=3", "?filter[note][ne]=3", "?filter[note][lt]=9", "?filter[note][gte]=0", "?filter[note][in]=1,2,3,4",
			"?filter[note][contains]=deux", "?filter[note.trois]=4", "?filter[note.trois][exists]=true", "?filter[note][lt]=x", "?filter[organisateur][contains]=aubeterre", "?filter[title]=Trois%20valmont",
			"?filter[organisateur][exists]=true&sort=organisateur",
			"?sort=-updated", "?filter[valid]=false", "?filter[slug][prefix]=e", "?filter[updated.author]=ann", "?filter[updated][gte]=2020-01-01", "?sort=nots", "?sort=troi", "?filter[tite]=x"} {
			add("list-entries", request{method: "GET", path: list + q})
			add("list-entries", request{method: "HEAD", path: list + q})
		}
		facets := "/v1/collections/" + c + "/facets?field="
		for _, q := range []string{"note", "title", "organisateur", "note.trois", "nots", "valid", "updated.author.name&limit=1", "title&field=slug", "title&q=valmont", "title&q=trois", "title&filter[note]=3", "organisateur&filter[organisateur][prefix]=Ville"} {
			add("list-facets", request{method: "GET", path: facets + q})
		}
		for _, q := range []string{"", "?limit=1", "?cursor=x"} {
			add("list-deleted", request{method: "GET", path: "/v1/collections/" + c + "/deleted" + q})
		}
		add("create-entry", request{method: "POST", path: list, header: asJSON, body: `{"slug":"eux","fields":{"title":"x","organisateur":"Ville d’Aubeterre"}}`})
		add("create-entry", request{method: "POST", path: list, header: asJSON, body: `{"slug":"neuf","fields":{"title":"x","note":3}}`})
		add("create-entry", request{method: "POST", path: list + "?dry_run=true", header: asJSON, body: `{"slug":"neuf","fields":{"title":"x"}}`})
		add("create-entry", request{method: "POST", path: list, header: asJSON, body: `{"slug":"neuf-` + c + `","fields":{"title":"Neuf"},"body":"neuf"}`})
	}
	add("create-entry", request{method: "POST", path: "/v1/collections/pages/entries", body: keyed, header: map[string]string{"Content-Type": "application/json", "Idempotency-Key": "k-secret"}})
	each("get-entry", "GET", "entries", "", "", nil)
	each("get-entry", "HEAD", "entries", "", "", nil)
	each("get-entry", "GET", "entries", "", "", markdown)
	each("get-entry", "GET", "entries", "", "", map[string]string{"If-None-Match": "*"})
	each("get-entry", "GET", "entries", "", "", map[string]string{"If-Match": `"3f786850e387550fdab836ed7e6dc881de23001b"`})
	each("entry-history", "GET", "history", "", "", nil)
	each("entry-history", "GET", "history", "?limit=1", "", nil)
	each("entry-diff", "GET", "diff", "", "", nil)
	for _, of := range []string{"pages/index.md", "pages/x/y.md", "img/b.png", "img/prive/c.png", "_consultations/nous.md", "_consultations/eux-1.md", "_consultations/eux-2.md"} {
		blob, err := w.tryGit("rev-parse", "main:"+of)
		if err != nil { // so that both are asked as many
			blob = "3f786850e387550fdab836ed7e6dc881de23001b"
		}
		each("entry-diff", "GET", "diff", "?from="+blob, "", nil)
		each("revert-entry", "POST", "revert", "", `{"to":"`+blob+`"}`, whatever)
		each("get-entry", "GET", "entries", "", "", map[string]string{"If-None-Match": `"` + blob + `"`})
		each("get-entry", "GET", "entries", "?at="+blob, "", nil)
		each("patch-entry", "PATCH", "entries", "?base="+blob, `{"fields":{"title":"x"}}`, mergePatch(""))
		for _, m := range media {
			add("get-media", request{method: "GET", path: m + "?revision=" + blob})
		}
	}
	each("entry-references", "GET", "references", "", "", nil)
	each("entry-references", "GET", "references", "?limit=1", "", nil)
	each("entry-deployment", "GET", "deployment", "", "", nil)
	each("put-entry", "PUT", "entries", "", `{"fields":{"title":"Neuf","note":3},"body":"x"}`, whatever)
	each("put-entry", "PUT", "entries", "", "---\ntitle: x\n---\n", map[string]string{"Content-Type": "text/markdown", "If-Match": "*"})
	each("put-entry", "PUT", "entries", "?dry_run=true", `{"fields":{"title":"Neuf","organisateur":"Ville de Valmont","link":"x","in_progress":true},"body":"x"}`, whatever)
	each("patch-entry", "PATCH", "entries", "", `{"fields":{"note":3}}`, mergePatch("*"))
	each("patch-entry", "PATCH", "entries", "", `{"fields":{"note":null}}`, mergePatch("*"))
	each("patch-entry", "PATCH", "entries", "", `[{"op":"test","path":"/fields/note","value":2},{"op":"replace","path":"/fields/title","value":"x"}]`, map[string]string{"Content-Type": "application/json-patch+json", "If-Match": "*"})
	each("patch-entry", "PATCH", "entries", "", `[{"op":"copy","from":"/fields/note","path":"/fields/title"}]`, map[string]string{"Content-Type": "application/json-patch+json", "If-Match": "*"})
	each("patch-entry", "PATCH", "entries", "", `{"fields":{"link":"x"}}`, mergePatch("*"))
	each("patch-entry", "PATCH", "entries", "", `{"fields":{"title":"x"}}`, mergePatch(`"3f786850e387550fdab836ed7e6dc881de23001b"`))
	each("patch-entry", "PATCH", "entries", "?dry_run=true", `{"fields":{"title":"Essai"}}`, mergePatch("*"))
	each("patch-entry", "PATCH", "entries", "", `{"fields":{"title":"Plan retouché"}}`, mergePatch("*"))
	each("move-entry", "POST", "move", "", `{"to":"ailleurs","collection":"pages"}`, whatever)
	each("move-entry", "POST", "move", "?dry_run=true", `{"to":"ailleurs"}`, whatever)
	each("move-entry", "POST", "move", "?base=3f786850e387550fdab836ed7e6dc881de23001b", `{"to":"ailleurs"}`, asJSON)
	each("delete-entry", "DELETE", "entries", "?dry_run=true", "", map[string]string{"If-Match": "*"})
	each("delete-entry", "DELETE", "entries", "", "", map[string]string{"If-Match": `"3f786850e387550fdab836ed7e6dc881de23001b"`})
	each("delete-entry", "DELETE", "entries", "", "", nil)
	for _, slug := range slugs {
		collection, name, _ := strings.Cut(slug, "/{}/")
		about := fmt.Sprintf(`"collection":%q,"slug":%q,"if_match":"*"`, collection, name)
		for _, op := range []string{`{"op":"patch",` + about + `,"fields":{"note":1}}`, `{"op":"put",` + about + `,"fields":{"title":"x"},"body":""}`,
			`{"op":"delete",` + about + `}`, `{"op":"move",` + about + `,"to":"y"}`, `{"op":"revert",` + about + `,"to":"3f786850e387550fdab836ed7e6dc881de23001b"}`} {
			add("batch", request{method: "POST", path: "/v1/batch?dry_run=true", header: asJSON, body: `{"operations":[` + op + `]}`})
		}
	}
	for _, q := range []string{"valmont", "trois", "deux", "aubeterre", "accueil", "plan", "secret"} {
		add("search", request{method: "GET", path: "/v1/search?q=" + q})
		add("search", request{method: "GET", path: "/v1/search?limit=1&q=" + q})
		add("search", request{method: "GET", path: "/v1/search?collection=pages&q=" + q})
	}
	add("preview", request{method: "POST", path: "/v1/preview", header: asJSON, body: `{"body":"# Été"}`})
	for _, q := range []string{"", "?limit=1", "?prefix=photos/", "?prefix=prive", "?prefix=photos/l"} {
		add("list-media", request{method: "GET", path: "/v1/media" + q})
	}
	for _, m := range media {
		add("get-media", request{method: "GET", path: m})
		add("get-media", request{method: "HEAD", path: m})
		name := strings.TrimPrefix(m, "/v1/media/")
		add("media-references", request{method: "GET", path: "/v1/media-references/" + name})
		add("move-media", request{method: "POST", path: "/v1/media-move/" + name + "?dry_run=true", header: whatever, body: `{"to":"photos/ailleurs.png"}`})
		for _, op := range []string{`{"op":"delete",`, `{"op":"move","to":"photos/z.png",`, `{"op":"put","content":"eA==",`, `{"op":"patch",`} {
			add("batch", request{method: "POST", path: "/v1/batch?dry_run=true", header: asJSON, body: `{"operations":[` + op + `"collection":"media","slug":"` + name + `","if_match":"*"}]}`})
		}
		add("get-media", request{method: "GET", path: m, header: map[string]string{"If-None-Match": "*"}})
		add("get-media", request{method: "GET", path: m, header: map[string]string{"Range": "bytes=0-3"}})
		add("put-media", request{method: "PUT", path: m + "?dry_run=true", body: encodedPNG(w.TB.(*testing.T)), header: map[string]string{"If-Match": "*"}})
		add("delete-media", request{method: "DELETE", path: m, header: map[string]string{"If-Match": `"3f786850e387550fdab836ed7e6dc881de23001b"`}})
		add("delete-media", request{method: "DELETE", path: m + "?dry_run=true", header: map[string]string{"If-Match": "*"}})
	}
	add("list-changes", request{method: "GET", path: "/v1/changes"})
	for _, name := range slices.Sorted(maps.Values(w.commits)) {
		add("list-changes", request{method: "GET", path: "/v1/changes?since=" + w.named(name)})
		add("list-changes", request{method: "GET", path: "/v1/changes?order=desc&since=" + w.named(name)})
		add("list-changes", request{method: "GET", path: "/v1/changes?order=desc&limit=1&cursor=" + w.named(name)})
		each("get-entry", "GET", "entries", "?at="+w.named(name), "", nil)
		each("get-entry", "GET", "entries", "?at="+w.named(name), "", markdown)
	}
	add("list-changes", request{method: "GET", path: "/v1/changes?since=3f786850e387550fdab836ed7e6dc881de23001b"})
	add("list-changes", request{method: "GET", path: "/v1/changes?order=desc"})
	add("stream-events", request{method: "GET", path: "/v1/events"})

	add("list-webhooks", request{method: "GET", path: "/v1/webhooks"})
	add("get-webhook", request{method: "GET", path: "/v1/webhooks/site"})
	add("get-webhook", request{method: "GET", path: "/v1/webhooks/absent"})
	add("create-webhook", request{method: "POST", path: "/v1/webhooks", header: asJSON, body: newWebhook})
	add("patch-webhook", request{method: "PATCH", path: "/v1/webhooks/site", header: mergePatch(""), body: `{"enabled":true}`})
	add("delete-webhook", request{method: "DELETE", path: "/v1/webhooks/site"})
	add("renew-webhook-secret", request{method: "POST", path: "/v1/webhooks/site/secret", header: asJSON, body: `{}`})
	add("test-webhook", request{method: "POST", path: "/v1/webhooks/site/test"})
	add("redeliver-range", request{method: "POST", path: "/v1/webhooks/site/redeliver", header: asJSON, body: `{"since":"2026-05-04T08:00:00Z"}`})
	for _, q := range []string{"", "?limit=2", "?webhook=site", "?state=delivered", "?state=failed", "?entry=consultations/nous", "?entry=pages/accueil", "?entry=pages/mentions"} {
		add("list-deliveries", request{method: "GET", path: "/v1/deliveries" + q})
	}
	var page hooks.Deliveries
	w.operate("GET", "/v1/deliveries?limit=3", "", http.StatusOK, &page)
	for _, d := range page.Items {
		add("get-delivery", request{method: "GET", path: "/v1/deliveries/" + d.ID})
		add("redeliver", request{method: "POST", path: "/v1/deliveries/" + d.ID + "/redeliver"})
	}
	add("list-conflicts", request{method: "GET", path: "/v1/conflicts"})
	for _, id := range []string{"aaaaaaaaaaaa", "absent"} {
		add("resolve-conflict", request{method: "POST", path: "/v1/conflicts/" + id + "/resolve", header: asJSON, body: `{"take":"branch"}`})
	}
	add("report-deployment", request{method: "POST", path: "/v1/deployments", header: asJSON, body: `{"commit":"` + w.tip() + `","state":"live"}`})

	add("me", request{method: "GET", path: "/v1/me"})
	for id, path := range map[string]string{"receive-hook": "/hooks/github", "login": "/v1/auth/login", "refresh": "/v1/auth/refresh", "logout": "/v1/auth/logout"} {
		add(id, request{method: "POST", path: path, header: asJSON, body: `{}`})
	}
	add("start-login", request{method: "GET", path: "/v1/auth/oidc/absent/start"})
	add("finish-login", request{method: "GET", path: "/v1/auth/oidc/id/callback?code=a&state=b"})
	add("finish-logout", request{method: "GET", path: "/v1/auth/oidc/id/logged-out?state=b"})
	for _, path := range []string{"/openapi.json", "/healthz", "/readyz", "/docs", "/v1/absent"} { // beside the document
		add("none", request{method: "GET", path: path})
	}
	return all
}

func (s *server) tryGit(args ...string) (string, error) {
	out, err := gitCommand(s.git, args...).Output()
	return strings.TrimSpace(string(out)), err
}

// What two answers may differ in.
var (
	anyHash     = regexp.MustCompile(`\b[0-9a-f]{40}\b`)
	anyUUID     = regexp.MustCompile(`(\b|_)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	anyMoment   = regexp.MustCompile(`"20\d\d-[^"]*T[^"]*Z"`)
	anySequence = regexp.MustCompile(`"\d{10}-\d{10}"`)
	anyTook     = regexp.MustCompile(`"duration_ms":\d+`)
	anyPort     = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// plainly is an answer without what two sites differ in that tell the same: dates,
// names of requests and of commits.
func (w *world) plainly(res response) string {
	var b strings.Builder
	fmt.Fprintln(&b, res.status)
	header := maps.Clone(res.header)
	for _, name := range []string{"Date", "X-Request-Id"} {
		delete(header, name)
	}
	if len(res.body) > 0 || header.Get("Cache-Control") == "no-store" {
		delete(header, "Content-Length") // moments are of several lengths
	}
	if strings.HasPrefix(string(res.body), `{"state":`) {
		delete(header, "Etag") // of a deployment: of the moment, too
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintln(&b, name, header[name])
	}
	b.Write(res.body)
	text := anyHash.ReplaceAllStringFunc(b.String(), func(hash string) string {
		if name, ok := w.commits[hash]; ok {
			return "<" + name + ">"
		}
		kind, known := w.kinds[hash]
		if !known {
			kind, _ = w.tryGit("cat-file", "-t", hash)
			w.kinds[hash] = kind
		}
		if kind == "commit" {
			return "<commit>"
		}
		return hash
	})
	for re, by := range map[*regexp.Regexp]string{anyUUID: "<uuid>", anyMoment: "<moment>", anySequence: "<sequence>", anyTook: "<took>", anyPort: "<host>"} {
		text = re.ReplaceAllString(text, by)
	}
	return text
}

// TestNobodyLearnsWhatTheyMayNotSee is the table: a part of it, unless CMS_DOORS is
// "all"; with -short, hidden_test.go and permission_test.go say it of some answers.
func TestNobodyLearnsWhatTheyMayNotSee(t *testing.T) {
	sitetest.Sibling(t, "hidden_test.go")
	t.Parallel()
	race.Sequential(t)
	all := os.Getenv("CMS_DOORS") == "all"
	for role, token := range map[string]func(w *world) string{
		"limited":      func(w *world) string { return w.limitedAs("ann", "Ville de Valmont") },
		"reader":       func(w *world) string { return w.mint("reader") },
		"photographer": func(w *world) string { return w.mint("photographer") },
		"auditor":      func(w *world) string { return w.mint("auditor") },
		"stranger":     func(w *world) string { return w.mint("stranger") },
	} {
		t.Run(role, func(t *testing.T) {
			if !all && role != "limited" && role != "auditor" {
				t.Skip("CMS_DOORS is not all")
			}
			t.Parallel()
			one, two := newWorld(t, role, false), newWorld(t, role, true)
			first, second := doors(one), doors(two)
			tokens := [2]string{token(one), token(two)}
			document := newConformance(t, one.do(request{method: "GET", path: "/openapi.json"}).body)
			for id := range document.operations {
				if len(first[id]) == 0 {
					t.Errorf("the operation %s has no row in the table: say what of it a role may see", id)
				}
			}
			differ := 0
			for _, id := range slices.Sorted(maps.Keys(first)) {
				if len(first[id]) != len(second[id]) {
					t.Fatalf("%s: the sites are asked %d and %d times", id, len(first[id]), len(second[id]))
				}
				for i, r := range first[id] {
					if !all && i > 0 && (i+len(role))%17 != 0 {
						continue
					}
					if _, known := document.operations[id]; !known && id != "none" {
						t.Errorf("there is no operation %s", id)
					}
					q := second[id][i]
					if r.method == "GET" && id != "stream-events" && one.plainly(one.do(r)) != two.plainly(two.do(q)) { // as an editor
						differ++
					}
					r.token, q.token = tokens[0], tokens[1]
					heads := [2]string{one.tip(), two.tip()}
					got, want := one.do(r), two.do(q)
					if heads[0] != one.tip() && heads[1] != two.tip() {
						one.mark("new " + r.path)
						two.mark("new " + r.path)
						one.delivered()
						two.delivered()
					}
					if a, b := one.plainly(got), two.plainly(want); a != b {
						t.Errorf("%s: %s %s %.200s %v\ngot  %.1500s\nand  %.1500s", id, r.method, anyHash.ReplaceAllString(r.path, "…"), r.body, r.header, a, b)
					}
				}
			}
			if differ < 10 {
				t.Errorf("an editor finds %d answers that differ: the table shows nothing", differ)
			}
			if a, b := one.walk(tokens[0]), two.walk(tokens[1]); a != b {
				t.Errorf("changes: got\n%s\nand\n%s", a, b)
			}
			if role == "limited" || role == "reader" {
				if a, b := one.listenAgain(tokens[0]), two.listenAgain(tokens[1]); a != b || !strings.Contains(a, "nous") {
					t.Errorf("events: got\n%s\nand\n%s", a, b)
				}
			}
		})
	}
}

// walk is all changes that a role is told of, page by page.
func (w *world) walk(token string) string {
	w.Helper()
	var b strings.Builder
	for since, more := "", true; more; {
		var page struct {
			Items []json.RawMessage
			Until string
			More  bool
		}
		query := url.Values{"limit": {"1"}}
		if since != "" {
			query.Set("since", since)
		}
		res := w.do(request{method: "GET", path: "/v1/changes?" + query.Encode(), token: token})
		if err := json.Unmarshal(res.body, &page); err != nil || res.status != http.StatusOK {
			return fmt.Sprint(res.status)
		}
		for _, item := range page.Items {
			b.WriteString(w.plainly(response{body: item}) + "\n")
		}
		since, more = page.Until, page.More
	}
	return b.String()
}

// listenAgain is what an event stream tells a role since the first commit.
func (w *world) listenAgain(token string) string {
	w.Helper()
	events := w.watch(token, w.named("first"))
	defer events.close()
	w.patch("deux", `{"fields":{"title":"Fin"}}`)
	w.mark("end")
	var b strings.Builder
	for last := w.tip(); ; {
		m := events.next()
		if m.comment != "" || m.name == "deployment" {
			continue
		}
		text, err := json.Marshal(m.event)
		if err != nil {
			w.Fatal(err)
		}
		b.WriteString(m.name + w.plainly(response{body: text}) + "\n")
		if m.event.Commit == last {
			return b.String()
		}
	}
}
