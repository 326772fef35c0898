package editor

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/web"
)

// pageSize is how many entries a page of a list shows.
const pageSize = 50

// listView is a list of entries. Its address holds all of its state.
type listView struct {
	Asked
	Collection site.Collection
	Label      string
	Columns    []column
	Rows       []row
	Thumbs     bool // rows have images
	Total      int
	Next       string // the address of the page behind; "" at the end
	Paged      bool   // this is not the first page
	First      string // the address of the first page
	Query      string // what the address asks for, without the page
	Export     string // the address of it as a table
	Filtered   bool   // not everything is asked for
	MayCreate  bool
	MayUpdate  bool
	MayDelete  bool
	MaxBulk    int
}

// Asked is what a list is asked for, and can be.
type Asked struct {
	Text    string       // that is looked for
	Sort    string       // the order; "" for that of the list
	Choices []choice     // of columns
	Filters []filterView // those at hand
	More    []filterView // others
	Active  int          // how many of the others narrow the list
	Faulty  string       // true or false where the valid or the others are asked for
	Known   bool         // there is an address by which the changes of the caller are known
	Mine    bool         // those that the caller changed last are asked for
}

// column is a field in a list.
type column struct {
	Field   content.Field
	Label   string
	Sort    string // the address of the list in its order; "" for what has none
	Ordered string // ascending, descending or "" when it is not by the field
}

// row is an entry in a list.
type row struct {
	Path, Slug string
	Title      string
	Cells      []cellView
	Pick       bool   // it can be chosen
	Thumbs     bool   // the list has images
	Thumb      string // the address of a small image
	State      *stateView
	Site       string        // the address of its page there, "" where that is not known
	At         template.HTML // when it was changed
	By         string
}

// cellView is the value of a field in a list.
type cellView struct {
	Label, Text string
	Clock       string // of a day, which is the text; "" for none
}

// list shows the entries of a collection.
func (e *Editor) list(v *visit) error {
	c, err := e.site.Collection(v.r.Context(), v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	told := v.done()
	asked := v.r.URL.Query()
	view := &listView{
		Asked: Asked{Text: asked.Get("q"), Sort: asked.Get("sort"), Known: v.caller.Email != ""}, Collection: c, Label: v.label(c), Paged: asked.Get("cursor") != "", MaxBulk: maxBulk,
		MayCreate: slices.Contains(c.Actions, auth.Create), MayUpdate: slices.Contains(c.Actions, auth.Update), MayDelete: slices.Contains(c.Actions, auth.Delete),
	}
	q := e.asked(v, view, asked)
	q.Limit, q.Cursor = pageSize, asked.Get("cursor")
	page, err := e.site.List(v.r.Context(), v.caller, c.Name, q)
	if refused := (*site.Error)(nil); errors.As(err, &refused) && refused.Code == site.Malformed && (q.Cursor != "" || asked.Get("sort") != "") {
		return v.leadTo(v.address(map[string]string{"cursor": "", "sort": ""})) // of an older schema, or a list that has changed
	}
	if err != nil {
		return err
	}
	view.Total = page.Total
	e.columns(v, view, asked)
	link := e.thumbs(v, view)
	for _, entry := range page.Items {
		r := e.row(v, &c.Schema, entry, view.Columns)
		r.Pick = view.MayUpdate || view.MayDelete
		if link != nil {
			r.Thumb = link(entry)
			view.Thumbs = view.Thumbs || r.Thumb != ""
		}
		view.Rows = append(view.Rows, r)
	}
	for i := range view.Rows {
		view.Rows[i].Thumbs = view.Thumbs
	}
	if page.Next != "" {
		view.Next = v.address(map[string]string{"cursor": page.Next})
	}
	view.First = v.address(map[string]string{"cursor": ""})
	asked.Del("cursor")
	view.Query = asked.Encode()
	view.Export = strings.Replace(listPath(c.Name, asked), "/list/", "/export/", 1)
	return e.showNoting(v, http.StatusOK, "list", view.Label, c.Name, told, view)
}

// titleField is the field that people know entries by; "" for none.
func titleField(s *content.Schema) string {
	for _, name := range []string{"title", "titre", "name", "nom"} {
		if slices.ContainsFunc(s.Fields, func(f content.Field) bool { return f.Name == name }) {
			return name
		}
	}
	for _, f := range s.Fields {
		if f.Type == content.TypeString {
			return f.Name
		}
	}
	if !s.Defined {
		return "title"
	}
	return ""
}

// titleOf is what people know an entry by.
func titleOf(s *content.Schema, fields *content.Object, slug content.Slug) string {
	if name := titleField(s); name != "" {
		if title, ok := fields.Get(name); ok && strings.TrimSpace(textOf(title)) != "" {
			return textOf(title)
		}
	}
	return slug.String()
}

// defaultOrder is how a list is sorted where nothing is asked: the newest first, where
// there is a date.
func defaultOrder(s *content.Schema) string {
	for _, f := range s.Fields {
		if f.Type.Scalar() == content.Times && !f.Hidden {
			return "-" + f.Name
		}
	}
	return titleField(s)
}

func orderOf(sort string) []site.Order {
	name, descending := strings.CutPrefix(sort, "-")
	if name == "" {
		return nil
	}
	return []site.Order{{Field: name, Descending: descending}}
}

// address is that of this page with other parameters; "" takes one away.
func (v *visit) address(with map[string]string) string {
	q := v.r.URL.Query()
	for name, value := range with {
		if value == "" {
			q.Del(name)
			continue
		}
		q.Set(name, value)
	}
	if len(q) == 0 {
		return v.r.URL.EscapedPath()
	}
	return v.r.URL.EscapedPath() + "?" + q.Encode()
}

func (e *Editor) row(v *visit, s *content.Schema, entry *site.Entry, columns []column) row {
	r := row{
		Path: refPath("entry", entry.Ref), Slug: entry.Slug.String(), Title: titleOf(s, entry.Fields, entry.Slug), State: e.state(v, entry),
		At: v.Time(entry.Updated.At), By: entry.Updated.Author.Name,
	}
	if e.o.Address != nil {
		r.Site = e.o.Address(entry.Ref)
	}
	for _, c := range columns {
		x, _ := entry.Fields.Get(c.Field.Name)
		r.Cells = append(r.Cells, v.cell(c.Label, x))
	}
	return r
}

// cell is a value in a row of a list; a time takes two lines.
func (v *visit) cell(label string, x content.Value) cellView {
	if t, ok := x.(content.Time); ok && !t.DateOnly {
		return cellView{Label: label, Text: v.day(t.Time), Clock: v.clock(t.Time)}
	}
	return cellView{Label: label, Text: v.Value(x)}
}

// stateView is where an entry stands: on the site or not, and whether it is as its
// schema expects.
type stateView struct {
	Kind  string // ok, warn or bad
	Text  string
	Since string // the text with the time from which on it holds; "" for none
	URL   string
	More  []string // each thing that is wrong
}

// whole is the state with its time in the text, for the page of one entry; a list has no
// room for it.
func (s *stateView) whole() *stateView {
	if s == nil || s.Since == "" {
		return s
	}
	w := *s
	w.Text, w.Since = s.Since, ""
	return &w
}

// maxTold is how many things that are wrong with an entry a list tells.
const maxTold = 5

// state tells where an entry stands; nil where nothing is known.
func (e *Editor) state(v *visit, entry *site.Entry) *stateView {
	if faults := faultsOf(entry.Problems); len(faults) > 0 {
		s := &stateView{Kind: "bad", Text: v.T("state.invalid", len(faults))}
		for _, p := range faults[:min(len(faults), maxTold)] {
			text := detailOf(v, p)
			if p.Field != "" {
				text = p.Field + v.T("colon") + " " + text
			}
			s.More = append(s.More, text)
		}
		return s
	}
	return e.published(v, entry.Ref, entry.Updated.Commit)
}

// published tells whether an edit of an entry is on the site; nil where nothing is known.
func (e *Editor) published(v *visit, ref site.Ref, commit string) *stateView {
	if e.o.Builds == nil {
		return nil
	}
	b, ok := e.o.Builds.Of(v.r.Context(), ref, commit)
	if !ok {
		return nil
	}
	s := &stateView{URL: b.URL}
	switch b.State {
	case "live":
		s.Kind, s.Text, s.Since = "ok", v.T("state.live"), v.since(b.At)
	case "failed", "missing":
		s.Kind, s.Text = "bad", v.T("state."+b.State)
	default:
		s.Kind, s.Text = "warn", v.T("state."+b.State)
	}
	return s
}

// faultsOf are the problems that make an entry invalid; others are hints.
func faultsOf(problems []content.Problem) []content.Problem {
	var found []content.Problem
	for _, p := range problems {
		if !content.Valid([]content.Problem{p}) {
			found = append(found, p)
		}
	}
	return found
}

// searchView is what a search of everything finds.
type searchView struct {
	Text  string
	Hits  []hitView
	Total int
	Next  string
}

type hitView struct {
	site.Hit
	Title      string
	Collection string
}

// search finds entries in all collections that the caller may read.
func (e *Editor) search(v *visit) error {
	text := strings.TrimSpace(v.r.URL.Query().Get("q"))
	view := searchView{Text: text}
	if text == "" {
		return e.show(v, http.StatusOK, "search", v.T("search.title"), "", view)
	}
	if len(text) > site.MaxQueryText {
		return web.NewProblem(http.StatusBadRequest, say.New("The search is too long."))
	}
	hits, err := e.site.Search(v.r.Context(), v.caller, site.Search{Text: text, Limit: pageSize, Cursor: v.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	view.Total = hits.Total
	for _, h := range hits.Items {
		one := hitView{Hit: h, Title: h.Entry.Slug.String(), Collection: h.Entry.Collection}
		if c, err := e.site.Collection(v.r.Context(), v.caller, h.Entry.Collection); err == nil {
			one.Title, one.Collection = titleOf(&c.Schema, h.Entry.Fields, h.Entry.Slug), v.label(c)
		}
		view.Hits = append(view.Hits, one)
	}
	if hits.Next != "" {
		view.Next = v.address(map[string]string{"cursor": hits.Next})
	}
	return e.show(v, http.StatusOK, "search", v.T("search.title"), "", view)
}

// suggestion is what a search suggests while one types.
type suggestion struct {
	Label string `json:"label"`
	Note  string `json:"note,omitempty"`  // the collection
	Path  string `json:"path"`            // the address of its page
	Value string `json:"value,omitempty"` // the slug of an entry
}

// maxSuggested is how many entries are suggested.
const maxSuggested = 10

// find suggests entries and pages by what is typed, for a script: those of one collection
// where that is named.
func (e *Editor) find(v *visit) error {
	asked := v.r.URL.Query()
	text, in := strings.TrimSpace(asked.Get("q")), asked.Get("in")
	found := []suggestion{}
	if text == "" || len(text) > site.MaxQueryText {
		return v.json(found)
	}
	collections, err := e.site.Collections(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	labels := map[string]string{}
	for _, c := range collections {
		labels[c.Name] = v.label(c)
		if in != "" {
			continue
		}
		for _, page := range []suggestion{
			{Label: labels[c.Name], Path: Prefix + "list/" + url.PathEscape(c.Name)},
			{Label: v.T("find.new", labels[c.Name]), Path: Prefix + "new/" + url.PathEscape(c.Name)},
		} {
			if begins(page.Label, text) {
				found = append(found, page)
			}
		}
	}
	if in == "" {
		for _, page := range []suggestion{{Label: v.T("home.title"), Path: Prefix}, {Label: v.T("media.title"), Path: Prefix + "media/"}, {Label: v.T("problems.title"), Path: Prefix + "problems"}, {Label: v.T("account.title"), Path: Prefix + "account"}} {
			if begins(page.Label, text) {
				found = append(found, page)
			}
		}
	}
	hits, err := e.site.Search(v.r.Context(), v.caller, site.Search{Text: text, Collection: in, Limit: maxSuggested, Prefix: true})
	if err != nil {
		return err
	}
	for _, h := range hits.Items {
		one := suggestion{Label: e.titleOf(v, h.Entry), Path: refPath("entry", h.Entry.Ref), Value: h.Entry.Slug.String(), Note: labels[h.Entry.Collection]}
		if in != "" {
			one.Note = one.Value
		}
		found = append(found, one)
	}
	return v.json(found)
}

// begins says whether a word of a label begins with a text.
func begins(label, text string) bool {
	label, text = strings.ToLower(label), strings.ToLower(text)
	return strings.HasPrefix(label, text) || strings.Contains(label, " "+text)
}

// titleOf is what people know an entry by.
func (e *Editor) titleOf(v *visit, entry *site.Entry) string {
	c, err := e.site.Collection(v.r.Context(), v.caller, entry.Collection)
	if err != nil {
		return entry.Slug.String()
	}
	return titleOf(&c.Schema, entry.Fields, entry.Slug)
}
