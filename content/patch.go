package content

import (
	"errors"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// ErrTestFailed is the error of a JSON Patch whose test operation fails.
var ErrTestFailed = errors.New("a test operation of the patch failed")

// MergePatch applies a JSON Merge Patch (RFC 7396) to {"fields": …, "body": …}.
// New keys go where Replace puts them.
func (d *Document) MergePatch(patch *Object, order []string) (*Document, error) {
	body := d.Body()
	var e *editor
	for i := range patch.Len() {
		m := patch.Members[i]
		switch m.Key {
		case "body":
			text, ok := m.Value.(string)
			if !ok && m.Value != nil {
				return nil, &EditError{Kind: KindRefused, Path: FieldPath{"body"}, Detail: "a body is text"}
			}
			body = text
		case "fields":
			fields, ok := m.Value.(*Object)
			if !ok {
				return nil, &EditError{Kind: KindRefused, Detail: `"fields" is an object; null cannot remove it`}
			}
			if fields.Len() == 0 {
				continue
			}
			var err error
			if e, err = d.edit(nil); err != nil {
				return nil, err
			}
			if err := e.mergePatch(fields, order); err != nil {
				return nil, err
			}
		default:
			return nil, &EditError{Kind: KindRefused, Detail: fmt.Sprintf("a patch has the members fields and body, not %q", m.Key)}
		}
	}
	out := d
	if e != nil {
		var err error
		if out, err = d.write(e.root); err != nil {
			return nil, err
		}
	}
	return out.setBody(body)
}

func (e *editor) mergePatch(patch *Object, order []string) error {
	if err := e.check(Edit{Value: patch}); err != nil {
		return err
	}
	return e.merge(e.root, FieldPath{}, patch, order)
}

// merge patches the mapping it, which path leads to.
func (e *editor) merge(it *intent, path FieldPath, patch *Object, order []string) error {
	it.open()
	for _, m := range inOrder(patch.Members, order) {
		e.path = append(path[:len(path):len(path)], m.Key)
		i, err := e.find(it, m.Key)
		if err != nil {
			return err
		}
		inner, isObject := m.Value.(*Object)
		_, isMerged := it.merged(m.Key)
		switch {
		case m.Value == nil && i < 0 && !isMerged:
		case m.Value == nil:
			err = e.remove()
		case isObject && i >= 0 && it.part(i).kind == mapping:
			err = e.merge(it.part(i), e.path, inner, nil)
		default:
			err = e.set(it, FieldPath{m.Key}, withoutNulls(m.Value), it.predecessor(m.Key, order))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// withoutNulls is what a merge patch makes where there was nothing.
func withoutNulls(v Value) Value {
	o, ok := v.(*Object)
	if !ok {
		return v
	}
	out := &Object{}
	for i := range o.Len() {
		if m := o.Members[i]; m.Value != nil {
			out.Members = append(out.Members, Member{m.Key, withoutNulls(m.Value)})
		}
	}
	return out
}

// JSONPatch applies a JSON Patch (RFC 6902) to {"fields": …, "body": …}, as a
// whole or not at all. A test that fails is ErrTestFailed.
func (d *Document) JSONPatch(patch []byte, order []string) (*Document, error) {
	fields, body, err := d.Patched(patch)
	if err != nil {
		return nil, err
	}
	return d.Replace(fields, body, order)
}

// Patched is the fields and the body that a JSON Patch (RFC 6902) makes, for
// callers that look at them before they Replace those of d.
func (d *Document) Patched(patch []byte) (fields *Object, body string, err error) {
	if d.err != nil {
		_, err := d.edit(nil)
		return nil, "", err
	}
	if _, err := ParseJSON(patch); err != nil {
		return nil, "", refusePatch(err)
	}
	ops, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, "", refusePatch(err)
	}
	before, err := appendJSON(nil, &Object{Members: []Member{{"fields", d.fields}, {"body", d.Body()}}})
	if err != nil {
		return nil, "", err
	}
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	options.AccumulatedCopySizeLimit = int64(len(before)+len(patch)) * 8
	after, err := ops.ApplyWithOptions(before, options)
	switch {
	case errors.Is(err, jsonpatch.ErrTestFailed):
		return nil, "", fmt.Errorf("%w: %w", ErrTestFailed, err)
	case errors.Is(err, jsonpatch.ErrMissing):
		return nil, "", &EditError{Kind: KindNotFound, Detail: "the patch: " + err.Error()}
	case err != nil:
		return nil, "", refusePatch(err)
	}
	v, err := ParseJSON(after)
	if err != nil {
		return nil, "", refusePatch(err)
	}
	o, _ := v.(*Object)
	f, _ := o.Get("fields")
	b, _ := o.Get("body")
	fields, ok1 := f.(*Object)
	body, ok2 := b.(string)
	if !ok1 || !ok2 || o.Len() != 2 {
		return nil, "", refusePatch(errors.New("its result is not an object of fields and body"))
	}
	return fields, body, nil
}

func refusePatch(err error) error {
	return &EditError{Kind: KindRefused, Detail: "the patch: " + err.Error()}
}
