package editor

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// homeView is the first page.
type homeView struct {
	Collections []homeCollection
	Mine        recentView
	Others      recentView
	Waiting     []recentItem // what is not on the site yet, or failed, the newest first
	Aside       []asideItem  // versions of entries that wait for somebody to decide
	Faulty      []recentItem // what is not as its schema expects, the first few
	AllFaulty   int          // how many there are
}

type homeCollection struct {
	Name, Label string
	Total       int
	MayCreate   bool
}

// recentView is what was changed lately, the newest first.
type recentView struct {
	ID, Title, None string
	Items           []recentItem
}

type recentItem struct {
	Ref   site.Ref
	Title string
	By    string // "" for the caller
	At    time.Time
	State *stateView
}

// How far back the first page looks, and how many entries it names of each kind.
const (
	maxRecent = 200
	maxNamed  = 8
)

// home shows where to begin.
func (e *Editor) home(v *visit) error {
	ctx := v.r.Context()
	collections, err := e.site.Collections(ctx, v.caller)
	if err != nil {
		return err
	}
	view := homeView{
		Mine:   recentView{ID: "mine", Title: v.T("home.mine"), None: v.T("home.mine.none")},
		Others: recentView{ID: "others", Title: v.T("home.others"), None: v.T("home.others.none")},
	}
	for _, c := range collections {
		view.Collections = append(view.Collections, homeCollection{c.Name, v.label(c), c.Total, slices.Contains(c.Actions, auth.Create)})
		faulty, total, err := e.faulty(v, c)
		if err != nil {
			return err
		}
		view.Faulty = append(view.Faulty, faulty...)
		view.AllFaulty += total
	}
	if err := e.recent(v, &view); err != nil {
		return err
	}
	if view.Aside, err = e.aside(v, maxNamed); err != nil {
		return err
	}
	return e.show(v, http.StatusOK, "home", v.T("home.title"), "home", view)
}

// recent fills in what was changed lately and is still there: each entry once, by who
// changed it last.
func (e *Editor) recent(v *visit, view *homeView) error {
	seen, err := e.site.Before(v.r.Context(), v.caller, "", "", maxRecent)
	if err != nil {
		return err
	}
	told := map[site.Ref]bool{}
	for _, c := range seen.Changes {
		slug, err := content.ParseSlug(c.Slug)
		ref := site.Ref{Collection: c.Collection, Slug: slug}
		if c.Collection == "" || err != nil || told[ref] {
			continue
		}
		if len(told) == maxRecent { // of a commit that changed many
			break
		}
		told[ref] = true
		list, by := &view.Others.Items, c.Author.Name
		if c.Author.Email != "" && c.Author.Email == v.caller.Email {
			list, by = &view.Mine.Items, ""
		}
		var state *stateView
		if len(view.Waiting) < maxNamed {
			state = e.published(v, ref, c.Commit)
		}
		waits := state != nil && state.Kind != "ok"
		if len(*list) >= maxNamed && !waits {
			continue
		}
		entry, err := e.site.Entry(v.r.Context(), v.caller, ref)
		if isMissing(err) {
			continue // it is gone, or has another name
		}
		if err != nil {
			return err
		}
		one := recentItem{Ref: ref, Title: e.titleOf(v, entry), By: by, At: c.At}
		if waits {
			one.State = state
			view.Waiting = append(view.Waiting, one)
		}
		if len(*list) < maxNamed {
			one.State = e.state(v, entry)
			*list = append(*list, one)
		}
	}
	return nil
}

// faulty are the first entries of a collection that are not as its schema expects, and how
// many there are.
func (e *Editor) faulty(v *visit, c site.Collection) ([]recentItem, int, error) {
	page, err := e.site.List(v.r.Context(), v.caller, c.Name, site.Query{Limit: maxNamed, Filters: faultyOnly})
	if refused := (*site.Error)(nil); errors.As(err, &refused) {
		return nil, 0, nil // nothing is told of what may not be read, or is still being read
	}
	if err != nil {
		return nil, 0, err
	}
	var found []recentItem
	for _, entry := range page.Items {
		found = append(found, recentItem{Ref: entry.Ref, Title: titleOf(&c.Schema, entry.Fields, entry.Slug), State: e.state(v, entry)})
	}
	return found, page.Total, nil
}
