package editor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// clashView is a value that somebody else has changed too, with what can be done about
// it.
type clashView struct {
	Name         string // of the choice
	Label        string
	Base         string
	Theirs, Mine string
	TheirsHTML   template.HTML // what they changed of a text
	MineHTML     template.HTML
	Text         string // mine, to be written anew, where it is a text
	IsText       bool
	Anew         bool // it was written anew
	Labels       sides
	Chosen       string // theirs or mine, as it was decided before somebody was there again
}

// sides are what the choices of a clash are called.
type sides struct{ Theirs, Mine, Anew string }

// clashesOf are the places that two people changed in different ways. What the merge
// calls ours stands in the repository: to who sends the form that is theirs.
func clashesOf(v *visit, schema *content.Schema, clashes []content.Clash, posted url.Values, labels sides) []clashView {
	var all []clashView
	d := newComparison()
	for _, c := range inParts(v.r.Context(), clashes) {
		one := clashView{Name: "settle" + c.Pointer, Label: labelOf(v, schema, c.Field), Labels: labels}
		if c.Field == "body" && !strings.HasPrefix(c.Pointer, "/") {
			one.Label = v.T("body")
		}
		one.Base, one.Theirs, one.Mine = v.Value(c.Base.Value), v.Value(c.Ours.Value), v.Value(c.Theirs.Value)
		base, _ := c.Base.Value.(string)
		theirs, isText := c.Ours.Value.(string)
		mine, alsoText := c.Theirs.Value.(string)
		if isText && alsoText {
			one.TheirsHTML, one.MineHTML = d.marked(base, theirs), d.marked(base, mine)
			one.Text, one.IsText = shown(mine), true
			if again := "text" + one.Name; posted.Has(again) { // as it was written anew before
				one.Text = received(posted.Get(again))
				one.Anew = one.Text != shown(mine)
			}
		}
		if chosen := posted.Get(one.Name); chosen == "theirs" || chosen == "mine" {
			one.Chosen = chosen
		}
		all = append(all, one)
	}
	return all
}

// inParts are clashes with each part of the text that clashes in the place of the whole,
// whose pointers are the names of these parts.
func inParts(ctx context.Context, clashes []content.Clash) []content.Clash {
	var all []content.Clash
	for _, c := range clashes {
		parts, err := textParts(ctx, c)
		if err != nil || parts == nil {
			all = append(all, c)
			continue
		}
		names := partNames(parts)
		for i, p := range parts {
			if p.Clash {
				one := content.Clash{Field: c.Field, Pointer: names[i]}
				one.Base, one.Ours, one.Theirs = content.Maybe{Value: p.Base, Present: true}, content.Maybe{Value: p.Ours, Present: true}, content.Maybe{Value: p.Theirs, Present: true}
				all = append(all, one)
			}
		}
	}
	return all
}

// partNames are what forms call parts of a text: by what it was and what the form makes of
// it, so that a decision stays with its part if others change the text once more.
func partNames(parts []content.TextPart) []string {
	names, seen := make([]string, len(parts)), map[string]int{}
	for i, p := range parts {
		sum := sha256.Sum256([]byte(p.Base + "\x00" + p.Theirs))
		name := ":" + hex.EncodeToString(sum[:6])
		seen[name]++
		names[i] = name
		if n := seen[name]; n > 1 {
			names[i] += "-" + strconv.Itoa(n)
		}
	}
	return names
}

// textParts divides a text that clashes; nil for a clash of something else.
func textParts(ctx context.Context, c content.Clash) ([]content.TextPart, error) {
	if c.Pointer != "" {
		return nil, nil
	}
	base, _ := c.Base.Value.(string)
	ours, _ := c.Ours.Value.(string)
	theirs, _ := c.Theirs.Value.(string)
	return content.TextParts(ctx, base, ours, theirs)
}

// errUnsettled is that of a clash that nobody has decided.
var errUnsettled = errors.New("editor: not every clash is decided")

// settling decides clashes as a form says.
func settling(posted url.Values) site.Settle {
	return func(ctx context.Context, merged *content.Merged, _ *content.Schema) (*content.Document, error) {
		if merged.More > 0 {
			return nil, errUnsettled
		}
		d := merged.Document
		for _, c := range merged.Clashes {
			edit, err := decided(ctx, d, c, posted)
			if err == nil && edit != nil {
				d, err = d.Apply(*edit)
			}
			if err != nil {
				return nil, err
			}
		}
		return d, nil
	}
}

// decided is the edit by which a form decides a clash; nil where what is there stays.
func decided(ctx context.Context, d *content.Document, c content.Clash, posted url.Values) (*content.Edit, error) {
	parts, err := textParts(ctx, c)
	if err != nil {
		return nil, err
	}
	if parts != nil {
		var text strings.Builder
		names := partNames(parts)
		for i, p := range parts {
			is := p.Merged
			if p.Clash {
				value, err := choose(posted, names[i], content.Maybe{Value: p.Ours, Present: true}, content.Maybe{Value: p.Theirs, Present: true})
				if err != nil {
					return nil, err
				}
				is = asPart(value.Value.(string), i < len(parts)-1)
			}
			text.WriteString(is)
		}
		edit := content.SetBody(text.String())
		return &edit, nil
	}
	value, err := choose(posted, c.Pointer, c.Ours, c.Theirs)
	if err != nil || posted.Get("settle"+c.Pointer) == "theirs" {
		return nil, err
	}
	edit, err := settled(d, c, value)
	return &edit, err
}

// choose is what a form makes of a place that clashes.
func choose(posted url.Values, pointer string, theirs, mine content.Maybe) (content.Maybe, error) {
	name := "settle" + pointer
	switch posted.Get(name) {
	case "theirs":
		return theirs, nil
	case "mine":
	default:
		return content.Maybe{}, errUnsettled
	}
	if text, ok := mine.Value.(string); ok && posted.Has("text"+name) {
		mine.Value = restored(text, posted.Get("text"+name))
	}
	return mine, nil
}

// asPart is a text that is written anew, with the end of its last line where others follow.
func asPart(text string, follows bool) string {
	if follows && text != "" && !strings.HasSuffix(text, "\n") && !strings.HasSuffix(text, "\r") {
		return text + "\n"
	}
	return text
}

// settled is the edit by which a place that clashes gets a value.
func settled(d *content.Document, c content.Clash, mine content.Maybe) (content.Edit, error) {
	path, found := pathTo(d.Fields(), c.Pointer)
	if found.Present != c.Ours.Present || !content.Equal(found.Value, c.Ours.Value) {
		return content.Edit{}, errUnsettled // the merge has moved it
	}
	if !mine.Present {
		return content.Remove(path), nil
	}
	return content.Set(path, mine.Value), nil
}

// pathTo is where a JSON Pointer leads to below an object, and what is there.
func pathTo(o *content.Object, pointer string) (content.FieldPath, content.Maybe) {
	var path content.FieldPath
	at := content.Maybe{Value: o, Present: true}
	for _, token := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		key := content.UnescapeToken(token)
		switch in := at.Value.(type) {
		case *content.Object:
			path = append(path, key)
			at.Value, at.Present = in.Get(key)
		case []content.Value:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(in) {
				return append(path, key), content.Maybe{}
			}
			path, at.Value = append(path, i), in[i]
		default:
			return append(path, key), content.Maybe{}
		}
	}
	return path, at
}

// historyView is who changed an entry, and when.
type historyView struct {
	Ref   site.Ref
	Label string
	Title string
	Items []site.Change
	Total int
	Next  string
	Gone  bool // the entry was deleted, and can be brought back
	May   bool // restore
}

// history shows the commits that touched an entry.
func (e *Editor) history(v *visit) error {
	ref, err := v.ref()
	if err != nil {
		return err
	}
	page, err := e.site.History(v.r.Context(), v.caller, ref, v.r.URL.Query().Get("after"), pageSize)
	if err != nil {
		return err
	}
	view := historyView{Ref: ref, Title: ref.Slug.String(), Items: page.Items, Total: page.Total}
	if page.Next != "" {
		view.Next = v.address(map[string]string{"after": page.Next})
	}
	c, err := e.site.Collection(v.r.Context(), v.caller, ref.Collection)
	if err != nil {
		return err
	}
	view.Label = v.label(c)
	switch entry, err := e.site.Entry(v.r.Context(), v.caller, ref); {
	case err == nil:
		view.Title = titleOf(&c.Schema, entry.Fields, ref.Slug)
		view.May = e.site.MayUpdate(v.caller, ref) == nil
	case isMissing(err):
		view.Gone, view.May = true, e.site.MayEdit(v.caller, ref.Collection, auth.Create) == nil
	default:
		return err
	}
	var told *notice
	if v.r.URL.Query().Get("saved") == "deleted" && view.Gone {
		told = &notice{"ok", v.T("saved.deleted")}
	}
	return e.showNoting(v, http.StatusOK, "history", v.T("history.title"), ref.Collection, told, view)
}

func isMissing(err error) bool {
	told := (*site.Error)(nil)
	return errors.As(err, &told) && told.Code == site.NotFound || errors.Is(err, site.ErrGone)
}

// compareView is what lies between two states of an entry.
type compareView struct {
	Ref      site.Ref
	Label    string
	Title    string
	To       string // the commit that is looked at
	At       string // who made it and when
	Changes  *changesView
	May      bool   // restore
	Revision string // of the entry now, "" when it is gone
}

// compare shows what a commit did to an entry, or what lies between two.
func (e *Editor) compare(v *visit) error {
	ref, err := v.ref()
	if err != nil {
		return err
	}
	ctx, asked := v.r.Context(), v.r.URL.Query()
	c, err := e.site.Collection(ctx, v.caller, ref.Collection)
	if err != nil {
		return err
	}
	d, err := e.site.Diff(ctx, v.caller, ref, asked.Get("from"), asked.Get("to"))
	if err != nil {
		return err
	}
	view := compareView{Ref: ref, Label: v.label(c), Title: ref.Slug.String(), To: asked.Get("to")}
	before, after := "", ""
	if d.BodyChanged {
		if before, err = e.bodyAt(v, ref, d.From); err == nil {
			after, err = e.bodyAt(v, ref, d.To)
		}
		if err != nil {
			return err
		}
	}
	view.Changes = changesOf(v, &c.Schema, d.Changed, before, after)
	switch entry, err := e.site.Entry(ctx, v.caller, ref); {
	case err == nil:
		view.Title, view.Revision = titleOf(&c.Schema, entry.Fields, ref.Slug), entry.Revision
		view.May = e.site.MayUpdate(v.caller, ref) == nil && (d.To == nil || d.To.Revision != "" && d.To.Revision != entry.Revision)
	case isMissing(err):
		view.May = e.site.MayEdit(v.caller, ref.Collection, auth.Create) == nil && d.To != nil && d.To.Revision != ""
	default:
		return err
	}
	return e.show(v, http.StatusOK, "compare", v.T("compare.title"), ref.Collection, view)
}

// bodyAt is the text that an entry had in a state; none where it was not there.
func (e *Editor) bodyAt(v *visit, ref site.Ref, at *site.State) (string, error) {
	if at == nil || at.Revision == "" {
		return "", nil
	}
	entry, err := e.site.EntryAt(v.r.Context(), v.caller, ref, at.Revision)
	if err != nil {
		return "", err
	}
	return entry.Body()
}

// restore makes an entry what it was at a commit.
func (e *Editor) restore(v *visit) error {
	ref, posted, err := e.formAbout(v)
	if err != nil {
		return err
	}
	w := site.Write{Precondition: site.Precondition{Absent: true}}
	if revision := posted.Get("revision"); revision != "" {
		w.Precondition = site.Precondition{Revisions: []string{revision}}
	}
	out, err := e.site.Revert(v.r.Context(), v.caller, ref, posted.Get("to"), w)
	if err != nil {
		return err
	}
	auditEntry(v.r.Context(), ref, out)
	return v.leadTo(refPath("entry", out.Ref) + "?saved=1")
}
