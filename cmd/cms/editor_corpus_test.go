package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cms/content"
)

// TestRealFilesInBrowser opens files of the folder that CMS_CORPUS names, saves them as
// they are, and edits of each its title and a paragraph, with scripts and without: nothing
// else of the file changes.
func TestRealFilesInBrowser(t *testing.T) {
	inBrowser(t)
	dir := os.Getenv("CMS_CORPUS")
	if dir == "" {
		t.Skip("SKIPPED: CMS_CORPUS names no folder of files to edit in a browser.")
	}
	many := 40
	if !wholeForm() {
		many = 3
	}
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		b, err := os.ReadFile(path)
		if d := content.Parse(b); d.Err() == nil && d.Fields().Len() > 0 {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < many {
		t.Fatalf("%s has %d files with front matter", dir, len(names))
	}
	files, sources := map[string]string{}, map[string]string{}
	for i := range many {
		name := names[i*len(names)/many]
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		slug := fmt.Sprintf("f%02d", i)
		files["_reels/"+slug+".md"], sources[slug] = string(b), name
	}
	p := servePages(t,
		"media: {folder: img}\n", "  - {name: reels, folder: _reels, fields: []}\nmedia: {folder: img}\n",
		"    editor: {consultations: ", "    editor: {reels: [read, create, update, delete], consultations: ")
	p.pushAll(t, files)
	titles, paragraphs := 0, 0
	for _, scripts := range []bool{true, false} {
		u := p.user(t, "fr")
		u.eval(`localStorage.setItem("text", "page")`)
		if _, err := chromedp.Call(u.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts}); err != nil {
			t.Fatal(err)
		}
		for i := range many {
			slug := fmt.Sprintf("f%02d", i)
			t.Run(fmt.Sprintf("%s, scripts %t", slug, scripts), func(t *testing.T) {
				t.Log(sources[slug])
				a, b := editReal(u.in(t), "reels/"+slug, scripts)
				titles, paragraphs = titles+a, paragraphs+b
			})
		}
	}
	t.Logf("%d titles and %d paragraphs edited", titles, paragraphs)
	if titles < many || paragraphs < many {
		t.Errorf("only %d titles and %d paragraphs of %d files were edited, with and without scripts", titles, paragraphs, many)
	}
}

// editReal saves an entry as it is, and edits its title and a paragraph. It gives how many
// of each were edited.
func editReal(u *user, name string, scripts bool) (titles, paragraphs int) {
	show := func() {
		u.Helper()
		for {
			u.do(chromedp.Navigate(u.pages.url + "/editor/entry/" + name))
			u.wait(`document.querySelector("h1")` + map[bool]string{true: ` && document.documentElement.matches(".ready")`}[scripts])
			if ask[bool](u.chromium, `!!document.querySelector("[data-entry]")`) {
				return
			}
		}
	}
	show()
	was, commits := u.pages.file(u.T, name), u.pages.commits(u.T)
	u.press(saveButton)
	u.told("saved.same")
	u.pages.after(u.T, commits, 0)

	const field = `:is(input, textarea)[name="f/title"]:not([readonly])`
	if ask[bool](u.chromium, `!!document.querySelector('`+field+`')`) {
		show()
		u.do(chromedp.Focus(field), chromedp.KeyEvent(kb.End), chromedp.KeyEvent(" bis"))
		u.press(saveButton)
		u.told("saved")
		now := u.pages.file(u.T, name)
		before, after := content.Parse([]byte(was)), content.Parse([]byte(now))
		if changes := content.Changes(before, after); len(changes) != 1 || changes[0].Field != "title" || before.Body() != after.Body() || !strings.Contains(now, " bis") {
			u.Errorf("another title changed %v", changes)
		}
		if old, fresh := differing(was, now); len(old) != 1 || len(fresh) != 1 {
			u.Errorf("another title changed the lines\n%q to\n%q", old, fresh)
		}
		was, titles = now, 1
	}

	show()
	if scripts {
		u.wait(`document.querySelector(".page > .block > .open") || !document.querySelector("#body").value.trim()`)
	}
	n := ask[int](u.chromium, `[...document.querySelectorAll("`+map[bool]string{true: ".page", false: "[data-preview]"}[scripts]+` > .block")].findIndex(e => e.dataset.block == "paragraph" && e.querySelector("p")?.textContent.trim())`)
	if n < 0 {
		return titles, 0
	}
	if scripts {
		u.eval(fmt.Sprintf(`document.querySelectorAll(".page > .block")[%d].querySelector(".open").click()`, n))
		u.wait(`document.activeElement.matches(".page .editing textarea")`)
		u.eval(`document.activeElement.setSelectionRange(0, 0)`)
		u.do(chromedp.KeyEvent("bis "), chromedp.KeyEvent(kb.Escape))
		u.wait(`!document.querySelector(".page .editing")`)
	} else {
		u.do(chromedp.Navigate(fmt.Sprintf("%s/editor/block/%s?n=%d", u.pages.url, name, n)))
		u.wait(`document.querySelector("#text")`)
		u.do(chromedp.Focus(`#text`))
		u.eval(`document.querySelector("#text").setSelectionRange(0, 0)`)
		u.do(chromedp.KeyEvent("bis "))
	}
	u.press(map[bool]string{true: saveButton, false: `main form .btn.primary`}[scripts])
	u.told("saved")
	now := u.pages.file(u.T, name)
	old, fresh := differing(was, now)
	if len(old) != 1 || len(fresh) != 1 || strings.Replace(fresh[0], "bis ", "", 1) != old[0] {
		u.Errorf("a paragraph changed the lines\n%q to\n%q", old, fresh)
	}
	return titles, 1
}

// differing are the lines between the first and the last one that two texts do not share.
func differing(a, b string) (old, fresh []string) {
	old, fresh = slices.Collect(strings.Lines(a)), slices.Collect(strings.Lines(b))
	for len(old) > 0 && len(fresh) > 0 && old[0] == fresh[0] {
		old, fresh = old[1:], fresh[1:]
	}
	for len(old) > 0 && len(fresh) > 0 && old[len(old)-1] == fresh[len(fresh)-1] {
		old, fresh = old[:len(old)-1], fresh[:len(fresh)-1]
	}
	return old, fresh
}
