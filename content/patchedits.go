package content

import (
	"slices"
	"strconv"
)

// A JSON Patch says what moved, what was renamed and which of equal items went, which
// the difference between before and after cannot tell. So what it says of the structure
// is made as edits first, by which the bytes and comments of what stays stay with it;
// what is left is made as by Replace.

// editsOf are the edits that an operation is, before it is applied. It is false where
// those that come after it cannot be told from the document as the edits leave it: a
// value with parts was set, or moved to another mapping or list.
func (p *patcher) editsOf(o operation) (edits []Edit, ok bool) {
	if o.op == "test" {
		return nil, true
	}
	if slices.Equal(o.path, []string{"body"}) {
		text, ok := o.value.(string)
		if !ok {
			return nil, false
		}
		return []Edit{SetBody(text)}, true
	}
	in, path, ok := p.place(o.path)
	if !ok {
		return nil, false
	}
	switch o.op {
	case "add":
		items, list := in.([]Value)
		switch v := p.schema.coerceAt(path, o.value); {
		case !list || !scalars([]Value{v}):
			return nil, scalars([]Value{v})
		case path[len(path)-1] == len(items):
			return []Edit{Append(path[:len(path)-1], v)}, true
		default:
			return []Edit{Insert(path, v)}, true
		}
	case "replace":
		old, err := p.slot(o.path)
		return nil, err == nil && scalars([]Value{*old, o.value})
	case "remove":
		return []Edit{Remove(path)}, true
	case "move":
		return p.moveOf(o, in, path)
	}
	return nil, false
}

// moveOf is a move within one list or mapping.
func (p *patcher) moveOf(o operation, in Value, path FieldPath) (edits []Edit, ok bool) {
	last := len(o.path) - 1
	if len(o.from) != len(o.path) || !slices.Equal(o.from[:last], o.path[:last]) {
		return nil, false
	}
	_, from, ok := p.place(o.from)
	if !ok {
		return nil, false
	}
	token := o.path[last]
	if items, list := in.([]Value); list {
		to := len(items) - 1
		if token != "-" {
			to, _ = strconv.Atoi(token)
		}
		return []Edit{MoveItem(from, to)}, true
	}
	if token == o.from[last] {
		return nil, true
	}
	if _, err := p.find(in, token); err == nil {
		edits = append(edits, Remove(path))
	}
	return append(edits, Rename(from, token)), true
}

// place is what holds the value that a pointer leads to, which is a field or is in one,
// and the path there. The value itself may be missing.
func (p *patcher) place(pointer []string) (in Value, path FieldPath, ok bool) {
	if len(pointer) < 2 || pointer[0] != "fields" {
		return nil, nil, false
	}
	in = p.root
	for k, token := range pointer {
		i, err := p.find(in, token)
		end := k == len(pointer)-1
		switch x := in.(type) {
		case *Object:
			path = append(path, token)
			if !end && err == nil {
				in = x.Members[i].Value
			}
			ok = end || err == nil
		case []Value:
			path = append(path, i)
			ok = err == nil && (end || i < len(x))
			if ok && !end {
				in = x[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, nil, false
		}
	}
	return in, path[1:], true
}
