package content

import "slices"

type kind uint8

const (
	scalar kind = iota
	mapping
	list
	alias
)

type style uint8

const (
	plain style = iota
	singleQuoted
	doubleQuoted
	literal
	folded
)

// node is a value of a front matter and where it is written. The offsets are
// bytes of the file; those of a YAML node are there after locate only.
type node struct {
	kind    kind
	style   style  // of a YAML scalar
	flow    bool   // in brackets or braces
	table   bool   // a TOML table, which is written with a header
	tagged  bool   // with an explicit tag
	shared  bool   // an alias refers to its anchor
	doubled bool   // some keys of the mapping are the same
	tag     string // YAML, in its short form
	text    string // of a scalar: what it says (YAML), or its source
	anchor  string
	target  *node // of an alias
	value   Value // as in Document.Fields

	pairs []pair
	items []*node

	line, column int // from 1 in the block, in runes; YAML only
	start        int // of the anchor and tag if any, else of the value
	from, end    int // of the value
	hang         int // after the colon or dash that introduces it; 0 in a flow list
}

// pair is a key with its value. Its name is what it is called in Fields.
type pair struct {
	name     string
	key, val *node
	start    int  // of the key, or of the "?" before it
	complex  bool // with a "?", or without a colon
	merge    bool // <<, which brings the members of another mapping
}

func (p *pair) end() int { return max(p.key.end, p.val.end) }

// find is the position of the pair called name, -1 if there is none, and all
// their positions if there are several.
func (n *node) find(name string) (int, []int) {
	at := -1
	var all []int
	for i := range n.pairs {
		if p := &n.pairs[i]; p.name == name && !p.merge {
			if at >= 0 {
				if all == nil {
					all = []int{at}
				}
				all = append(all, i)
			}
			at = i
		}
	}
	return at, all
}

// resolve follows an alias.
func (n *node) resolve() *node {
	for n.kind == alias {
		n = n.target
	}
	return n
}

// inherit adds what the merge keys of n give: of the mappings that name a key
// the first counts, of keys that are the same in one mapping the last.
func (n *node) inherit(given map[string]*node) {
	for i := range n.pairs {
		if n.pairs[i].merge {
			n.pairs[i].val.bequeath(given)
		}
	}
}

func (n *node) bequeath(given map[string]*node) {
	n = n.resolve()
	for _, item := range n.items {
		item.bequeath(given)
	}
	for i := range slices.Backward(n.pairs) {
		if p := &n.pairs[i]; !p.merge && given[p.name] == nil {
			given[p.name] = p.val
		}
	}
	n.inherit(given)
}

// holdsShared says whether n, or a node in it, is referred to by an alias.
func (n *node) holdsShared() *node {
	if n.shared {
		return n
	}
	for i := range n.pairs {
		for _, c := range []*node{n.pairs[i].key, n.pairs[i].val} {
			if s := c.holdsShared(); s != nil {
				return s
			}
		}
	}
	for _, c := range n.items {
		if s := c.holdsShared(); s != nil {
			return s
		}
	}
	return nil
}

// pathsTo are the paths to keys and values below n.
func (n *node) pathsTo(wanted []*node) map[*node]FieldPath {
	paths := make(map[*node]FieldPath, len(wanted))
	for _, w := range wanted {
		paths[w] = nil
	}
	var path FieldPath
	left := len(paths)
	var look func(x *node)
	at := func(x *node, step any) {
		path = append(path, step)
		look(x)
		path = path[:len(path)-1]
	}
	look = func(x *node) {
		if _, ok := paths[x]; ok {
			paths[x] = slices.Clone(path)
			left--
		}
		for i := 0; i < len(x.pairs) && left > 0; i++ {
			p := &x.pairs[i]
			at(p.key, p.name)
			at(p.val, p.name)
		}
		for i := 0; i < len(x.items) && left > 0; i++ {
			at(x.items[i], i)
		}
	}
	if left > 0 {
		look(n)
	}
	return paths
}
