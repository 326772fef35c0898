package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// picture keeps what the browser shows where CMS_PICTURES names a folder.
func (b *chromium) picture(name string) {
	b.Helper()
	dir := os.Getenv("CMS_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// endSessions ends those of somebody.
func (p *pages) endSessions(t *testing.T, who string) {
	t.Helper()
	for _, flag := range []string{"", "--undo"} {
		args := []string{"user", "disable", who}
		if flag != "" {
			args = append(args, flag)
		}
		if out, err := p.command(args...).CombinedOutput(); err != nil {
			t.Fatalf("cms %v: %v\n%s", args, err, out)
		}
	}
}

// TestSessionsInBrowser: one that is over is begun anew in place, and tabs tell each other.
func TestSessionsInBrowser(t *testing.T) {
	p := servePages(t)
	b := p.browser(t, "fr")
	b.camille(p)
	b.at(p, "entry/"+budget)
	b.fill(title, "Un titre qui reste")
	p.endSessions(t, "camille@example.org")
	b.eval(`document.querySelector('` + saveButton + `').click()`)
	b.wait(`document.querySelector("dialog #renew-password")`)
	b.picture("renew")
	if got := ask[string](b, `document.activeElement.id + " " + document.querySelector('`+title+`').value`); got != "renew-email Un titre qui reste" {
		t.Errorf("the dialog has the focus at, and the form has, %q", got)
	}
	b.fill(`#renew-email`, "camille@example.org")
	b.fill(`#renew-password`, "falsch")
	b.do(chromedp.Click(`dialog .btn.primary`))
	b.says("faux")
	b.fill(`#renew-email`, "dominique@example.org") // another account
	b.fill(`#renew-password`, another)
	b.do(chromedp.Click(`dialog .btn.primary`))
	b.says("autre compte")
	b.wait(`document.querySelector("dialog #renew-email")`)
	b.fill(`#renew-email`, "camille@example.org")
	b.fill(`#renew-password`, p.password)
	b.leave(chromedp.Click(`dialog .btn.primary`))
	b.says("Enregistré")
	if got := p.file(t, budget); !strings.Contains(got, "Un titre qui reste") {
		t.Errorf("the file is\n%s", got)
	}

	// Another tab logs out: what was kept is gone, what is written here is kept no more, and
	// the tab says so; logged in there, this one goes on.
	kept := `Object.keys(localStorage).filter(k => k.startsWith("draft:")).length`
	b.fill(title, "Un autre")
	b.wait(kept + ` == 1`)
	ctx, cancel := chromedp.NewContext(b.ctx)
	defer cancel()
	tab := &chromium{t, ctx}
	tab.at(p, "account")
	tab.leave(chromedp.Click(`main form[data-leave] button`))
	tab.wait(`document.querySelector("#password")`)
	b.says("Vous n’êtes plus connecté")
	b.picture("gone")
	b.fill(title, "Encore un autre")
	b.eval(`dispatchEvent(new Event("pagehide"))`)
	if got := ask[int](b, kept); got != 0 {
		t.Errorf("%d drafts are kept after the logout", got)
	}
	tab.fill(`#email`, "camille@example.org")
	tab.fill(`#password`, p.password)
	tab.leave(chromedp.Click(`main .btn.primary`))
	b.wait(`!document.querySelector("[data-session]").firstChild`)
	b.leave(chromedp.Click(saveButton))
	b.says("Enregistré")

	// Each page keeps a draft of its own, and a browser holds nothing that is hidden.
	b.at(p, "entry/"+budget)
	b.fill(title, "Le premier")
	b.wait(kept + ` == 1`)
	b.at(p, "entry/"+budget)
	b.says("Vous aviez commencé")
	b.fill(title, "Le deuxième")
	b.wait(kept + ` == 2`)
	b.eval(`{const k = Object.keys(localStorage).find(k => k.startsWith("draft:")); const d = JSON.parse(localStorage[k]); d.values.push(["f/geheim", "Hormuz"]); localStorage[k] = JSON.stringify(d)}`)
	b.at(p, "entry/"+budget)
	b.wait(`document.querySelectorAll(".banner.warn").length == 2`)
	b.picture("drafts")
	if got := ask[bool](b, `Object.values(localStorage).some(v => v.includes("Hormuz"))`); got {
		t.Error("a draft holds what the form would not show")
	}
	b.leave(chromedp.Click(`.banner.warn button`))
	if got := ask[string](b, fmt.Sprintf(`document.querySelector('%s').value`, title)); got != "Le deuxième" {
		t.Errorf("taken up, it is %q", got)
	}
	b.leave(chromedp.Click(saveButton))
	b.says("Enregistré")
	b.wait(kept + ` == 1`)
	b.says("Vous aviez commencé") // the first one
	b.do(chromedp.Click(`.banner.warn button + button`))
	b.wait(kept + ` == 0`)
}

// TestDraggedItems: an item of a list is dragged to another place, or left where it was.
func TestDraggedItems(t *testing.T) {
	p := servePages(t)
	b := p.browser(t, "fr")
	b.camille(p)
	b.at(p, "entry/"+budget)
	const values = `[...document.querySelectorAll('[data-field="f/methodes"] .items input:not([type=hidden])')].map(i => i.value).join("|")`
	before := ask[string](b, values)
	all := strings.Split(before, "|")
	if len(all) < 3 {
		t.Fatalf("the list is %s", before)
	}
	b.eval(`document.querySelector('[data-field="f/methodes"]').scrollIntoView({ block: "center" })`)
	type point struct{ X, Y float64 }
	at := func(i int) point {
		return ask[point](b, fmt.Sprintf(`(b => ({X: b.x + b.width / 2, Y: b.y + b.height / 2}))(document.querySelectorAll('[data-field="f/methodes"] .grip')[%d].getBoundingClientRect())`, i))
	}
	mouse := func(kind input.DispatchMouseEventType, to point) {
		t.Helper()
		if _, err := chromedp.Call(b.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: to.X, Y: to.Y, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1}); err != nil {
			t.Fatal(err)
		}
	}
	from, to := at(0), at(2)
	to.Y += 10
	mouse(input.DispatchMouseEventTypeMousePressed, from)
	mouse(input.DispatchMouseEventTypeMouseMoved, point{from.X, (from.Y + to.Y) / 2})
	mouse(input.DispatchMouseEventTypeMouseMoved, to)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.wait(`!document.querySelector(".dragged")`)
	mouse(input.DispatchMouseEventTypeMouseReleased, to)
	if got := ask[string](b, values); got != before {
		t.Errorf("left, the list is %s, want %s", got, before)
	}
	mouse(input.DispatchMouseEventTypeMousePressed, from)
	mouse(input.DispatchMouseEventTypeMouseMoved, point{from.X, (from.Y + to.Y) / 2})
	mouse(input.DispatchMouseEventTypeMouseMoved, to)
	mouse(input.DispatchMouseEventTypeMouseReleased, to)
	want := strings.Join([]string{all[1], all[2], all[0]}, "|")
	if got := ask[string](b, values); !strings.HasPrefix(got, want) {
		t.Errorf("dragged, the list is %s, want %s", got, want)
	}
	b.says("1 modification")
	b.picture("dragged")
	b.leave(chromedp.Click(saveButton))
	b.says("Enregistré")
	if got := p.file(t, budget); strings.Index(got, all[2]) > strings.Index(got, all[0]) || strings.Index(got, all[1]) > strings.Index(got, all[2]) {
		t.Errorf("the file is\n%s", got)
	}

	// What else is new, for who looks at pictures of it.
	for _, page := range []string{"", "problems", "report/consultations", "report/consultations?rule=heading-gap", "list/consultations", "new/consultations", "media/"} {
		b.at(p, page)
		b.picture("desk " + strings.NewReplacer("/", " ", "?", " ").Replace(page))
		b.as(390, 844, true, "dark")
		b.picture("phone " + strings.NewReplacer("/", " ", "?", " ").Replace(page))
		b.as(1280, 900, false, "light")
	}
}
