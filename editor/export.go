package editor

import (
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"cms/content"
	"cms/site"
)

// exportPage is how many entries are read for a table at once, and exportTime how long it
// may take.
const (
	exportPage = 200
	exportTime = 5 * time.Minute
)

// export answers with the entries that a list finds as a table (RFC 4180), all of them,
// with the fields that the caller sees.
func (e *Editor) export(v *visit) error {
	ctx := v.r.Context()
	c, err := e.site.Collection(ctx, v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	q := e.asked(v, &listView{Collection: c}, v.r.URL.Query())
	q.Limit = exportPage
	page, err := e.site.List(ctx, v.caller, c.Name, q) // before the answer begins: it may be a refusal
	if refused := (*site.Error)(nil); errors.As(err, &refused) && refused.Code == site.Malformed {
		q.Sort = nil
		page, err = e.site.List(ctx, v.caller, c.Name, q)
	}
	if err != nil {
		return err
	}
	fields := slices.DeleteFunc(slices.Clone(c.Schema.Fields), func(f content.Field) bool { return f.Hidden })
	title := titleField(&c.Schema)
	head := []string{v.T("slug")}
	if !slices.ContainsFunc(fields, func(f content.Field) bool { return f.Name == title }) {
		head = append(head, v.T("list.title"))
	}
	extra := len(head) > 1
	for _, f := range fields {
		head = append(head, fieldLabel(v, f))
	}
	head = append(head, v.T("list.valid"), v.T("list.updated"), v.T("list.by"))
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+c.Name+`.csv"`)
	h.Set("X-Content-Type-Options", "nosniff")
	if v.r.Method == http.MethodHead {
		return nil
	}
	if _, err := v.w.Write([]byte("\ufeff")); err != nil { // without which some take it for another encoding
		return nil
	}
	out := csv.NewWriter(v.w)
	out.UseCRLF = true
	write := func(cells []string) {
		for i := range cells {
			if _, number := content.ParseNumber(cells[i]); !number {
				cells[i] = inert(cells[i])
			}
		}
		_ = out.Write(cells) // its error stays, for Error
	}
	write(head)
	for {
		for _, entry := range page.Items {
			cells := []string{entry.Slug.String()}
			if extra {
				cells = append(cells, titleOf(&c.Schema, entry.Fields, entry.Slug))
			}
			for _, f := range fields {
				value, _ := entry.Fields.Get(f.Name)
				cells = append(cells, cell(value))
			}
			valid := v.T("yes")
			if len(faultsOf(entry.Problems)) > 0 {
				valid = v.T("no")
			}
			write(append(cells, valid, entry.Updated.At.In(v.zone).Format(time.RFC3339), entry.Updated.Author.Name))
		}
		if out.Flush(); out.Error() != nil {
			return nil // nobody reads it any more
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
		if page, err = e.site.List(ctx, v.caller, c.Name, q); err != nil {
			e.log.WarnContext(ctx, "a table ended early", "error", err)
			panic(http.ErrAbortHandler) // so that nobody takes a part for the whole
		}
	}
}

// cell is a value as a table has it: for programs, more than for people.
func cell(value content.Value) string {
	list, ok := value.([]content.Value)
	if !ok {
		return textOf(value)
	}
	parts := make([]string, len(list))
	for i, item := range list {
		parts[i] = textOf(item)
	}
	return strings.Join(parts, " | ")
}

// inert is a text that no spreadsheet takes for something to run: also not one that parts
// cells at semicolons, or that takes a quoted line for the beginning of a row.
func inert(s string) string {
	var b strings.Builder
	begins := true
	for _, r := range s {
		switch {
		case begins && strings.ContainsRune("=+-@\t\r＝＋－＠", r):
			b.WriteByte('\'')
			begins = r == '\t' || r == '\r' // which may begin a cell themselves
		case r == ';' || r == '\n' || r == '\r' || r == '\t':
			begins = true
		case r != ' ' && r != '"' && r != '\u00a0' && r != '\'':
			begins = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
