package main

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"cms/repo/repotest"
)

// pwn is what attackers store: where any of it runs, it says so and asks another site.
const pwn = `"'><img src=x onerror="window.__pwned=1"><script>window.__pwned=2;fetch("http://localhost:1/")</script><svg onload="window.__pwned=3">`

// secretText is in a field that some may not see.
const secretText = "Zibeline"

// attackedConfig replaces parts of the demo's configuration: texts of operators that hold
// what attackers would write, and a role that does not see a field.
var attackedConfig = []string{
	"site: {name: Consultations citoyennes,", "site: {name: " + quoted("Site "+pwn) + ",",
	`    label: {fr: Consultations, en: Consultations}`, `    label: {fr: ` + quoted("Consultations "+pwn) + `, en: Consultations}`,
	"        label: {fr: Organisateur, en: Organiser}\n        hint: {fr: \"La collectivité ou le ministère, en toutes lettres.\", en: \"The local authority or the ministry, in full.\"}\n",
	"        label: {fr: " + quoted("Organisateur "+pwn) + ", en: Organiser}\n        hint: {fr: " + quoted("Aide "+pwn) + "}\n" +
		"      - {name: etat, type: select, options: [" + quoted("a "+pwn) + ", b]}\n      - {name: " + quoted("x"+pwn) + ", type: string}\n      - {name: interne, type: text}\n",
	"    bot: {consultations: [read, update]}", "    bot: {consultations: [read, update]}\n    reader: {consultations: {actions: [read, update], hide: [interne]}}",
	"media: {folder: img}", "media: {folder: img, extensions: [png, svg, txt]}",
}

// quoted is a text in YAML.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// guarded is a browser that notes what a page must not do.
type guarded struct {
	*user
	mu    sync.Mutex
	wrong []string
}

// guard watches a browser from now on: what it asks of others than the service, and what
// its pages' policies refuse.
func guard(t *testing.T, u *user) *guarded {
	t.Helper()
	g := &guarded{user: u}
	err := chromedp.Listen(u.ctx, func(ev any) {
		g.mu.Lock()
		defer g.mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			if to, err := url.Parse(ev.Request.URL); err != nil || to.Scheme != "data" && to.Scheme != "blob" && to.Host != u.pages.addr {
				g.wrong = append(g.wrong, "asks for "+ev.Request.URL)
			}
		case *audits.EventIssueAdded:
			if d := ev.Issue.Details; d != nil && d.ContentSecurityPolicyIssueDetails != nil {
				g.wrong = append(g.wrong, fmt.Sprintf("its policy refuses %s %s", d.ContentSecurityPolicyIssueDetails.ViolatedDirective, d.ContentSecurityPolicyIssueDetails.BlockedURL))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(u.ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(u.ctx, audits.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return g
}

// noted is what was noted since it was asked for last.
func (g *guarded) noted() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.wrong
	g.wrong = nil
	return all
}

// clean says whether the page that is open is ours alone.
func (g *guarded) clean(what string) {
	g.Helper()
	if n := ask[int](g.chromium, `window.__pwned ?? 0`); n != 0 {
		g.Errorf("%s: a script of an attacker has run (%d)", what, n)
	}
	const foreign = `[...document.querySelectorAll("script, style, iframe, object, embed, base, meta[http-equiv], link, svg, [onerror], [onload], [style], [srcdoc]")].filter(e => !e.matches("head script[src^='/editor/assets/'], head link[href^='/editor/assets/']")).map(e => e.outerHTML.slice(0, 80)).join("; ")`
	if bad := ask[string](g.chromium, foreign); bad != "" {
		g.Errorf("%s: has elements that are not ours: %s", what, bad)
	}
	for _, wrong := range g.noted() {
		g.Errorf("%s: %s", what, wrong)
	}
}

// TestAttacks attacks the pages in each way that people can who may write something, or
// who have somebody visit their own site.
func TestAttacks(t *testing.T) {
	p := servePages(t, attackedConfig...)
	p.enrol(t, "eve@example.org", "Ève "+pwn, "editor")
	p.enrol(t, "rene@example.org", "René Lecteur", "reader")
	t.Run("the guard sees", func(t *testing.T) { guardSees(t, p) })
	t.Run("stored scripts", func(t *testing.T) { storedScripts(t, p) })
	t.Run("addresses", func(t *testing.T) { attackingAddresses(t, p) })
	t.Run("files", func(t *testing.T) { attackingFiles(t, p) })
	t.Run("forged posts", func(t *testing.T) { forgedPosts(t, p) })
	t.Run("frames", func(t *testing.T) { framed(t, p) })
	t.Run("path tricks", func(t *testing.T) { pathTricks(t, p) })
	t.Run("hidden fields", func(t *testing.T) { hiddenFields(t, p) })
	t.Run("tables", func(t *testing.T) { runningTables(t, p) })
	t.Run("a disabled account", func(t *testing.T) { disabledAccount(t, p) })
}

// elsewhere serves pages of an attacker, at two names: one is another site than the
// service, one the same site with another origin.
func elsewhere(t *testing.T, pages map[string]string, header ...string) (foreign, near string) {
	t.Helper()
	mux := http.NewServeMux()
	for path, page := range pages {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			fmt.Fprint(w, page)
		})
	}
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	return "http://localhost:" + port, "http://127.0.0.1:" + port
}

// guardSees shows that what the other tests look for can be found.
func guardSees(t *testing.T, p *pages) {
	foreign, _ := elsewhere(t, map[string]string{"/": "<h1>x</h1>" + pwn, "/strict": "<h1>x</h1>" + pwn})
	g := guard(t, p.visitor(t, "fr").in(t))
	g.do(chromedp.Navigate(foreign + "/"))
	g.wait(`window.__pwned`)
	for !slices.Contains(g.noted(), "asks for http://localhost:1/") {
		if g.ctx.Err() != nil {
			t.Fatal("what a page asks of others is not noted")
		}
	}
	strict, _ := elsewhere(t, map[string]string{"/": "<h1>x</h1>" + pwn}, "Content-Security-Policy", "default-src 'none'")
	g.do(chromedp.Navigate(strict + "/"))
	for seen := false; !seen; {
		seen = slices.ContainsFunc(g.noted(), func(s string) bool { return strings.HasPrefix(s, "its policy refuses") })
		if g.ctx.Err() != nil {
			t.Fatal("what a policy refuses is not noted")
		}
	}
}

// attackedEntry has what attackers write in each place.
var attackedEntry = `---
title: ` + quoted("Titre "+pwn) + `
description: |
  ` + pwn + `
organisateur: ` + quoted(pwn) + `
link: ` + quoted("javascript:window.__pwned=4//"+pwn) + `
date: ` + quoted(pwn) + `
methodes: [` + quoted(pwn) + `, {` + quoted(pwn) + `: ` + quoted(pwn) + `}]
screenshot: ` + quoted(pwn) + `
note-citoyenne: ` + quoted(pwn) + `
etat: ` + quoted(pwn) + `
` + quoted("clé "+pwn) + `: ` + quoted(pwn) + `
---
` + pwn + `

![` + pwn + `](x.png "` + html.EscapeString(pwn) + `") ![" onerror="window.__pwned=5](x.png) <img src="x.png" alt="' onerror='window.__pwned=6">

[a](javascript:window.__pwned=7) <a href="java&#10;script:window.__pwned=8">b</a> [c](data:text/html,<script>window.__pwned=9</script>) <a href="/editor/" onclick="window.__pwned=10">d</a>

<iframe src="javascript:parent.__pwned=11" srcdoc="<script>parent.__pwned=12</script>"></iframe><object data="javascript:window.__pwned=13"></object><embed src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='window.__pwned=14'/>">

<form action="/editor/logout" method="post" id="body"><button name="do" value="save">x</button></form><input name="base" value="x"><base href="http://localhost:1/"><meta http-equiv="refresh" content="0;url=http://localhost:1/"><link rel="stylesheet" href="http://localhost:1/">

<style>body { display: none } @import "http://localhost:1/";</style><div style="position:fixed;inset:0;background:url(http://localhost:1/)" id="save" data-entry data-live>c</div>

<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=window.__pwned=15&gt;"></table></mtext></math><svg><style><img src=x onerror=window.__pwned=16></style><animate onbegin=window.__pwned=17 attributeName=x></svg>

{{ "<script>window.__pwned=18</script>" }} {% raw %}<script>window.__pwned=19</script>{% endraw %}

` + "```html\n" + pwn + "\n```\n"

// storedPages show what was stored in an entry, and in a version of it that was set aside.
func storedPages(slug, commit string) []string {
	return []string{
		"", "list/consultations", "list/consultations?q=onerror&col=organisateur&col=etat&col=methodes&col=description", "search?q=pwned", "entry/" + slug, "history/" + slug, "compare/" + slug + "?to=" + commit,
		"source/" + slug, "source/consultations/casse", "rename/" + slug, "delete/" + slug, "new/consultations", "new/consultations?from=attaque", "block/" + slug + "?n=0", "block/" + slug + "?n=1", "account", "account/factor", "account/tokens", "deleted/consultations",
		"problems", "report/consultations", "report/consultations?rule=image-alternative", "conflict/bbbbbbbbbbbb",
	}
}

// storedScripts are in all that people can write. Pages show them as they are.
func storedScripts(t *testing.T, p *pages) {
	const slug = "consultations/attaque"
	p.push(t, "_consultations/attaque.md", attackedEntry)
	p.push(t, "_consultations/casse.md", "---\ntitle: \""+pwn+"\n"+pwn+": [\n---\n"+pwn)
	repotest.SetAside(t, p.git, repotest.Aside{
		ID: "bbbbbbbbbbbb", Collection: "consultations", Slug: "attaque", Path: "_consultations/attaque.md",
		Base: strings.Replace(attackedEntry, "Titre ", "Premier ", 1), Text: strings.Replace(attackedEntry, "Titre ", "Dernier ", 1),
	})
	eve := p.visitor(t, "en").in(t)
	eve.enter(p, "eve@example.org", another)
	eve.await("entry/" + slug)
	eve.fill(`#body`, attackedEntry[strings.LastIndex(attackedEntry, "---\n")+4:]+"Fin")
	eve.eval(`document.querySelector('[name="f/link"]').value = ""; document.querySelector('[name="f/date"]').value = "2026-01-02T03:04"; for (const e of document.querySelectorAll('[name="f/screenshot"], [name="f/note-citoyenne"]')) e.value = ""; document.querySelector('[type=radio][name="f/etat"]').checked = true; document.querySelector('[data-items="o/methodes"] li:last-child [data-move=remove]').click()`)
	eve.press(`button[value=review]`)
	if faults := ask[string](eve.chromium, `document.querySelector(".faults")?.innerText ?? ""`); faults != "" {
		t.Fatalf("the review is refused: %s", faults)
	}
	eve.fill(`#message`, pwn)
	eve.leave(chromedp.Click(`.review button.primary`))
	eve.told("saved")
	eve.open("entry/" + slug) // and stays, so that others are told of her

	g := guard(t, p.user(t, "fr").in(t))
	commit, err := git(p.git, "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	commit = strings.TrimSpace(commit)
	for _, path := range storedPages(slug, commit) {
		g.open(path)
		g.clean(path)
	}
	g.open("entry/" + slug)
	g.says("Ève ")
	g.clean("an entry that somebody else has open")

	// While one works: the preview, the page of blocks, suggestions, changes, drafts.
	g.eval(`localStorage.setItem("text", "page")`)
	g.open("entry/" + slug)
	g.wait(`document.querySelectorAll(".page > .block").length > 5`)
	g.clean("the page of blocks")
	g.eval(`localStorage.setItem("text", "source")`)
	g.open("entry/" + slug)
	g.fill(title, "Autre "+pwn)
	g.fill(`#body`, pwn+"\n\n"+pwn+" vu")
	g.wait(`document.querySelector("[data-preview]").innerText.includes("vu")`)
	g.clean("a preview")
	g.wait(`Object.keys(localStorage).some(k => k.startsWith("draft:"))`)
	g.open("entry/" + slug)
	g.wait(`document.querySelector(".banner.warn button")`)
	g.clean("a draft that is offered")
	g.press(`.banner.warn button`)
	g.clean("a draft that is taken up")
	g.press(`button[value=review]`)
	g.wait(`document.querySelector(".changes")`)
	g.clean("a review")
	g.do(chromedp.Focus(`[data-find]`), chromedp.KeyEvent("Titre"))
	g.wait(`document.querySelectorAll(".top [role=option]").length > 0`)
	g.clean("suggestions")
	g.open("list/consultations")
	g.do(chromedp.Click(`[name=entry][value=attaque]`))
	g.press(`[data-bulk] [value=set]`)
	g.do(chromedp.SetValue(`#field`, "organisateur"))
	g.press(`.btn.primary`)
	g.clean("one field of several entries")
	g.open("list/consultations")
	g.do(chromedp.Click(`[name=entry][value=attaque]`))
	g.press(`[data-bulk] [value=delete]`)
	g.clean("several entries to delete")
	g.eval(`localStorage.clear()`)

	// Two write at once.
	g.open("entry/" + slug)
	g.fill(title, "La mienne "+pwn)
	eve.open("entry/" + slug)
	eve.fill(title, "La leur "+pwn)
	eve.save()
	g.press(saveButton)
	g.told("clash.title")
	g.clean("a clash")
	g.eval(`localStorage.clear()`)
}

// attackingAddresses are links that attackers send.
func attackingAddresses(t *testing.T, p *pages) {
	g := guard(t, p.user(t, "fr").in(t))
	x := url.QueryEscape(pwn)
	for _, path := range []string{
		"search?q=" + x, "list/consultations?q=" + x, "list/consultations?sort=" + x, "list/consultations?col=" + x, "list/consultations?f.title=" + x, "list/consultations?f.date.from=" + x,
		"list/consultations?cursor=" + x, "list/consultations?done=" + x, "list/" + url.PathEscape(pwn), "entry/consultations/" + url.PathEscape(pwn), "new/consultations?from=" + x,
		"compare/" + budget + "?to=" + x + "&from=" + x, "block/" + budget + "?n=" + x, "media/?q=" + x, "media/" + url.PathEscape(pwn), "entry/" + budget + "?saved=" + x, "media/?added=" + x, url.PathEscape(pwn),
	} {
		g.do(chromedp.Navigate(p.url + "/editor/" + path))
		g.wait(`document.querySelector("h1")`)
		g.clean(path)
	}
	out := p.visitor(t, "fr").in(t)
	g = guard(t, out)
	for _, to := range []string{"javascript:window.__pwned=1", "//localhost:1/", "http://localhost:1/", `/\localhost:1/`, "/editor/../v1/me", "/editor/\n//localhost:1/", "data:text/html,x", "/editor//localhost:1/"} {
		g.do(chromedp.Navigate(p.url + "/editor/login?to=" + url.QueryEscape(to)))
		g.wait(`document.querySelector("#email")`)
		g.introduce("camille@example.org", p.password)
		g.press(`main .btn.primary`)
		if at := ask[string](g.chromium, `location.href`); !strings.HasPrefix(at, p.url+"/editor/") {
			t.Errorf("a login that goes on with %q leads to %s", to, at)
		}
		g.clean("a login that goes on with " + to)
		g.open("account")
		g.press(`main form[action$="/logout"] button`)
	}
}

// svg is an image that runs something where browsers let it.
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.__pwned=1;fetch('http://localhost:1/')"><script>window.__pwned=2;fetch("http://localhost:1/")</script><foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:parent.__pwned=3"/></foreignObject><rect width="9" height="9"/></svg>`

// libraryPages show files, of which one has a name that an attacker chose.
func libraryPages(named string) []string {
	named = url.PathEscape(named)
	return []string{"media/", "media/?view=list", "media/?q=onerror", "media/?choose=image", "media/" + named, "media/dossier%20%3Csvg%20onload=window.__pwned=2%3E", "move-file/" + named, "delete-file/" + named, "media/image.svg", "list/consultations?q=SVG", "entry/consultations/svg"}
}

// attackingFiles are in the library, with names that attackers choose, or hold scripts.
func attackingFiles(t *testing.T, p *pages) {
	const named = `"'><img src=x onerror="window.__pwned=1">.txt`
	p.push(t, "img/"+named, "texte")
	p.push(t, "img/dossier <svg onload=window.__pwned=2>/a.txt", "texte")
	p.push(t, "img/image.svg", svg)
	p.push(t, "img/page.html", "<h1>x</h1>"+pwn)
	p.push(t, "img/nue.txt", "<h1>x</h1>"+pwn)
	p.push(t, "_consultations/svg.md", "---\ntitle: SVG\ndate: 2026-01-02 03:04:00 +0000\nscreenshot: image.svg\n---\n![Un dessin](/img/image.svg) <object data=\"/img/image.svg\"></object><iframe src=\"/img/page.html\" title=\"x\"></iframe>\n")
	u := p.user(t, "fr").in(t)
	u.await("entry/consultations/svg")
	g := guard(t, u)
	for _, path := range libraryPages(named) {
		g.do(chromedp.Navigate(p.url + "/editor/" + path))
		g.wait(`document.querySelector("h1, [data-library]")`)
		g.clean(path)
	}

	// Opened directly, a file is shown without anything that runs, or it is saved.
	for _, name := range []string{"image.svg", "page.html", "nue.txt", url.PathEscape(named)} {
		for _, base := range []string{"/editor/file/", "/v1/media/"} {
			g.do(chromedp.Navigate(p.url + "/editor/account"))
			_ = chromedp.Do(g.ctx, chromedp.Navigate(p.url+base+name)) // a download is no page
			if n := ask[int](g.chromium, `window.__pwned ?? 0`); n != 0 {
				t.Errorf("%s%s runs a script", base, name)
			}
			g.do(chromedp.Navigate(p.url + "/editor/account"))
			answer := ask[string](g.chromium, fmt.Sprintf(`fetch(%q).then(r => [r.status, r.headers.get("content-disposition"), r.headers.get("content-security-policy"), r.headers.get("x-content-type-options")].join(" | "))`, base+name))
			if strings.HasPrefix(answer, "200") && (!strings.Contains(answer, "nosniff") || !strings.Contains(answer, "attachment") && !strings.Contains(answer, "sandbox")) {
				t.Errorf("%s%s is answered with %s", base, name, answer)
			}
			for _, wrong := range g.noted() {
				t.Errorf("%s%s: %s", base, name, wrong)
			}
		}
	}

	// Files that are chosen here, with such names, are told of as texts.
	file := filepath.Join(t.TempDir(), `<img src=x onerror=window.__pwned=1>.exe`)
	if err := os.WriteFile(file, []byte("MZ"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.open("media/")
	g.do(chromedp.SetUploadFiles(`[data-upload] [name=files]`, []string{file}))
	g.wait(`document.querySelector("[data-progress] .fault")`)
	g.clean("a file that is refused")
	g.open("entry/" + budget)
	g.eval(`{ const of = new DataTransfer(); of.setData("text/html", ` + js("<p>collé "+pwn+"</p><a href='javascript:window.__pwned=1'>x</a>") + `); document.querySelector("#body").focus(); document.querySelector("#body").dispatchEvent(new ClipboardEvent("paste", {clipboardData: of, bubbles: true, cancelable: true})) }`)
	g.wait(`document.querySelector("#body").value.includes("collé") && document.querySelector("[data-preview]").innerText.includes("collé")`)
	g.noted() // that the policy refuses handlers of what is pasted, while it is read, is as it should be
	g.clean("a pasted text")
	g.eval(`localStorage.clear()`)
}

// js is a text in a script.
func js(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// forgedPosts are sent by pages of attackers, on another site and on a neighbour of the
// service, whose requests bring the cookies of whoever looks at them.
func forgedPosts(t *testing.T, p *pages) {
	u := p.user(t, "fr").in(t)
	u.open("entry/" + budget)
	fields := url.Values{}
	values := ask[map[string]string](u.chromium, `Object.fromEntries(new FormData(document.querySelector("[data-entry]")))`)
	for name, value := range values {
		fields.Set(name, value)
	}
	fields.Set("f/title", "Volé")
	fields.Set("do", "save")
	fields.Set("to", "/editor/")
	fields.Set("revision", values["base"])
	fields.Set("text", "---\ntitle: Volé\n---\n")
	fields.Set("language", "en")
	fields.Set("theme", "dark")
	fields.Set("col", "ordre")
	fields.Set("pick", "x")
	fields.Set("entry", "budget-participatif-villeneuve-sur-lys")
	fields.Set("folder", "vole")
	fields.Set("email", "eve@example.org")
	fields.Set("password", another)
	before := p.commits(t)
	targets := []string{"entry/" + budget, "source/" + budget, "block/" + budget, "rename/" + budget, "delete/" + budget, "restore/" + budget, "new/consultations", "bulk/consultations", "columns/consultations", "upload", "account/password", "account/theme", "language", "login", "logout", "preview", "look"}
	forms, n := strings.Builder{}, 0
	for _, target := range targets {
		encodings := []string{"application/x-www-form-urlencoded"}
		if target == "upload" || target == "language" || target == "logout" || strings.HasPrefix(target, "entry/") {
			encodings = append(encodings, "text/plain", "multipart/form-data")
		}
		for _, encoding := range encodings {
			fmt.Fprintf(&forms, `<iframe name="f%d"></iframe><form target="f%d" method="post" enctype="%s" action="%s/editor/%s">`, n, n, encoding, p.url, target)
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				fmt.Fprintf(&forms, "<textarea name=\"%s\">%s</textarea>", html.EscapeString(name), html.EscapeString(fields.Get(name)))
			}
			forms.WriteString(`</form>`)
			n++
		}
	}
	alone := fmt.Sprintf(`<h1>x</h1><form method="post" action="%s/editor/entry/%s"><textarea name="f/title">Volé</textarea><input name="base" value="%s"><button name="do" value="save">x</button></form>`, p.url, budget, values["base"])
	foreign, near := elsewhere(t, map[string]string{"/": "<h1>x</h1>" + forms.String(), "/alone": alone})
	answers := make(chan string, 1000)
	err := chromedp.Listen(u.ctx, func(ev any) {
		switch ev := ev.(type) {
		case *network.EventResponseReceived:
			if at, err := url.Parse(ev.Response.URL); err == nil && at.Host == p.addr && ev.Response.Status < 400 && ev.Type == network.ResourceTypeDocument {
				answers <- fmt.Sprint(ev.Response.URL, " is answered with ", ev.Response.Status)
			}
		case *network.EventRequestWillBeSent:
			if ev.RedirectResponse != nil {
				answers <- fmt.Sprint(ev.RedirectResponse.URL, " is answered with ", ev.RedirectResponse.Status)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(u.ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{foreign, near} {
		u.do(chromedp.Navigate(origin + "/"))
		u.wait(`document.querySelector("h1")`)
		sent := ask[int](u.chromium, `Promise.all([...document.forms].map((form, i) => new Promise(done => { document.getElementsByName("f" + i)[0].addEventListener("load", () => done(1), {once: true}); form.submit() }))).then(all => all.length)`)
		if sent != n {
			t.Errorf("%d of %d forms were sent", sent, n)
		}
		u.do(chromedp.Navigate(origin + "/alone"))
		u.press(`button`)
		if status := ask[int](u.chromium, `performance.getEntriesByType("navigation")[0].responseStatus`); status < 400 || status >= 500 {
			t.Errorf("a post of %s is answered with %d", origin, status)
		}
		u.do(chromedp.Navigate(origin + "/"))
		u.wait(`document.querySelector("h1")`)
		for len(answers) > 0 {
			t.Errorf("a post of %s: %s", origin, <-answers)
		}
		// Scripts of such pages read and write nothing either.
		got := ask[string](u.chromium, fmt.Sprintf(`Promise.all([%q, %q].map(a => fetch(a, {credentials: "include"}).then(() => "read", () => "no"))).then(r => r.join())`, p.url+"/editor/", p.url+"/editor/find?q=budget"))
		if got != "no,no" {
			t.Errorf("%s reads pages: %s", origin, got)
		}
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			ask[string](u.chromium, fmt.Sprintf(`fetch(%q, {method: %q, credentials: "include", mode: %q, body: "f/title=x"}).then(() => "", () => "")`, p.url+"/editor/entry/"+budget, method, map[bool]string{true: "no-cors", false: "cors"}[method == "POST"]))
		}
	}
	p.after(t, before, 0)
	u.open("account")
	if got := ask[string](u.chromium, `document.documentElement.lang + (document.documentElement.dataset.theme ?? "") + document.querySelector(".who .name").innerText`); got != "frCamille Moreau" {
		t.Errorf("after forged posts the pages are %q", got)
	}

	// A link from elsewhere opens logged in.
	links, _ := elsewhere(t, map[string]string{"/": fmt.Sprintf(`<h1>x</h1><a href="%s/editor/entry/%s">x</a>`, p.url, budget)})
	u.do(chromedp.Navigate(links + "/"))
	u.press(`a[href]`)
	u.wait(`document.querySelector("[data-entry]")`)
}

// framed pages stay empty.
func framed(t *testing.T, p *pages) {
	u := p.user(t, "fr").in(t)
	paths := []string{"", "login", "list/consultations", "entry/" + budget, "delete/" + budget, "media/", "account"}
	var b strings.Builder
	b.WriteString("<h1>x</h1>")
	for _, path := range paths {
		fmt.Fprintf(&b, `<iframe src="%s/editor/%s"></iframe>`, p.url, path)
	}
	_, near := elsewhere(t, map[string]string{"/": b.String()}) // a neighbour, whose frames bring cookies
	u.do(chromedp.Navigate(near + "/"))
	for {
		tree, err := chromedp.Call(u.ctx, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		frames := tree.FrameTree.ChildFrames
		if len(frames) == len(paths) && !slices.ContainsFunc(frames, func(f *page.FrameTree) bool { return f.Frame.URL == "" || f.Frame.URL == "about:blank" }) {
			for _, f := range frames {
				if !strings.HasPrefix(f.Frame.URL, "chrome-error:") {
					t.Errorf("another site has %s in a frame", f.Frame.URL)
				}
			}
			return
		}
		if u.ctx.Err() != nil {
			t.Fatal("the frames were never loaded")
		}
	}
}

// pathTricks write nothing outside of the media folder and of their collections.
func pathTricks(t *testing.T, p *pages) {
	u := p.user(t, "fr").in(t)
	u.open("media/")
	tip, err := git(p.git, "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		"../_consultations/vole.md", "..%2f_consultations%2fvole.md", "%2e%2e/_consultations/vole.md", "a/../../vole.png", "..", "./x.png", "a//b.png", "/etc/passwd", ".git/hooks/update", ".htaccess", "a/.git/config",
		"a\\..\\..\\vole.png", "vole.png\x00.md", "vole.png%00.md", "CON.png", "vole.png.", "vole.png ", "x\u202egnp.exe", "a/b/", "~/.ssh/vole.png", "C:\\vole.png", "\uff0e\uff0e/vole.png",
	}
	const picture = `(() => { const c = document.createElement("canvas"); c.width = c.height = 2; return new Promise(r => c.toBlob(r, "image/png")) })()`
	for _, name := range names {
		for _, raw := range []bool{true, false} { // as it is in an address, and escaped
			path := name
			if !raw {
				path = strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
			}
			ask[int](u.chromium, fmt.Sprintf(picture+`.then(b => fetch(%s, {method: "POST", body: b, headers: {"X-Part": "1", "Content-Type": "application/octet-stream"}})).then(r => r.status, () => 0)`, js("/editor/upload/"+path+"?key=k"+url.QueryEscape(path))))
		}
		for _, folder := range []string{"", "../_consultations", "a/../..", "/..", ".git"} {
			ask[int](u.chromium, fmt.Sprintf(picture+`.then(b => { const f = new FormData(); f.append("key", crypto.randomUUID()); f.append("folder", %s); f.append("files", b, %s); return fetch("/editor/upload", {method: "POST", body: f}) }).then(r => r.status, () => 0)`, js(folder), js(name)))
		}
	}
	p.push(t, "img/bouge.txt", "texte")
	u.open("media/bouge.txt")
	for !ask[bool](u.chromium, `!!document.querySelector('a[href*="/move-file/"]')`) {
		u.open("media/bouge.txt")
	}
	for _, to := range []string{"../vole.txt", "../_consultations/vole.txt", ".git/vole.txt", "/vole.txt", "a/../../vole.txt"} {
		u.open("move-file/bouge.txt")
		u.fill(`#to`, to)
		u.press(`main .btn.primary`)
	}
	for _, to := range []string{"../vole", "../../img/vole", "a/../../../vole", ".git/vole"} {
		u.open("rename/consultations/cantines-bio-et-locales")
		u.fill(`#to`, to)
		u.press(`main .btn.primary`)
		u.open("new/consultations")
		u.fill(title, "Volé")
		u.eval(`document.querySelector('[name="f/date"]').value = "2026-01-02T03:04"`)
		u.fill(`#slug`, to)
		u.press(saveButton)
		u.eval(`localStorage.clear()`)
	}
	changed, err := git(p.git, "-c", "core.quotePath=false", "diff", "--name-only", "--no-renames", strings.TrimSpace(tip), "main")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range strings.Fields(changed) {
		if strings.HasPrefix(file, "img/") && !strings.Contains(file, "..") && !strings.Contains(file, "/.") && !strings.ContainsAny(file, "\\\x00") {
			continue
		}
		t.Errorf("%q was written", file)
	}
	if status, err := git(p.git, "ls-tree", "-r", "--name-only", "main"); err != nil || strings.Contains(status, "vole") && !strings.Contains(status, "img/") {
		t.Errorf("the tree has %s (%v)", status, err)
	}
}

// hiddenFields are nowhere to be found by who may not see them.
func hiddenFields(t *testing.T, p *pages) {
	const slug = "cache"
	entry := "---\ntitle: Caché\ndate: 2026-01-02 03:04:00 +0000\ninterne: " + secretText + " un\nordre: 4\n---\nTexte\n"
	p.push(t, "_consultations/"+slug+".md", entry)
	u := p.user(t, "fr").in(t)
	u.await("entry/consultations/" + slug)
	u.fill(`[name="f/interne"]`, secretText+" deux")
	u.fill(`[name="f/ordre"]`, "5")
	u.save()
	commit, err := git(p.git, "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	r := p.visitor(t, "fr").in(t)
	r.enter(p, "rene@example.org", another)
	hides := func(what, source string) {
		t.Helper()
		if i := strings.Index(source, secretText); i >= 0 {
			t.Errorf("%s tells a hidden value: …%s…", what, source[max(0, i-80):min(len(source), i+80)])
		}
		if i := strings.Index(source, "interne"); i >= 0 {
			t.Errorf("%s names a hidden field: …%s…", what, source[max(0, i-80):min(len(source), i+80)])
		}
	}
	about := "/consultations/" + slug
	paths := []string{
		"", "list/consultations", "list/consultations?col=interne", "list/consultations?sort=interne", "entry" + about, "source" + about, "history" + about, "compare" + about + "?to=" + strings.TrimSpace(commit),
		"search?q=Cach%C3%A9", "new/consultations", "rename" + about, "block" + about + "?n=0", "deleted/consultations", "find?q=Cach", "values/consultations?field=organisateur", "export/consultations", "account",
	}
	for _, path := range paths {
		source := ask[string](r.chromium, fmt.Sprintf(`fetch(%q, {headers: {"X-Part": "1"}}).then(r => r.text())`, "/editor/"+path))
		if !strings.Contains(path, "interne") {
			hides(path+" as a part", source)
		}
		if strings.HasPrefix(path, "export") || strings.HasPrefix(path, "find") || strings.HasPrefix(path, "values") {
			continue
		}
		r.do(chromedp.Navigate(p.url + "/editor/" + path))
		r.wait(`document.querySelector("h1")`)
		if source = ask[string](r.chromium, `document.documentElement.outerHTML + JSON.stringify(Object.entries(localStorage))`); !strings.Contains(path, "interne") {
			hides(path, source)
		} else {
			hides(path, strings.ReplaceAll(source, "interne", ""))
		}
	}
	for _, path := range []string{"values/consultations?field=interne", "list/consultations?f.interne=" + secretText, "list/consultations?f.interne.from=1", "list/consultations?q=" + secretText, "search?q=" + secretText, "find?q=" + secretText, "find?q=" + secretText + "&in=consultations", "export/consultations?q=" + secretText, "export/consultations?f.interne=" + secretText} {
		source := ask[string](r.chromium, fmt.Sprintf(`fetch(%q, {headers: {"X-Part": "1"}}).then(r => r.text())`, "/editor/"+path))
		if strings.Contains(strings.ReplaceAll(source, "interne", ""), secretText+" ") || strings.Contains(source, "/entry"+about) && !strings.Contains(path, "f.interne") {
			t.Errorf("%s finds what is hidden: %s", path, source)
		}
	}

	// In the middle of work: the stream, a draft, a review, a clash, a save.
	r.open("entry" + about)
	r.fill(title, "Caché, par René")
	r.wait(`Object.keys(localStorage).some(k => k.startsWith("draft:"))`)
	hides("a draft", ask[string](r.chromium, `JSON.stringify(Object.entries(localStorage))`))
	r.press(`button[value=review]`)
	hides("a review", ask[string](r.chromium, `document.documentElement.outerHTML`))
	u.open("entry" + about)
	u.fill(title, "Caché, par Camille")
	u.fill(`[name="f/interne"]`, secretText+" trois")
	u.save()
	r.press(saveButton)
	r.told("clash.title")
	hides("a clash", ask[string](r.chromium, `document.documentElement.outerHTML`))
	r.do(chromedp.Click(`.clashes input[value=mine]`))
	r.press(`.clashes button.primary`)
	r.told("saved.merged")
	hides("a merged entry", ask[string](r.chromium, `document.documentElement.outerHTML`))
	if got := p.file(t, "consultations/"+slug); !strings.Contains(got, "interne: "+secretText+" trois\n") || !strings.Contains(got, "par René") {
		t.Errorf("the file became\n%s", got)
	}
	// What the role may not set is not set by a control that is made up, nor by the raw file.
	r.open("entry" + about)
	r.eval(`document.querySelector("[data-entry]").insertAdjacentHTML("beforeend", '<input name="f/interne" value="Volé">')`)
	r.press(saveButton)
	if got := p.file(t, "consultations/"+slug); !strings.Contains(got, "interne: "+secretText+" trois\n") {
		t.Errorf("a hidden field was set:\n%s", got)
	}
	r.eval(`localStorage.clear()`)
}

// runningTables are formulas in what spreadsheets open.
func runningTables(t *testing.T, p *pages) {
	formulas := []string{`=HYPERLINK("http://localhost:1/";"x")`, "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1+1", " =1+1", "\"=1+1", "a;=1+1", "a\n=1+1", "＝1+1"}
	for i, formula := range formulas {
		b, err := json.Marshal(formula)
		if err != nil {
			t.Fatal(err)
		}
		p.push(t, fmt.Sprintf("_consultations/formule-%d.md", i), fmt.Sprintf("---\ntitle: %s\ndate: 2026-01-02 03:04:00 +0000\nmethodes: [%s]\n---\n", b, b))
	}
	u := p.user(t, "fr").in(t)
	last := fmt.Sprintf("entry/consultations/formule-%d", len(formulas)-1)
	u.await(last)
	u.open("list/consultations")
	text := ask[string](u.chromium, `fetch(document.querySelector("a[download]").href).then(r => r.text())`)
	for line := range strings.Lines(text) { // as one that parts cells at semicolons, tabs or commas, and takes each line for a row
		for _, cell := range strings.FieldsFunc(strings.TrimRight(line, "\r\n"), func(r rune) bool { return strings.ContainsRune(";,\t|", r) }) {
			cell = strings.Trim(cell, "\" \u00a0")
			if cell != "" && strings.ContainsAny(cell[:1], "=+@") || strings.HasPrefix(cell, "＝") || strings.HasPrefix(cell, "-2") {
				t.Errorf("a spreadsheet would run %q of %q", cell, line)
			}
		}
	}
}

// disabledAccount: who has a form open whose account is disabled is told nothing more, and
// saves nothing, but does not lose what was written.
func disabledAccount(t *testing.T, p *pages) {
	u := p.visitor(t, "fr").in(t)
	u.enter(p, "dominique@example.org", another)
	u.open("entry/" + budget)
	u.eval(`window.ended = fetch(document.querySelector("[data-entry]").dataset.watch).then(async r => { for (const in_ = r.body.getReader(); !(await in_.read()).done;); return true })`)
	u.fill(title, "Écrit avant la fin")
	before := p.commits(t)
	disable := func(args ...string) {
		t.Helper()
		if out, err := p.command(append([]string{"user", "disable", "dominique@example.org"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("cms user disable: %v\n%s", err, out)
		}
	}
	disable()
	if !ask[bool](u.chromium, `window.ended`) {
		t.Error("the stream goes on")
	}
	for _, path := range []string{"entry/" + budget, "find?q=budget", "export/consultations", "file/nue.txt"} {
		if got := ask[string](u.chromium, fmt.Sprintf(`fetch(%q, {headers: {"X-Part": "1"}}).then(async r => r.status + " " + await r.text())`, "/editor/"+path)); !strings.HasPrefix(got, "40") {
			t.Errorf("%s is answered with %.200s", path, got)
		}
	}
	u.do(chromedp.Click(saveButton)) // which asks them to log in, and waits
	u.wait(`document.querySelector("dialog[open] #renew-title")`)
	p.after(t, before, 0)
	other := p.visitor(t, "fr").in(t)
	other.do(chromedp.Navigate(p.url + "/editor/login"))
	other.wait(`document.querySelector("#email")`)
	other.introduce("dominique@example.org", another)
	other.press(`main .btn.primary`)
	other.told("login.wrong")

	// Enabled again, they log in beside it, and it is sent.
	disable("--undo")
	tab, cancel := chromedp.NewContext(u.ctx) // of the same browser
	defer cancel()
	beside := &chromium{t, tab}
	beside.do(chromedp.Navigate(p.url + "/editor/login"))
	beside.wait(`document.querySelector("#email")`)
	beside.introduce("dominique@example.org", another)
	beside.leave(chromedp.Click(`main .btn.primary`))
	beside.wait(`document.querySelector(".cards")`)
	u.told("saved")
	p.after(t, before, 1)
	if got := p.file(t, budget); !strings.Contains(got, "Écrit avant la fin") {
		t.Errorf("the file became\n%s", got)
	}
}
