package site

import (
	"context"
	"errors"

	"cms/content"
	"cms/repo"
	"cms/say"
)

// Revise is an edit: it gives the document that the one there becomes, or the
// same one when there is nothing to change. It must not keep state: it may run
// again, on another document.
type Revise func(ctx context.Context, d *content.Document, schema *content.Schema) (*content.Document, error)

// Replace is the whole entry, given as fields and body. What is equal to what
// is there keeps its bytes.
func Replace(fields *content.Object, body string) Revise {
	return func(_ context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
		return d.Replace(schema.Coerce(fields), body, schema.Order())
	}
}

// ReplaceSource is the whole entry, given as a file. What is equal to what is
// there keeps its bytes, unless exact asks for the bytes of src as they are, or
// the file that is there is of a kind whose fields cannot be edited.
func ReplaceSource(src []byte, exact bool) Revise {
	return func(_ context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
		given := d.Reread(src)
		if exact || len(faults(given.Problems())) > 0 { // which validation then reports
			return given, nil
		}
		after, err := d.ReplaceSource(src, schema.Order())
		if refused := (*content.EditError)(nil); errors.As(err, &refused) {
			return given, nil
		}
		return after, err
	}
}

// MergePatch is an edit by RFC 7396 on {"fields": …, "body": …}.
func MergePatch(patch *content.Object) Revise {
	return func(_ context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
		coerced := &content.Object{}
		for _, m := range patch.Members {
			if fields, ok := m.Value.(*content.Object); ok && m.Key == "fields" {
				m.Value = schema.Coerce(fields)
			}
			coerced.Members = append(coerced.Members, m)
		}
		return d.MergePatch(coerced, schema.Order())
	}
}

// JSONPatch is an edit by RFC 6902 on {"fields": …, "body": …}.
func JSONPatch(patch []byte) Revise {
	return func(ctx context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
		return d.JSONPatch(ctx, patch, schema)
	}
}

// revised is what an edit makes of one revision of its entry.
type revised struct {
	of            repo.Hash
	before, after *content.Document
}

// revise makes the edit of the entry as it is now: once for each revision, so
// that the writer does not repeat the work.
func (e *edit) revise(ctx context.Context, now *repo.Entry, revise Revise) (*revised, error) {
	if e.revised != nil && e.revised.of == now.Revision {
		return e.revised, nil
	}
	before, err := now.Document()
	if err != nil {
		return nil, err
	}
	shown, err := e.access.visibleDocument(before)
	if err != nil {
		return nil, err
	}
	var edited *content.Document
	switch base := e.pre.Base; {
	case base != "" && base != e.access.documentRevision(before, now.Revision):
		edited, err = e.merge(ctx, shown, revise)
	case shown == before && base == now.Revision.String():
		edited, err = revise(ctx, e.base, &e.access.Schema) // the same, for onBase to keep
	default:
		edited, err = revise(ctx, shown, &e.access.Schema)
	}
	if err != nil {
		return nil, err
	}
	r := &revised{of: now.Revision, before: before}
	if r.after, err = e.access.keepHidden(ctx, before, shown, edited); err != nil {
		return nil, err
	}
	e.revised = r
	return r, nil
}

// onBase is revise, but what it made of the base is kept: where the entry moves on before it is
// the writer's turn, that need not make the edit again, only the merge.
func (e *edit) onBase(revise Revise) Revise {
	var kept *content.Document
	return func(ctx context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
		if d == e.base && kept != nil {
			return kept, nil
		}
		edited, err := revise(ctx, d, schema)
		if d == e.base && err == nil {
			kept = edited
		}
		return edited, err
	}
}

// merge is the edit made on an older revision of the entry, joined with what
// happened since.
func (e *edit) merge(ctx context.Context, ours *content.Document, revise Revise) (*content.Document, error) {
	old := e.base
	theirs, err := revise(ctx, old, &e.access.Schema)
	if err != nil {
		return nil, err
	}
	merged, err := content.Merge(ctx, old, ours, theirs)
	if err != nil {
		return nil, err
	}
	if len(merged.Clashes) > 0 && e.pre.Settle != nil {
		return e.pre.Settle(ctx, merged, &e.access.Schema)
	}
	if len(merged.Clashes) > 0 {
		clash := &Error{Code: Conflict, Clashes: merged.Clashes,
			Detail: say.New("Others have changed the same parts since the base revision. Resolve each conflict and send the edit again, based on the current revision.")}
		if merged.More > 0 {
			clash.Detail = say.Join(clash.Detail, say.New("There are %d more conflicts.", merged.More))
		}
		return nil, clash
	}
	return merged.Document, nil
}
