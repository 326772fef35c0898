package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pelletier/go-toml/v2"
)

// everyType is a collection with a field of each type, beside those of the demo.
const everyType = `  - name: essais
    folder: _essais
    label: {fr: Essais, en: Trials}
    fields:
      - {name: title, type: string, required: true, label: {fr: Titre, en: Title}}
      - {name: resume, type: text, label: {fr: Résumé, en: Summary}, max: 200}
      - {name: detail, type: markdown, label: {fr: Détail, en: Detail}}
      - {name: nombre, type: integer, min: 0, max: 9}
      - {name: poids, type: number}
      - {name: ouvert, type: boolean}
      - {name: jour, type: date}
      - {name: heure, type: datetime}
      - {name: etat, type: select, options: [ouverte, fermée, 3]}
      - {name: pays, type: select, options: [BE, CH, DE, ES, FR, IT, LU]}
      - {name: contact, type: email}
      - {name: lien, type: url}
      - {name: mots, type: list, of: string}
      - name: etapes
        type: list
        of:
          type: object
          fields:
            - {name: nom, type: string, required: true}
            - {name: quand, type: date}
      - name: lieu
        type: object
        fields:
          - {name: ville, type: string}
          - {name: code, type: string}
      - {name: suite, type: reference, collection: consultations}
      - {name: image, type: image}
      - {name: piece, type: file}
      - {name: fige, type: string, read_only: true}
media: {folder: img}
`

// tasksConfig replaces parts of the demo's configuration for TestTasks.
var tasksConfig = []string{
	"media: {folder: img}\n", everyType,
	"    editor: {consultations: ", "    editor: {essais: [read, create, update, delete], consultations: ",
}

// user is somebody at a browser, whose pages are in a language.
type user struct {
	*chromium
	pages    *pages
	language string
	texts    map[string]any
}

// user is somebody who has logged in as an editor.
func (p *pages) user(t *testing.T, language string) *user {
	t.Helper()
	u := p.visitor(t, language)
	u.camille(p)
	return u
}

// visitor is somebody who has not logged in.
func (p *pages) visitor(t *testing.T, language string) *user {
	t.Helper()
	raw, err := os.ReadFile("../../editor/words/" + language + ".toml")
	if err != nil {
		t.Fatal(err)
	}
	u := &user{p.browser(t, language), p, language, nil}
	if err := toml.Unmarshal(raw, &u.texts); err != nil {
		t.Fatal(err)
	}
	return u
}

// in is the same browser in a test of its own, which does not wait for ever.
func (u *user) in(t *testing.T) *user {
	ctx, cancel := context.WithTimeout(u.ctx, 4*time.Minute)
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			shown, err := chromedp.Run(u.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
			t.Logf("the page is %s (%v)", shown, err)
		}
	})
	return &user{&chromium{t, ctx}, u.pages, u.language, u.texts}
}

// word is a text of the pages, in their language.
func (u *user) word(key string, args ...any) string {
	u.Helper()
	switch text := u.texts[key].(type) {
	case string:
		return fmt.Sprintf(text, args...)
	case map[string]any:
		form := "other"
		if n := args[0].(int); n == 1 || n == 0 && u.language == "fr" {
			form = "one"
		}
		return fmt.Sprintf(text[form].(string), args...)
	}
	u.Fatalf("there is no text %s in %s", key, u.language)
	return ""
}

// told waits until the page says one of its texts.
func (u *user) told(key string, args ...any) { u.Helper(); u.says(u.word(key, args...)) }

func (u *user) open(path string) { u.Helper(); u.at(u.pages, path) }

// press leaves the page by a click.
func (u *user) press(selector string) { u.Helper(); u.leave(chromedp.Click(selector)) }

// focused finds the focus at a place.
func (u *user) focused(selector string) {
	u.Helper()
	if !ask[bool](u.chromium, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
		u.Errorf("the focus is not on %s but on %s", selector, ask[string](u.chromium, `document.activeElement.outerHTML.slice(0, 200)`))
	}
}

// enterKey presses Enter as a keyboard does: what a page makes of the key may keep the
// character from it.
func (u *user) enterKey() {
	u.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeChar, input.DispatchKeyEventTypeKeyUp} {
		if _, err := chromedp.Call(u.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: "Enter", Code: "Enter", Text: "\r", UnmodifiedText: "\r", WindowsVirtualKeyCode: 13}); err != nil {
			u.Fatal(err)
		}
	}
}

// save saves a form, which must work.
func (u *user) save() {
	u.Helper()
	u.press(saveButton)
	u.told("saved")
}

// commits is how many there are.
func (p *pages) commits(t *testing.T) string {
	t.Helper()
	out, err := git(p.git, "rev-list", "--count", "main")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// after says whether the branch has so many commits more than before.
func (p *pages) after(t *testing.T, before string, more int) {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(before, &n); err != nil {
		t.Fatal(err)
	}
	if got, want := p.commits(t), fmt.Sprint(n+more); got != want {
		t.Errorf("there are %s commits, want %s", got, want)
	}
}

// push commits a file as somebody does who has the repository.
func (p *pages) push(t *testing.T, file, content string) {
	t.Helper()
	p.pushAll(t, map[string]string{file: content})
}

// pushAll commits files, by their paths.
func (p *pages) pushAll(t *testing.T, files map[string]string) {
	t.Helper()
	from, err := git(p.git, "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "work")
	if _, err := git(p.git, "worktree", "add", "--quiet", "--detach", work, strings.TrimSpace(from)); err != nil {
		t.Fatal(err)
	}
	for file, content := range files {
		if err := os.MkdirAll(filepath.Join(work, path.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"-c", "core.autocrlf=false", "add", "-f", "."}, {"commit", "--quiet", "-m", "Pushed"}, {"push", "--quiet", p.git, "HEAD:main"}} {
		if _, err := git(work, args...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := git(p.git, "worktree", "remove", "--force", work); err != nil {
		t.Fatal(err)
	}
}

// tasks are what editors do. Each leaves the site so that the others can be done in any
// order, and in the other language.
var tasks = []struct {
	name string
	do   func(*user)
}{
	{"log in", loggingIn},
	{"another password", anotherPassword},
	{"language and theme", languageAndTheme},
	{"columns, filters and order of a list", narrowing},
	{"several entries at once", several},
	{"a list as a table", table},
	{"every type of field", everyField},
	{"faults", faults},
	{"keys that the schema does not name", extraKeys},
	{"a broken file", brokenFile},
	{"create, duplicate, rename and delete", lifeOfAnEntry},
	{"history", pastOfAnEntry},
	{"files", library},
	{"advice", adviceTaken},
	{"a passage that is still open", openPassage},
	{"keyboard", byKeys},
	{"a text that clashes", clashingTexts},
	{"an answer that never comes", lostAnswer},
	{"home", homePage},
}

// wholeForm says whether every part of the pages is used in every way, which takes many
// minutes.
func wholeForm() bool { return os.Getenv("CMS_BROWSER") == "all" }

// TestTasks does what editors do on one service: each task in each language, or in its
// short form in one of them, in turn.
func TestTasks(t *testing.T) {
	p := servePages(t, tasksConfig...)
	for l, language := range []string{"fr", "en"} {
		u := p.user(t, language)
		for i, task := range tasks {
			if wholeForm() || i%2 == l {
				t.Run(task.name+" in "+language, func(t *testing.T) { task.do(u.in(t)) })
			}
		}
	}
}

// loggingIn leads to the page that was asked for.
func loggingIn(u *user) {
	v := u.pages.visitor(u.T, u.language)
	v.do(chromedp.Navigate(v.pages.url + "/editor/entry/" + budget))
	v.wait(`document.querySelector("#email")`)
	v.do(chromedp.SendKeys(`#email`, "camille@example.org"), chromedp.SendKeys(`#password`, "faux"), chromedp.Focus(`#password`))
	v.leave(chromedp.KeyEvent(kb.Enter))
	v.told("login.wrong")
	v.focused(`[data-focus]`)
	if got := ask[string](v.chromium, `document.querySelector("#email").value + "|" + document.querySelector("#password").value`); got != "camille@example.org|" {
		v.Errorf("after a wrong password the form has %q", got)
	}
	v.do(chromedp.SendKeys(`#password`, v.pages.password))
	v.press(`main .btn.primary`)
	v.wait(`location.pathname == "/editor/entry/` + budget + `" && document.querySelector("[data-entry]")`)
}

// anotherPassword is chosen by its owner.
func anotherPassword(u *user) {
	who := "essai-" + u.language + "@example.org"
	u.pages.enrol(u.T, who, "Essai", "editor")
	v := u.pages.visitor(u.T, u.language)
	v.enter(v.pages, who, another)
	v.open("account")
	change := func(old, fresh, again string) {
		v.Helper()
		for name, value := range map[string]string{"old": old, "new": fresh, "again": again} {
			v.fill("#"+name, value)
		}
		v.press(`form[action$="/account/password"] button`)
	}
	const fresh = "une autre phrase, assez longue"
	change(another, fresh, fresh+"x")
	v.told("account.differ")
	v.focused(`[data-focus]`)
	change(another+"x", fresh, fresh)
	v.told("account.wrong")
	change(another, fresh, fresh)
	v.told("login.changed")
	v.enter(v.pages, who, fresh)
}

// languageAndTheme are kept.
func languageAndTheme(u *user) {
	other := map[string]string{"fr": "en", "en": "fr"}[u.language]
	u.open("account")
	u.press(`main button[value=` + other + `]`)
	u.wait(`document.documentElement.lang == "` + other + `"`)
	u.open("list/consultations")
	u.wait(`document.documentElement.lang == "` + other + `"`)
	u.open("account")
	u.press(`main button[value=` + u.language + `]`)
	u.wait(`document.documentElement.lang == "` + u.language + `"`)
	u.do(chromedp.Click(`input[name=theme][value=dark]`))
	u.press(`form[action$="/account/theme"] button`)
	u.open("")
	if got := ask[string](u.chromium, `document.documentElement.dataset.theme + " " + getComputedStyle(document.documentElement).colorScheme`); got != "dark dark" {
		u.Errorf("a dark page is %q", got)
	}
	u.open("account")
	u.do(chromedp.Click(`input[name=theme][value=auto]`))
	u.press(`form[action$="/account/theme"] button`)
	u.wait(`!document.documentElement.dataset.theme`)
}

// head are the columns of a list, and cells those of one of them, from the top.
const head = `[...document.querySelectorAll("thead th")].map(e => e.innerText.trim())`

func cells(column string) string {
	return fmt.Sprintf(`(() => { const i = `+head+`.findIndex(h => h.startsWith(%q)); return [...document.querySelectorAll("tbody tr")].map(r => r.cells[i].innerText.trim()) })()`, column)
}

// narrowing chooses what a list shows. Its address shows a colleague the same.
func narrowing(u *user) {
	order := map[string]string{"fr": "Ordre", "en": "Order"}[u.language]
	u.open("list/consultations")
	if slices.Contains(ask[[]string](u.chromium, head), order) {
		u.Fatal("the column is there already")
	}
	u.do(chromedp.Click(`.columns > summary`), chromedp.Click(`.columns input[value=ordre]`))
	u.press(`.columns form .row button:not([name])`)
	u.open("list/consultations") // where they are remembered
	if !slices.Contains(ask[[]string](u.chromium, head), order) {
		u.Fatalf("the columns are %q", ask[[]string](u.chromium, head))
	}
	u.press(`th a[href*="sort=ordre"]`)
	first := ask[[]string](u.chromium, cells(order))
	u.press(`th a[href*="sort=-ordre"]`)
	last := ask[[]string](u.chromium, cells(order))
	if len(first) < 10 || first[0] != "1" || last[0] != fmt.Sprint(len(first)) || ask[string](u.chromium, `document.querySelector("th[aria-sort]").getAttribute("aria-sort")`) != "descending" {
		u.Errorf("in order the list has %q and %q", first, last)
	}
	u.do(chromedp.SetValue(`select[name="f.in_progress"]`, "true"))
	u.eval(`document.querySelector('select[name="f.in_progress"]').dispatchEvent(new Event("input", {bubbles: true}))`)
	u.wait(`location.search.includes("f.in_progress=true") && document.querySelectorAll("tbody tr").length < ` + fmt.Sprint(len(first)))
	u.eval(`document.querySelector(".menu.more > summary").click()`)
	u.fill(`input[name="f.note-citoyenne.from"]`, "4")
	u.wait(`location.search.includes("f.note-citoyenne.from=4")`)
	rows := ask[[]string](u.chromium, `[...document.querySelectorAll("tbody td > a")].map(e => e.innerText)`)
	if len(rows) == 0 || len(rows) >= len(first) {
		u.Errorf("narrowed, the list has %q", rows)
	}
	u.told("list.found", len(rows))
	colleague := u.pages.visitor(u.T, u.language)
	colleague.enter(u.pages, "dominique@example.org", another)
	colleague.open("list/consultations" + ask[string](u.chromium, `location.search`))
	if got := ask[[]string](colleague.chromium, `[...document.querySelectorAll("tbody td > a")].map(e => e.innerText)`); !slices.Equal(got, rows) {
		u.Errorf("a colleague sees %q, not %q", got, rows)
	}
	u.press(`[data-results] a[href="/editor/list/consultations"]`)
	u.do(chromedp.Click(`.columns > summary`))
	u.press(`.columns button[value=reset]`)
	if slices.Contains(ask[[]string](u.chromium, head), order) {
		u.Error("the column is still there")
	}
}

// several entries are changed, and deleted, in one commit each; one is brought back.
func several(u *user) {
	for _, name := range []string{"un", "deux", "trois"} {
		u.pages.push(u.T, "_essais/lot-"+name+".md", "---\ntitle: Lot "+name+"\nnombre: 1 # ici\n---\nTexte\n")
	}
	u.open("list/essais")
	for !ask[bool](u.chromium, `document.querySelectorAll('[name=entry][value^="lot-"]').length == 3`) {
		u.open("list/essais")
	}
	before := u.pages.commits(u.T)
	pick := func(names ...string) {
		u.Helper()
		for _, name := range names {
			u.do(chromedp.Click(`[name=entry][value="lot-` + name + `"]`))
		}
		u.says(fmt.Sprintf(strings.ReplaceAll(u.texts["bulk.chosen.other"].(string), "%%", "%"), len(names)))
	}
	pick("un", "deux")
	u.press(`[data-bulk] [value=set]`)
	u.do(chromedp.SetValue(`#field`, "nombre"))
	u.press(`.btn.primary`)
	u.fill(`[name="f/nombre"]`, "7")
	u.press(`[value=sets]`)
	u.told("bulk.set.done", 2)
	u.pages.after(u.T, before, 1)
	for name, want := range map[string]string{"un": "7", "deux": "7", "trois": "1"} {
		if got := u.pages.file(u.T, "essais/lot-"+name); got != "---\ntitle: Lot "+name+"\nnombre: "+want+" # ici\n---\nTexte\n" {
			u.Errorf("%s became\n%s", name, got)
		}
	}
	pick("un", "deux", "trois")
	u.press(`[data-bulk] [value=delete]`)
	u.told("bulk.delete", 3)
	u.press(`[value=deletes]`)
	u.told("bulk.deleted.done", 3)
	u.pages.after(u.T, before, 2)

	u.press(`a[href="/editor/deleted/essais"]`)
	u.press(`a[href="/editor/history/essais/lot-deux"]`)
	u.told("history.gone")
	u.press(`.history li:nth-child(2) a`)
	u.press(`form[action*="/restore/"] button`)
	u.told("saved")
	if got := u.pages.file(u.T, "essais/lot-deux"); !strings.Contains(got, "nombre: 7") {
		u.Errorf("brought back it is\n%s", got)
	}
	u.open("delete/essais/lot-deux")
	u.press(`main .btn.danger`)
	u.told("saved.deleted")
}

// table is a list for spreadsheets, as it is filtered.
func table(u *user) {
	u.open("list/consultations?q=budget")
	n := ask[int](u.chromium, `document.querySelectorAll("tbody tr").length`)
	text := ask[string](u.chromium, `fetch(document.querySelector("a[download]").href).then(r => r.arrayBuffer()).then(b => new TextDecoder("utf-8", {ignoreBOM: true}).decode(b))`)
	lines := strings.Split(strings.TrimRight(text, "\r\n"), "\r\n")
	if len(lines) != n+1 || !strings.HasPrefix(lines[0], "\ufeff"+u.word("slug")+",") || !strings.HasPrefix(lines[1], "budget-participatif-villeneuve-sur-lys,") {
		u.Errorf("the table of %d rows is\n%s", n, text)
	}
}

// everyField fills in a field of each type, and edits what that has become.
func everyField(u *user) {
	slug := "champs-" + u.language
	u.open("list/essais")
	u.press(`main .head a.primary`)
	u.fill(title, "Tous les champs")
	u.fill(`[name="f/resume"]`, "Une ligne\nEt une autre")
	u.fill(`[name="f/detail"]`, "Du *texte*")
	u.fill(`[name="f/nombre"]`, "7")
	u.fill(`[name="f/poids"]`, "1,50")
	u.do(chromedp.Click(`[type=checkbox][name="f/ouvert"]`))
	u.eval(`document.querySelector('[name="f/jour"]').value = "2026-03-01"; document.querySelector('[name="f/heure"]').value = "2026-07-01T09:30:00"`)
	u.do(chromedp.Click(`[type=radio][name="f/etat"][value='3']`), chromedp.SetValue(`select[name="f/pays"]`, `"FR"`))
	u.fill(`[name="f/contact"]`, "a@example.org")
	u.fill(`[name="f/lien"]`, "https://example.org/a")
	for i, word := range []string{"un", "deux"} {
		u.do(chromedp.Click(`[data-items="o/mots"] > [data-add]`))
		u.wait(fmt.Sprintf(`document.activeElement.name == "f/mots/n%d"`, i))
		u.do(chromedp.KeyEvent(word))
	}
	u.do(chromedp.Click(`[data-items="o/etapes"] > [data-add]`))
	u.wait(`document.querySelector('[name="f/etapes/n0/nom"]')?.checkVisibility()`)
	u.fill(`[name="f/etapes/n0/nom"]`, "Première")
	u.fill(`[name="f/lieu/ville"]`, "Lyon")
	u.do(chromedp.Focus(`[name="f/suite"]`), chromedp.KeyEvent("villeneuve"))
	u.wait(`document.querySelectorAll('[name="f/suite"] ~ [role=listbox] [role=option]').length == 1`)
	u.do(chromedp.KeyEvent(kb.ArrowDown))
	u.enterKey()
	if got := ask[string](u.chromium, `document.querySelector('[name="f/suite"]').value`); got != "budget-participatif-villeneuve-sur-lys" {
		u.Errorf("the reference is %q", got)
	}
	if ask[bool](u.chromium, `!!document.querySelector('[name="f/fige"]:not([readonly])')`) {
		u.Error("a field that nobody may set can be")
	}
	u.fill(`#body`, "Le texte.")
	u.says(u.word("js.made", "tous-les-champs"))
	u.fill(`#slug`, slug)
	u.save()
	const want = `---
title: Tous les champs
resume: |-
  Une ligne
  Et une autre
detail: Du *texte*
nombre: 7
poids: 1.50
ouvert: true
jour: 2026-03-01
heure: 2026-07-01 09:30:00 +0200
etat: 3
pays: FR
contact: a@example.org
lien: https://example.org/a
mots:
- un
- deux
etapes:
- nom: Première
lieu:
  ville: Lyon
suite: budget-participatif-villeneuve-sur-lys
---
Le texte.
`
	got := u.pages.file(u.T, "essais/"+slug)
	if got != want {
		u.Errorf("the file is\n%s\nwant\n%s", got, want)
	}

	// Of each, its lines alone change.
	for _, edit := range []struct {
		do       func()
		old, new string
	}{
		{func() { u.do(chromedp.Click(`[type=checkbox][name="f/ouvert"]`)) }, "ouvert: true", "ouvert: false"},
		{func() { u.do(chromedp.SetValue(`select[name="z/heure"]`, "Z")) }, "heure: 2026-07-01 09:30:00 +0200", "heure: 2026-07-01 09:30:00 +0000"},
		{func() { u.do(chromedp.Click(`[data-items="o/mots"] li:first-child [data-move=down]`)) }, "- un\n- deux", "- deux\n- un"},
		{func() { u.do(chromedp.Click(`[data-items="o/mots"] li:first-child [data-move=remove]`)) }, "- deux\n- un", "- un"},
		{func() { u.do(chromedp.Click(`[type=radio][name="f/etat"][value='"ouverte"']`)) }, "etat: 3", "etat: ouverte"},
		{func() { u.fill(`[name="f/lien"]`, "https://example.org/b") }, "example.org/a\nmots", "example.org/b\nmots"},
	} {
		before := got
		u.open("entry/essais/" + slug)
		edit.do()
		u.eval(`for (const s of document.querySelectorAll('select[name="z/heure"]')) s.dispatchEvent(new Event("input", {bubbles: true}))`)
		u.told("js.one", 1)
		u.save()
		if got = u.pages.file(u.T, "essais/"+slug); got != strings.Replace(before, edit.old, edit.new, 1) {
			u.Errorf("%s: the file became\n%s", edit.new, got)
		}
	}
	u.open("entry/essais/" + slug)
	if got := ask[string](u.chromium, `document.querySelector('[name="f/lien"] ~ a')?.href + " " + document.querySelector('[name="f/lien"] ~ a')?.rel`); got != "https://example.org/b noopener noreferrer" {
		u.Errorf("the address is tried at %q", got)
	}
}

// faults are shown all at once, each led to, and nothing of what was typed is lost.
func faults(u *user) {
	slug := "fautes-" + u.language
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: Fautes\netapes:\n  - nom: Une\n  - nom: Deux\n---\nTexte\n")
	u.await("entry/essais/" + slug)
	before := u.pages.commits(u.T)
	u.fill(title, "")
	u.fill(`[name="f/nombre"]`, "12")
	u.fill(`[name="f/contact"]`, "personne")
	u.eval(`document.querySelector('[name="f/etapes/1/nom"]').value = ""`) // folded
	u.fill(`#body`, "Un autre texte.")
	u.press(saveButton)
	u.told("form.faults", 4)
	u.focused(`.faults`)
	const told = `['f/title', 'f/nombre', 'f/contact', 'f/etapes/1/nom'].map(n => {
		const e = document.querySelector('[name="' + n + '"]'), fault = document.getElementById(e.getAttribute("aria-describedby").trim().split(" ").at(-1))
		return [e.getAttribute("aria-invalid"), !!fault?.innerText, e.checkVisibility()].join() }).join(" ")`
	if got := ask[string](u.chromium, told); got != strings.TrimSpace(strings.Repeat("true,true,true ", 4)) {
		u.Errorf("the fields are %q", got)
	}
	u.do(chromedp.Click(`.faults li:nth-child(2) a`))
	u.wait(`document.activeElement.name == "f/nombre"`)
	if got := ask[string](u.chromium, `document.querySelector('[name="f/nombre"]').value + document.querySelector("#body").value`); got != "12Un autre texte." {
		u.Errorf("the form has %q", got)
	}
	u.pages.after(u.T, before, 0)
	u.fill(title, "Sans faute")
	u.fill(`[name="f/nombre"]`, "2")
	u.fill(`[name="f/contact"]`, "")
	u.fill(`[name="f/etapes/1/nom"]`, "Deuxième")
	u.save()
	if got := u.pages.file(u.T, "essais/"+slug); got != "---\ntitle: Sans faute\nnombre: 2\netapes:\n  - nom: Une\n  - nom: Deuxième\n---\nUn autre texte." {
		u.Errorf("the file became\n%s", got)
	}
}

// await opens a page that is there once the service has seen a push.
func (u *user) await(path string) {
	u.Helper()
	for {
		u.open(path)
		if ask[bool](u.chromium, `!!document.querySelector("[data-entry], [data-source]")`) {
			return
		}
	}
}

// extraKeys are shown, kept, and edited as texts.
func extraKeys(u *user) {
	slug := "autres-" + u.language
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: Autres\nlayout: page # du site\ninconnu: {a: 1, b: [2, 3]}\n---\nTexte\n")
	u.await("entry/essais/" + slug)
	u.told("entry.extra", 2)
	u.do(chromedp.Click(`.extra > summary`))
	u.fill(`[name="f/layout"]`, "large")
	u.save()
	if got := u.pages.file(u.T, "essais/"+slug); got != "---\ntitle: Autres\nlayout: large # du site\ninconnu: {a: 1, b: [2, 3]}\n---\nTexte\n" {
		u.Errorf("the file became\n%s", got)
	}
	u.do(chromedp.Click(`main .head .menu summary`))
	u.press(`main .head .menu a[href*="/source/"]`)
	u.eval(`document.querySelector("#text").value = document.querySelector("#text").value.replace("b: [2, 3]", "b: [2]")`)
	u.press(saveButton)
	if got := u.pages.file(u.T, "essais/"+slug); got != "---\ntitle: Autres\nlayout: large # du site\ninconnu: {a: 1, b: [2]}\n---\nTexte\n" {
		u.Errorf("the file became\n%s", got)
	}
}

// brokenFile opens as it is, where it is broken; and home names it.
func brokenFile(u *user) {
	slug := "casse-" + u.language
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: Cassé\nnombre: [1, 2\nouvert: true\n---\nTexte\n")
	u.await("entry/essais/" + slug)
	u.wait(`location.pathname.startsWith("/editor/source/")`)
	if line := ask[string](u.chromium, `document.querySelector("#text").dataset.line`); line != "3" && line != "4" {
		u.Errorf("it is broken at line %q", line)
	}
	if got := ask[string](u.chromium, `document.querySelector(".numbers").textContent.split("\n").length + " " + document.querySelector("#text").value.slice(0, document.querySelector("#text").selectionStart).split("\n").length`); got != "7 3" && got != "7 4" {
		u.Errorf("its lines, and the one that is shown, are %s", got)
	}
	u.focused(`#text`)
	u.open("list/essais?valid=false")
	u.wait(`document.querySelector('a[href$="/essais/` + slug + `"]')`)
	u.open("source/essais/" + slug)
	u.eval(`document.querySelector("#text").value = document.querySelector("#text").value.replace("[1, 2", "2")`)
	u.press(saveButton)
	u.open("entry/essais/" + slug)
	if got := ask[string](u.chromium, `document.querySelector('[name="f/nombre"]').value`); got != "2" {
		u.Errorf("mended, its number is %q", got)
	}
}

// lifeOfAnEntry is made, duplicated, renamed and deleted, with what refers to it.
func lifeOfAnEntry(u *user) {
	name := map[string]string{"fr": "L’été à la médiathèque", "en": "L’été à l’école"}[u.language]
	slug := map[string]string{"fr": "l-ete-a-la-mediatheque", "en": "l-ete-a-l-ecole"}[u.language]
	u.open("new/consultations")
	u.fill(title, name)
	u.eval(`document.querySelector('[name="f/date"]').value = "2026-01-02T03:04:00"`)
	u.save()
	if at := ask[string](u.chromium, `location.pathname`); at != "/editor/entry/consultations/"+slug {
		u.Fatalf("%q is at %s", name, at)
	}
	u.do(chromedp.Click(`main .head .menu summary`))
	u.press(`main .head .menu a[href*="?from="]`)
	u.fill(title, "Une copie")
	u.fill(`#slug`, slug)
	u.press(saveButton)
	u.told("slug.taken")
	u.fill(`#slug`, slug+"-copie")
	u.save()
	if got := u.pages.file(u.T, "consultations/"+slug+"-copie"); got != strings.Replace(u.pages.file(u.T, "consultations/"+slug), name, "Une copie", 1) {
		u.Errorf("the copy is\n%s", got)
	}

	other := "lien-" + u.language
	u.pages.push(u.T, "_essais/"+other+".md", "---\ntitle: Lien\nsuite: "+slug+"\n---\n[Voir](/consultations/"+slug+"/) # ici\n")
	u.await("entry/essais/" + other)
	before := u.pages.commits(u.T)
	u.open("rename/consultations/" + slug)
	u.wait(`document.querySelector('main a[href$="/essais/` + other + `"]')`)
	u.fill(`#to`, slug+"-2026")
	u.press(`main .btn.primary`)
	u.wait(`location.pathname == "/editor/entry/consultations/` + slug + `-2026"`)
	u.pages.after(u.T, before, 1)
	if got := u.pages.file(u.T, "essais/"+other); !strings.Contains(got, "suite: "+slug+"-2026\n") {
		u.Errorf("what refers to it is\n%s", got)
	}
	u.open("delete/consultations/" + slug + "-2026")
	u.wait(`document.querySelector('main a[href$="/essais/` + other + `"]')`)
	u.press(`main .btn.danger`)
	u.told("saved.deleted")
	u.pages.after(u.T, before, 2)
	if got := u.pages.file(u.T, "essais/"+other); strings.Contains(got, "suite: ") {
		u.Errorf("what refers to what is gone is\n%s", got)
	}
	u.open("delete/consultations/" + slug + "-copie")
	u.press(`main .btn.danger`)
	u.told("saved.deleted")
	u.open("entry/consultations/" + slug + "-copie")
	u.told("refusal.missing")
}

// pastOfAnEntry shows who changed what.
func pastOfAnEntry(u *user) {
	const eau = "consultations/convention-citoyenne-eau-bassin-de-lorme"
	before := u.pages.file(u.T, eau)
	u.open("entry/" + eau)
	u.fill(`[name="f/ordre"]`, "60")
	u.fill(`#body`, "Un texte tout neuf")
	u.save()
	u.open("history/" + eau)
	u.told("action.updated")
	u.says("Camille Moreau")
	u.press(`.history li:first-child a`)
	if got := ask[string](u.chromium, `document.querySelector(".changes").innerText`); !strings.Contains(got, "60") || !strings.Contains(got, "neuf") {
		u.Errorf("what changed is %q", got)
	}
	u.open("entry/" + eau)
	u.fill(`[name="f/ordre"]`, "61")
	u.save()
	u.open("history/" + eau)
	u.do(chromedp.Click(`.history li:nth-child(3) [name=from]`)) // any two
	u.press(`form[action*="/compare/"] button`)
	if got := ask[string](u.chromium, `document.querySelector(".changes").innerText`); !strings.Contains(got, "61") || strings.Contains(got, "60") || !strings.Contains(got, "neuf") {
		u.Errorf("from the third version on, what changed is %q", got)
	}
	u.open("history/" + eau)
	u.press(`.history li:nth-child(3) a`)
	u.press(`form[action*="/restore/"] button`)
	u.told("saved")
	if got := u.pages.file(u.T, eau); got != before {
		u.Errorf("restored it is\n%s\nwant\n%s", got, before)
	}
}

// library takes files, finds, renames, replaces and deletes them, and knows where they are
// used.
func library(u *user) {
	name := "photo-" + u.language + ".png"
	u.open("media/")
	u.wait(`document.querySelector("[data-drop]:not([hidden])")`)
	u.do(chromedp.SetUploadFiles(`[data-upload] [name=files]`, []string{pictureFile(u.T, name)}))
	u.wait(`document.querySelector('[data-tiles] a[href$="/` + name + `"]')`)
	u.do(chromedp.SendKeys(`[data-search] [name=q]`, "photo"))
	u.wait(`location.search == "?q=photo"`)
	u.press(`[data-tiles] a[href$="/` + name + `"]`)
	u.told("used.nowhere")

	other := "image-" + u.language
	u.pages.push(u.T, "_essais/"+other+".md", "---\ntitle: Image\nimage: "+name+"\n---\n![Une photo](/img/"+name+")\n")
	u.await("entry/essais/" + other)
	u.open("media/" + name)
	u.wait(`document.querySelector('main a[href$="/essais/` + other + `"]')`)
	u.press(`a[href*="/move-file/"]`)
	u.fill(`#to`, "dossier/"+name)
	u.press(`main .btn.primary`)
	u.wait(`location.pathname.endsWith("/dossier/` + name + `")`)
	if got := u.pages.file(u.T, "essais/"+other); !strings.Contains(got, "](/img/dossier/"+name+")") {
		u.Errorf("what shows the file is\n%s", got)
	}
	u.do(chromedp.SetUploadFiles(`form[action*="/replace/"] [name=files]`, []string{pictureFile(u.T, "autre.png")}))
	u.press(`form[action*="/replace/"] button`)
	u.wait(`document.querySelector(".banner")`)
	u.press(`a[href*="/delete-file/"]`)
	u.press(`main .btn.danger`)
	u.told("media.deleted")
	if out, err := git(u.pages.git, "cat-file", "-e", "main:img/dossier/"+name); err == nil {
		u.Errorf("the file is still there: %s", out)
	}
}

// adviceTaken repairs what keeps readers out.
func adviceTaken(u *user) {
	slug := "conseils-" + u.language
	const body = "**Un titre en gras**\n\nUn paragraphe, et [ici](https://example.org/).\n\n![](/img/a.png)\n"
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: Conseils\n---\n"+body)
	u.await("entry/essais/" + slug)
	u.told("check.heading-bold")
	u.told("check.image-alternative")
	u.told("check.link-vague")
	before := u.pages.commits(u.T)
	repair := `[...document.querySelectorAll(".checks > li")].find(e => e.innerText.includes(` + fmt.Sprintf("%q", u.word("check.heading-bold")) + `)).querySelector("button")`
	u.eval(`void (window.before = true); ` + repair + `.click()`)
	u.wait(`!window.before && document.documentElement.matches(".ready")`)
	u.pages.after(u.T, before, 0)
	if ask[bool](u.chromium, `document.body.innerText.includes(`+fmt.Sprintf("%q", u.word("check.heading-bold"))+`)`) {
		u.Error("what was repaired is still told")
	}
	u.save()
	if got := u.pages.file(u.T, "essais/"+slug); got != "---\ntitle: Conseils\n---\n"+strings.Replace(body, "**Un titre en gras**", "## Un titre en gras", 1) {
		u.Errorf("the file became\n%s", got)
	}
}

// openPassage is saved by a key while it is written, with its last letter.
func openPassage(u *user) {
	slug := "passage-" + u.language
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: Passage\n---\nUn.\n\nDeux.\n")
	u.await("entry/essais/" + slug)
	u.eval(`localStorage.setItem("text", "page")`)
	u.open("entry/essais/" + slug)
	u.wait(`document.querySelectorAll(".page > .block > .open").length == 2`)
	u.eval(`document.querySelectorAll(".page > .block > .open")[1].click()`)
	u.wait(`document.activeElement.matches(".page .editing textarea")`)
	u.do(chromedp.KeyEvent(kb.End), chromedp.KeyEvent(" Et la suite"))
	u.leave(chromedp.KeyEvent("s", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	u.told("saved")
	u.eval(`localStorage.setItem("text", "source")`)
	if got := u.pages.file(u.T, "essais/"+slug); got != "---\ntitle: Passage\n---\nUn.\n\nDeux. Et la suite\n" {
		u.Errorf("the file became\n%s", got)
	}
}

// byKeys reaches pages and commands.
func byKeys(u *user) {
	ctrl := chromedp.KeyModifiers(chromedp.ModifierCtrl)
	u.open("")
	u.do(chromedp.KeyEvent("k", ctrl))
	u.focused(`[data-find]`)
	u.do(chromedp.KeyEvent("villeneuve"))
	u.wait(`document.querySelectorAll(".top [role=option]").length > 0`)
	u.do(chromedp.KeyEvent(kb.ArrowDown))
	u.eval(`void (window.before = true)`)
	u.enterKey()
	u.wait(`!window.before && location.pathname == "/editor/entry/` + budget + `"`)
	command := map[string]string{"fr": "ajouter", "en": u.word("find.new", "")[:3]}[u.language]
	u.do(chromedp.KeyEvent("k", ctrl), chromedp.KeyEvent(command))
	u.wait(`[...document.querySelectorAll(".top [role=option]")].some(e => e.innerText.includes(` + fmt.Sprintf("%q", u.word("find.new", "Consultations")) + `))`)
	u.do(chromedp.KeyEvent(kb.Escape))
	u.wait(`document.querySelector(".top [role=listbox]").hidden`)
	u.eval(`document.activeElement.blur()`)
	u.do(chromedp.KeyEvent("?"))
	u.wait(`document.querySelector("dialog[data-keys]").open`)
	u.told("keys.find")
	u.do(chromedp.Click(`dialog[data-keys] input`), chromedp.KeyEvent(kb.Escape))
	u.wait(`!document.querySelector("dialog[data-keys]").open`)
	u.eval(`document.activeElement.blur()`)
	u.do(chromedp.KeyEvent("/"), chromedp.KeyEvent("?"))
	if ask[bool](u.chromium, `document.activeElement.matches("[data-find]") || document.querySelector("dialog[data-keys]").open`) {
		u.Error("keys that are switched off do something")
	}
	u.eval(`localStorage.removeItem("keys")`)
}

// clashingTexts: two write in the same paragraph, and one of them writes it anew.
func clashingTexts(u *user) {
	slug := "heurt-" + u.language
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: Heurt\n---\nUn.\n\nDeux.\n\nTrois.\n")
	u.await("entry/essais/" + slug)
	other := u.pages.visitor(u.T, u.language)
	other.enter(u.pages, "dominique@example.org", another)
	other.open("entry/essais/" + slug)
	other.says(fmt.Sprintf(u.texts["entry.other"].(string), "Camille Moreau"))
	other.fill(`#body`, "Un.\n\nDeux et leur suite.\n\nTrois, enfin.\n")
	other.save()
	u.says(fmt.Sprintf(u.texts["entry.moved"].(string), "Dominique Petit")) // by itself
	u.fill(`#body`, "Un, d’abord.\n\nDeux et ma suite.\n\nTrois.\n")
	u.press(saveButton)
	u.told("clash.title")
	u.focused(`.clashes`)
	if n := ask[int](u.chromium, `document.querySelectorAll(".clashes fieldset").length`); n != 1 {
		u.Errorf("%d parts clash: %s", n, ask[string](u.chromium, `document.querySelector(".clashes").innerText`))
	}
	u.do(chromedp.Click(`.clashes input[value=mine]`))
	if !ask[bool](u.chromium, `document.querySelector(".clashes details").open`) {
		u.do(chromedp.Click(`.clashes details summary`))
	}
	u.fill(`.clashes textarea`, "Deux et nos suites.")
	u.press(`.clashes button.primary`)
	u.told("saved.merged")
	if got := u.pages.file(u.T, "essais/"+slug); got != "---\ntitle: Heurt\n---\nUn, d’abord.\n\nDeux et nos suites.\n\nTrois, enfin.\n" {
		u.Errorf("the file became\n%s", got)
	}
}

// lostAnswer cuts the connection in the middle of saving: before the service has the form,
// and when it has saved it, but the browser does not learn that. The service is restarted
// meanwhile. What was written is offered again, and saved once.
func lostAnswer(u *user) {
	slug := "coupure-" + u.language
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: Coupure\n---\nTexte\n")
	u.await("entry/essais/" + slug)
	for _, stage := range []fetch.RequestStage{fetch.RequestStageRequest, fetch.RequestStageResponse} {
		before := u.pages.commits(u.T)
		fresh := "Coupure : " + string(stage)
		u.open("entry/essais/" + slug)
		u.fill(title, fresh)
		cut := make(chan *fetch.EventRequestPaused, 8)
		err := chromedp.Listen(u.ctx, func(ev any) {
			if paused, ok := ev.(*fetch.EventRequestPaused); ok {
				cut <- paused
			}
		})
		if err != nil {
			u.Fatal(err)
		}
		if _, err := chromedp.Call(u.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/editor/entry/essais/" + slug, ResourceType: network.ResourceTypeDocument, RequestStage: stage}}}); err != nil {
			u.Fatal(err)
		}
		u.eval(`setTimeout(() => document.querySelector('` + saveButton + `').click())`)
		select {
		case paused := <-cut:
			u.pages.kill()
			u.pages.serve()
			if _, err := chromedp.Call(u.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: paused.RequestID, ErrorReason: network.ErrorReasonConnectionReset}); err != nil {
				u.Fatal(err)
			}
		case <-u.ctx.Done():
			u.Fatal("the form was never sent")
		}
		u.wait(`location.protocol == "chrome-error:"`)
		if _, err := chromedp.Call(u.ctx, fetch.Disable, cdp.Empty{}); err != nil {
			u.Fatal(err)
		}
		saved := 0
		if stage == fetch.RequestStageResponse {
			saved = 1
		}
		u.pages.after(u.T, before, saved)
		u.open("entry/essais/" + slug)
		u.wait(`document.querySelector(".banner.warn button")`)
		u.press(`.banner.warn button`)
		if got := ask[string](u.chromium, `document.querySelector('`+title+`').value`); got != fresh {
			u.Errorf("%s: taken up, the title is %q", stage, got)
		}
		u.press(saveButton)
		u.wait(`document.querySelector(".banner.ok")`)
		u.pages.after(u.T, before, 1)
		if got := u.pages.file(u.T, "essais/"+slug); !strings.Contains(got, fresh) {
			u.Errorf("%s: the file became\n%s", stage, got)
		}
	}
}

// homePage tells what there is, who edited what, and what is to be corrected.
func homePage(u *user) {
	slug := "accueil-" + u.language
	u.pages.push(u.T, "_essais/"+slug+".md", "---\ntitle: À corriger "+u.language+"\nnombre: 99\n---\nTexte\n")
	u.await("entry/essais/" + slug)
	u.fill(`#body`, "Un texte.")
	u.press(saveButton)
	u.told("form.faults", 1)
	u.open("entry/consultations/cantines-bio-et-locales")
	u.fill(`[name="f/visites"]`, map[string]string{"fr": "11", "en": "12"}[u.language])
	u.save()
	u.open("")
	u.told("home.hello", "Camille Moreau")
	out, err := git(u.pages.git, "ls-tree", "--name-only", "main:_consultations")
	if err != nil {
		u.Fatal(err)
	}
	u.told("entries", strings.Count(out, "\n"))
	if got := ask[string](u.chromium, `document.querySelector(".pair > section").innerText`); !strings.Contains(got, "à la cantine") {
		u.Errorf("what I edited is %q", got)
	}
	u.told("home.others")
	u.told("home.faulty")
	u.says("À corriger " + u.language)
	u.press(`a[href$="/essais/` + slug + `"]`)
	u.fill(`[name="f/nombre"]`, "9")
	u.save()
}

// TestLive follows an entry from its form to the site, on the demo.
func TestLive(t *testing.T) {
	b, url := inDemo(t)
	for language, live := range map[string]string{"fr": "En ligne", "en": "Live"} {
		b.do(chromedp.Navigate(url + "/editor/account"))
		b.wait(`document.documentElement.matches(".ready")`)
		b.leave(chromedp.Click(`main button[value=` + language + `]`))
		b.do(chromedp.Navigate(url + "/editor/entry/" + budget))
		b.wait(`document.documentElement.matches(".ready")`)
		b.fill(title, "En direct "+language)
		b.leave(chromedp.Click(saveButton))
		b.wait(`document.querySelector("[data-state] .chip.ok")`) // by itself
		if got := b.text(`[data-state]`); !strings.Contains(strings.ToLower(got), strings.ToLower(live)) {
			t.Errorf("in %s the state is %q", language, got)
		}
	}
}
