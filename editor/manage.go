package editor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cms/auth"
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
	if err := e.site.MayEdit(v.caller, c.Name, auth.Create); err != nil {
		return err
	}
	view := e.newView(v, c)
	view.From, view.Template = v.r.URL.Query().Get("from"), v.r.URL.Query().Get("template")
	fields, body, err := e.model(v, view)
	if err != nil {
		return err
	}
	f := &form{words: v.words, schema: &c.Schema, zone: v.zone, linked: e.linked(v, site.Ref{Collection: c.Name})}
	controls, _ := f.fields(fields)
	view.split(controls)
	view.Body = shown(body)
	view.Text, view.Checks = e.lookAt(v, view.Collection, view.Body, nil)
	return e.show(v, http.StatusOK, "entry", view.Title, c.Name, view)
}

// model is what the form of a new entry begins with: what the schema has by default or,
// where it is made from another entry, what that has, as it was at the form's revision.
// What nobody may set is as in any new entry.
func (e *Editor) model(v *visit, view *entryView) (fields *content.Object, body string, err error) {
	schema := &view.Collection.Schema
	fresh := schema.WithDefaults(nil)
	if view.From == "" {
		fields, body := templated(view, fresh)
		return fields, body, nil
	}
	ref := site.Ref{Collection: view.Collection.Name}
	if ref.Slug, err = content.ParseSlug(view.From); err != nil {
		return nil, "", web.NotFound()
	}
	var entry *site.Entry
	if view.Revision == "" {
		entry, err = e.site.Entry(v.r.Context(), v.caller, ref)
	} else {
		entry, err = e.site.EntryAt(v.r.Context(), v.caller, ref, view.Revision)
	}
	if err != nil {
		return nil, "", err
	}
	view.Revision = entry.Revision
	body, err = entry.Body()
	return schema.Retain(fresh, entry.Fields), body, err
}

// templated is what the form of a new entry begins with by a template: its values, where
// the caller may set them. A name of no template is as none.
func templated(view *entryView, fresh *content.Object) (*content.Object, string) {
	i := slices.IndexFunc(view.Collection.Templates, func(t content.Template) bool { return t.Name == view.Template })
	if i < 0 {
		view.Template = ""
		return fresh, ""
	}
	t := &view.Collection.Templates[i]
	is := &content.Object{}
	if fresh != nil {
		is.Members = slices.Clone(fresh.Members)
	}
	if t.Fields != nil {
		for _, m := range t.Fields.Members {
			if slices.ContainsFunc(view.Collection.Schema.Fields, func(f content.Field) bool { return f.Name == m.Key && (f.Hidden || f.ReadOnly) }) {
				continue
			}
			if j := slices.IndexFunc(is.Members, func(o content.Member) bool { return o.Key == m.Key }); j >= 0 {
				is.Members[j] = m
			} else {
				is.Members = append(is.Members, m)
			}
		}
	}
	return is, t.Body
}

// Templates are those that a new entry may begin with, by their labels.
func (view *entryView) Templates(v *page) []choice {
	var all []choice
	for _, t := range view.Collection.Templates {
		label := v.of(t.Label)
		if label == "" {
			label = t.Name
		}
		all = append(all, choice{"/editor/new/" + url.PathEscape(view.Collection.Name) + "?template=" + url.QueryEscape(t.Name), label, t.Name == view.Template})
	}
	return all
}

// orphaned shows the form of an entry that was deleted while it was open, as that of a new
// one in its place.
func (e *Editor) orphaned(v *visit, ref site.Ref, posted url.Values) error {
	c, err := e.site.Collection(v.r.Context(), v.caller, ref.Collection)
	if err != nil {
		return err
	}
	view := e.newView(v, c)
	view.From, view.Revision, view.Slug, view.Title = ref.Slug.String(), posted.Get("base"), ref.Slug.String(), ref.Slug.String()
	view.Gone, view.MaySave = true, e.site.MayEdit(v.caller, c.Name, auth.Create) == nil
	fields, body, err := e.model(v, view)
	if err != nil {
		return err
	}
	return e.newAgain(v, view, fields, body, posted, http.StatusConflict, nil, &notice{"bad", v.T("gone")})
}

// newAgain shows the form of a new entry as it came back.
func (e *Editor) newAgain(v *visit, view *entryView, fields *content.Object, body string, posted url.Values, status int, problems []content.Problem, told *notice) error {
	f := &form{words: v.words, schema: &view.Collection.Schema, zone: v.zone, posted: posted, linked: e.linked(v, site.Ref{Collection: view.Collection.Name})}
	controls, _ := f.fields(fields)
	view.split(controls)
	view.Posted, view.Message = true, posted.Get("message")
	view.Key = keyOf(posted.Get("key"), status, view.Key)
	if posted.Has("body") {
		body = restored(body, posted.Get("body"))
	}
	view.Body = shown(body)
	view.faults(v, problems)
	view.Text, view.Checks = e.lookAt(v, view.Collection, view.Body, nil)
	return e.showNoting(v, status, "entry", view.Title, view.Collection.Name, told, view)
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
	if err := e.site.MayEdit(v.caller, c.Name, auth.Create); err != nil {
		return err
	}
	view := e.newView(v, c)
	view.From, view.Revision, view.Slug, view.Template = posted.Get("from"), posted.Get("base"), posted.Get("slug"), posted.Get("template")
	model, body, err := e.model(v, view)
	if isMissing(err) && isDraft(posted) {
		model, err = c.Schema.WithDefaults(nil), nil
	}
	if err != nil {
		return err
	}
	if isDraft(posted) {
		f := &form{words: v.words, schema: &c.Schema, zone: v.zone, posted: posted}
		controls, _ := f.fields(model)
		return v.draft(controls, posted)
	}
	again := func(status int, problems []content.Problem, told *notice) error {
		return e.newAgain(v, view, model, body, posted, status, problems, told)
	}
	if do, name, _ := strings.Cut(posted.Get("do"), ":"); rearranges(do) {
		if err := e.rearrange(v, c, posted, do, name); err != nil {
			return err
		}
		return again(http.StatusOK, nil, nil)
	}
	f := &form{words: v.words, schema: &c.Schema, zone: v.zone, posted: posted}
	_, fields := f.fields(model)
	if posted.Get("do") == "address" {
		return e.addressOf(v, c, fields)
	}
	draft := site.Draft{Fields: c.Schema.Coerce(fields), Body: restored(body, posted.Get("body"))}
	if draft.Body != "" && !strings.HasSuffix(draft.Body, "\n") {
		draft.Body += "\n"
	}
	if slug := strings.TrimSpace(posted.Get("slug")); slug != "" {
		if draft.Slug, err = content.ParseSlug(slug); err != nil {
			return again(http.StatusUnprocessableEntity, nil, &notice{"bad", v.T("slug.wrong")})
		}
	}
	made := func(all []site.FileChange) string {
		for _, one := range all {
			if slug, err := content.ParseSlug(one.Slug); err == nil && one.Collection == c.Name {
				return refPath("entry", site.Ref{Collection: c.Name, Slug: slug}) + "?saved=1"
			}
		}
		return listPath(c.Name, nil) // it is not for the caller to see
	}
	path, err := e.send(v, posted.Get("key"), posted.Encode(), made, func(ctx context.Context, key string, dry bool) (string, error) {
		w := site.Write{Precondition: site.Precondition{Absent: true}, Message: strings.TrimSpace(posted.Get("message")), Key: key, DryRun: dry}
		out, err := e.site.Create(ctx, v.caller, c.Name, draft, w)
		if err != nil {
			return "", err
		}
		auditEntry(ctx, out.Ref, out)
		return refPath("entry", out.Ref) + "?saved=1", nil
	})
	if told := (*site.Error)(nil); errors.As(err, &told) {
		status, text := e.besideForm(v, told)
		if len(told.Problems) > 0 {
			return again(status, told.Problems, nil)
		}
		if told.Code == site.Conflict || told.Code == site.PreconditionFailed {
			text = v.T("slug.taken")
		}
		return again(status, nil, &notice{"bad", text})
	}
	if err != nil {
		return err
	}
	return v.leadTo(path)
}

// addressOf answers with the slug that a new entry would get, for a script that shows it
// while the title is typed; "" as long as none can be made.
func (e *Editor) addressOf(v *visit, c site.Collection, fields *content.Object) error {
	slug, err := e.site.NewSlug(v.caller, c.Name, c.Schema.Coerce(fields))
	if told := (*site.Error)(nil); err != nil && !errors.As(err, &told) {
		return err
	}
	return v.json(map[string]string{"slug": slug.String()})
}

// sourceView is the whole file of an entry.
type sourceView struct {
	Ref      site.Ref
	Label    string
	Title    string
	Revision string
	Key      string
	Text     string
	Lines    int
	Problems []content.Problem
	MaySave  bool
	Fault    string
	Posted   bool // the text came back
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
		Ref: ref, Label: view.Label, Title: view.Title, Revision: entry.Revision, Key: rand.Text(), Text: shown(string(src)), MaySave: view.MaySave, Problems: entry.Problems,
	}
	with(s)
	s.Lines = strings.Count(s.Text, "\n") + 1
	return e.show(v, status, "source", view.Title, ref.Collection, s)
}

// saveSource makes a file what a form says.
func (e *Editor) saveSource(v *visit) error {
	ref, posted, err := e.formAbout(v)
	if err != nil {
		return err
	}
	if isDraft(posted) {
		return e.draftOfText(v, ref, posted, func(entry *site.Entry) error {
			_, err := entry.Source()
			return err
		})
	}
	entry, err := e.site.Entry(v.r.Context(), v.caller, ref)
	if isMissing(err) {
		return e.lostSource(v, ref, posted, err)
	}
	if err != nil {
		return err
	}
	if posted.Get("do") == "open" {
		return e.showSource(v, http.StatusOK, func(s *sourceView) {
			s.Text, s.Revision, s.Posted = received(posted.Get("text")), posted.Get("base"), true
			s.Key = keyOf(posted.Get("key"), http.StatusOK, s.Key)
			if s.Revision != entry.Revision {
				s.Problems = nil // of another text
			}
		})
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
	path, err := e.send(v, posted.Get("key"), posted.Encode(), always(refPath("entry", ref)+"?saved=1"), func(ctx context.Context, key string, dry bool) (string, error) {
		w := site.Write{Precondition: site.Precondition{Revisions: []string{base}}, Key: key, DryRun: dry}
		out, err := e.site.Update(ctx, v.caller, ref, site.ReplaceSource([]byte(is), true), w)
		if err != nil {
			return "", err
		}
		auditEntry(ctx, ref, out)
		return savedPath(ref, out), nil
	})
	if told := (*site.Error)(nil); errors.As(err, &told) {
		status, text := e.besideForm(v, told)
		return e.showSource(v, status, func(s *sourceView) {
			s.Text, s.Fault, s.Posted = shown(is), text, true
			s.Key = keyOf(posted.Get("key"), status, s.Key)
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
	return v.leadTo(path)
}

// lostSource shows the text of a file that was deleted while its form was open.
func (e *Editor) lostSource(v *visit, ref site.Ref, posted url.Values, missing error) error {
	c, err := e.site.Collection(v.r.Context(), v.caller, ref.Collection)
	if err != nil {
		return err
	}
	if _, err := e.site.EntryAt(v.r.Context(), v.caller, ref, posted.Get("base")); err != nil {
		return missing
	}
	s := &sourceView{Ref: ref, Label: v.label(c), Title: ref.Slug.String(), Text: received(posted.Get("text")), Fault: v.T("source.gone"), Posted: true}
	return e.show(v, http.StatusConflict, "source", s.Title, ref.Collection, s)
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
	More       bool   // there are more references
	Key        string // of this form
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
	m := &moveView{Ref: ref, Label: view.Label, Title: view.Title, Revision: entry.Revision, To: ref.Slug.String(), Key: rand.Text()}
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
	return e.changeEntry(v, "rename", v.T("rename.title"), site.UpdateReferences, func(m *moveView, how site.References, p site.Precondition) (site.Operation, string, error) {
		slug, err := content.ParseSlug(m.To)
		if err != nil {
			return nil, "", errSlug
		}
		to := site.Ref{Collection: m.Ref.Collection, Slug: slug}
		return site.Following(site.Moving(m.Ref, to, p), how), refPath("entry", to) + "?saved=1", nil
	})
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
	return e.changeEntry(v, "delete", v.T("delete.title"), site.ClearReferences, func(m *moveView, how site.References, p site.Precondition) (site.Operation, string, error) {
		return site.Following(site.Deleting(m.Ref, p), how), refPath("history", m.Ref) + "?saved=deleted", nil
	})
}

// errSlug is that of a slug that is none.
var errSlug = errors.New("editor: the slug is none")

// changeEntry does what a form to rename or to delete an entry asks for, and shows it again
// where that is refused. What refers to the entry follows, if the form says so.
func (e *Editor) changeEntry(v *visit, page, title string, follow site.References, operation func(*moveView, site.References, site.Precondition) (op site.Operation, to string, err error)) error {
	ref, posted, err := e.formAbout(v)
	if err != nil {
		return err
	}
	var m *moveView
	made := func(all []site.FileChange) string {
		for _, c := range all {
			if slug, err := content.ParseSlug(c.Slug); err == nil && c.Collection == ref.Collection && c.From != "" {
				return refPath("entry", site.Ref{Collection: ref.Collection, Slug: slug}) + "?saved=1"
			}
		}
		return refPath("history", ref) + "?saved=deleted"
	}
	path, err := e.send(v, posted.Get("key"), posted.Encode(), made, func(ctx context.Context, key string, dry bool) (string, error) {
		var err error
		if m, err = e.moving(v); err != nil {
			return "", err
		}
		how := site.KeepReferences
		if site.References(posted.Get("references")) == follow {
			how = follow
		}
		m.To = strings.TrimSpace(posted.Get("to"))
		op, to, err := operation(m, how, site.Precondition{Revisions: []string{posted.Get("revision")}})
		if err != nil {
			return "", err
		}
		out, err := e.site.Make(ctx, v.caller, op, site.Write{Key: key, DryRun: dry})
		if err != nil {
			return "", err
		}
		auditEntry(ctx, out.Ref, out)
		return to, nil
	})
	told := (*site.Error)(nil)
	switch {
	case m != nil && errors.Is(err, errSlug):
		m.Fault = v.T("slug.wrong")
		return e.show(v, http.StatusUnprocessableEntity, page, title, m.Ref.Collection, m)
	case m != nil && errors.As(err, &told):
		status, text := e.besideForm(v, told)
		m.Fault, m.Key = text, keyOf(posted.Get("key"), status, m.Key)
		if told.Code == site.Conflict && len(told.Problems) == 0 {
			m.Fault = v.T("slug.taken")
		}
		return e.show(v, status, page, title, m.Ref.Collection, m)
	case err != nil:
		return err
	}
	return v.leadTo(path)
}
