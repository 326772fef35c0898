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
	NextCursor *string `json:"next_cursor" doc:"Give it as cursor to get the next page; null at the end."`
	Total      int     `json:"total" doc:"The number of entries in the whole list."`
}

type listInput struct {
	InCollection
	Limit  int               `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The greatest number of entries to answer with; fewer where they are very large."`
	Cursor string            `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, with the same filters, sort and q."`
	Sort   string            `query:"sort" maxLength:"1300" doc:"At most 5 fields to sort by, with commas between them; a minus before one turns it around. Texts are sorted as in French; entries without the field come last." example:"-date,title"`
	Filter map[string]string `query:"filter,deepObject" doc:"filter[field][op]=value, or filter[field]=value for eq. The op is eq, ne, lt, lte, gt, gte, in (at most 1000 values with commas between them), contains (case and accents are ignored) or exists (true or false). Dots lead into objects, and into the items of lists, of which one must match. All filters must match; there are at most 20."`
	Where  []string          `query:"where,explode" maxItems:"20" doc:"The same as filter, in a form that every client can send: field:op:value, once for each filter." example:"[\"note:gte:3\"]"`
	Q      string            `query:"q" maxLength:"1000" doc:"Words that must each be in the fields or in the body; case and accents are ignored."`
	Fields string            `query:"fields" doc:"The fields to show, with commas between them, at most 200; without it, all." example:"title,date"`

	filters []site.Filter
}

// Resolve implements [huma.Resolver]: it reads the filters, whose names are of
// two parts.
func (in *listInput) Resolve(ctx huma.Context) []error {
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
	id: "list-entries", tag: "Entries",
	summary:   "List the entries of a collection",
	text:      "Filtered and sorted, by slug by default, without their bodies. Pages stay in step while entries come and go.",
	responses: map[int]any{200: Entries{}},
	problems:  []int{400, 404},
	repeats:   []string{"where"},
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
