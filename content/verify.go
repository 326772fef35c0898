package content

// fulfils says whether n, of a result that was parsed again, is what it is
// meant to be: new values as given, and every other node the same in value,
// tag, style and anchor.
func (it *intent) fulfils(n *node, format Format) bool {
	switch {
	case n == nil:
		return it.kind == mapping && len(it.parts) == 0
	case it.was != nil && !it.opened:
		return same(it.was, n)
	case it.was == nil && format == JSON: // which has no times
		return Equal(it.result(), n.value)
	case it.was == nil:
		return identical(it.result(), n.value)
	case n.kind != it.kind || n.flow != it.was.flow && len(it.parts) > 0 || n.anchor != it.was.anchor:
		return false
	case it.kind == list:
		if len(n.items) != len(it.parts) {
			return false
		}
		for i := range it.parts {
			if !it.partFulfils(i, n.items[i], format) {
				return false
			}
		}
		return true
	}
	if len(n.pairs) != len(it.parts) {
		return false
	}
	for i := range it.parts {
		part, pr := &it.parts[i], &n.pairs[i]
		if format == TOML { // keys come before tables
			k, _ := n.find(part.name)
			if k < 0 {
				return false
			}
			pr = &n.pairs[k]
		}
		if part.at >= 0 && !part.renamed {
			if !same(it.was.pairs[part.at].key, pr.key) {
				return false
			}
		} else if pr.name != part.name || pr.key.kind != scalar || format == YAML && pr.key.tag != "!!str" {
			return false
		}
		if !it.partFulfils(i, pr.val, format) {
			return false
		}
	}
	return true
}

func (it *intent) partFulfils(i int, n *node, format Format) bool {
	if v := it.parts[i].val; v != nil {
		return v.fulfils(n, format)
	}
	return same(it.old(i), n)
}

// same compares nodes of two trees.
func same(a, b *node) bool {
	if a.kind != b.kind || a.style != b.style || a.flow != b.flow || a.tag != b.tag || a.text != b.text || a.anchor != b.anchor ||
		len(a.pairs) != len(b.pairs) || len(a.items) != len(b.items) {
		return false
	}
	if a.kind == alias && !identical(a.value, b.value) { // of another anchor of that name
		return false
	}
	for i := range a.pairs {
		if a.pairs[i].name != b.pairs[i].name || !same(a.pairs[i].key, b.pairs[i].key) || !same(a.pairs[i].val, b.pairs[i].val) {
			return false
		}
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

// identical is Equal for values of the same type only, with the keys of objects
// in their order.
func identical(a, b Value) bool {
	switch x := a.(type) {
	case Time:
		y, ok := b.(Time)
		return ok && x.Equal(y.Time) && x.DateOnly == y.DateOnly
	case string:
		return a == b
	case []Value:
		y, ok := b.([]Value)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !identical(x[i], y[i]) {
				return false
			}
		}
		return true
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i := range x.Len() {
			if x.Members[i].Key != y.Members[i].Key || !identical(x.Members[i].Value, y.Members[i].Value) {
				return false
			}
		}
		return true
	}
	return Equal(a, b)
}
