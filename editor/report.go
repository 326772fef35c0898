package editor

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cms/advice"
	"cms/content"
	"cms/site"
)

// reportView is what could be better in the texts of a collection: by rules, or the places
// where one of them finds something.
type reportView struct {
	Collection site.Collection
	Label      string
	Rules      []ruleView // that find something, in the order of the criteria
	Hints      []ruleView // those whose findings may be well as they are
	Rule       *ruleView  // the one whose places are shown; nil for none
	Items      []placesView
	Looked     int    // at so many entries
	Here       string // the address of the report itself
	First      string // the address of the beginning, on other pages
	Next       string // of what follows; "" at the end
}

// ruleView is a rule, and what it has found.
type ruleView struct {
	Title, Why, Criterion string
	Places, Entries       int
	To                    string // the address of the places
}

// placesView are the places in an entry.
type placesView struct {
	Ref    site.Ref
	Title  string
	Places []placeView
}

// placeView is where something was found.
type placeView struct {
	Field   string // its label; "" for the text
	Line    int    // of it, from 1
	About   string // the beginning of what it is about
	To      string // the address of the very place; "" for none
	Repairs []repairView
}

// A report looks at so many entries in a request, in calls that each have a budget of their
// own: what was found is kept, so that the next one gets further. A page of places has
// about as many entries as a list.
const (
	reportCalls  = 6
	reportLimit  = 500
	reportPlaces = pageSize
)

// report shows what could be better in a collection.
func (e *Editor) report(v *visit) error {
	c, err := e.site.Collection(v.r.Context(), v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	asked := v.r.URL.Query()
	view := &reportView{Collection: c, Label: v.label(c), Here: v.r.URL.EscapedPath()}
	var rules []advice.Rule
	if name := asked.Get("rule"); advice.Known(name) {
		rules = []advice.Rule{advice.Rule(name)}
	}
	q := site.Query{Limit: reportLimit, Cursor: asked.Get("cursor")}
	if rules != nil {
		q.Limit = reportPlaces
	}
	counts := map[advice.Rule]*ruleView{}
	for call := range reportCalls {
		page, err := e.site.AdviceReport(v.r.Context(), v.caller, c.Name, q, rules...)
		refused := (*site.Error)(nil)
		if errors.As(err, &refused) && refused.Code == site.Malformed && q.Cursor != "" && call == 0 {
			return v.leadTo(v.address(map[string]string{"cursor": ""})) // of another list
		}
		if errors.As(err, &refused) && refused.Code == site.Unavailable && call > 0 {
			break // for now; what follows is another page
		}
		if err != nil {
			return err
		}
		view.Looked += page.Looked
		for _, one := range page.Items {
			count(counts, one)
			if rules != nil {
				view.Items = append(view.Items, e.places(v, &c.Schema, one))
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" || len(view.Items) > 0 {
			break
		}
		q.Limit = reportLimit
	}
	for _, about := range advice.Rules() {
		one := counts[about.Rule]
		asksFor := rules != nil && about.Rule == rules[0]
		if one == nil && asksFor {
			one = &ruleView{}
		}
		if one == nil {
			continue
		}
		one.Title, one.Why, one.Criterion = v.T("check."+string(about.Rule)), v.T("check."+string(about.Rule)+".why"), about.Criterion
		one.To = view.Here + "?rule=" + url.QueryEscape(string(about.Rule))
		switch {
		case asksFor:
			view.Rule = one
		case about.Hint:
			view.Hints = append(view.Hints, *one)
		default:
			view.Rules = append(view.Rules, *one)
		}
	}
	if q.Cursor != "" {
		view.Next = v.address(map[string]string{"cursor": q.Cursor})
	}
	if asked.Get("cursor") != "" {
		view.First = v.address(map[string]string{"cursor": ""})
	}
	return e.show(v, http.StatusOK, "report", v.T("report.title"), c.Name, view)
}

// count adds what was found in an entry to the counts of the rules.
func count(counts map[advice.Rule]*ruleView, one site.EntryAdvice) {
	seen := map[advice.Rule]bool{}
	for _, text := range one.Texts {
		for _, f := range text.Findings {
			of := counts[f.Rule]
			if of == nil {
				of = &ruleView{}
				counts[f.Rule] = of
			}
			of.Places++
			if !seen[f.Rule] {
				seen[f.Rule] = true
				of.Entries++
			}
		}
	}
}

// places are those in an entry where something was found.
func (e *Editor) places(v *visit, s *content.Schema, one site.EntryAdvice) placesView {
	ref := one.Entry.Ref
	view := placesView{Ref: ref, Title: titleOf(s, one.Entry.Fields, ref.Slug)}
	edits := e.site.MayUpdate(v.caller, ref) == nil
	for _, t := range one.Texts {
		text, label := "", ""
		if t.Field == nil {
			text, _ = one.Entry.Body() // which was read when it was looked at
		} else {
			label = labelOf(v, s, t.Field.String())
			_, value := pathTo(one.Entry.Fields, t.Field.Pointer())
			text, _ = value.Value.(string)
		}
		for _, f := range t.Findings {
			if f.End > len(text) || f.Start > f.End {
				continue
			}
			place := placeView{Field: label, Line: 1 + strings.Count(text[:f.Start], "\n"), About: beginning(text[f.Start:f.End])}
			switch {
			case t.Field != nil:
				place.To = refPath("entry", ref) + "#" + url.PathEscape("f"+t.Field.Pointer())
			case edits:
				place.To = refPath("block", ref) + "?n=" + strconv.Itoa(f.Block)
			default:
				place.To = refPath("entry", ref) + "#body"
			}
			view.Places = append(view.Places, place)
		}
	}
	return view
}

// problemsView is what is not as the collections expect.
type problemsView struct {
	Aside     []asideItem // versions of entries that wait for somebody to decide
	Groups    []problemGroup
	Twins     []site.Ref // entries that are one file on some systems, those alike one after the other
	Misplaced []string   // files that are no entries, where entries are
	In        string     // the collection that alone is shown; "" for all
	First     string
	Next      string
}

// None says whether all is well.
func (p *problemsView) None() bool {
	return len(p.Aside) == 0 && len(p.Groups) == 0 && len(p.Twins) == 0 && len(p.Misplaced) == 0
}

// problemGroup are the problems of a collection.
type problemGroup struct {
	Name, Label string
	Total       int // of its entries that have some
	Shown       int
	Kinds       []*problemKind
}

// problemKind are those of one field that break one rule.
type problemKind struct {
	Field, Text string
	Items       []problemItem
}

// problemItem is one of them.
type problemItem struct {
	Title  string
	Detail string // where it says more than that of the kind
	Line   int
	To     string // the address of the very place
}

// Of each collection so many entries are shown beside others, and alone.
const (
	problemsBeside = 50
	problemsAlone  = 200
)

// problems shows what is to be corrected.
func (e *Editor) problems(v *visit) error {
	ctx, asked := v.r.Context(), v.r.URL.Query()
	collections, err := e.site.Collections(ctx, v.caller)
	if err != nil {
		return err
	}
	view := &problemsView{In: asked.Get("in")}
	for _, c := range collections {
		if view.In != "" && c.Name != view.In {
			continue
		}
		q := site.Query{Limit: problemsBeside, Filters: faultyOnly}
		if view.In != "" {
			q.Limit, q.Cursor = problemsAlone, asked.Get("cursor")
		}
		page, err := e.site.List(ctx, v.caller, c.Name, q)
		refused := (*site.Error)(nil)
		switch {
		case errors.As(err, &refused) && refused.Code == site.Malformed && q.Cursor != "":
			return v.leadTo(v.address(map[string]string{"cursor": ""}))
		case errors.As(err, &refused) && (refused.Code == site.Forbidden || refused.Code == site.NotFound):
			continue // of which the caller may read nothing
		case err != nil:
			return err
		}
		if len(page.Items) > 0 {
			view.Groups = append(view.Groups, groupOf(v, c, page))
		}
		if q.Cursor == "" {
			twins, err := e.site.Twins(v.caller, c.Name)
			if err != nil {
				return err
			}
			view.Twins = append(view.Twins, twins[:min(len(twins), problemsAlone)]...)
		}
		if view.In != "" && page.Next != "" {
			view.Next = v.address(map[string]string{"cursor": page.Next})
		}
	}
	if asked.Get("cursor") != "" {
		view.First = v.address(map[string]string{"cursor": ""})
	}
	if view.In == "" {
		if view.Aside, err = e.aside(v, problemsAlone); err != nil {
			return err
		}
		misplaced, err := e.site.Misplaced(v.caller)
		if err != nil {
			return err
		}
		for _, f := range misplaced[:min(len(misplaced), problemsAlone)] {
			view.Misplaced = append(view.Misplaced, strings.ToValidUTF8(f.Path, "\uFFFD"))
		}
	}
	return e.show(v, http.StatusOK, "problems", v.T("problems.title"), "home", view)
}

// faultyOnly asks a list for what is not as its schema expects.
var faultyOnly = []site.Filter{{Field: "@valid", Op: site.Eq, Value: "false"}}

// groupOf tells the problems of entries by field and rule.
func groupOf(v *visit, c site.Collection, page *site.Page) problemGroup {
	group := problemGroup{Name: c.Name, Label: v.label(c), Total: page.Total, Shown: len(page.Items)}
	kinds := map[[2]string]*problemKind{}
	for _, entry := range page.Items {
		for _, p := range faultsOf(entry.Problems) {
			field := withoutIndexes(p.Field)
			kind := kinds[[2]string{field, p.Rule}]
			text := detailOf(v, p)
			if kind == nil {
				kind = &problemKind{Text: text}
				if field != "" {
					kind.Field = labelOf(v, &c.Schema, field)
				}
				kinds[[2]string{field, p.Rule}] = kind
				group.Kinds = append(group.Kinds, kind)
			}
			item := problemItem{Title: titleOf(&c.Schema, entry.Fields, entry.Slug), Line: p.Line, To: problemPath(entry.Ref, p)}
			if text != kind.Text {
				item.Detail = text
			}
			kind.Items = append(kind.Items, item)
		}
	}
	return group
}

// withoutIndexes is the path of a field for all items of its lists.
func withoutIndexes(field string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(field, '[')
		end := strings.IndexByte(field, ']')
		if at < 0 || end < at || !digits(field[at+1:end]) {
			b.WriteString(field)
			return b.String()
		}
		b.WriteString(field[:at])
		field = field[end+1:]
	}
}

// problemPath is the address of the control of a problem or, where there is no form, of the
// file.
func problemPath(ref site.Ref, p content.Problem) string {
	if p.Pointer == "" {
		return refPath("source", ref)
	}
	return refPath("entry", ref) + "#" + url.PathEscape("f"+p.Pointer)
}
