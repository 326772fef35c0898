package editor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/web"
)

// entryView is the page of an entry: its form, and what is told beside it.
type entryView struct {
	Collection site.Collection
	Label      string
	Ref        site.Ref
	Title      string
	New        bool
	From       string // the slug of the entry that a new one is made from
	Template   string // the name of the template that a new one begins with; "" for none
	Gone       bool   // the entry was deleted meanwhile, and this would be one in its place
	Slug       string // of a new entry, as it is asked for
	Revision   string // that the form was made of
	Key        string // of this form, so that what is sent twice is done once
	Controls   []*control
	Extra      []*control // of keys that the schema does not name
	Body       string
	BodyMoved  bool // the text differs from what the entry has
	Summary    []faultView
	Message    string
	State      *stateView
	Updated    site.Change
	OnSite     string // the address of its page there
	MaySave    bool
	MayCreate  bool
	MayDelete  bool
	MayMove    bool
	Aside      []string // the conflicts about it that wait for somebody to decide
	Broken     string   // why the front matter cannot be read
	Moved      string   // the revision that the entry has in fact, where a form was made of an older one
	Changes    *changesView
	Clashes    []clashView
	Text       *textView // as it will look
	Framed     bool      // as a page of the site
	Checks     *checksView
	Others     []string // who has the entry open too
	Saved      bool     // a form was saved just now
	Posted     bool     // this is a form that came back
}

// faultView leads to a field where something is wrong.
type faultView struct{ ID, Label, Text string }

// incomplete refuses a form that lacks what our pages send.
var incomplete = say.New("The form is incomplete. Open the page again and start over.")

// entry shows the form of an entry.
func (e *Editor) entry(v *visit) error {
	ref, err := v.ref()
	if err != nil {
		return err
	}
	view, entry, err := e.open(v, ref)
	if err != nil {
		return err
	}
	if view.Broken != "" {
		return v.leadTo(refPath("source", ref))
	}
	body, err := entry.Body()
	if err != nil {
		return err
	}
	f := e.formOf(v, view, nil)
	controls, _ := f.fields(entry.Fields)
	view.split(controls)
	view.Body = shown(body)
	view.faults(v, entry.Problems)
	view.Text, view.Checks = e.lookAt(v, view.Collection, view.Body, &ref)
	view.Others = e.present.look(v.caller, ref, v.now)
	var told *notice
	if saved := v.r.URL.Query().Get("saved"); saved != "" {
		view.Saved = true
		told = &notice{"ok", v.T("saved")}
		if saved == "same" {
			told = &notice{"ok", v.T("saved.same")}
		}
		if saved == "merged" {
			told = &notice{"ok", v.T("saved.merged")}
		}
	}
	return e.showNoting(v, http.StatusOK, "entry", view.Title, ref.Collection, told, view)
}

// framed says whether texts are shown as pages of the site.
func (e *Editor) framed() bool { return e.o.Preview.Stylesheet != "" || e.o.Preview.Wrapper != "" }

// open reads an entry, and what the caller may do with it.
func (e *Editor) open(v *visit, ref site.Ref) (*entryView, *site.Entry, error) {
	ctx := v.r.Context()
	c, err := e.site.Collection(ctx, v.caller, ref.Collection)
	if err != nil {
		return nil, nil, err
	}
	entry, err := e.site.Entry(ctx, v.caller, ref)
	if err != nil {
		return nil, nil, err
	}
	view := &entryView{
		Collection: c, Label: v.label(c), Ref: ref, Title: titleOf(&c.Schema, entry.Fields, ref.Slug), Revision: entry.Revision, Key: rand.Text(),
		State: e.state(v, entry).whole(), Updated: entry.Updated,
		Framed:    e.framed(),
		MaySave:   e.site.MayUpdate(v.caller, ref) == nil,
		MayCreate: slices.Contains(c.Actions, auth.Create),
		MayDelete: slices.Contains(c.Actions, auth.Delete),
		MayMove:   slices.Contains(c.Actions, auth.Delete) && slices.Contains(c.Actions, auth.Create),
	}
	if e.o.Address != nil {
		view.OnSite = e.o.Address(ref)
	}
	if view.MaySave {
		view.Aside = e.site.AsideOf(v.caller, ref)
	}
	for _, p := range entry.Problems {
		if p.Rule == content.RuleSyntax && p.Field == "" {
			view.Broken = detailOf(v, p)
			break
		}
	}
	return view, entry, nil
}

// detailOf is what is wrong, in the language of the page.
func detailOf(v *visit, p content.Problem) string { return p.Detail.In(v.language) }

// formOf is the form of an entry, with what came back of it, if something did.
func (e *Editor) formOf(v *visit, view *entryView, posted url.Values) *form {
	return &form{words: v.words, schema: &view.Collection.Schema, zone: v.zone, posted: posted, frozen: !view.MaySave, linked: e.linked(v, view.Ref)}
}

// split tells the fields of the schema from others.
func (view *entryView) split(controls []*control) {
	for _, c := range controls {
		if slices.ContainsFunc(view.Collection.Schema.Fields, func(f content.Field) bool { return f.Name == c.Field.Name }) {
			view.Controls = append(view.Controls, c)
		} else {
			view.Extra = append(view.Extra, c)
		}
	}
}

// faults puts problems beside their fields, and above all of them.
func (view *entryView) faults(v *visit, problems []content.Problem) {
	for _, p := range problems {
		if p.Rule == content.RuleSetAside && view.MaySave {
			continue // the page leads to where it is decided
		}
		text := detailOf(v, p)
		c := find(view.Controls, p.Field)
		if c == nil {
			c = find(view.Extra, p.Field)
		}
		if c == nil {
			view.Summary = append(view.Summary, faultView{"body", p.Field, text})
			continue
		}
		c.Faults = append(c.Faults, text)
		label := c.Label
		if label == "" {
			label = p.Field
		}
		view.Summary = append(view.Summary, faultView{c.ID(), label, text})
	}
}

// find is the control of the field with this path, or of the innermost one that holds it.
func find(controls []*control, field string) *control {
	for _, c := range controls {
		path := c.Path.String()
		if path == field {
			return c
		}
		if strings.HasPrefix(field, path+".") || strings.HasPrefix(field, path+"[") {
			if inner := find(append(slices.Clone(c.Members), c.Items...), field); inner != nil {
				return inner
			}
			return c
		}
	}
	return nil
}

// saveEntry does what a button of the form of an entry asks for.
func (e *Editor) saveEntry(v *visit) error {
	ref, posted, err := e.formAbout(v)
	if err != nil {
		return err
	}
	if isDraft(posted) {
		return e.draftOf(v, ref, posted)
	}
	view, entry, err := e.open(v, ref)
	if isMissing(err) && posted.Get("base") != "" {
		if orphaned := e.orphaned(v, ref, posted); !isMissing(orphaned) {
			return orphaned
		}
	}
	if err != nil {
		return err
	}
	base := posted.Get("base")
	if base == "" {
		return web.NewProblem(http.StatusBadRequest, incomplete)
	}
	do, name, _ := strings.Cut(posted.Get("do"), ":")
	if rearranges(do) {
		if err := e.rearrange(v, view.Collection, posted, do, name); err != nil {
			return err
		}
		return e.again(v, view, entry, posted, http.StatusOK, nil)
	}
	if do == "review" {
		var before, after string // the texts
		revise := e.revise(v, posted)
		out, err := e.site.Update(v.r.Context(), v.caller, ref, func(ctx context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
			is, err := revise(ctx, d, schema)
			if err == nil {
				before, after = d.Body(), is.Body()
			}
			return is, err
		}, site.Write{Precondition: site.Precondition{Base: base}, DryRun: true})
		if err != nil {
			return e.unsaved(v, view, entry, posted, err)
		}
		web.AuditDryRun(v.r.Context())
		view.Changes = changesOf(v, &view.Collection.Schema, out.Diff.Changed, before, after)
		return e.again(v, view, entry, posted, http.StatusOK, nil)
	}
	path, err := e.send(v, posted.Get("key"), posted.Encode(), always(refPath("entry", ref)+"?saved=1"), func(ctx context.Context, key string, dry bool) (string, error) {
		w := site.Write{Precondition: site.Precondition{Base: base}, Message: strings.TrimSpace(posted.Get("message")), Key: key, DryRun: dry}
		if seen := posted.Get("seen"); seen != "" { // of a form that tells of clashes
			w.Settle, w.Revisions = settling(posted), []string{seen}
		}
		out, err := e.site.Update(ctx, v.caller, ref, e.revise(v, posted), w)
		if refused := (*site.Error)(nil); w.Settle != nil && (errors.Is(err, errUnsettled) || errors.As(err, &refused) && refused.Code == site.PreconditionFailed) {
			w.Settle, w.Revisions = nil, nil // somebody was there again
			out, err = e.site.Update(ctx, v.caller, ref, e.revise(v, posted), w)
		}
		if err != nil {
			return "", err
		}
		auditEntry(ctx, ref, out)
		if out.Changed && entry.Revision != base {
			return refPath("entry", ref) + "?saved=merged", nil
		}
		return savedPath(ref, out), nil
	})
	if err != nil {
		return e.unsaved(v, view, entry, posted, err)
	}
	return v.leadTo(path)
}

// revise is the edit that a form asks for: what differs from what the form showed of the
// same revision.
func (e *Editor) revise(v *visit, posted url.Values) site.Revise {
	return func(_ context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
		f := &form{words: v.words, schema: schema, zone: v.zone, posted: posted}
		_, fields := f.fields(d.Fields())
		body := d.Body()
		if texts, ok := posted["body"]; ok {
			body = restored(body, texts[0])
		}
		return d.Replace(schema.Coerce(fields), body, schema.Order())
	}
}

// unsaved shows a form again that was not saved, with the reason.
func (e *Editor) unsaved(v *visit, view *entryView, entry *site.Entry, posted url.Values, err error) error {
	told := (*site.Error)(nil)
	if !errors.As(err, &told) {
		return err
	}
	switch {
	case len(told.Clashes) > 0:
		view.Clashes = clashesOf(v, &view.Collection.Schema, told.Clashes, posted, sides{v.T("clash.theirs"), v.T("clash.mine"), v.T("clash.anew")})
		view.Moved = entry.Revision
		return e.again(v, view, entry, posted, http.StatusConflict, nil)
	case told.Code == site.Invalid || told.Code == site.Conflict || told.Code == site.Malformed || told.Code == site.Forbidden:
		status := statusOf(told.Code)
		if len(told.Problems) == 0 {
			return e.againNoting(v, view, entry, posted, status, nil, &notice{"bad", told.Detail.In(v.language)})
		}
		return e.again(v, view, entry, posted, status, told.Problems)
	}
	status, text := e.besideForm(v, told)
	return e.againNoting(v, view, entry, posted, status, nil, &notice{"bad", text + " " + v.T("form.kept")})
}

// again shows a form as it came back.
func (e *Editor) again(v *visit, view *entryView, entry *site.Entry, posted url.Values, status int, problems []content.Problem) error {
	return e.againNoting(v, view, entry, posted, status, problems, nil)
}

func (e *Editor) againNoting(v *visit, view *entryView, entry *site.Entry, posted url.Values, status int, problems []content.Problem, told *notice) error {
	was := entry // as the form showed it: the keys of items are those of its revision
	if base := posted.Get("base"); base != "" && base != entry.Revision {
		if old, err := e.site.EntryAt(v.r.Context(), v.caller, view.Ref, base); err == nil {
			was = old
		}
	}
	f := e.formOf(v, view, posted)
	controls, _ := f.fields(was.Fields)
	view.split(controls)
	view.Posted = true
	view.Revision, view.Message = posted.Get("base"), posted.Get("message")
	view.Key = keyOf(posted.Get("key"), status, view.Key)
	body, err := was.Body()
	if err != nil {
		return err
	}
	is := body
	if texts, ok := posted["body"]; ok {
		is = restored(body, texts[0])
	}
	view.Body, view.BodyMoved = shown(is), is != body
	view.faults(v, problems)
	view.Text, view.Checks = e.lookAt(v, view.Collection, view.Body, nil)
	v.w.Header().Set("X-Robots-Tag", "noindex")
	return e.showNoting(v, status, "entry", view.Title, view.Ref.Collection, told, view)
}

// rearranges says whether a button asks for another form, and for nothing to be saved.
func rearranges(do string) bool {
	return slices.Contains([]string{"open", "add", "remove", "up", "down", "repair"}, do) // open: what the browser has kept
}

// rearrange changes a form that came back as a button asks for.
func (e *Editor) rearrange(v *visit, c site.Collection, posted url.Values, do, name string) error {
	switch do {
	case "open":
	case "repair":
		return e.repair(v, c, posted, name)
	default:
		rearrangeList(posted, do, name)
	}
	return nil
}

// rearrangeList changes the order of a list in a form that came back.
func rearrangeList(posted url.Values, do, name string) {
	list, key := name, ""
	if do != "add" {
		i := strings.LastIndex(name, "/")
		if i < 0 {
			return
		}
		list, key = name[:i], name[i+1:]
	}
	keys := posted["o"+list]
	at := slices.Index(keys, key)
	switch {
	case do == "add":
		next := 0
		for _, k := range keys {
			if n, err := strconv.Atoi(strings.TrimPrefix(k, "n")); err == nil && strings.HasPrefix(k, "n") {
				next = max(next, n+1)
			}
		}
		if len(keys) == 0 {
			keys = []string{""}
		}
		keys = append(keys, "n"+strconv.Itoa(next))
	case at < 1:
		return
	case do == "remove":
		keys = slices.Delete(keys, at, at+1)
	case do == "up" && at > 1:
		keys[at-1], keys[at] = keys[at], keys[at-1]
	case do == "down" && at < len(keys)-1:
		keys[at+1], keys[at] = keys[at], keys[at+1]
	}
	posted["o"+list] = keys
}
