package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"cms/say"
	"cms/site"
	"cms/web"
)

// Entries is a page of a list.
type Entries struct {
	Items      []Entry `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"Of the next page; null at the end."`
	Total      int     `json:"total" doc:"The number of entries in the whole list."`
}

// Filtered is the parameters that say which entries of a collection are meant.
type Filtered struct {
	InCollection
	Filter map[string]string `query:"filter,deepObject" doc:"filter[field][op]=value, or filter[field]=value for eq. The op is eq, ne, lt, lte, gt, gte, in (at most 1000 values with commas between them), contains (case and accents are ignored), prefix or exists (true or false). Dots lead into objects, and into the items of lists, of which one must match. All of at most 20 must match."`
	Where  []string          `query:"where,explode" maxItems:"20" doc:"Filters for clients that send no brackets: field:op:value." example:"[\"note:gte:3\"]"`
	Q      string            `query:"q" maxLength:"1000" doc:"Words that must each be in the fields or in the body; case and accents are ignored."`

	filters []site.Filter
}

type listInput struct {
	Filtered
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to answer with; fewer where they are large or take much work."`
	Cursor string `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, of the same question."`
	Sort   string `query:"sort" maxLength:"1300" doc:"At most 5 fields to sort by, with commas between them; a minus before one turns it around. Entries without the field come last." example:"-updated,title"`
	Fields string `query:"fields" doc:"The fields to show, with commas between them, at most 200; without it, all." example:"title,date"`
}

// Resolve implements [huma.Resolver]: it reads the filters, whose names are of
// two parts.
func (in *Filtered) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	query := u.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !strings.HasPrefix(name, "filter") {
			continue
		}
		f, ok := parseFilter(name)
		if !ok {
			return []error{wrongFilter("query.filter", say.New("a filter is written filter[field][op]=value, with op one of %s", opNames()))}
		}
		f.Value = query.Get(name)
		in.filters = append(in.filters, f)
	}
	for _, where := range query["where"] {
		f, ok := parseWhere(where)
		if !ok {
			return []error{wrongFilter("query.where", say.New("a filter is written field:op:value, with op one of %s", opNames()))}
		}
		in.filters = append(in.filters, f)
	}
	return nil
}

func wrongFilter(location string, detail say.Text) error {
	return &huma.ErrorDetail{Location: location, Message: detail.String(), Value: detail}
}

// parseWhere reads a filter in one text: field:op:value. A field may have colons of its
// own, as the op ends it.
func parseWhere(s string) (site.Filter, bool) {
	for from := 0; ; {
		at := strings.IndexByte(s[from:], ':')
		if at < 0 {
			return site.Filter{}, false
		}
		at += from
		op, value, ok := strings.Cut(s[at+1:], ":")
		if ok && at > 0 && slices.Contains(site.Ops(), site.Op(op)) {
			return site.Filter{Field: s[:at], Op: site.Op(op), Value: value}, true
		}
		from = at + 1
	}
}

// parseFilter reads the name of a filter: filter[field] or filter[field][op].
func parseFilter(name string) (site.Filter, bool) {
	rest, ok := strings.CutPrefix(name, "filter[")
	rest, closed := strings.CutSuffix(rest, "]")
	field, op, two := strings.Cut(rest, "][")
	if !two {
		op = string(site.Eq)
	}
	if !ok || !closed || field == "" || strings.ContainsAny(field, "[]") || !slices.Contains(site.Ops(), site.Op(op)) {
		return site.Filter{}, false
	}
	return site.Filter{Field: field, Op: site.Op(op)}, true
}

func opNames() string {
	var names []string
	for _, op := range site.Ops() {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}

func (in *listInput) query() site.Query {
	q := site.Query{Limit: in.Limit, Cursor: in.Cursor, Filters: in.filters, Text: in.Q}
	for key := range strings.SplitSeq(in.Sort, ",") {
		if field, descending := strings.CutPrefix(strings.TrimSpace(key), "-"); field != "" {
			q.Sort = append(q.Sort, site.Order{Field: field, Descending: descending})
		}
	}
	if in.Fields != "" {
		q.Fields = strings.Split(in.Fields, ",")
	}
	return q
}

var listEntriesDoc = doc{
	ID: "list-entries", Tag: "Entries",
	Summary:   "List the entries of a collection",
	Text:      "Filtered and sorted, by slug by default, without their bodies.",
	Responses: map[int]any{200: Entries{}},
	Problems:  []int{400, 404},
	Repeats:   []string{"where"},
}

func (a *API) listEntries(ctx context.Context, in *listInput) (*reply, error) {
	page, err := a.site.List(ctx, web.Principal(ctx), in.Collection, in.query())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer // of Entries; what was encoded once is not encoded again
	b.WriteString(`{"items":[`)
	for i, e := range page.Items {
		item, err := e.Encoded(encodeListed)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(item)
	}
	next := []byte("null")
	if page.Next != "" {
		if next, err = json.Marshal(page.Next); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(&b, `],"next_cursor":%s,"total":%d}`+"\n", next, page.Total)
	return &reply{Status: http.StatusOK, ContentType: mediaJSON, Body: b.Bytes()}, nil
}

// encodeListed is an entry as lists show it.
func encodeListed(e *site.Entry) ([]byte, error) {
	r, err := answer(http.StatusOK, entryOf(e))
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(r.Body, []byte("\n")), nil
}

// Facets are the values of fields.
type Facets struct {
	Items []Facet `json:"items"`
	Total int     `json:"total" doc:"The number of entries that all filters find."`
}

// Facet is the values of one field.
type Facet struct {
	Field   string       `json:"field" example:"categories"`
	Values  []FacetValue `json:"values" doc:"The most frequent first. Objects and texts of more than 250 bytes are left out."`
	More    int          `json:"more" doc:"Values beyond the limit."`
	Without int          `json:"without" doc:"Entries that have none."`
}

// FacetValue is a value, and how often it is there.
type FacetValue struct {
	Value any `json:"value" doc:"A boolean, a number or a text."`
	Count int `json:"count"`
}

type facetsInput struct {
	Filtered
	Field []string `query:"field,explode" required:"true" minItems:"1" maxItems:"10" doc:"The field to count, as in filters; repeat it for several." example:"[\"categories\"]"`
	Limit int      `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many values of each field."`
}

var listFacetsDoc = doc{
	ID: "list-facets", Tag: "Entries",
	Summary:   "The values that fields have, with counts",
	Text:      "Each field is counted in the entries that the filters on other fields find.",
	Responses: map[int]any{200: Facets{}},
	Problems:  []int{400, 404},
	Repeats:   []string{"where", "field"},
}

func (a *API) listFacets(ctx context.Context, in *facetsInput) (*reply, error) {
	found, err := a.site.Facets(ctx, web.Principal(ctx), in.Collection, site.FacetQuery{Fields: in.Field, Filters: in.filters, Text: in.Q, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	all := Facets{Items: make([]Facet, len(found.Items)), Total: found.Total}
	for i, f := range found.Items {
		all.Items[i] = Facet{f.Field, make([]FacetValue, len(f.Values)), f.More, f.Without}
		for j, v := range f.Values {
			all.Items[i].Values[j] = FacetValue{v.Value, v.Count}
		}
	}
	return answer(http.StatusOK, all)
}
