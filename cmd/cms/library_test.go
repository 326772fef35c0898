package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// inDemo is a browser in which the demo's editor is logged in.
func inDemo(t *testing.T) (b *chromium, url string) {
	t.Helper()
	inBrowser(t)
	said, stop := startDemo(t, filepath.Join(t.TempDir(), "demo"))
	t.Cleanup(stop)
	url = regexp.MustCompile(`The API +(http://[^/]+)`).FindStringSubmatch(said)[1]
	password := regexp.MustCompile(`PASSWORD=(\S+)`).FindStringSubmatch(said)[1]
	b = startBrowser(t)
	b.do(chromedp.Navigate(url+"/editor/login"), chromedp.WaitVisible(`#email`))
	b.introduce("camille@example.org", password)
	b.do(chromedp.Click(`.btn.primary`), chromedp.WaitVisible(`.cards`))
	return b, url
}

// script is what an expression comes to in the page.
func (b *chromium) script(expression string) string {
	b.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`Promise.resolve(`+expression+`).then(String)`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return got
}

// holds waits until an expression is true in the page.
func (b *chromium) holds(expression string) {
	b.Helper()
	for {
		_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression))
		if err == nil {
			return
		}
		left := strings.Contains(err.Error(), "context with specified id") || strings.Contains(err.Error(), "navigated") // of a page that goes
		if !left || b.ctx.Err() != nil {
			b.Fatalf("%s: %v\n%s", expression, err, b.script(`document.body.innerText`))
		}
	}
}

// pictureFile is a file with a picture.
func pictureFile(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, image.NewGray(image.Rect(0, 0, 12, 8))); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestFilesInBrowser adds files to the library, chooses one for a field, and places and
// pastes images and rich text into a text.
func TestFilesInBrowser(t *testing.T) {
	b, url := inDemo(t)

	// Several at once; one that is there gets another name.
	one, two := pictureFile(t, "mairie.png"), pictureFile(t, "Été à vélo.png")
	b.do(chromedp.Navigate(url + "/editor/media/"))
	b.holds(`!!document.querySelector('[data-drop]:not([hidden])')`)
	b.do(chromedp.SetUploadFiles(`[data-upload] [name=files]`, []string{one, two}))
	b.holds(`document.querySelectorAll('[data-tiles] img').length === 2 && !document.querySelector('[data-progress] li')`)
	b.do(chromedp.SetUploadFiles(`[data-upload] [name=files]`, []string{one}))
	b.holds(`document.querySelector('[data-progress] .fault')?.textContent.includes('already a file of this name')`)
	if got := b.script(`document.querySelector('[data-progress] input').value`); got != "mairie-2.png" {
		t.Errorf("the other name is %q", got)
	}
	b.do(chromedp.Click(`[data-progress] input ~ .btn`))
	b.holds(`!!document.querySelector('a[href$="mairie-2.png"] img')`)
	b.do(chromedp.SendKeys(`[data-search] [name=q]`, "ete"))
	b.holds(`location.search === '?q=ete' && document.querySelectorAll('[data-tiles] li').length === 1 && document.activeElement.name === 'q'`)

	// Chosen for a field, by the keyboard alone.
	b.script(`localStorage.setItem('text', 'source')`)
	b.do(chromedp.Navigate(url + "/editor/entry/consultations/budget-participatif-villeneuve-sur-lys"))
	b.holds(`!!document.querySelector('[data-choose]') && !!document.querySelector('[role=toolbar]')`)
	b.script(`import(document.querySelector('script[src*=editor]').src.replace('editor.js', 'choose.js')).then(() => 'there')`) // it is there
	b.script(`document.querySelector('[data-choose]').focus()`)
	b.do(chromedp.KeyEvent("\r"), chromedp.WaitVisible(`dialog.choosing [data-pick="mairie.png"]`))
	if got := b.script(`document.activeElement.name`); got != "q" {
		t.Errorf("the dialog has the focus on %q", got)
	}
	b.do(chromedp.KeyEvent("mairie-2"))
	b.holds(`document.querySelectorAll('dialog.choosing [data-pick]').length === 1`)
	b.script(`document.querySelector('dialog.choosing [data-pick]').focus()`)
	b.do(chromedp.KeyEvent("\r"), chromedp.WaitNotPresent(`dialog.choosing`))
	if got := b.script(`document.querySelector('[data-media]').value + ' ' + document.activeElement.matches('[data-choose]') + ' ' + document.querySelector('img.mini').getAttribute('src').split('?')[0]`); got != "mairie-2.png true /editor/thumb/mairie-2.png" {
		t.Errorf("the field has %s", got)
	}
	b.holds(`document.querySelector('[data-media]').closest('[data-field]').classList.contains('changed')`)

	// Left by Esc, nothing is chosen, and the focus is where it was.
	b.do(chromedp.KeyEvent("\r"), chromedp.WaitVisible(`dialog.choosing [data-pick]`), chromedp.KeyEvent("\x1b"), chromedp.WaitNotPresent(`dialog.choosing`))
	b.holds(`document.activeElement.matches('[data-choose]')`)

	// Placed in the text, with its alternative text.
	body := `document.querySelector('#body')`
	b.script(`(` + body + `.focus(), ` + body + `.setSelectionRange(0, 0))`)
	b.script(`[...document.querySelectorAll('[role=toolbar] button')].find(e => e.textContent === 'Image').click()`)
	b.do(chromedp.WaitVisible(`dialog.choosing [data-pick="mairie.png"]`), chromedp.Click(`dialog.choosing [data-pick="mairie.png"]`), chromedp.WaitVisible(`dialog.choosing #alt`))
	b.do(chromedp.Click(`dialog.choosing form .primary`))
	b.holds(`document.querySelector('#alt-fault').textContent !== '' && document.activeElement.id === 'alt'`)
	b.do(chromedp.SendKeys(`dialog.choosing #alt`, "La mairie [rénovée]"), chromedp.KeyEvent("\r"), chromedp.WaitNotPresent(`dialog.choosing`))
	if got := b.script(body + `.value.split('\n')[0]`); !strings.HasPrefix(got, `![La mairie \[rénovée\]](/img/mairie.png)`) {
		t.Errorf("the text begins with %q", got)
	}

	// Pasted: rich text; an image, which only decorates.
	paste := func(of string) string {
		return `(() => { const d = new DataTransfer(); ` + of + `; ` + body + `.focus(); ` + body + `.setSelectionRange(0, 0); ` + body + `.dispatchEvent(new ClipboardEvent('paste', { clipboardData: d, bubbles: true, cancelable: true })) })()`
	}
	b.script(paste(`d.setData('text/html', '<p>Un <b>texte</b><script>x</script></p><table><tr><th>a<th>b<tr><td>1<td>2</table>'); d.setData('text/plain', 'Un texte')`))
	if got := b.script(body + `.value`); !strings.HasPrefix(got, "Un **texte**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |") {
		t.Errorf("the text begins with %.60q", got)
	}
	b.script(`fetch('/editor/file/mairie.png').then(r => r.blob()).then(blob => { window.pasted = new File([blob], 'image.png', { type: 'image/png' }) })`)
	b.script(paste(`d.items.add(window.pasted)`))
	b.do(chromedp.WaitVisible(`dialog.choosing [name=decorative]`), chromedp.Click(`dialog.choosing [name=decorative]`), chromedp.Click(`dialog.choosing form .primary`), chromedp.WaitNotPresent(`dialog.choosing`))
	if got := b.script(body + `.value.split('\n')[0]`); !regexp.MustCompile(`^<img src="/img/image-\d+\.png" alt="">`).MatchString(got) {
		t.Errorf("the text begins with %q", got)
	}
}

// TestPastedTextInBrowser gives the converter what word processors, sheets and pages copy.
func TestPastedTextInBrowser(t *testing.T) {
	b, url := inDemo(t)
	b.do(chromedp.Navigate(url+"/editor/media/"), chromedp.WaitVisible(`html.scripted`))
	for _, c := range []struct{ html, want string }{
		{"un  texte\nsimple", "un texte simple"},
		{"<p>un</p><p>deux<br>trois</p>", "un\n\ndeux\\\ntrois"},
		{"<h1>Titre</h1><h3>Sous-<b>titre</b></h3>", "## Titre\n\n### Sous-**titre**"},
		{"<ul><li>a<li>b<ul><li>c</ul></ul><ol start=3><li>x<li>y</ol>", "- a\n- b\n  - c\n\n3. x\n4. y"},
		{"<ul><li><p>a</p></li></ul>", "- a"},
		{"<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"},
		{"<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"},
		{"<pre>a\n  `b`</pre>", "```\na\n  `b`\n```"},
		{"<p>x <code>a`b</code></p>", "x `` a`b ``"},
		{`<p><a href="https://example.org/a b">lien</a> <a href="javascript:alert(1)">piège</a> <a href="data:text/html,x">autre</a></p>`, "[lien](https://example.org/a%20b) piège autre"},
		{`<p><img src="https://example.org/a.png" alt="un [b]"> <img src="file:///c/x.png"><img src="data:image/png;base64,AAAA" onerror="alert(1)"></p>`, `![un \[b\]](https://example.org/a.png)`},
		{"<table><tr><td>a|b</td><td colspan=2>c<br>d</td></tr><tr><td>1</td><td>2</td><td>3</td></tr></table>", `| a\|b | c d |  |` + "\n| --- | --- | --- |\n| 1 | 2 | 3 |"},
		{"<table><tr><td><p>un</p><p>deux</p></td></tr></table>", "un\n\ndeux"},
		{`<b style="font-weight:normal" id="docs-internal-guid"><p><span style="font-weight:700">gras</span><span style="font-style:italic"> et</span> fin</p></b>`, "**gras** *et* fin"},
		{`<p style="mso-list:l0 level1 lfo1">·&nbsp;&nbsp; un</p><p style="mso-list:l0 level2 lfo1">o&nbsp; deux</p><p style="mso-list:l1 level1 lfo2">1.&nbsp; trois</p>`, "- un\n   - deux\n1. trois"},
		{"<p>*a* _b_ # c &lt;script&gt; {{ site.x }} {% raw %} &amp;amp; [d]</p>", `\*a\* \_b\_ # c \<script> \{{ site.x }} \{% raw %} \&amp; \[d\]`},
		{"<p># a</p><p>1. b</p><p>- c</p><p>&gt; d</p><p>---</p>", "\\# a\n\n1\\. b\n\n\\- c\n\n\\> d\n\n\\---"},
		{"<script>alert(1)</script><style>p{}</style><iframe src=x></iframe><svg><text>x</text></svg><p onclick=x>reste</p><form><input value=y></form>", "reste"},
		{"<p><b> gras </b>suite</p>", "**gras** suite"},
		{"<!--StartFragment--><p>a</p><!--EndFragment-->", "a"},
		{"", ""},
	} {
		html, err := json.Marshal(c.html)
		if err != nil {
			t.Fatal(err)
		}
		got := b.script(fmt.Sprintf(`import(document.querySelector('script[src*=editor]').src.replace('editor.js', 'markdown.js')).then(m => m.toMarkdown(%s))`, html))
		if got != c.want {
			t.Errorf("%s became\n%q, want\n%q", c.html, got, c.want)
		}
	}
	deep := b.script(`import(document.querySelector('script[src*=editor]').src.replace('editor.js', 'markdown.js')).then(m => m.toMarkdown('<div>'.repeat(3000) + 'fond'))`)
	if deep != "fond" {
		t.Errorf("what is deep became %.60q", deep)
	}
}

// TestListInBrowser narrows a list while one types, and changes what was chosen in it.
func TestListInBrowser(t *testing.T) {
	b, url := inDemo(t)
	b.do(chromedp.Navigate(url + "/editor/list/consultations"))
	b.holds(`document.querySelector('[data-bulk]')?.hidden === true`)
	rows := `document.querySelectorAll('[name=entry]').length`
	b.do(chromedp.SendKeys(`[data-live] [name=q]`, "budget"))
	b.holds(`location.search === '?q=budget' && ` + rows + ` === 1 && document.activeElement.name === 'q' && document.activeElement.value === 'budget'`)
	b.do(chromedp.KeyEvent("\b\b\b\b\b\b"))
	b.holds(`location.search === '' && ` + rows + ` === 12`)

	// Two are chosen, by Shift; the bar says so.
	b.script(`document.querySelectorAll('[name=entry]')[0].click()`)
	b.holds(`document.querySelector('[data-chosen]').textContent === '1 page chosen' && document.querySelector('[data-pick-all]').indeterminate`)
	b.script(`document.querySelectorAll('[name=entry]')[2].dispatchEvent(new MouseEvent('click', { bubbles: true, shiftKey: true }))`)
	b.holds(`document.querySelector('[data-chosen]').textContent === '3 pages chosen'`)
	b.do(chromedp.Click(`[data-bulk] [value=set]`), chromedp.WaitVisible(`#field`), chromedp.SetValue(`#field`, "ordre"), chromedp.Click(`.btn.primary`))
	b.holds(`!!document.querySelector('[name="f/ordre"]')`)
	b.do(chromedp.SendKeys(`[name="f/ordre"]`, "77"), chromedp.Click(`[value=sets]`))
	b.until(url + "/editor/list/consultations?done=set-3")
	if got := b.text(`.banner`); !strings.Contains(got, "3 pages are changed") {
		t.Errorf("the list says %q", got)
	}
	b.do(chromedp.Navigate(url + "/editor/list/consultations?f.ordre.from=77&f.ordre.until=77"))
	b.holds(rows + ` === 3`)
}
