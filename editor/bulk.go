package editor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/site"
	"cms/web"
)

// maxBulk is how many entries are changed at once.
const maxBulk = 500

// bulkView is the page that says what will be done to several entries, and which.
type bulkView struct {
	Collection site.Collection
	Label      string
	Delete     bool // or a field is set
	Entries    []bulkEntry
	Fields     []choice
	Control    *control // of the field that is set; nil until it is chosen
	Required   bool     // the field cannot be emptied
	Keep       bool     // references to what is deleted are to stay
	Key        string
	List       string // what the list was asked for
	Back       string // its address
	Fault      string
}

// bulkEntry is one of them.
type bulkEntry struct {
	Ref      site.Ref
	Title    string
	Revision string
	Was      string // the value of the field
	Fault    string // why nothing was done
}

// Pick names an entry, as it was seen, in a form.
func (b bulkEntry) Pick() string { return b.Revision + " " + b.Ref.Slug.String() }

// bulk goes on with entries that were chosen in a list: it shows what will be done, and
// does what was confirmed.
func (e *Editor) bulk(v *visit) error {
	ctx := v.r.Context()
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	c, err := e.site.Collection(ctx, v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	do := posted.Get("do")
	view := &bulkView{Collection: c, Label: v.label(c), Key: posted.Get("key"), List: posted.Get("list"), Keep: posted.Get("references") == "keep"}
	if view.Key == "" {
		view.Key = rand.Text()
	}
	asked, err := url.ParseQuery(view.List)
	if err != nil {
		asked, view.List = url.Values{}, ""
	}
	asked.Del("cursor")
	asked.Del("done")
	view.Back = listPath(c.Name, asked)
	action := auth.Update
	switch do {
	case "delete", "deletes":
		view.Delete, action = true, auth.Delete
	case "set", "field", "sets":
	default:
		return web.NewProblem(http.StatusBadRequest, incomplete)
	}
	if err := e.site.MayEdit(v.caller, c.Name, action); err != nil {
		return err
	}
	if do == "deletes" || do == "sets" {
		return e.confirmed(v, view, posted)
	}
	picks, err := e.picked(v, view, posted, asked)
	if err != nil {
		return err
	}
	if view.Fault == "" && len(picks) == 0 {
		view.Fault = v.T("bulk.none")
	}
	if view.Fault == "" {
		if err := e.fill(v, view, picks); err != nil {
			return err
		}
		e.choose(v, view, posted)
	}
	return e.showBulk(v, http.StatusOK, view)
}

func (e *Editor) showBulk(v *visit, status int, view *bulkView) error {
	if view.Fault != "" && status == http.StatusOK {
		status = http.StatusUnprocessableEntity
	}
	return e.show(v, status, "bulk", v.T("bulk.title"), view.Collection.Name, view)
}

// picked are the entries that a form names, or all that a list finds.
func (e *Editor) picked(v *visit, view *bulkView, posted, asked url.Values) ([]string, error) {
	if posted.Get("all") == "" {
		picks := append(slices.Clone(posted["pick"]), posted["entry"]...)
		if len(picks) > maxBulk {
			view.Fault = v.T("bulk.many", maxBulk)
			return nil, nil
		}
		return picks, nil
	}
	q := e.asked(v, &listView{Collection: view.Collection}, asked)
	q.Limit, q.Fields = maxBulk+1, []string{}
	var picks []string
	for {
		page, err := e.site.List(v.r.Context(), v.caller, view.Collection.Name, q)
		if err != nil {
			return nil, err
		}
		for _, entry := range page.Items {
			picks = append(picks, entry.Slug.String())
		}
		if page.Total > maxBulk {
			view.Fault = v.T("bulk.many", maxBulk)
			return nil, nil
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return picks, nil
		}
	}
}

// fill reads the entries that a form names: a slug or, behind the revision that was seen,
// a slug.
func (e *Editor) fill(v *visit, view *bulkView, picks []string) error {
	seen := map[site.Ref]bool{}
	for _, pick := range picks {
		revision, name, known := strings.Cut(pick, " ")
		if !known {
			revision, name = "", pick
		}
		slug, err := content.ParseSlug(name)
		if err != nil {
			return web.NewProblem(http.StatusBadRequest, incomplete)
		}
		ref := site.Ref{Collection: view.Collection.Name, Slug: slug}
		if seen[ref] {
			continue
		}
		seen[ref] = true
		entry, err := e.site.Entry(v.r.Context(), v.caller, ref)
		one := bulkEntry{Ref: ref, Title: slug.String(), Revision: revision}
		if isMissing(err) {
			if revision == "" {
				continue // it has gone since the list was shown
			}
			view.Entries = append(view.Entries, one) // the write says so
			continue
		}
		if err != nil {
			return err
		}
		one.Title = titleOf(&view.Collection.Schema, entry.Fields, slug)
		if revision == "" {
			one.Revision = entry.Revision
		}
		if view.Control != nil {
			was, _ := entry.Fields.Get(view.Control.Field.Name)
			one.Was = v.Value(was)
		}
		view.Entries = append(view.Entries, one)
	}
	return nil
}

// choose fills in the fields that can be set and, once one is chosen, its control.
func (e *Editor) choose(v *visit, view *bulkView, posted url.Values) {
	if view.Delete {
		return
	}
	name := posted.Get("field")
	for _, f := range settable(&view.Collection.Schema) {
		view.Fields = append(view.Fields, choice{f.Name, fieldLabel(v, f), f.Name == name})
		if f.Name == name {
			view.Control, _ = e.setting(v, f, posted)
			view.Required = f.Required
			for i := range view.Entries {
				if entry, err := e.site.Entry(v.r.Context(), v.caller, view.Entries[i].Ref); err == nil {
					was, _ := entry.Fields.Get(name)
					view.Entries[i].Was = v.Value(was)
				}
			}
		}
	}
}

// settable are the fields that can be set in many entries at once.
func settable(s *content.Schema) (found []content.Field) {
	for _, f := range s.Fields {
		switch f.Type {
		case content.TypeMarkdown, content.TypeObject, content.TypeList:
			continue
		}
		if !f.Hidden && !f.ReadOnly {
			found = append(found, f)
		}
	}
	return found
}

// setting is the control of a field in a form about many entries, and the value that it
// asks for. Yes or no is chosen: what is not ticked may only have been forgotten.
func (e *Editor) setting(v *visit, f content.Field, posted url.Values) (*control, content.Maybe) {
	if f.Type == content.TypeBoolean {
		f.Type, f.Options = content.TypeSelect, []content.Value{true, false}
	}
	in := &form{words: v.words, zone: v.zone, posted: posted, linked: e.linked(v, site.Ref{})}
	c, value := in.value(&f, content.Maybe{}, "/"+content.EscapeToken(f.Name), content.FieldPath{f.Name})
	c.Changed = false
	for i := range c.Choices {
		switch c.Choices[i].Value {
		case "true":
			c.Choices[i].Label = v.T("yes")
		case "false":
			c.Choices[i].Label = v.T("no")
		}
	}
	return c, value
}

// confirmed does what the page has said, in one commit.
func (e *Editor) confirmed(v *visit, view *bulkView, posted url.Values) error {
	picks := posted["pick"]
	if len(picks) == 0 || len(picks) > maxBulk {
		return web.NewProblem(http.StatusBadRequest, incomplete)
	}
	if err := e.fill(v, view, picks); err != nil {
		return err
	}
	var revise site.Revise
	if !view.Delete {
		e.choose(v, view, posted)
		i := slices.IndexFunc(settable(&view.Collection.Schema), func(f content.Field) bool { return f.Name == posted.Get("field") })
		if i < 0 {
			return web.NewProblem(http.StatusBadRequest, incomplete)
		}
		f := settable(&view.Collection.Schema)[i]
		_, value := e.setting(v, f, posted)
		if !value.Present && posted.Get("empty") == "" {
			view.Fault = v.T("bulk.value")
			return e.showBulk(v, http.StatusUnprocessableEntity, view)
		}
		revise = settingTo(f.Name, value)
	}
	var ops []site.Operation
	for _, one := range view.Entries {
		if view.Delete {
			op := site.Deleting(one.Ref, site.Precondition{Revisions: []string{one.Revision}})
			if !view.Keep {
				op = site.Following(op, site.ClearReferences)
			}
			ops = append(ops, op)
			continue
		}
		ops = append(ops, site.Updating(one.Ref, revise, site.Precondition{Base: one.Revision}))
	}
	done := func(n int) string {
		asked, _ := url.ParseQuery(view.List)
		asked.Del("cursor")
		asked.Set("done", map[bool]string{true: "deleted-", false: "set-"}[view.Delete]+strconv.Itoa(n))
		return listPath(view.Collection.Name, asked)
	}
	made := func(all []site.FileChange) string { // beside others, which followed
		n := 0
		for _, one := range view.Entries {
			if slices.ContainsFunc(all, func(c site.FileChange) bool {
				return c.Collection == one.Ref.Collection && c.Slug == one.Ref.Slug.String()
			}) {
				n++
			}
		}
		return done(n)
	}
	leads, err := e.send(v, view.Key, posted.Encode(), made, func(ctx context.Context, key string, dry bool) (string, error) {
		all, err := e.site.Batch(ctx, v.caller, ops, site.Write{Key: key, DryRun: dry})
		if err != nil {
			return "", err
		}
		n := 0
		for _, out := range all {
			if out.Changed {
				n++
			}
			auditEntry(ctx, out.Ref, out)
		}
		return done(n), nil
	})
	told, of := (*site.Error)(nil), (*site.OperationError)(nil)
	if !errors.As(err, &told) {
		if err != nil {
			return err
		}
		return v.leadTo(leads)
	}
	status, text := e.besideForm(v, told)
	view.Fault = text
	if told.Code != site.Unsure {
		view.Fault = v.T("bulk.refused") + " " + text
	}
	if errors.As(err, &of) && of.Index < len(view.Entries) {
		one := &view.Entries[of.Index]
		one.Fault = e.entryFault(v, told)
		view.Fault = v.T("bulk.refused.one", one.Title, one.Fault)
	}
	view.Key = keyOf(view.Key, status, rand.Text())
	return e.showBulk(v, status, view)
}

// entryFault says why an entry could not be changed.
func (e *Editor) entryFault(v *visit, told *site.Error) string {
	switch {
	case len(told.Problems) > 0:
		return detailOf(v, told.Problems[0])
	case told.Code == site.PreconditionFailed || len(told.Clashes) > 0:
		return v.T("bulk.moved")
	case told.Code == site.NotFound:
		return v.T("bulk.gone")
	case told.Code == site.Forbidden:
		return v.T("refusal.forbidden")
	}
	_, text := e.refusal(v, told)
	return text.Text
}

// settingTo is an edit that makes a field a value, or takes it away.
func settingTo(name string, value content.Maybe) site.Revise {
	return func(_ context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
		is := &content.Object{}
		if was := d.Fields(); was != nil {
			is.Members = slices.Clone(was.Members)
		}
		i := slices.IndexFunc(is.Members, func(m content.Member) bool { return m.Key == name })
		switch {
		case i >= 0 && value.Present:
			is.Members[i].Value = value.Value
		case i >= 0:
			is.Members = slices.Delete(is.Members, i, i+1)
		case value.Present:
			is.Members = append(is.Members, content.Member{Key: name, Value: value.Value})
		}
		return d.Replace(schema.Coerce(is), d.Body(), schema.Order())
	}
}

// done is what was done before this page is shown, which its address tells once.
func (v *visit) done() *notice {
	q := v.r.URL.Query()
	what, n, _ := strings.Cut(q.Get("done"), "-")
	if q.Get("done") == "" {
		return nil
	}
	q.Del("done")
	v.r.URL.RawQuery = q.Encode()
	count, err := strconv.Atoi(n)
	if err != nil || count < 0 || count > maxBulk || what != "deleted" && what != "set" {
		return nil
	}
	return &notice{"ok", v.T(fmt.Sprintf("bulk.%s.done", what), count)}
}
