package editor

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/net/html"

	"cms/content"
	"cms/preview"
	"cms/site"
	"cms/web"
)

// textView is a text as it will look, block by block.
type textView struct {
	Blocks  []blockView
	Notes   template.HTML // the footnotes
	Refused string        // why it is not shown
}

// blockView is a block of a text, and where it stands there.
type blockView struct {
	Kind       string
	Start, End int           // in UTF-16 code units, as scripts count, of the text with LF
	HTML       template.HTML // "" for what shows nothing in its place
	Source     string        // its first line, where there is no HTML
	Edit       string        // the address of the page that edits this block alone; "" for none
}

// lookAt shows a text, whose ends of lines are LF, as it will look, and what could be better
// in it. The pages that edit a block are those of an entry, where one is given.
func (e *Editor) lookAt(v *visit, c site.Collection, text string, ref *site.Ref) (*textView, *checksView) {
	page, err := e.site.Blocks(v.r.Context(), v.caller, text)
	if err != nil {
		_, told := e.refusal(v, err)
		return &textView{Refused: told.Text}, &checksView{Refused: told.Text}
	}
	return e.textOf(v, text, page, ref), e.checks(v, c, text, page, ref)
}

// textOf is a text in its blocks as it will look.
func (e *Editor) textOf(v *visit, text string, page *preview.Page, ref *site.Ref) *textView {
	t := &textView{Notes: e.resolved(v, page.Notes)}
	at, units := 0, 0
	count := func(until int) int {
		for _, r := range text[at:until] {
			units += max(1, utf16.RuneLen(r))
		}
		at = until
		return units
	}
	for i, b := range page.Blocks {
		one := blockView{Kind: string(b.Kind), Start: count(b.Start), End: count(b.End), HTML: e.resolved(v, b.HTML)}
		if one.HTML == "" {
			one.Source, _, _ = strings.Cut(text[b.Start:b.End], "\n")
		}
		if ref != nil {
			one.Edit = refPath("block", *ref) + "?n=" + strconv.Itoa(i)
		}
		t.Blocks = append(t.Blocks, one)
	}
	return t
}

// resolved is HTML of a preview whose images are those of the media folder, where it has
// them, and whose links open beside the form.
func (e *Editor) resolved(v *visit, safe string) template.HTML {
	if !strings.Contains(safe, "<img") && !strings.Contains(safe, "<a") {
		return template.HTML(safe) //nolint:gosec // made safe by the preview's policy
	}
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(safe))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return template.HTML(b.String()) //nolint:gosec // of safe HTML, and addresses that are escaped
		}
		raw := string(z.Raw()) // before Token, which unescapes texts in their place
		if kind == html.StartTagToken || kind == html.SelfClosingTagToken {
			t := z.Token()
			switch t.Data {
			case "img":
				for i := range t.Attr {
					if t.Attr[i].Key == "src" {
						t.Attr[i].Val = e.image(v, t.Attr[i].Val)
					}
				}
			case "a":
				for i := range t.Attr {
					if u, err := url.Parse(t.Attr[i].Val); t.Attr[i].Key == "href" && err == nil && u.Scheme == "" && u.Host == "" {
						t.Attr[i].Val = e.onSite(u, t.Attr[i].Val)
					}
				}
				t.Attr = append(t.Attr, html.Attribute{Key: "target", Val: "_blank"}, html.Attribute{Key: "tabindex", Val: "-1"})
			}
			if t.Data == "img" || t.Data == "a" {
				raw = t.String()
			}
		}
		b.WriteString(raw)
	}
}

// image is where a browser that looks at pages here gets an image of a text from.
func (e *Editor) image(v *visit, src string) string {
	u, err := url.Parse(src)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return src
	}
	folder := e.site.MediaFolder()
	path := strings.TrimPrefix(u.Path, "/")
	if name, ok := strings.CutPrefix(path, folder+"/"); ok && e.site.SeesMedia(v.caller, name) {
		return Prefix + "file/" + (&url.URL{Path: name}).EscapedPath()
	}
	return e.onSite(u, src)
}

// onSite is where a relative address of a text leads to on the site, as it is where that
// is not known.
func (e *Editor) onSite(u *url.URL, as string) string {
	base, err := url.Parse(e.o.Preview.BaseURL)
	if err != nil || base.Host == "" || u.Path == "" {
		return as
	}
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	at := *u
	at.Path = strings.TrimPrefix(at.Path, "/")
	return base.ResolveReference(&at).String()
}

// look answers with a text as a page of the site, for the frame that shows it.
func (e *Editor) look(v *visit) error {
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	html, err := e.site.Preview(v.r.Context(), v.caller, received(posted.Get("body")))
	if err != nil {
		return err
	}
	page := string(e.resolved(v, html))
	if w := e.o.Preview.Wrapper; w != "" {
		page = strings.Replace(w, "{{content}}", page, 1)
	}
	head := `<!doctype html><html lang="` + v.Language() + `"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`
	if s := e.o.Preview.Stylesheet; s != "" {
		head += `<link rel="stylesheet" href="` + template.HTMLEscapeString(s) + `">`
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Add("Content-Security-Policy", "sandbox")
	_, err = v.w.Write([]byte(head + page)) //nolint:gosec // made safe by the preview's policy, in what the operator has written
	return err
}

// preview answers with a text as it will look, for a script.
func (e *Editor) preview(v *visit) error {
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	text := received(posted.Get("body"))
	view := &textView{}
	if page, err := e.site.Blocks(v.r.Context(), v.caller, text); err == nil {
		view = e.textOf(v, text, page, nil)
	} else {
		_, told := e.refusal(v, err)
		view.Refused = told.Text
	}
	return e.part(v, "entry", "text", view)
}

// part answers with a part of a page.
func (e *Editor) part(v *visit, page, name string, view any) error {
	var b strings.Builder
	if err := e.execute(&b, v.language, page, name, []any{v, view}); err != nil {
		return fmt.Errorf("part %s of the page %s: %w", name, page, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := v.w.Write([]byte(b.String()))
	return err
}

// singleView is the page of one block.
type singleView struct {
	Ref      site.Ref
	Label    string
	Title    string
	N        int
	Revision string
	Text     string
	Posted   bool // the text came back
}

// block shows one block of the text of an entry, to be edited alone.
func (e *Editor) block(v *visit) error {
	view, err := e.single(v, v.r.URL.Query().Get("n"))
	if err != nil {
		return err
	}
	return e.show(v, http.StatusOK, "block", view.Title, view.Ref.Collection, view)
}

func (e *Editor) single(v *visit, n string) (*singleView, error) {
	ref, err := v.ref()
	if err != nil {
		return nil, err
	}
	of, entry, err := e.open(v, ref)
	if err != nil {
		return nil, err
	}
	view := &singleView{Ref: ref, Label: of.Label, Title: of.Title, Revision: entry.Revision}
	if view.N, err = strconv.Atoi(n); err != nil {
		return nil, web.NotFound()
	}
	body, err := entry.Body()
	if err != nil {
		return nil, err
	}
	page, err := e.site.Blocks(v.r.Context(), v.caller, body)
	if err != nil {
		return nil, err
	}
	b, ok := blockAt(page, view.N)
	if !ok {
		return nil, web.NotFound()
	}
	view.Text = shown(body[b.Start:b.End])
	return view, nil
}

func blockAt(page *preview.Page, n int) (preview.Block, bool) {
	if n < 0 || n >= len(page.Blocks) {
		return preview.Block{}, false
	}
	return page.Blocks[n], true
}

// saveBlock replaces one block of a text.
func (e *Editor) saveBlock(v *visit) error {
	ref, posted, err := e.formAbout(v)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(posted.Get("n"))
	if err != nil {
		return web.NotFound()
	}
	if isDraft(posted) {
		return e.draftOfText(v, ref, posted, func(entry *site.Entry) error {
			_, err := entry.Body()
			return err
		})
	}
	if posted.Get("do") == "open" {
		return e.openBlock(v, ref, posted, n)
	}
	path, err := e.send(v, posted.Get("key"), posted.Encode(), always(refPath("entry", ref)+"?saved=1"), func(ctx context.Context, key string, dry bool) (string, error) {
		out, err := e.site.Update(ctx, v.caller, ref, func(ctx context.Context, d *content.Document, _ *content.Schema) (*content.Document, error) {
			body := d.Body()
			page, err := e.site.Blocks(ctx, v.caller, body)
			if err != nil {
				return nil, err
			}
			b, ok := blockAt(page, n)
			if !ok {
				return nil, web.NotFound()
			}
			return d.Apply(content.SetBody(restored(body, withBlock(body, b, posted.Get("text")))))
		}, site.Write{Precondition: site.Precondition{Base: posted.Get("base")}, Key: key, DryRun: dry})
		if err != nil {
			return "", err
		}
		auditEntry(ctx, ref, out)
		return savedPath(ref, out), nil
	})
	if told := (*site.Error)(nil); errors.As(err, &told) {
		return e.blockUnsaved(v, ref, posted, n, err)
	}
	if err != nil {
		return err
	}
	return v.leadTo(path)
}

// withBlock is a text as a browser has it, with another block in the place of b.
func withBlock(text string, b preview.Block, block string) string {
	return shown(text[:b.Start]) + received(block) + shown(text[b.End:])
}

// openBlock shows a block as it came back: alone, or in the whole form where the entry has
// changed since, as nobody could tell where it belongs by now.
func (e *Editor) openBlock(v *visit, ref site.Ref, posted url.Values, n int) error {
	view, err := e.single(v, posted.Get("n"))
	if err == nil && view.Revision == posted.Get("base") {
		view.Text, view.Posted = received(posted.Get("text")), true
		return e.show(v, http.StatusOK, "block", view.Title, ref.Collection, view)
	}
	whole, entry, values, err := e.around(v, ref, posted, n)
	if err != nil {
		return err
	}
	return e.again(v, whole, entry, values, http.StatusOK, nil)
}

// blockUnsaved shows the whole form of an entry, with a block that was not saved in it, and
// the reason.
func (e *Editor) blockUnsaved(v *visit, ref site.Ref, posted url.Values, n int, refused error) error {
	view, entry, values, err := e.around(v, ref, posted, n)
	if err != nil {
		return err
	}
	return e.unsaved(v, view, entry, values, refused)
}

// around is the form of an entry, and what it would send, with a block in it that was made
// from an earlier revision.
func (e *Editor) around(v *visit, ref site.Ref, posted url.Values, n int) (*entryView, *site.Entry, url.Values, error) {
	view, entry, err := e.open(v, ref)
	if err != nil {
		return nil, nil, nil, err
	}
	old, err := e.site.EntryAt(v.r.Context(), v.caller, ref, posted.Get("base"))
	if err != nil {
		return nil, nil, nil, err
	}
	body, err := old.Body()
	if err != nil {
		return nil, nil, nil, err
	}
	page, err := e.site.Blocks(v.r.Context(), v.caller, body)
	if err != nil {
		return nil, nil, nil, err
	}
	b, ok := blockAt(page, n)
	if !ok {
		return nil, nil, nil, web.NotFound()
	}
	return view, entry, url.Values{"base": {posted.Get("base")}, "body": {withBlock(body, b, posted.Get("text"))}}, nil
}
