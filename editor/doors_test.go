package editor_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/race"
	"cms/site/sitetest"
)

// The table of all pages and of what a role may not see, as that of the operations of
// the API: two sites that differ in that alone are asked the same, and the role cannot
// tell which of them answers.

// secrets are the one site or the other.
type secrets struct {
	*service
	other   bool
	commits map[string]string // those of what the role sees, and what to call them
	all     string            // those of the branch, when it was at tip
	tip     string
}

// either is the one or the other.
func (w *secrets) either(one, two string) string {
	if w.other {
		return two
	}
	return one
}

// mark names the newest commit, which the role sees.
func (w *secrets) mark(name string) { w.commits[w.Tip()] = name }

// saved saves a form.
func (w *secrets) saved(p *page, action, do string, values ...string) {
	w.Helper()
	f := p.form(action)
	for i := 0; i < len(values); i += 2 {
		f.set(values[i], values[i+1])
	}
	tip := w.Tip()
	if p := f.submit(do); p.status != http.StatusOK || w.Tip() == tip {
		w.Fatalf("%s: got %d and nothing saved: %s", action, p.status, p.text())
	}
}

const (
	ours   = "organisateur: Ville de Valmont\n"
	theirs = "organisateur: Ville d’Aubeterre\n"
)

// newSecrets makes one of the two sites.
func newSecrets(t *testing.T, other bool) *secrets {
	w := &secrets{other: other, commits: map[string]string{}}
	field := func(name string, of content.Type) content.Field { return content.Field{Name: name, Type: of} }
	collections := []content.Collection{
		{Name: "consultations", Folder: "_consultations", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString, Required: true}, field("note", content.TypeInteger), field("organisateur", content.TypeString),
			field("link", content.TypeURL), field("image", content.TypeImage), {Name: "suite", Type: content.TypeReference, Collection: "consultations"},
			{Name: "page", Type: content.TypeReference, Collection: "pages"}, {Name: "titres", Type: content.TypeList, Of: &content.Field{Type: content.TypeString}},
		}}},
		{Name: "pages", Folder: "pages", Extension: ".md"},
		{Name: "legendes", Folder: "img/photos", Extension: ".md"},
	}
	every := []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}
	where := []auth.Condition{{Field: "organisateur", Values: []content.Value{"Ville de Valmont"}}}
	roles := map[string]map[string]auth.Grant{
		"editor":       {"consultations": everything, "pages": everything, "legendes": everything, auth.Media: everything},
		"limited":      {"consultations": {Actions: every, Hide: []string{"note"}, Where: where}, auth.Media: {Actions: every, Paths: []string{"photos"}}},
		"visitor":      {"consultations": {Actions: []auth.Action{auth.Read}, Hide: []string{"note"}, Where: where}},
		"photographer": {auth.Media: {Actions: []auth.Action{auth.Read, auth.Create}, Paths: []string{"photos"}}},
		"stranger":     {},
	}
	// What the role does not see is different, and as many files.
	hidden := w.either("note: 3\n", "note: 4077\n")
	entry := "---\ntitle: Plan vélo\n" + hidden + ours + "link: 3\nsuite: deux\nimage: /img/photos/a.png\n---\nCorps [deux](deux.md) valmont\n"
	w.service = serve(t, map[string]string{
		"_consultations/nous.md":                                entry,
		"_consultations/deux.md":                                "---\ntitle: Deux\n" + ours + w.either("", "note: [1]\n") + "---\nDeux\n",
		"_consultations/" + w.either("eux-1", "eux-2") + ".md":  strings.Replace(entry, ours, theirs, 1),
		"_consultations/" + w.either("casse", "cassee") + ".md": w.either("---\ntitle: [\n"+ours+"---\n", "---\n\ttitle: x\n---\n"),
		"img/photos/a.png":                                      string(picture(t, 1)),
		w.either("pages/index.md", "pages/x/y.md"):              "---\ntitle: Pages valmont\nimage: /img/photos/a.png\n---\n" + w.either("", "![](/img/photos/a.png)"),
		w.either("img/b.png", "img/prive/c.png"):                string(picture(t, 1)),
		w.either("img/photos/l.md", "img/photos/m/n.md"):        "---\ntitle: valmont\n---\n",
		"_consultations/" + w.either("vide", "rien") + ".md":    "---\nnote: " + w.either("x", "y") + "\n" + theirs + "---\n![](a.png)\n# Titre\n### ici\n",
	}, collections, roles)
	w.mark("first")
	w.saved(w.get(w.http, "entry/consultations/nous"), "entry/consultations/nous", "save", "f/title", "Plan marche")
	w.mark("title")
	w.saved(w.get(w.http, "entry/consultations/nous"), "entry/consultations/nous", "save", "f/note", w.either("2", "5"))
	w.saved(w.get(w.http, "new/pages"), "new/pages", "save", "slug", w.either("accueil", "mentions"), "body", w.either("Accueil", "Mentions")+" valmont")
	gone := "consultations/" + w.either("eux-1", "eux-2")
	w.saved(w.get(w.http, "delete/"+gone), "delete/"+gone, "")
	w.saved(w.get(w.http, "entry/consultations/deux"), "entry/consultations/deux", "save", "f/title", "Deux bis")
	w.mark("second")
	w.saved(w.get(w.http, "delete/consultations/deux"), "delete/consultations/deux", "")
	w.mark("gone")
	w.SetAside(aside, "consultations", "nous", "", w.either("---\ntitle: Un\nnote: 1\n---\n", "---\ntitle: Un\nnote: 2\n---\n"))
	return w
}

// aside is the conflict that both sites have, about an entry of which the role may not see
// all.
const aside = "aaaaaaaaaaaa"

// asked is a request for a page.
type asked struct{ method, path, body string }

// doors are requests for each page that there is.
func (w *secrets) doors() map[string][]asked {
	all := map[string][]asked{}
	get := func(route, path string) { all["GET "+route] = append(all["GET "+route], asked{"GET", path, ""}) }
	post := func(route, path string, values ...string) {
		form := url.Values{}
		for i := 0; i < len(values); i += 2 {
			form.Add(values[i], values[i+1])
		}
		all["POST "+route] = append(all["POST "+route], asked{"POST", path, form.Encode()})
	}
	get("", "")
	get("account", "account")
	get("problems", "problems")
	get("problems", "problems?collection=consultations&rule=type")
	for _, id := range []string{aside, "bbbbbbbbbbbb"} {
		get("conflict/{id}", "conflict/"+id)
		post("conflict/{id}", "conflict/"+id, "do", "review")
	}
	get("session", "session")
	get("login/done", "login/done")
	get("login", "login")
	for _, c := range []string{"consultations", "pages", "legendes", "absente"} {
		for _, q := range []string{"", "?q=valmont", "?q=4077", "?sort=note", "?sort=-note", "?sort=-updated", "?f.note=3", "?f.note.min=1", "?f.organisateur=Ville", "?f.valid=false", "?f.title=Plan", "?valid=false", "?columns=note", "?page=2", "?f.slug=eux", "?f.author=camille", "?f.updated.min=2020-01-01"} {
			get("list/{collection}", "list/"+c+q)
			get("export/{collection}", "export/"+c+q)
		}
		for _, f := range []string{"note", "title", "organisateur", "titres"} {
			get("values/{collection}", "values/"+c+"?field="+f)
			get("values/{collection}", "values/"+c+"?q=&field=f."+f)
		}
		get("deleted/{collection}", "deleted/"+c)
		for _, q := range []string{"", "?rule=image-alternative", "?rule=heading-level", "?page=2", "?cursor=x"} {
			get("report/{collection}", "report/"+c+q)
		}
		get("new/{collection}", "new/"+c)
		for _, from := range []string{"nous", "eux-1", "eux-2", "deux", "casse", "vide"} {
			get("new/{collection}", "new/"+c+"?from="+from)
		}
		post("columns/{collection}", "columns/"+c, "column", "note", "column", "title")
		for _, slug := range []string{"nous", "eux-1", "eux-2", "casse", "vide", "rien", "index", "l"} {
			post("bulk/{collection}", "bulk/"+c, "slug", slug, "field", "note", "f/note", "1", "do", "review")
			post("bulk/{collection}", "bulk/"+c, "slug", slug, "field", "title", "f/title", "x", "do", "review")
			post("bulk/{collection}", "bulk/"+c, "slug", slug, "do", "delete")
		}
		post("new/{collection}", "new/"+c, "slug", "eux-1", "f/title", "x", "f/organisateur", "Ville d’Aubeterre", "do", "save")
		post("new/{collection}", "new/"+c, "slug", "vide", "f/title", "x", "f/organisateur", "Ville d’Aubeterre", "do", "review")
		post("new/{collection}", "new/"+c, "slug", "neuf", "f/title", "x", "f/note", "3", "f/organisateur", "Ville de Valmont", "do", "review")
	}
	for _, q := range []string{"valmont", "4077", "note", "plan", "accueil", "deux", "x", ""} {
		get("search", "search?q="+q)
		get("find", "find?q="+q)
		get("find", "find?collection=pages&q="+q)
		get("find", "find?collection=consultations&q="+q)
		get("find", "find?kind=media&q="+q)
	}
	revision := "3f786850e387550fdab836ed7e6dc881de23001b"
	var commits []string
	for _, name := range slices.Sorted(maps.Values(w.commits)) {
		for hash, known := range w.commits {
			if known == name {
				commits = append(commits, hash)
			}
		}
	}
	for _, ref := range []string{"consultations/nous", "consultations/deux", "consultations/eux-1", "consultations/eux-2", "consultations/casse", "consultations/cassee", "consultations/vide", "consultations/rien", "pages/index", "pages/x/y", "pages/accueil", "legendes/l", "absente/x", "consultations/nulle-part"} {
		for _, door := range []string{"entry", "source", "history", "rename", "delete", "block", "compare"} {
			get(door+"/{collection}/{slug...}", door+"/"+ref)
			get(door+"/{collection}/{slug...}", door+"/"+ref+"?n=1&saved=1&q=note")
			post(door+"/{collection}/{slug...}", door+"/"+ref, "base", revision, "revision", revision, "f/title", "x", "text", "---\ntitle: x\n---\n", "to", "y", "n", "0", "do", "review")
		}
		for _, at := range append(commits, revision) {
			get("compare/{collection}/{slug...}", "compare/"+ref+"?from="+at)
			get("compare/{collection}/{slug...}", "compare/"+ref+"?from="+at+"&to="+commits[0])
			get("entry/{collection}/{slug...}", "entry/"+ref+"?at="+at)
			post("restore/{collection}/{slug...}", "restore/"+ref, "to", at, "revision", revision, "do", "review")
		}
	}
	for _, path := range []string{"", "photos", "photos/", "prive", "photos/m", "?q=b", "?q=png", "photos?choose=image&q=l", "?choose=image"} {
		get("media/{path...}", "media/"+path)
	}
	for _, path := range []string{"photos/a.png", "b.png", "prive/c.png", "photos/l.md", "photos/m/n.md", "nulle-part.png"} {
		get("thumb/{path...}", "thumb/"+path)
		for _, door := range []string{"file", "move-file", "delete-file"} {
			get(door+"/{path...}", door+"/"+path)
			post(door+"/{path...}", door+"/"+path, "to", "photos/z.png", "revision", revision, "do", "review")
		}
	}
	post("preview", "preview", "collection", "consultations", "slug", "nous", "text", "# Été\n\n[x](../pages/index.md) ![](b.png) ![](/img/b.png)")
	post("look", "look", "collection", "consultations", "slug", "nous", "body", "# Été\n\n[x](../pages/index.md) ![](/img/b.png) ![](/img/prive/c.png)")
	post("look", "look", "collection", "consultations", "slug", "eux-1", "body", "# Été")
	post("account/theme", "account/theme", "theme", "dark")
	get("account/tokens", "account/tokens")
	for _, c := range []string{"pages", "legendes", "absente"} {
		post("account/tokens", "account/tokens", "name", "x", "days", "7", "for", c)
	}
	post("account/tokens", "account/tokens", "name", "", "days", "7", "for", "consultations")
	post("account/tokens/{id}/end", "account/tokens/X/end")
	return all
}

// What two pages may differ in: names of what was asked, moments, and keys of forms.
var (
	anyHash   = regexp.MustCompile(`\b[0-9a-f]{40}\b`)
	anyUUID   = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	anyKey    = regexp.MustCompile(`name="key" value="[^"]*"`)
	anyMoment = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]*(Z|[+-]\d\d:\d\d)`)
	anyHost   = regexp.MustCompile(`127\.0\.0\.1(:|%3A)\d+`)
	anyTime   = regexp.MustCompile(`<time [^>]*>[^<]*</time>`)
	anyShort  = regexp.MustCompile(` [0-9a-f]{8}</span>`)
	anyPerson = regexp.MustCompile(`data-account="[0-9a-f]*"`)
)

// listed says whether hash is a commit of the branch. Git is asked anew where that has moved.
func (w *secrets) listed(hash string) bool {
	if tip := w.Tip(); tip != w.tip {
		w.all, w.tip = w.RunGit("rev-list", "main"), tip
	}
	return strings.Contains(w.all, hash)
}

// plainly is a page without those.
func (w *secrets) plainly(p *page) string {
	var b strings.Builder
	header := p.header.Clone()
	for _, name := range []string{"Date", "X-Request-Id", "Content-Length", "Set-Cookie"} {
		header.Del(name)
	}
	fmt.Fprintln(&b, p.status, p.at)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintln(&b, name, header[name])
	}
	b.WriteString(p.source)
	said := anyHash.ReplaceAllStringFunc(b.String(), func(hash string) string {
		if name, ok := w.commits[hash]; ok {
			return "<" + name + ">"
		}
		if w.listed(hash) {
			return "<commit>"
		}
		return hash
	})
	for re, by := range map[*regexp.Regexp]string{anyUUID: "<uuid>", anyKey: "<key>", anyTime: "<time>", anyPerson: "<account>", anyShort: " <commit></span>", anyMoment: "<moment>", anyHost: "<host>"} {
		said = re.ReplaceAllString(said, by)
	}
	return said
}

// TestNobodyLearnsWhatTheyMayNotSee is the table: a part of it, unless CMS_DOORS is
// "all"; with -short, TestReader and TestListsTellMore say it of some pages.
func TestNobodyLearnsWhatTheyMayNotSee(t *testing.T) {
	sitetest.Sibling(t, "TestReader")
	t.Parallel()
	race.Sequential(t)
	every := os.Getenv("CMS_DOORS") == "all"
	for role, who := range map[string]string{"limited": "ann", "visitor": "vera", "photographer": "paul", "stranger": "stella"} {
		t.Run(role, func(t *testing.T) {
			if !every && role != "limited" {
				t.Skip("CMS_DOORS is not all")
			}
			t.Parallel()
			one, two := newSecrets(t, false), newSecrets(t, true)
			first, second := one.doors(), two.doors()
			for _, pattern := range routes(t) {
				if len(first[pattern]) == 0 && !slices.Contains(elsewhere, pattern) {
					t.Errorf("the page %s has no row in the table: say what of it a role may see", pattern)
				}
			}
			they := [2]*http.Client{one.logIn(who), two.logIn(who)}
			differ := 0
			for _, route := range slices.Sorted(maps.Keys(first)) {
				for i, q := range first[route] {
					r := second[route][i]
					if !every && i%9 != 0 {
						continue
					}
					if q.method == "GET" && i%9 == 0 && one.plainly(one.get(one.http, q.path)) != two.plainly(two.get(two.http, r.path)) { // as an editor
						differ++
					}
					got := one.plainly(one.send(they[0], q.method, "/editor/"+q.path, q.body))
					want := two.plainly(two.send(they[1], r.method, "/editor/"+r.path, r.body))
					if got != want {
						t.Errorf("%s %s %.100s\n%s", q.method, q.path, q.body, firstDifference(got, want))
					}
				}
			}
			if differ < 10 {
				t.Errorf("an editor finds %d pages that differ: the table shows nothing", differ)
			}
		})
	}
}

// TestWhatChangesSomethingIsNamed holds that the audit log has each post, but those that
// change nothing that is anybody else's.
func TestWhatChangesSomethingIsNamed(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("editor.go")
	if err != nil {
		t.Fatal(err)
	}
	unnamed := []string{"POST language", "POST account/theme", "POST columns/{collection}", "POST preview", "POST look"}
	for _, m := range regexp.MustCompile(`pattern: "(POST [^"]*)",( name: "[a-z-]+")?`).FindAllStringSubmatch(string(src), -1) {
		if (m[2] == "") != slices.Contains(unnamed, m[1]) {
			t.Errorf("%s: its name is%q: give it the name of its operation, for the audit log", m[1], m[2])
		}
	}
}

// elsewhere are the routes that say nothing of the site, or have tests of their own.
var elsewhere = []string{
	"GET login/continue", "POST login", "POST login/again", "POST logout", "POST language", "POST account/password", "POST account/sessions", "GET password", "POST password", "POST login/factor", "POST login/enrol", "POST login/passkey", "GET forgot", "POST forgot", "GET account/factor", "POST account/factor",
	"GET watch/{collection}/{slug...}", "POST upload", "POST upload/{path...}", "POST replace/{path...}",
}

// routes are those of the package, as the table has them.
func routes(t *testing.T) (patterns []string) {
	t.Helper()
	src, err := os.ReadFile("editor.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`pattern: "([^"]+)"`).FindAllStringSubmatch(string(src), -1) {
		patterns = append(patterns, strings.TrimSuffix(m[1], "{$}"))
	}
	if len(patterns) < 20 {
		t.Fatalf("only %d routes were found: %q", len(patterns), patterns)
	}
	return patterns
}

// firstDifference shows where two texts part.
func firstDifference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	around := func(s string) string { return s[max(0, i-200):min(len(s), i+200)] }
	return "got  …" + around(a) + "…\nand  …" + around(b) + "…"
}
