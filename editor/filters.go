package editor

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// filterView is a control that narrows a list by one field.
type filterView struct {
	Name, Label string
	Kind        string // choices, dates, numbers or text
	Choices     []choice
	Value       string
	From, Until string
	Values      string // the address of the values that there are, for a text; "" for none
}

// Of all fields, so many have a filter, and so many of these are at hand.
const (
	maxFilters = 14
	nearby     = 3
)

// asked is what the address of a list asks for, and the controls for it.
func (e *Editor) asked(v *visit, view *listView, asked url.Values) site.Query {
	s := &view.Collection.Schema
	q := site.Query{Text: asked.Get("q")}
	order := asked.Get("sort")
	if order == "" {
		order = defaultOrder(s)
	}
	q.Sort = orderOf(order)
	narrowed := 0
	for _, f := range filtered(s) {
		before := len(q.Filters)
		one := e.narrow(v, view.Collection.Name, &q, f, asked)
		if len(view.Filters) < nearby && (one.Kind == "choices" || one.Kind == "dates") {
			view.Filters = append(view.Filters, one)
			continue
		}
		view.More = append(view.More, one)
		if len(q.Filters) > before {
			narrowed++
		}
	}
	switch view.Faulty = asked.Get("valid"); view.Faulty {
	case "true", "false":
		q.Filters = append(q.Filters, site.Filter{Field: "@valid", Op: site.Eq, Value: view.Faulty})
	default:
		view.Faulty = ""
	}
	if asked.Get("mine") != "" && v.caller.Email != "" {
		view.Mine = true
		narrowed++
		q.Filters = append(q.Filters, site.Filter{Field: "@updated.author.email", Op: site.Eq, Value: v.caller.Email})
	}
	view.Active, view.Filtered = narrowed, q.Text != "" || len(q.Filters) > 0
	return q
}

// filtered are the fields that a list can be narrowed by, the handiest first.
func filtered(s *content.Schema) []content.Field {
	weight := func(f content.Field) int {
		switch f.Type {
		case content.TypeSelect:
			return 1
		case content.TypeReference:
			return 2
		case content.TypeList:
			return 3
		case content.TypeText:
			return 4
		case content.TypeMarkdown, content.TypeImage, content.TypeFile:
			return -1
		}
		switch f.Type.Scalar() {
		case content.Times:
			return 0
		case content.Booleans:
			return 1
		case content.Texts, content.Numbers:
			return 3
		}
		return -1
	}
	var found []content.Field
	for _, f := range s.Fields {
		of := f.Of
		if f.Hidden || weight(f) < 0 || f.Type == content.TypeList && (of == nil || of.Type != content.TypeString && of.Type != content.TypeReference && of.Type != content.TypeSelect) {
			continue
		}
		found = append(found, f)
	}
	slices.SortStableFunc(found, func(a, b content.Field) int { return weight(a) - weight(b) })
	return found[:min(len(found), maxFilters)]
}

// narrow adds what is asked for by a field to a query, and gives the control for it.
func (e *Editor) narrow(v *visit, collection string, q *site.Query, f content.Field, asked url.Values) filterView {
	one := filterView{Name: "f." + f.Name, Label: fieldLabel(v, f)}
	is := strings.TrimSpace(asked.Get(one.Name))
	add := func(op site.Op, value string) {
		q.Filters = append(q.Filters, site.Filter{Field: f.Name, Op: op, Value: value})
	}
	switch kind := f.Type.Scalar(); {
	case kind == content.Booleans:
		one.Kind = "choices"
		one.Choices = []choice{{"true", v.T("yes"), is == "true"}, {"false", v.T("no"), is == "false"}}
		switch is {
		case "true":
			add(site.Eq, is)
		case "false": // absent is no as well
			add(site.Ne, "true")
		}
	case f.Type == content.TypeSelect:
		one.Kind = "choices"
		for _, o := range f.Options {
			text := textOf(o)
			one.Choices = append(one.Choices, choice{text, text, is == text})
		}
		if is != "" {
			add(site.Eq, is)
		}
	case kind == content.Times:
		one.Kind, one.From, one.Until = "dates", asked.Get(one.Name+".from"), asked.Get(one.Name+".until")
		if t, ok := content.ParseTime(one.From); ok && t.DateOnly {
			add(site.Gte, one.From)
		}
		if t, ok := content.ParseTime(one.Until); ok && t.DateOnly && t.Year() < 9999 {
			add(site.Lt, t.AddDate(0, 0, 1).Format("2006-01-02"))
		}
	case kind == content.Numbers:
		one.Kind, one.From, one.Until = "numbers", asked.Get(one.Name+".from"), asked.Get(one.Name+".until")
		if n, ok := asNumber(one.From); ok {
			add(site.Gte, n.String())
		}
		if n, ok := asNumber(one.Until); ok {
			add(site.Lte, n.String())
		}
	default:
		one.Kind, one.Value = "text", is
		if f.Type == content.TypeReference || f.Type == content.TypeList {
			one.Values = Prefix + "values/" + url.PathEscape(collection) + "?field=" + url.QueryEscape(f.Name)
		}
		op := site.Contains
		if slug, err := content.ParseSlug(is); f.Type == content.TypeReference && err == nil {
			if _, err := e.site.Entry(v.r.Context(), v.caller, site.Ref{Collection: f.Collection, Slug: slug}); err == nil {
				op = site.Eq
			}
		}
		if is != "" {
			add(op, is)
		}
	}
	return one
}

// asNumber reads a number as people write it.
func asNumber(s string) (content.Number, bool) {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return -1
		case r == ',':
			return '.'
		case r == '−':
			return '-'
		}
		return r
	}, s)
	return content.ParseNumber(s)
}

func fieldLabel(v *visit, f content.Field) string {
	if label := v.of(f.Label); label != "" {
		return label
	}
	return f.Name
}

// showable are the fields that can be columns, those that are so where nobody has chosen
// first; the title is the link.
func showable(s *content.Schema) []content.Field {
	title := titleField(s)
	var found []content.Field
	for _, f := range s.Fields {
		switch f.Type {
		case content.TypeMarkdown, content.TypeObject, content.TypeImage, content.TypeFile:
			continue
		case content.TypeList:
			if f.Of == nil || f.Of.Type == content.TypeObject || f.Of.Type == content.TypeList {
				continue
			}
		}
		if f.Name != title && !f.Hidden {
			found = append(found, f)
		}
	}
	weight := func(f content.Field) int {
		switch f.Type {
		case content.TypeSelect:
			return 1
		case content.TypeReference:
			return 2
		case content.TypeText, content.TypeURL, content.TypeList:
			return 4
		}
		switch f.Type.Scalar() {
		case content.Times:
			return 0
		case content.Booleans:
			return 1
		}
		return 3
	}
	slices.SortStableFunc(found, func(a, b content.Field) int { return weight(a) - weight(b) })
	return found
}

// Columns of a list: how many there are where nobody has chosen, and at most.
const (
	fewColumns = 3
	maxColumns = 10
)

// columns are those that the address names, that the caller has chosen before, or the
// first ones.
func (e *Editor) columns(v *visit, view *listView, asked url.Values) {
	fields := showable(&view.Collection.Schema)
	names := asked["col"]
	if len(names) == 0 {
		if kept := e.web.Cookies().Of(v.r, columnsCookie(view.Collection.Name)); kept != "" {
			if chosen, err := url.ParseQuery(kept); err == nil {
				names = chosen["col"]
			}
		}
	}
	chosen := func(f content.Field) bool { return slices.Contains(names, f.Name) }
	if !slices.ContainsFunc(fields, chosen) {
		names = nil
		for _, f := range fields {
			if len(names) < fewColumns && f.Type != content.TypeText && f.Type != content.TypeURL && f.Type != content.TypeList {
				names = append(names, f.Name)
			}
		}
	}
	order := asked.Get("sort")
	if order == "" {
		order = defaultOrder(&view.Collection.Schema)
	}
	for _, f := range fields {
		view.Choices = append(view.Choices, choice{f.Name, fieldLabel(v, f), chosen(f)})
		if chosen(f) && len(view.Columns) < maxColumns {
			view.Columns = append(view.Columns, columnOf(v, f, order))
		}
	}
}

func columnsCookie(collection string) string { return "cms_columns_" + collection }

// chooseColumns keeps which columns of a list the caller wants, and leads to the list with
// them in its address.
func (e *Editor) chooseColumns(v *visit) error {
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	c, err := e.site.Collection(v.r.Context(), v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	asked, err := url.ParseQuery(posted.Get("list"))
	if err != nil {
		asked = url.Values{}
	}
	asked.Del("col")
	var names []string
	for _, f := range showable(&c.Schema) {
		if slices.Contains(posted["col"], f.Name) && len(names) < maxColumns && posted.Get("do") != "reset" {
			names = append(names, f.Name)
		}
	}
	if len(names) > 0 {
		asked["col"] = names
		e.keep(v, columnsCookie(c.Name), url.Values{"col": names}.Encode())
	} else {
		drop := e.web.Cookies().Drop(columnsCookie(c.Name))
		http.SetCookie(v.w, &drop)
	}
	return v.leadTo(listPath(c.Name, asked))
}

// listPath is the path of a list that asks for something.
func listPath(collection string, asked url.Values) string {
	to := Prefix + "list/" + url.PathEscape(collection)
	if len(asked) > 0 {
		to += "?" + asked.Encode()
	}
	return to
}

func columnOf(v *visit, f content.Field, order string) column {
	c := column{Field: f, Label: fieldLabel(v, f)}
	if f.Type == content.TypeList {
		return c
	}
	next := f.Name
	switch order {
	case f.Name:
		c.Ordered, next = "ascending", "-"+f.Name
	case "-" + f.Name:
		c.Ordered = "descending"
	}
	c.Sort = v.address(map[string]string{"sort": next, "cursor": ""})
	return c
}

// thumbs finds the image of an entry, in the first field for images that there is; nil
// where there is none, and for who may see none.
func (e *Editor) thumbs(v *visit, view *listView) func(*site.Entry) string {
	s := &view.Collection.Schema
	i := slices.IndexFunc(s.Fields, func(f content.Field) bool { return f.Type == content.TypeImage && !f.Hidden })
	if i < 0 || !slices.Contains(e.site.Permissions(v.caller)[auth.Media], auth.Read) {
		return nil
	}
	return func(entry *site.Entry) string {
		address, _ := entry.Fields.Get(s.Fields[i].Name)
		text, _ := address.(string)
		if f := e.site.LinkedMedia(v.caller, entry.Ref, text); f != nil && IsImage(f) {
			return thumbPath(f)
		}
		return ""
	}
}

// valuesView are the values of a field, to choose from while one types.
type valuesView struct{ Choices []choice }

// maxValues is how many are offered.
const maxValues = 100

// values answers with the values that a field has in a list, for a script.
func (e *Editor) values(v *visit) error {
	ctx := v.r.Context()
	c, err := e.site.Collection(ctx, v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	name, view := v.r.URL.Query().Get("field"), valuesView{}
	i := slices.IndexFunc(c.Schema.Fields, func(f content.Field) bool { return f.Name == name && !f.Hidden })
	if i < 0 {
		return e.show(v, http.StatusOK, "values", "", "", view)
	}
	found, err := e.site.Facets(ctx, v.caller, c.Name, site.FacetQuery{Fields: []string{name}, Limit: maxValues})
	if err != nil {
		return err
	}
	f := &c.Schema.Fields[i]
	if f.Of != nil {
		f = f.Of
	}
	for _, value := range found.Items[0].Values {
		text := textOf(value.Value)
		one := choice{Value: text, Label: text}
		if slug, err := content.ParseSlug(text); f.Type == content.TypeReference && err == nil {
			entry, err := e.site.Entry(ctx, v.caller, site.Ref{Collection: f.Collection, Slug: slug})
			if isMissing(err) {
				continue
			}
			if err == nil {
				one.Label = e.titleOf(v, entry)
			}
		}
		view.Choices = append(view.Choices, one)
	}
	return e.show(v, http.StatusOK, "values", "", "", view)
}
