package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"cms/repo/repotest"
)

// everyPage are the pages of the editor, by their paths, in a site that [pages.whole] has
// made ready, which has a commit.
func everyPage(commit string) []string {
	return []string{
		"", "list/consultations", "list/consultations?q=villeneuve", "list/consultations?q=nichts", "entry/" + budget, "entry/consultations/nichts", "source/" + budget, "history/" + budget, "compare/" + budget + "?to=" + commit,
		"rename/" + budget, "delete/" + budget, "new/consultations", "new/consultations?from=budget-participatif-villeneuve-sur-lys", "search?q=velo", "search", "account", "account/factor", "account/tokens", "report/consultations", "report/consultations?rule=image-alternative", "problems",
		"deleted/consultations", "block/" + budget + "?n=0", "conflict/aaaaaaaaaaaa", "media/", "media/seule.txt", "move-file/seule.txt", "delete-file/seule.txt", "forgot", "login", "password",
	}
}

// whole gives a site what some pages show, and their paths.
func (p *pages) whole(t *testing.T) []string {
	t.Helper()
	p.aside(t)
	p.push(t, "img/seule.txt", "texte")
	commit, err := git(p.git, "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	return everyPage(strings.TrimSpace(commit))
}

// aside sets a version of an entry of the demo aside.
func (p *pages) aside(t *testing.T) {
	t.Helper()
	is := p.file(t, budget)
	repotest.SetAside(t, p.git, repotest.Aside{ID: "aaaaaaaaaaaa", Collection: "consultations", Slug: strings.TrimPrefix(budget, "consultations/"), Path: "_" + budget + ".md",
		Base: strings.Replace(is, "title: ", "title: Autre ", 1), Text: strings.Replace(is, "title: ", "title: Tiers ", 1) + "\nUne ligne.\n"})
}

// TestEveryPageIsLookedAt holds what browsers look at against the routes of the editor.
func TestEveryPageIsLookedAt(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../editor/editor.go")
	if err != nil {
		t.Fatal(err)
	}
	mux, all := http.NewServeMux(), map[string]bool{}
	for _, m := range regexp.MustCompile(`pattern: "GET ([^"]*)"`).FindAllStringSubmatch(string(src), -1) {
		mux.HandleFunc("GET /"+m[1], func(http.ResponseWriter, *http.Request) {})
		all["GET /"+m[1]] = true
	}
	if len(all) < 20 {
		t.Fatalf("only %d pages were found", len(all))
	}
	for _, p := range []string{"login/continue", "login/done", "session", "values/{collection}", "export/{collection}", "find", "watch/{collection}/{slug...}", "file/{path...}", "thumb/{path...}"} {
		if !all["GET /"+p] {
			t.Errorf("there is no %s, which shows no page", p)
		}
		delete(all, "GET /"+p)
	}
	for list, is := range map[string]struct{ paths, elsewhere []string }{
		"everyPage":                    {everyPage("x"), nil},
		"storedPages and libraryPages": {slices.Concat(storedPages("consultations/x", "x"), libraryPages("x")), []string{"login", "forgot", "password"}}, // which show nothing that is stored
	} {
		left := maps.Clone(all)
		for _, p := range is.elsewhere {
			delete(left, "GET /"+p)
		}
		for _, path := range is.paths {
			_, pattern := mux.Handler(httptest.NewRequestWithContext(t.Context(), "GET", "/"+path, nil))
			delete(left, pattern)
		}
		for pattern := range left {
			t.Errorf("%s have no page of %s", list, pattern)
		}
	}
}

// TestPagesAreAccessibleInBrowser has axe-core, as npm has it, look at every page, in both
// languages and themes, as a desk and as a phone show it. It fetches that, so it runs only
// where CMS_CLIENTS is set, too.
func TestPagesAreAccessibleInBrowser(t *testing.T) {
	inBrowser(t)
	if os.Getenv("CMS_CLIENTS") == "" {
		t.Skip("SKIPPED: CMS_CLIENTS is not set, so axe-core looks at no page.")
	}
	dir := t.TempDir()
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent", "axe-core@4.14.1")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED, as it could not be fetched: %v\n%s", err, out)
	}
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	p := servePages(t)
	paths := p.whole(t)
	look := func(b *chromium, what string) {
		b.Helper()
		if !ask[bool](b, `!!window.axe`) { // once for each page
			b.eval(string(axe))
		}
		found := ask[string](b, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " | " + n.failureSummary)}))))`)
		var violations []struct {
			ID, Help string
			Nodes    []string
		}
		if err := json.Unmarshal([]byte(found), &violations); err != nil {
			b.Fatal(err)
		}
		for _, v := range violations {
			b.Errorf("%s: %s: %s\n%s", what, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
		}
	}
	type screen struct {
		width, height int64
		phone         bool
		theme         string
	}
	screens := []screen{{1280, 900, false, "light"}, {1280, 900, false, "dark"}, {390, 844, true, "dark"}, {390, 844, true, "light"}}
	for _, language := range []string{"fr", "en"} { // each page by each of them
		b := p.browser(t, language)
		each := func(what string) {
			for _, s := range screens {
				b.as(s.width, s.height, s.phone, s.theme)
				look(b, fmt.Sprintf("%s in %s, %s, %d wide", what, language, s.theme, s.width))
			}
		}
		b.do(chromedp.Navigate(p.url + "/editor/login"))
		b.wait(`document.querySelector("#email")`)
		each("login")
		b.as(1280, 900, false, "light")
		b.camille(p)
		for _, path := range paths {
			b.at(p, path)
			each(path)
		}
		b.at(p, "entry/"+budget)
		b.fill(title, "")
		b.fill(`input[name="f/note-citoyenne"]`, "12")
		b.leave(chromedp.Click(saveButton))
		each("faults")
		b.at(p, "entry/"+budget)
		b.fill(title, "Un autre titre")
		b.leave(chromedp.Click(`button[value=review]`))
		each("a review")
		b.at(p, "entry/"+budget)
		b.eval(`for (const d of document.querySelectorAll("details")) d.open = true`)
		each("open menus")
	}
}

// TestPagesByKeyboardInBrowser walks through every page by Tab alone, at a desk, and finds nothing
// out of sight at 320 pixels.
func TestPagesByKeyboardInBrowser(t *testing.T) {
	p := servePages(t)
	paths := p.whole(t)
	b := p.browser(t, "fr")
	b.camille(p)
	for _, path := range paths {
		b.at(p, path)
		walk(b, path)
		b.as(320, 640, false, "light") // which is also 640 pixels at 200 %
		if wide := ask[string](b, `document.documentElement.scrollWidth > 320 ? [...document.querySelectorAll("main *, header *, nav *")].filter(e => e.getBoundingClientRect().right > 321 && !e.closest(".scroll")).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n") || "something" : ""`); wide != "" {
			t.Errorf("%s is wider than 320 pixels: %s", path, wide)
		}
		const clipped = `[...document.querySelectorAll("main *, header *, nav *")].filter(e => { const s = getComputedStyle(e)
			return ["hidden", "clip"].includes(s.overflowX) && e.clientWidth > 2 && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) && e.checkVisibility() && !e.matches("iframe, input, .numbers, .thumb") }).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n")`
		if cut := ask[string](b, clipped); cut != "" {
			t.Errorf("%s cuts off at 320 pixels: %s", path, cut)
		}
		if lost := ask[string](b, `[...document.querySelectorAll("thead a, tbody td")].filter(e => !e.checkVisibility() && e.textContent.trim()).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n")`); lost != "" {
			t.Errorf("%s leaves out at 320 pixels: %s", path, lost)
		}
		b.as(1280, 900, false, "light")
	}
	b.as(390, 844, true, "light")
	b.at(p, "entry/"+budget)
	walk(b, "an entry on a phone")
}

// tabbable are the elements that Tab should reach, in the order of the page.
const tabbable = `[...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")].filter(e =>
	!e.disabled && e.tabIndex >= 0 && e.checkVisibility({visibilityProperty: true}) && !(e.closest("details:not([open])") && !e.matches("details > summary")) &&
	!(e.type == "radio" && e.form && [...e.form.querySelectorAll("input[type=radio]")].some(o => o != e && o.name == e.name && (o.checked || !e.checked && ![...e.form.querySelectorAll("input[type=radio]:checked")].some(c => c.name == e.name) && o.compareDocumentPosition(e) & 4))))`

// walk tabs through a page, whose controls all come in their order, each seen.
func walk(b *chromium, what string) {
	b.Helper()
	b.eval(`document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex"); getSelection().removeAllRanges(); window.walk = ` + tabbable + `; window.walk.forEach((e, i) => e.walked = i); scrollTo(0, 0)`)
	n := ask[int](b, `window.walk.length`)
	next := 0
	for steps := 0; next < n; steps++ {
		if steps > 3*n+20 {
			b.Errorf("%s: Tab never reaches %s", what, ask[string](b, fmt.Sprintf(`window.walk[%d].outerHTML.slice(0, 200)`, next)))
			return
		}
		if err := tab(b); err != nil {
			b.Fatal(err)
		}
		is := ask[struct {
			At      int
			Seen    bool
			Outline bool
			HTML    string
		}](b, `(() => { const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e)
			return {At: e.walked ?? -1, HTML: e.outerHTML.slice(0, 200), Outline: s.outlineStyle != "none" && parseFloat(s.outlineWidth) >= 2,
				Seen: r.width > 0 && r.height > 0 && r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth} })()`)
		switch {
		case is.At < 0:
			continue // the page itself, or a part of a control
		case is.At < next-1:
			b.Errorf("%s: Tab goes back to %s before it has reached %s", what, is.HTML, ask[string](b, fmt.Sprintf(`window.walk[%d].outerHTML.slice(0, 200)`, next)))
			return
		case is.At > next:
			b.Errorf("%s: Tab leaves out %s", what, ask[string](b, fmt.Sprintf(`window.walk[%d].outerHTML.slice(0, 200)`, next)))
		}
		if !is.Seen || !is.Outline {
			b.Errorf("%s: the focus is not to be seen (in sight %t, outlined %t) on %s", what, is.Seen, is.Outline, is.HTML)
		}
		next = is.At + 1
	}
}

// tab presses Tab.
func tab(b *chromium) error {
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9}); err != nil {
			return err
		}
	}
	return nil
}
