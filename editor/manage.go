package editor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"cms/content"
	"cms/site"
	"cms/web"
)

// newEntry shows the form of an entry that is not there yet: as the schema has it, or as
// another entry is.
func (e *Editor) newEntry(v *visit) error {
	c, err := e.site.Collection(v.r.Context(), v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	if err := e.site.MayEdit(v.caller, c.Name, "create"); err != nil {
		return err
	}
	fields, body := c.Schema.WithDefaults(nil), ""
	if from := v.r.URL.Query().Get("from"); from != "" {
		slug, err := content.ParseSlug(from)
		if err != nil {
			return web.NotFound()
		}
		entry, err := e.site.Entry(v.r.Context(), v.caller, site.Ref{Collection: c.Name, Slug: slug})
		if err != nil {
			return err
		}
		fields = entry.Fields
		if body, err = entry.Body(); err != nil {
			return err
		}
	}
	view := e.newView(v, c)
	f := &form{words: v.words, schema: &c.Schema, zone: v.zone, linked: e.linked(v, site.Ref{Collection: c.Name})}
	controls, _ := f.fields(fields)
	view.split(controls)
	view.Body = shown(body)
	view.Text = e.textOf(v, view.Body, nil)
	return e.show(v, http.StatusOK, "entry", view.Title, c.Name, view)
}

func (e *Editor) newView(v *visit, c site.Collection) *entryView {
	return &entryView{Collection: c, Label: v.label(c), New: true, Title: v.T("new.title", v.label(c)), Key: rand.Text(), MaySave: true, Framed: e.framed()}
}

// createEntry does what a button of the form of a new entry asks for.
func (e *Editor) createEntry(v *visit) error {
	ctx := v.r.Context()
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	c, err := e.site.Collection(ctx, v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	if err := e.site.MayEdit(v.caller, c.Name, "create"); err != nil {
		return err
	}
	view := e.newView(v, c)
	again := func(status int, problems []content.Problem, told *notice) error {
		f := &form{words: v.words, schema: &c.Schema, zone: v.zone, posted: posted, linked: e.linked(v, site.Ref{Collection: c.Name})}
		controls, _ := f.fields(nil)
		view.split(controls)
		view.Posted = true
		view.Body, view.Slug, view.Message, view.Key = received(posted.Get("body")), posted.Get("slug"), posted.Get("message"), posted.Get("key")
		view.Text = e.textOf(v, view.Body, nil)
		view.faults(v, problems)
		return e.showNoting(v, status, "entry", view.Title, c.Name, told, view)
	}
	if do, name, _ := strings.Cut(posted.Get("do"), ":"); do == "open" || do == "add" || do == "remove" || do == "up" || do == "down" {
		rearrange(posted, do, name)
		return again(http.StatusOK, nil, nil)
	}
	f := &form{words: v.words, schema: &c.Schema, zone: v.zone, posted: posted}
	_, fields := f.fields(nil)
	draft := site.Draft{Fields: c.Schema.Coerce(fields), Body: received(posted.Get("body"))}
	if draft.Body != "" && !strings.HasSuffix(draft.Body, "\n") {
		draft.Body += "\n"
	}
	if slug := strings.TrimSpace(posted.Get("slug")); slug != "" {
		if draft.Slug, err = content.ParseSlug(slug); err != nil {
			return again(http.StatusUnprocessableEntity, nil, &notice{"bad", v.T("slug.wrong")})
		}
	}
	path, err := e.send(v, posted.Get("key"), posted.Encode(), func(ctx context.Context, key string, dry bool) (string, error) {
		w := site.Write{Precondition: site.Precondition{Absent: true}, Message: strings.TrimSpace(posted.Get("message")), Key: key, DryRun: dry}
		out, err := e.site.Create(ctx, v.caller, c.Name, draft, w)
		if err != nil {
			return "", err
		}
		web.Audit(ctx, web.Target{Collection: c.Name, Name: out.Slug.String(), Commit: committed(out)})
		return refPath("entry", out.Ref) + "?saved=1", nil
	})
	if told := (*site.Error)(nil); errors.As(err, &told) {
		p, text := e.refusal(v, err)
		if len(told.Problems) > 0 {
			return again(p.Status, told.Problems, nil)
		}
		return again(p.Status, nil, &notice{"bad", text.Text})
	}
	if err != nil {
		return err
	}
	return v.leadTo(path)
}

// sourceView is the whole file of an entry.
type sourceView struct {
	Ref      site.Ref
	Label    string
	Title    string
	Revision string
	Text     string
	Lines    int
	Problems []content.Problem
	MaySave  bool
	Fault    string
}

// source shows the file of an entry as text.
func (e *Editor) source(v *visit) error {
	return e.showSource(v, http.StatusOK, func(*sourceView) {})
}

func (e *Editor) showSource(v *visit, status int, with func(*sourceView)) error {
	ref, err := v.ref()
	if err != nil {
		return err
	}
	view, entry, err := e.open(v, ref)
	if err != nil {
		return err
	}
	src, err := entry.Source()
	if err != nil {
		return err
	}
	s := &sourceView{
		Ref: ref, Label: view.Label, Title: view.Title, Revision: entry.Revision, Text: shown(string(src)), MaySave: view.MaySave, Problems: entry.Problems,
	}
	with(s)
	s.Lines = strings.Count(s.Text, "\n") + 1
	return e.show(v, status, "source", view.Title, ref.Collection, s)
}

// saveSource makes a file what a form says.
func (e *Editor) saveSource(v *visit) error {
	ref, err := v.ref()
	if err != nil {
		return err
	}
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	entry, err := e.site.Entry(v.r.Context(), v.caller, ref)
	if err != nil {
		return err
	}
	src, err := entry.Source()
	if err != nil {
		return err
	}
	base := posted.Get("base")
	is := received(posted.Get("text"))
	if base == entry.Revision {
		is = restored(string(src), posted.Get("text"))
	}
	out, err := e.site.Update(v.r.Context(), v.caller, ref, site.ReplaceSource([]byte(is), true), site.Write{Precondition: site.Precondition{Revisions: []string{base}}})
	if told := (*site.Error)(nil); errors.As(err, &told) {
		p, text := e.refusal(v, err)
		return e.showSource(v, p.Status, func(s *sourceView) {
			s.Text, s.Fault = shown(is), text.Text
			if len(told.Problems) > 0 {
				s.Problems = told.Problems
			}
			if told.Code != site.PreconditionFailed {
				s.Revision = base
			} else {
				s.Fault = v.T("source.moved")
			}
		})
	}
	if err != nil {
		return err
	}
	how := "1"
	if !out.Changed {
		how = "same"
	}
	web.Audit(v.r.Context(), web.Target{Collection: ref.Collection, Name: ref.Slug.String(), Commit: committed(out)})
	return v.leadTo(refPath("entry", ref) + "?saved=" + how)
}

// moveView is the page to rename or to delete an entry or a file on.
type moveView struct {
	Ref        site.Ref
	File       string // instead, of the media folder
	Label      string
	Title      string
	Revision   string
	To         string
	References []site.Reference
	More       bool // there are more references
	Fault      string
}

func (e *Editor) moving(v *visit) (*moveView, error) {
	ref, err := v.ref()
	if err != nil {
		return nil, err
	}
	view, entry, err := e.open(v, ref)
	if err != nil {
		return nil, err
	}
	m := &moveView{Ref: ref, Label: view.Label, Title: view.Title, Revision: entry.Revision, To: ref.Slug.String()}
	refs, err := e.site.References(v.r.Context(), v.caller, ref, "", pageSize)
	if err != nil {
		return nil, err
	}
	m.References, m.More = refs.Items, refs.Next != ""
	return m, nil
}

func (e *Editor) renamePage(v *visit) error {
	m, err := e.moving(v)
	if err != nil {
		return err
	}
	return e.show(v, http.StatusOK, "rename", v.T("rename.title"), m.Ref.Collection, m)
}

// rename gives an entry another slug.
func (e *Editor) rename(v *visit) error {
	m, err := e.moving(v)
	if err != nil {
		return err
	}
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	m.To = strings.TrimSpace(posted.Get("to"))
	slug, err := content.ParseSlug(m.To)
	if err != nil {
		m.Fault = v.T("slug.wrong")
		return e.show(v, http.StatusUnprocessableEntity, "rename", v.T("rename.title"), m.Ref.Collection, m)
	}
	how := site.KeepReferences
	if posted.Get("references") == "update" {
		how = site.UpdateReferences
	}
	to := site.Ref{Collection: m.Ref.Collection, Slug: slug}
	op := site.Following(site.Moving(m.Ref, to, site.Precondition{Revisions: []string{posted.Get("revision")}}), how)
	out, err := e.site.Make(v.r.Context(), v.caller, op, site.Write{})
	if told := (*site.Error)(nil); errors.As(err, &told) {
		p, text := e.refusal(v, err)
		m.Fault = text.Text
		return e.show(v, p.Status, "rename", v.T("rename.title"), m.Ref.Collection, m)
	}
	if err != nil {
		return err
	}
	web.Audit(v.r.Context(), web.Target{Collection: to.Collection, Name: to.Slug.String(), Commit: committed(out)})
	return v.leadTo(refPath("entry", out.Ref) + "?saved=1")
}

func (e *Editor) deletePage(v *visit) error {
	m, err := e.moving(v)
	if err != nil {
		return err
	}
	return e.show(v, http.StatusOK, "delete", v.T("delete.title"), m.Ref.Collection, m)
}

// delete removes an entry, which its history keeps.
func (e *Editor) delete(v *visit) error {
	m, err := e.moving(v)
	if err != nil {
		return err
	}
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	how := site.KeepReferences
	if posted.Get("references") == "clear" {
		how = site.ClearReferences
	}
	op := site.Following(site.Deleting(m.Ref, site.Precondition{Revisions: []string{posted.Get("revision")}}), how)
	out, err := e.site.Make(v.r.Context(), v.caller, op, site.Write{})
	if told := (*site.Error)(nil); errors.As(err, &told) {
		p, text := e.refusal(v, err)
		m.Fault = text.Text
		return e.show(v, p.Status, "delete", v.T("delete.title"), m.Ref.Collection, m)
	}
	if err != nil {
		return err
	}
	web.Audit(v.r.Context(), web.Target{Collection: m.Ref.Collection, Name: m.Ref.Slug.String(), Commit: committed(out)})
	return v.leadTo(refPath("history", m.Ref) + "?saved=deleted")
}
