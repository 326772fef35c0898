package editor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"time"

	"cms/content"
	"cms/site"
	"cms/web"
)

// asideItem is a version of an entry that was set aside, as the entry was changed at the Git
// host too.
type asideItem struct {
	Title, By string
	At        time.Time
	To        string // where it is decided
}

// aside are the first of those that the caller may see.
func (e *Editor) aside(v *visit, most int) ([]asideItem, error) {
	all, err := e.site.SetAside(v.r.Context(), v.caller)
	if refused := (*site.Error)(nil); errors.As(err, &refused) {
		return nil, nil // who has no role sees none
	}
	if err != nil {
		return nil, err
	}
	all = all[:min(len(all), most)]
	items := make([]asideItem, 0, len(all))
	for _, c := range all {
		item := asideItem{Title: c.Slug.String(), By: c.Author.Name, At: c.At, To: refPath("entry", c.Ref)}
		if entry, err := e.site.Entry(v.r.Context(), v.caller, c.Ref); err == nil {
			item.Title = e.titleOf(v, entry)
		}
		if e.site.MayUpdate(v.caller, c.Ref) == nil {
			item.To = conflictPath(c.ID)
		}
		items = append(items, item)
	}
	return items, nil
}

func conflictPath(id string) string { return Prefix + "conflict/" + url.PathEscape(id) }

// conflictView is a version of an entry that was set aside, and what can become of it.
type conflictView struct {
	ID           string
	Ref          site.Ref
	Label, Title string
	By           string
	At           time.Time
	Deletion     bool   // what was set aside is that the entry was deleted
	Gone         bool   // the entry was deleted at the host
	Revision     string // of the entry as the page shows it; "" where it is gone
	Key          string
	Clashes      []clashView  // what both sides changed
	Changes      *changesView // what else it would change
}

// conflict shows what was set aside beside what the entry is.
func (e *Editor) conflict(v *visit) error {
	return e.showConflict(v, http.StatusOK, nil, nil)
}

func (e *Editor) showConflict(v *visit, status int, posted url.Values, told *notice) error {
	ctx := v.r.Context()
	aside, err := e.site.Conflict(v.caller, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	c, err := e.site.Collection(ctx, v.caller, aside.Collection)
	if err != nil {
		return err
	}
	view := &conflictView{
		ID: aside.ID, Ref: aside.Ref, Label: v.label(c), Title: aside.Slug.String(), By: aside.Author.Name, At: aside.At,
		Deletion: aside.Ours == "", Key: keyOf(posted.Get("key"), status, rand.Text()),
	}
	entry, err := e.site.Entry(ctx, v.caller, aside.Ref)
	switch {
	case isMissing(err):
		view.Gone = true
	case err != nil:
		return err
	default:
		view.Title, view.Revision = e.titleOf(v, entry), entry.Revision
		if !view.Deletion {
			if err := e.compareAside(v, view, &c.Schema, entry, posted); err != nil {
				return err
			}
		}
	}
	return e.showNoting(v, status, "conflict", v.T("aside.of", view.Title), aside.Collection, told, view)
}

// compareAside finds what both sides changed, and what else would be.
func (e *Editor) compareAside(v *visit, view *conflictView, schema *content.Schema, entry *site.Entry, posted url.Values) error {
	before, err := entry.Body()
	if err != nil {
		return err
	}
	var merged *content.Merged
	out, err := e.site.Resolve(v.r.Context(), v.caller, view.ID, true, site.Write{DryRun: true, Precondition: site.Precondition{
		Revisions: []string{entry.Revision},
		Settle: func(_ context.Context, m *content.Merged, _ *content.Schema) (*content.Document, error) {
			merged = m
			return m.Document, nil
		},
	}})
	if refused := (*site.Error)(nil); merged == nil || err != nil && !errors.As(err, &refused) {
		return err // before there is anything to show
	}
	web.AuditDryRun(v.r.Context())
	view.Clashes = clashesOf(v, schema, merged.Clashes, posted, sides{v.T("aside.theirs"), v.T("aside.mine"), v.T("aside.anew")})
	if err == nil && out.Diff != nil {
		view.Changes = changesOf(v, schema, out.Diff.Changed, before, merged.Document.Body())
	}
	return nil
}

// resolve ends a conflict as a form says.
func (e *Editor) resolve(v *visit) error {
	aside, err := e.site.Conflict(v.caller, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	do := posted.Get("do")
	if do != "aside" && do != "branch" {
		return web.NewProblem(http.StatusBadRequest, incomplete)
	}
	path, err := e.send(v, posted.Get("key"), posted.Encode(), always(refPath("entry", aside.Ref)+"?saved=1"), func(ctx context.Context, key string, dry bool) (string, error) {
		w := site.Write{Key: key, DryRun: dry}
		if seen := posted.Get("seen"); seen != "" {
			w.Revisions = []string{seen}
			w.Settle = settling(posted)
		}
		out, err := e.site.Resolve(ctx, v.caller, aside.ID, do == "aside", w)
		if err != nil {
			return "", err
		}
		auditEntry(ctx, out.Ref, out)
		switch {
		case do == "aside" && aside.Ours == "":
			return refPath("history", aside.Ref) + "?saved=deleted", nil
		case do == "aside" && out.Changed:
			return refPath("entry", aside.Ref) + "?saved=1", nil
		case posted.Get("seen") == "":
			return Prefix, nil // there is no such entry
		}
		return refPath("entry", aside.Ref) + "?saved=same", nil
	})
	told := (*site.Error)(nil)
	switch {
	case errors.Is(err, errUnsettled):
		return e.showConflict(v, http.StatusConflict, posted, &notice{"bad", v.T("aside.undecided")})
	case errors.As(err, &told) && told.Code != site.NotFound && told.Code != site.Forbidden:
		status, said := e.besideForm(v, told)
		if told.Code == site.PreconditionFailed {
			said = v.T("aside.moved")
		}
		if len(told.Problems) > 0 {
			said += " " + detailOf(v, told.Problems[0])
		}
		return e.showConflict(v, status, posted, &notice{"bad", said})
	case err != nil:
		return err
	}
	return v.leadTo(path)
}
