package content

// verifier holds a result that was parsed again against what was meant.
type verifier struct {
	format Format
	loose  bool // a collection may be written in brackets where it was not, or the other way round
}

// fulfils says whether n is what it is meant to be: new values as given, and
// every other node the same in value, tag, style and anchor.
func (v verifier) fulfils(it *intent, n *node) bool {
	switch {
	case n == nil:
		return it.kind == mapping && len(it.parts) == 0
	case it.was != nil && !it.opened:
		return v.stays(it, it.was, n)
	case it.was == nil && v.format == JSON: // which has no times
		return Equal(it.result(), n.value)
	case it.was == nil:
		return identical(it.result(), n.value)
	case n.kind != it.kind || n.tag != it.was.tag:
		return false
	case it.copied:
		if n.anchor != "" {
			return false
		}
	case !v.loose && n.flow != it.was.flow && len(it.parts) > 0 || n.anchor != it.was.anchor:
		return false
	case it.kind == list:
		if len(n.items) != len(it.parts) {
			return false
		}
		for i := range it.parts {
			if !v.partFulfils(it, i, n.items[i]) {
				return false
			}
		}
		return true
	}
	if len(n.pairs) != len(it.parts) {
		return false
	}
	var at map[string]int
	if v.format == TOML { // keys come before tables
		at = make(map[string]int, len(n.pairs))
		for i := range n.pairs {
			at[n.pairs[i].name] = i
		}
	}
	for i := range it.parts {
		part, pr := &it.parts[i], &n.pairs[i]
		if at != nil {
			k, ok := at[part.name]
			if !ok {
				return false
			}
			pr = &n.pairs[k]
		}
		if part.at >= 0 && !part.renamed {
			if !v.stays(it, it.was.pairs[part.at].key, pr.key) {
				return false
			}
		} else if pr.name != part.name || pr.key.kind != scalar || v.format == YAML && pr.key.tag != "!!str" {
			return false
		}
		if !v.partFulfils(it, i, pr.val) {
			return false
		}
	}
	return true
}

func (v verifier) partFulfils(it *intent, i int, n *node) bool {
	if part := it.parts[i].val; part != nil {
		return v.fulfils(part, n)
	}
	return v.stays(it, it.old(i), n)
}

// stays says whether a, which the intent leaves as it is or copies, is b.
func (v verifier) stays(it *intent, a, b *node) bool {
	if it.copied {
		return copies(a, b)
	}
	return v.same(a, b)
}

// copies says whether b says what a does, in whatever layout.
func copies(a, b *node) bool {
	if a.kind != b.kind || a.tag != b.tag || b.anchor != "" || a.text != b.text && a.tag != "!!null" ||
		a.kind == scalar && (a.style == plain) != (b.style == plain) && looksTyped(a.text) ||
		len(a.pairs) != len(b.pairs) || len(a.items) != len(b.items) || a.kind == alias && !identical(a.value, b.value) {
		return false
	}
	for i := range a.pairs {
		if !copies(a.pairs[i].key, b.pairs[i].key) || !copies(a.pairs[i].val, b.pairs[i].val) {
			return false
		}
	}
	for i := range a.items {
		if !copies(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

// same compares nodes of two trees.
func (v verifier) same(a, b *node) bool {
	if a.kind != b.kind || a.style != b.style || !v.loose && a.flow != b.flow || a.tag != b.tag || a.text != b.text || a.anchor != b.anchor ||
		len(a.pairs) != len(b.pairs) || len(a.items) != len(b.items) {
		return false
	}
	if a.kind == alias && !identical(a.value, b.value) { // of another anchor of that name
		return false
	}
	for i := range a.pairs {
		if a.pairs[i].name != b.pairs[i].name || !v.same(a.pairs[i].key, b.pairs[i].key) || !v.same(a.pairs[i].val, b.pairs[i].val) {
			return false
		}
	}
	for i := range a.items {
		if !v.same(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}
