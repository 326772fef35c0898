package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cms/repo/repotest"
)

// pages are those of a service on the demo's site, for browsers that share a program but
// nothing else.
type pages struct {
	*process
	password string
	ctx      context.Context // of the browser
}

const (
	budget  = "consultations/budget-participatif-villeneuve-sur-lys"
	another = "une phrase de passe longue"
)

// servePages makes the demo's site, serves it, and starts a browser. Its configuration has
// the second of two texts in the place of the first, and so on.
func servePages(t *testing.T, replaced ...string) *pages {
	t.Helper()
	inBrowser(t)
	dir := filepath.Join(t.TempDir(), "demo")
	said, stop := startDemo(t, dir)
	stop()
	p := &pages{process: &process{T: t, config: filepath.Join(dir, "config.yaml"), git: filepath.Join(dir, "site.git"), url: find(t, `The API +(http://[^/]+)`, said)}, password: find(t, `PASSWORD=(\S+)`, said)}
	p.addr = strings.TrimPrefix(p.url, "http://")
	p.reconfigure(t, replaced...)
	p.enrol(t, "dominique@example.org", "Dominique Petit", "editor")
	p.serve()
	t.Cleanup(func() {
		if out, err := git(p.git, repotest.FsckArgs(p.git)...); err != nil || out != "" {
			t.Errorf("git fsck says: %s %v", out, err)
		}
	})
	limit := 10 * time.Minute
	if os.Getenv("CMS_BROWSER") == "all" {
		limit = time.Hour
	}
	p.ctx = startBrowserFor(t, limit).ctx
	if err := chromedp.Do(p.ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

// reconfigure puts the second of two texts in the place of the first in the configuration.
func (p *pages) reconfigure(t *testing.T, replaced ...string) {
	t.Helper()
	config, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	text := string(config)
	for i := 0; i < len(replaced); i += 2 {
		if strings.Count(text, replaced[i]) != 1 {
			t.Fatalf("%q is not once in the configuration:\n%s", replaced[i], text)
		}
		text = strings.Replace(text, replaced[i], replaced[i+1], 1)
	}
	if err := os.WriteFile(p.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// enrol makes an account, whose password is another.
func (p *pages) enrol(t *testing.T, email, name, role string) {
	t.Helper()
	add := p.command("user", "add", email, "--name", name, "--role", role)
	add.Stdin = strings.NewReader(another)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("cms user add: %v\n%s", err, out)
	}
}

// file is an entry's file as it is committed.
func (p *pages) file(t *testing.T, slug string) string {
	t.Helper()
	out, err := git(p.git, "cat-file", "-p", "main:_"+slug+".md")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// browser is one in which nothing was done yet, in a language. No dialog may ever open in
// it, which is what scripts of attackers do here.
func (p *pages) browser(t *testing.T, language string) *chromium {
	t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &chromium{t, ctx}
	b.as(1280, 900, false, "light")
	if _, err := chromedp.Call(ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: "Chromium", AcceptLanguage: language}); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	err := chromedp.Listen(ctx, func(ev any) {
		if d, ok := ev.(*page.EventJavascriptDialogOpening); ok && d.Type != page.DialogTypeBeforeunload {
			once.Do(func() { t.Errorf("a dialog opens at %s: %s", d.URL, d.Message) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// enter logs somebody in.
func (b *chromium) enter(p *pages, who, password string) {
	b.Helper()
	b.do(chromedp.Navigate(p.url+"/"), chromedp.WaitVisible(`#email`))
	b.introduce(who, password)
	b.leave(chromedp.Click(`main .btn.primary`))
	b.wait(`document.querySelector(".cards")`)
	b.eval(`localStorage.setItem("text", "source")`) // the other way into a text has tests of its own
}

// introduce fills in who wants to log in.
func (b *chromium) introduce(who, password string) {
	b.Helper()
	b.fill(`#email`, who)
	b.fill(`#password`, password)
}

func (b *chromium) camille(p *pages) { b.Helper(); b.enter(p, "camille@example.org", p.password) }

// wait waits until an expression is true, in this page or one after it.
func (b *chromium) wait(expression string) {
	b.Helper()
	for {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.readyState == "complete" && !!(`+expression+`)`))
		if err == nil && is {
			return
		}
		if b.ctx.Err() != nil {
			b.Fatalf("never %s: %v", expression, err)
		}
		select {
		case <-b.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// leave does what leads to another page, and waits for that.
func (b *chromium) leave(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	b.eval(`void (window.before = true)`)
	b.do(steps...)
	b.wait(`!window.before`)
}

// eval runs a script in the page.
func (b *chromium) eval(script string) {
	b.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](script)); err != nil {
		b.Fatalf("%s: %v", script, err)
	}
}

// ask is what a script gives.
func ask[T any](b *chromium, script string) T {
	b.Helper()
	is, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", script, err)
	}
	return is
}

// at goes to a page of the editor.
func (b *chromium) at(p *pages, path string) {
	b.Helper()
	b.do(chromedp.Navigate(p.url + "/editor/" + path))
	b.wait(`document.querySelector("h1") && document.documentElement.matches(".ready")`)
}

// says waits until the page says a text.
func (b *chromium) says(text string) {
	b.Helper()
	b.wait(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// fill puts a text in the place of what a control has, all of it at once, as those who
// paste or dictate do. What each key does is for other tests.
func (b *chromium) fill(selector, text string) {
	b.Helper()
	b.do(chromedp.Focus(selector))
	b.eval(fmt.Sprintf(`document.querySelector(%q).select()`, selector))
	if text == "" {
		b.do(chromedp.KeyEvent(kb.Delete))
		return
	}
	if _, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		b.Fatal(err)
	}
}

const title = `input[name="f/title"]`

// saveButton saves a form.
const saveButton = `.save button.primary`

// texts are what the pages say, by language.
var texts = map[string]map[string]string{
	"fr": {"saved": "Enregistré", "history": "Historique", "restore": "Rétablir cette version", "review": "Ce qui change", "clash": "Quelqu’un a modifié la même chose", "open": "a aussi cette page ouverte",
		"draft": "Vous aviez commencé une modification", "draft.kept": "gardées dans ce navigateur", "moved": "La page a changé depuis", "merged": "réuni avec", "one": "1 modification"},
	"en": {"saved": "Saved", "history": "History", "restore": "Restore this version", "review": "What changes", "clash": "Somebody changed the same thing", "open": "has this page open too",
		"draft": "You began a change", "draft.kept": "kept in this browser", "moved": "The page has changed since", "merged": "together with", "one": "1 change"},
}

// TestEditorInBrowser uses the pages in Chromium, as editors do.
func TestEditorInBrowser(t *testing.T) {
	p := servePages(t)
	for _, language := range []string{"fr", "en"} {
		for _, scripts := range []bool{true, false} {
			t.Run(fmt.Sprintf("the main path in %s, scripts %t", language, scripts), func(t *testing.T) { mainPath(t, p, language, scripts) })
		}
	}
	t.Run("passages", func(t *testing.T) { passages(t, p) })
	t.Run("drafts", func(t *testing.T) { drafts(t, p) })
	t.Run("two people", func(t *testing.T) { twoPeople(t, p) })
	t.Run("lists and previews", func(t *testing.T) { livePages(t, p) })
	t.Run("attacks", func(t *testing.T) { attackPages(t, p) })
}

// mainPath finds an entry, edits it, looks at what changes, saves it, looks at its history
// and restores it.
func mainPath(t *testing.T, p *pages, language string, scripts bool) {
	say := texts[language]
	b := p.browser(t, language)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts}); err != nil {
		t.Fatal(err)
	}
	before := p.file(t, budget)
	b.camille(p)
	if got := ask[string](b, `document.documentElement.lang`); got != language {
		t.Errorf("the page is in %q", got)
	}
	b.leave(chromedp.Click(`.card h2 a`))
	b.fill(`.filters input[type=search]`, "villeneuve")
	if scripts {
		b.wait(`location.search.includes("villeneuve") && document.querySelectorAll("tbody tr").length == 1`)
	} else {
		b.leave(chromedp.Click(`.filters button`))
	}
	b.leave(chromedp.Click(`tbody a`))
	was := ask[string](b, `document.querySelector('`+title+`').value`)
	fresh := fmt.Sprintf("Budget %s %t", language, scripts)
	b.fill(title, fresh)
	if scripts {
		b.says(say["one"])
	}
	b.leave(chromedp.Click(`button[value=review]`))
	b.says(say["review"])
	if !ask[bool](b, `document.querySelectorAll(".changes del, .changes ins").length > 0 && document.querySelectorAll(".changes dt").length == 1`) {
		t.Errorf("the review is %s", b.text(".review"))
	}
	if scripts && !ask[bool](b, `document.activeElement.matches(".review")`) {
		t.Error("the review has no focus")
	}
	b.fill(`#message`, "Pourquoi pas")
	b.leave(chromedp.Click(`.review button.primary`))
	b.says(say["saved"])
	if got := p.file(t, budget); strings.Replace(got, fresh, was, 1) != before && strings.Replace(before, was, fresh, 1) != got {
		t.Errorf("the file became\n%s", got)
	}
	log, err := git(p.git, "log", "-1", "--format=%an: %s", "main")
	if err != nil || strings.TrimSpace(log) != "Camille Moreau: Pourquoi pas" {
		t.Errorf("the commit is %q (%v)", log, err)
	}
	b.do(chromedp.Click(`main .head .menu summary`)) // which browsers open themselves
	b.leave(chromedp.Click(`main .head .menu a[href*="/history/"]`))
	b.says("Pourquoi pas")
	b.leave(chromedp.Click(`.history li:nth-child(2) a`))
	b.leave(chromedp.Click(`form[action*="/restore/"] button`))
	b.says(say["saved"])
	if got := p.file(t, budget); got != before {
		t.Errorf("restored, the file is\n%s\nwant\n%s", got, before)
	}
	b.leave(chromedp.Click(`.menu.who summary`), chromedp.Click(`.menu.who button`))
	b.wait(`document.querySelector("#password")`)
	b.do(chromedp.Navigate(p.url + "/editor/"))
	b.wait(`document.querySelector("#password")`)
}

// drafts are kept from the first key on, and offered again.
func drafts(t *testing.T, p *pages) {
	say := texts["fr"]
	b := p.browser(t, "fr")
	b.camille(p)
	const kept = `Object.keys(localStorage).some(k => k.startsWith("draft:") && localStorage.getItem(k).includes("Gardé"))`
	begin := func(path, selector, text string) {
		t.Helper()
		b.at(p, path)
		b.fill(selector, text)
		b.wait(kept)
	}
	// A tab that is closed, or crashes.
	begin("entry/"+budget, `#body`, "Gardé un")
	b.at(p, "")
	b.at(p, "entry/"+budget)
	b.says(say["draft"])
	if ask[bool](b, `document.body.innerText.includes(`+fmt.Sprintf("%q", say["moved"])+`)`) {
		t.Error("an entry that has not changed is told as changed")
	}
	b.leave(chromedp.Click(`.banner.warn button`))
	if got := ask[string](b, `document.querySelector("#body").value`); got != "Gardé un" {
		t.Errorf("taken up, the text is %q", got)
	}
	b.says(say["one"]) // it still counts

	// The network is gone in the middle of writing, and then the service, which comes back.
	offline := func(is bool) {
		t.Helper()
		if _, err := chromedp.Call(b.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	begin("entry/"+budget, title, "Gardé deux")
	offline(true)
	b.fill(`#body`, "Gardé sans réseau")
	b.wait(`Object.values(localStorage).some(v => v.includes("Gardé sans réseau"))`)
	b.eval(`document.querySelector('` + saveButton + `').click()`)
	b.wait(`location.protocol == "chrome-error:" || !document.querySelector("[data-entry]")`)
	offline(false)
	p.kill()
	p.serve()
	b.at(p, "entry/"+budget) // and the session is still there
	b.says(say["draft"])
	b.leave(chromedp.Click(`.banner.warn button`))
	if got := ask[string](b, `document.querySelector('`+title+`').value + "|" + document.querySelector("#body").value`); got != "Gardé deux|Gardé sans réseau" {
		t.Errorf("taken up, it is %q", got)
	}

	// Somebody changes the entry meanwhile: told apart, and merged.
	other := p.browser(t, "fr")
	other.enter(p, "dominique@example.org", another)
	other.at(p, "entry/"+budget)
	other.fill(`input[name="f/organisateur"]`, "Une autre")
	other.leave(chromedp.Click(saveButton))
	other.says(say["saved"])
	b.at(p, "entry/"+budget)
	b.says(say["moved"])
	b.leave(chromedp.Click(`.banner.warn button`))
	b.leave(chromedp.Click(saveButton))
	b.says(say["merged"])
	if got := p.file(t, budget); !strings.Contains(got, "Gardé deux") || !strings.HasSuffix(strings.TrimSpace(got), "Gardé sans réseau") || !strings.Contains(got, "Une autre") {
		t.Errorf("the file became\n%s", got)
	}
	// Saved, it is kept no more; but the first one is, which nobody has saved or discarded.
	b.says(say["draft"])
	b.wait(`Object.keys(localStorage).filter(k => k.startsWith("draft:")).length == 1`)
	b.do(chromedp.Click(`.banner.warn button + button`))
	b.wait(`!Object.keys(localStorage).some(k => k.startsWith("draft:"))`)
	// What is begun on the page that says so is kept.
	b.fill(`#body`, "Gardé après")
	b.wait(kept)
	b.leave(chromedp.Reload())
	b.says(say["draft"])
	b.do(chromedp.Click(`.banner.warn button + button`))
	b.wait(`!document.querySelector(".banner.warn button") && !` + kept)

	// A new entry is offered again until it is made.
	begin("new/consultations", title, "Gardé neuf")
	b.at(p, "new/consultations")
	b.says(say["draft"])
	b.leave(chromedp.Click(`.banner.warn button`))
	b.eval(`document.querySelector('input[name="f/date"]').value = "2026-01-02T03:04"`)
	b.leave(chromedp.Click(saveButton))
	b.says(say["saved"])
	b.at(p, "new/consultations")
	if ask[bool](b, kept) {
		t.Error("a new entry that was made is offered again")
	}

	// So is a whole file, and a passage on a page of its own.
	for _, page := range []string{"source/" + budget, "block/" + budget + "?n=0"} {
		begin(page, `#text`, "Gardé seul")
		b.at(p, page)
		b.says(say["draft"])
		b.leave(chromedp.Click(`.banner.warn button`))
		b.says(say["draft.kept"])
		if got := ask[string](b, `document.querySelector("#text").value`); got != "Gardé seul" {
			t.Errorf("%s: taken up, the text is %q", page, got)
		}
		b.at(p, page)
		b.says(say["draft"])
		b.do(chromedp.Click(`.banner.warn button + button`))
		b.wait(`!document.querySelector(".banner.warn button") && !` + kept)
	}

	// Gone at the logout.
	begin("entry/"+budget, title, "Gardé pour rien")
	b.leave(chromedp.Click(`.menu.who summary`), chromedp.Click(`.menu.who button`))
	b.wait(`document.querySelector("#password") && localStorage.length == 0`)
}

// twoPeople have an entry open at once.
func twoPeople(t *testing.T, p *pages) {
	say := texts["en"]
	b, other := p.browser(t, "en"), p.browser(t, "fr")
	b.camille(p)
	other.enter(p, "dominique@example.org", another)
	b.at(p, "entry/"+budget)
	other.at(p, "entry/"+budget)
	other.says("Camille Moreau " + texts["fr"]["open"])
	b.leave(chromedp.Reload())
	b.says("Dominique Petit " + say["open"])
	b.fill(title, "Mine")
	other.fill(title, "La leur")
	other.leave(chromedp.Click(saveButton))
	other.says("Enregistré")
	b.leave(chromedp.KeyEvent("s", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.says(say["clash"])
	if !ask[bool](b, `document.activeElement.matches(".clashes")`) {
		t.Error("the clash has no focus")
	}
	b.do(chromedp.Click(`.clashes input[value=mine]`))
	b.leave(chromedp.Click(`.clashes button.primary`))
	b.says(say["merged"])
	if got := p.file(t, budget); !strings.Contains(got, "title: Mine\n") && !strings.Contains(got, `title: "Mine"`) && !strings.Contains(got, "title: 'Mine'") {
		t.Errorf("the file became\n%s", got)
	}
}

// passages edits one block of a text as it will look, and adds another one: nothing but
// their lines changes.
func passages(t *testing.T, p *pages) {
	const velo = "consultations/plan-velo-pays-des-trois-rivieres"
	b := p.browser(t, "fr")
	b.camille(p)
	b.eval(`localStorage.setItem("text", "page")`)
	before := p.file(t, velo)
	b.at(p, "entry/"+velo)
	b.wait(`document.querySelectorAll(".page > .block > .open").length > 5`)
	const heading = `[...document.querySelectorAll(".page > .block")].find(e => e.textContent.includes("Information sur la démarche"))`
	b.eval(heading + `.querySelector(".open").focus()`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.wait(`document.activeElement.matches(".page .editing textarea")`)
	if got := ask[string](b, `document.activeElement.value`); got != "**Information sur la démarche**" {
		t.Fatalf("opened, the block is %q", got)
	}
	b.eval(`document.activeElement.select()`)
	b.do(chromedp.KeyEvent("## Information sur la démarche"), chromedp.KeyEvent(kb.Escape))
	b.wait(`document.activeElement.matches(".page > .block > .open") && document.querySelector(".page h2")`)
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	if !ask[bool](b, `document.activeElement.parentElement == document.querySelectorAll(".page > .block")[1]`) {
		t.Error("the arrow did not lead to the next block")
	}
	b.eval(`document.querySelectorAll(".page > .block")[0].querySelector(".insert").click()`)
	b.wait(`document.activeElement.matches(".page .editing textarea")`)
	b.do(chromedp.KeyEvent("Un passage de plus."), chromedp.KeyEvent(kb.Escape))
	b.wait(`[...document.querySelectorAll(".page > .block p")].some(e => e.textContent == "Un passage de plus.")`)
	b.leave(chromedp.Click(saveButton))
	b.says(texts["fr"]["saved"])
	want := strings.Replace(before, "**Information sur la démarche**\n", "## Information sur la démarche\n\nUn passage de plus.\n", 1)
	if got := p.file(t, velo); got != want {
		t.Errorf("the file became\n%s\nwant\n%s", got, want)
	}
}

// livePages are what scripts do in place.
func livePages(t *testing.T, p *pages) {
	b := p.browser(t, "fr")
	b.camille(p)
	b.at(p, "entry/"+budget)
	const items = `[...document.querySelectorAll('[data-items="o/methodes"] .items input:not([type=hidden])')].map(i => i.value)`
	was := ask[[]string](b, items)
	b.do(chromedp.Click(`[data-items="o/methodes"] > [data-add]`))
	b.wait(items + fmt.Sprintf(`.length == %d`, len(was)+1))
	b.wait(`document.activeElement.name == "f/methodes/n0"`)
	b.do(chromedp.KeyEvent("Une nouvelle"))
	b.do(chromedp.Click(`[data-items="o/methodes"] li:last-child [data-move=up]`))
	if got := ask[[]string](b, items); len(got) != len(was)+1 || got[len(was)-1] != "Une nouvelle" {
		t.Errorf("moved up, the list is %q", got)
	}
	if !ask[bool](b, `document.activeElement.closest("li") == document.querySelector('[data-items="o/methodes"] li:nth-last-child(2)')`) {
		t.Error("the focus did not move with the item")
	}
	if got, want := ask[string](b, `document.activeElement.getAttribute("aria-label")`), fmt.Sprintf("%d", len(was)); !strings.HasSuffix(got, want) {
		t.Errorf("the button of the moved item is called %q, not by its place %s", got, want)
	}
	b.do(chromedp.Click(`[data-items="o/methodes"] li:last-child [data-move=remove]`))
	b.wait(items + fmt.Sprintf(`.length == %d`, len(was)))
	b.fill(`#body`, "## Un titre\n\nDu *texte* <b>gras</b>")
	b.wait(`document.querySelector("[data-preview] h2")?.textContent.includes("Un titre") && document.querySelector("[data-preview] em")`)
	b.leave(chromedp.Click(saveButton))
	b.says("Enregistré")
	if got := p.file(t, budget); !strings.Contains(got, "Une nouvelle") || strings.Count(got, "\n- ")+strings.Count(got, "\n  - ") != len(was) {
		t.Errorf("the file became\n%s", got)
	}

	b.at(p, "list/consultations")
	all := ask[int](b, `document.querySelectorAll("tbody tr").length`)
	b.do(chromedp.Focus(`.filters input[type=search]`), chromedp.KeyEvent("rue"))
	b.wait(fmt.Sprintf(`location.search == "?q=rue" && document.querySelectorAll("tbody tr").length < %d`, all))
	if !ask[bool](b, `document.activeElement.name == "q" && document.activeElement.value == "rue"`) {
		t.Error("the search has lost its focus")
	}
	b.do(chromedp.Click(`.menu.who summary`), chromedp.KeyEvent("\x1b"))
	b.wait(`!document.querySelector("details.menu[open]") && document.activeElement.matches(".menu.who summary")`)
}

// attackPages are scripts in all that people can write. Pages show them as they are.
func attackPages(t *testing.T, p *pages) {
	const script = `"><img src=x onerror=alert(1)><script>alert(2)</script>`
	const body = script + "\n\n<svg onload=alert(3)><script>alert(4)</script></svg>\n\n[a](javascript:alert(5)) <a href=\"javascript:alert(6)\">b</a> ![c](x\" onerror=\"alert(7))\n\n<iframe src=\"javascript:alert(8)\" srcdoc=\"<script>alert(9)</script>\"></iframe>\n\n<form action=\"/editor/logout\" id=body><button name=do value=save>x</button></form><input name=base value=x>\n\n<style>body{display:none}</style><div style=\"position:fixed;inset:0\" id=\"save\" data-entry data-live data-upload>c</div>\n\n<math><mi xlink:href=\"data:x,<script>alert(10)</script>\"></math>\n"
	b := p.browser(t, "fr")
	b.camille(p)
	b.at(p, "new/consultations")
	for _, name := range []string{"title", "description", "organisateur", "screenshot", "link"} {
		value := script
		if name == "link" {
			value = "https://example.org/" + `"><script>alert(1)</script>`
		}
		b.eval(fmt.Sprintf(`document.querySelector('[name="f/%s"]').value = %q`, name, value))
	}
	b.eval(`document.querySelector('input[name="f/date"]').value = "2026-01-02T03:04"; document.querySelector("#slug").value = "attaque"`)
	b.eval(fmt.Sprintf(`document.querySelector("#body").value = %q`, body))
	b.leave(chromedp.Click(saveButton))
	if ask[bool](b, `!location.pathname.endsWith("/attaque")`) { // the address or the image is refused
		b.eval(`document.querySelector('[name="f/link"]').value = "https://example.org/?%22%3E"; document.querySelector('[name="f/screenshot"]').value = ""`)
		b.leave(chromedp.Click(saveButton))
	}
	b.says("Enregistré")
	const ours = `[...document.querySelectorAll("script, style, iframe, object, embed, base, meta[http-equiv], link")].filter(e => !(e.matches("head script[src^='/editor/assets/'], head link[href^='/editor/assets/']"))).length`
	for _, path := range []string{"", "list/consultations", "list/consultations?q=onerror", "search?q=onerror", "entry/consultations/attaque", "history/consultations/attaque", "source/consultations/attaque", "rename/consultations/attaque", "delete/consultations/attaque", "new/consultations?from=attaque"} {
		b.at(p, path)
		if n := ask[int](b, ours); n != 0 {
			t.Errorf("%s has %d elements that are not ours", path, n)
		}
		if bad := ask[string](b, `[...document.querySelectorAll("*")].flatMap(e => [...e.attributes].filter(a => /^on|^style$|^srcdoc$/i.test(a.name) || /^\s*javascript:/i.test(a.value) && a.name != "value").map(a => e.localName + " " + a.name + "=" + a.value)).join("; ")`); bad != "" {
			t.Errorf("%s has attributes of attackers: %s", path, bad)
		}
		if bad := ask[string](b, `[...document.querySelectorAll("[data-preview] :is(form, input, button, textarea, select, [data-entry], [data-live], [data-upload], [data-focus], [name])")].map(e => e.outerHTML).join("; ")`); bad != "" {
			t.Errorf("%s has controls of attackers: %s", path, bad)
		}
		if twice := ask[string](b, `[...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) != i).join(" ")`); twice != "" {
			t.Errorf("%s has ids twice: %s", path, twice)
		}
	}
	b.at(p, "entry/consultations/attaque")
	b.fill(title, script)
	b.leave(chromedp.Click(`button[value=review]`))
	b.do(chromedp.Focus(`#body`), chromedp.KeyEvent("x"))
	b.wait(`!document.querySelector("[data-preview] script, [data-preview] [onerror]")`)

	// Frames around a form stay empty.
	frames := http.NewServeMux()
	frames.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<iframe src="%s/editor/entry/%s"></iframe>`, p.url, budget)
	})
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: frames, ReadHeaderTimeout: readHeaderTimeout}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	b.do(chromedp.Navigate("http://" + l.Addr().String() + "/"))
	for {
		tree, err := chromedp.Call(b.ctx, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		if of := tree.FrameTree.ChildFrames; len(of) == 1 && of[0].Frame.URL != "" && of[0].Frame.URL != "about:blank" {
			if !strings.HasPrefix(of[0].Frame.URL, "chrome-error:") {
				t.Errorf("another site has %s in a frame", of[0].Frame.URL)
			}
			return
		}
		if b.ctx.Err() != nil {
			t.Fatal("the frame was never loaded")
		}
	}
}
