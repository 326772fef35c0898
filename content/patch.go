package content

import "cms/say"

// MergePatch applies a JSON Merge Patch (RFC 7396) to {"fields": …, "body": …}.
// New keys go where Replace puts them. A file without front matter gets one.
//
// A null removes what has a value, and changes nothing where there is null: so what was read
// and is sent back changes nothing, as long as nobody else has.
func (d *Document) MergePatch(patch *Object, order []string) (*Document, error) {
	body := d.Body()
	var e *editor
	for i := range patch.Len() {
		m := patch.Members[i]
		switch m.Key {
		case "body":
			text, ok := m.Value.(string)
			if !ok && m.Value != nil {
				return nil, &EditError{Kind: KindRefused, Path: FieldPath{"body"}, Detail: say.New("a body is text")}
			}
			body = text
		case "fields":
			fields, ok := m.Value.(*Object)
			if !ok {
				return nil, &EditError{Kind: KindRefused, Detail: say.New(`"fields" is an object; null cannot remove it`)}
			}
			framed := d.framed()
			if fields.Len() == 0 || framed != d && withoutNulls(fields).(*Object).Len() == 0 {
				continue
			}
			var err error
			if e, err = framed.edit(nil); err != nil {
				return nil, err
			}
			if err := e.mergePatch(fields, order); err != nil {
				return nil, err
			}
		default:
			return nil, &EditError{Kind: KindRefused, Detail: say.New("a patch has the members fields and body, and no others")}
		}
	}
	out := d
	if e != nil {
		var err error
		if out, err = e.d.write(e.root); err != nil {
			return nil, err
		}
	}
	return out.setBody(body)
}

func (e *editor) mergePatch(patch *Object, order []string) error {
	if err := e.check(Edit{Value: patch}); err != nil {
		return err
	}
	return e.merge(e.root, FieldPath{}, patch, orderOf(order))
}

// merge patches the mapping it, which path leads to.
func (e *editor) merge(it *intent, path FieldPath, patch *Object, order keyOrder) error {
	var was *Object // of keys that cannot be edited, what is there may be sent back all the same
	if it.was != nil {
		was, _ = it.was.value.(*Object)
	}
	before := was.index()
	it.open()
	for _, m := range order.sort(patch.Members) {
		if old, ok := before(m.Key); ok && e.equal(old, m.Value) {
			continue
		}
		e.path = append(path[:len(path):len(path)], m.Key)
		i, err := e.find(it, m.Key)
		if err != nil {
			return err
		}
		inner, isObject := m.Value.(*Object)
		inherited := it.merged(m.Key)
		switch {
		case m.Value == nil && i < 0 && (inherited == nil || inherited.value == nil):
		case m.Value == nil && i >= 0 && it.partResult(i) == nil:
		case m.Value == nil:
			err = e.removePart(it, i, m.Key)
		case isObject && i >= 0 && it.part(i).kind == mapping:
			err = e.merge(it.part(i), e.path, inner, keyOrder{})
		case isObject && i < 0 && inherited != nil && inherited.resolve().kind == mapping:
			val := copyOf(inherited)
			if err = e.merge(val, e.path, inner, keyOrder{}); err == nil && !e.equal(inherited.value, val.result()) {
				it.addMember(m.Key, it.predecessor(m.Key, order)).val = val
			}
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
