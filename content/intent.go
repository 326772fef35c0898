package content

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"cms/say"
)

// intent is what a node is to become: the node with other parts, a copy of
// another node, or a new value in its place. A nil intent is the node as it is.
type intent struct {
	was    *node  // nil for a new value
	copied bool   // was stays where it is: its text is written again elsewhere
	kind   kind   // scalar, mapping or list
	opened bool   // parts tell what is in it; else was or value does
	parts  []part // members or items in their new order
	value  Value  // of a new value
	text   string // how a new time is written, if not in the habits of the file

	members   *memberOrder     // of a mapping, while it is edited
	inherited map[string]*node // what merge keys give, once asked for
}

// part is a member or an item of an intent.
type part struct {
	at      int    // its index in the node as it was, -1 for a new one
	name    string // of a member
	renamed bool
	gone    bool    // removed, until the intent is settled
	val     *intent // nil where it stays as it is
}

func fresh(v Value) *intent {
	it := &intent{value: v}
	switch v.(type) {
	case *Object:
		it.kind = mapping
	case []Value:
		it.kind = list
	}
	return it
}

// intentOf leaves n as it is, for now. An alias becomes a copy of what it stands
// for.
func intentOf(n *node) *intent {
	if n.kind == alias {
		return copyOf(n)
	}
	return &intent{was: n, kind: n.kind}
}

// copyOf is what n, or the node that it is an alias of, says, to be written
// again.
func copyOf(n *node) *intent {
	n = n.resolve()
	return &intent{was: n, kind: n.kind, copied: true}
}

// anew is the intent with all that stays in it copied.
func (it *intent) anew() *intent {
	if it.was == nil {
		return it
	}
	c := *it
	c.copied = true
	c.parts = slices.Clone(it.parts)
	for i := range c.parts {
		if v := c.parts[i].val; v != nil {
			c.parts[i].val = v.anew()
		}
	}
	return &c
}

// open lists the parts.
func (it *intent) open() {
	if it.opened {
		return
	}
	it.opened = true
	switch {
	case it.was != nil && it.kind == mapping:
		it.parts = make([]part, len(it.was.pairs), len(it.was.pairs)+1)
		for i := range it.parts {
			it.parts[i] = part{at: i, name: it.was.pairs[i].name}
		}
	case it.was != nil:
		it.parts = make([]part, len(it.was.items), len(it.was.items)+1)
		for i := range it.parts {
			it.parts[i].at = i
		}
	case it.kind == mapping:
		for _, m := range it.value.(*Object).Members {
			it.parts = append(it.parts, part{at: -1, name: m.Key, val: fresh(m.Value)})
		}
	default:
		for _, v := range it.value.([]Value) {
			it.parts = append(it.parts, part{at: -1, val: fresh(v)})
		}
	}
}

// old is the node that stands at the i-th part, nil for a new one.
func (it *intent) old(i int) *node {
	at := it.parts[i].at
	switch {
	case at < 0:
		return nil
	case it.kind == mapping:
		return it.was.pairs[at].val
	}
	return it.was.items[at]
}

// part is the intent of the i-th part, to be changed.
func (it *intent) part(i int) *intent {
	p := &it.parts[i]
	if p.val == nil {
		p.val = intentOf(it.old(i))
		p.val.copied = p.val.copied || it.copied
	}
	return p.val
}

// written is the intent of the i-th part, all of which is to be written.
func (it *intent) written(i int) *intent {
	if v := it.parts[i].val; v != nil {
		return v
	}
	n := it.old(i)
	return &intent{was: n, kind: n.kind, copied: true}
}

// isNull says whether there is no value, so that one of any kind may be made.
func (it *intent) isNull() bool { return it.kind == scalar && it.result() == nil }

// result is the value that is meant.
func (it *intent) result() Value {
	switch {
	case !it.opened && it.was != nil:
		return it.was.value
	case !it.opened:
		return it.value
	case it.kind == list:
		values := make([]Value, len(it.parts))
		for i := range it.parts {
			values[i] = it.partResult(i)
		}
		return values
	}
	o := &Object{}
	x := memberIndex{o: o}
	for i := range it.parts {
		if p := &it.parts[i]; p.at < 0 || !it.was.pairs[p.at].merge {
			if k, again := x.find(p.name); again {
				o.Members[k].Value = it.partResult(i)
			} else {
				x.add(Member{p.name, it.partResult(i)})
			}
		}
	}
	if it.was != nil {
		for i := range it.was.pairs {
			if it.was.pairs[i].merge {
				x.merge(it.was.pairs[i].val)
			}
		}
	}
	return o
}

func (it *intent) partResult(i int) Value {
	if v := it.parts[i].val; v != nil {
		return v.result()
	}
	return it.old(i).value
}

// merged is what a merge key gives for name, nil for nothing.
func (it *intent) merged(name string) *node {
	if it.inherited == nil {
		it.inherited = make(map[string]*node)
		if it.was != nil {
			it.was.inherit(it.inherited)
		}
	}
	return it.inherited[name]
}

// editor applies edits to the intent of a whole front matter.
type editor struct {
	comparison // what is no change
	d          *Document
	root       *intent
	path       FieldPath // of the edit that is being made
	known      *identities
}

func (e *editor) fail(k Kind, detail say.Text) error {
	return &EditError{Kind: k, Path: e.path, Detail: detail}
}

func (e *editor) notFound() error { return e.fail(KindNotFound, say.New("there is no such field")) }

// walk follows a path and opens what it leads through; what a merge key brings
// is copied. It is short of the end of the path where a part is missing: rest
// is what is left of it.
func (e *editor) walk(path FieldPath) (it *intent, rest FieldPath, err error) {
	it = e.root
	for k, step := range path {
		if it.kind == scalar {
			return it, path[k:], nil
		}
		it.open()
		i, err := e.find(it, step)
		if err != nil {
			return nil, nil, err
		}
		if i < 0 {
			name, _ := step.(string)
			inherited := it.merged(name)
			if inherited == nil {
				return it, path[k:], nil
			}
			it.addMember(name, "").val = copyOf(inherited)
			i = len(it.parts) - 1
		}
		it = it.part(i)
	}
	return it, nil, nil
}

// find is the index of the part that a step of the path leads to, -1 if there
// is none.
func (e *editor) find(it *intent, step any) (int, error) {
	if i, ok := step.(int); ok && it.kind == list && i >= 0 && i < len(it.parts) {
		return i, nil
	}
	name, ok := step.(string)
	if !ok || it.kind != mapping {
		return -1, nil
	}
	i, several := it.member(name)
	if several {
		return 0, e.ambiguous(it.was, name)
	}
	if i >= 0 && it.parts[i].at >= 0 && it.was.pairs[it.parts[i].at].complex {
		return 0, e.fail(KindRefused, say.New(`the key is not written as "key:"`))
	}
	return i, nil
}

// ambiguous names the lines of the keys of n that are called name.
func (e *editor) ambiguous(n *node, name string) error {
	_, all := n.find(name)
	err := &EditError{Kind: KindAmbiguous, Path: e.path, Detail: say.New("the key is duplicated; remove all but one of them in the source")}
	for _, i := range all[:min(len(all), maxListed)] {
		line, _ := position(e.d.src, n.pairs[i].start)
		err.Lines = append(err.Lines, line)
	}
	if len(err.Lines) > 1 {
		err.Line = err.Lines[1]
	}
	return err
}

// last is the part that the end of the path leads to.
func (e *editor) last() (it *intent, i int, err error) {
	n := len(e.path) - 1
	if n < 0 {
		return nil, 0, e.notFound()
	}
	it, rest, err := e.walk(e.path[:n])
	if err == nil && (rest != nil || it.kind == scalar) {
		err = e.notFound()
	}
	if err != nil {
		return nil, 0, err
	}
	it.open()
	i, err = e.find(it, e.path[n])
	return it, i, err
}

func (e *editor) apply(edit Edit) error {
	e.path = edit.Path
	if err := e.check(edit); err != nil {
		return err
	}
	switch edit.Op {
	case OpSet:
		if len(edit.Path) == 0 {
			return e.fail(KindRefused, say.New("the path of a field is empty"))
		}
		if err := e.set(e.root, edit.Path, edit.Value, edit.After); err != nil {
			return err
		}
		return e.setText(edit.Value)
	case OpAppend:
		return e.append(edit.Value)
	case OpInsert:
		return e.insert(edit.Value)
	case OpMove:
		return e.move(edit.To)
	case OpRemove:
		return e.remove()
	case OpRename:
		return e.rename(edit.Name)
	}
	return e.fail(KindRefused, say.New("unknown operation %s", string(edit.Op)))
}

// set sets what path leads to from it, and makes the mappings that are missing.
func (e *editor) set(it *intent, path FieldPath, v Value, after string) error {
	name, isName := path[0].(string)
	if it.isNull() && isName {
		*it = *fresh(&Object{})
	}
	if it.kind == scalar || isName != (it.kind == mapping) {
		return e.fail(KindRefused, say.New("the path leads through a value of another kind"))
	}
	it.open()
	i, err := e.find(it, path[0])
	switch {
	case err != nil:
		return err
	case i >= 0 && len(path) > 1:
		return e.set(it.part(i), path[1:], v, after)
	case i >= 0:
		it.parts[i].val, err = e.diffPart(it, i, v)
		return err
	case !isName:
		return e.notFound()
	}
	val := fresh(v)
	inherited := it.merged(name)
	switch {
	case inherited != nil && len(path) == 1:
		if val, err = e.diff(inherited, v); val == nil {
			return err
		}
		val = val.anew()
	case inherited != nil:
		val = copyOf(inherited)
		err = e.set(val, path[1:], v, "")
	case len(path) > 1:
		val = fresh(&Object{})
		err = e.set(val, path[1:], v, "")
	}
	it.addMember(name, after).val = val
	return err
}

func (e *editor) diffPart(it *intent, i int, v Value) (*intent, error) {
	old := it.old(i)
	if old == nil {
		return fresh(v), nil
	}
	val, err := e.diff(old, v)
	if val != nil && it.copied {
		val = val.anew()
	}
	return val, err
}

// setText makes a string of the plain value that reads as the same string here,
// and as something else to other readers of YAML: yes, 12:30.
func (e *editor) setText(v Value) error {
	s, ok := v.(string)
	if !ok || !looksTyped(s) {
		return nil
	}
	it, i, err := e.last()
	if err != nil || i < 0 || it.parts[i].val != nil {
		return err
	}
	if n := it.old(i); n.tag == "!!str" && n.style == plain && !n.tagged && n.value == v {
		it.parts[i].val = fresh(s)
	}
	return nil
}

// listAt is the list at the path, made if there is no value.
func (e *editor) listAt(path FieldPath) (*intent, error) {
	it, rest, err := e.walk(path)
	switch {
	case err != nil:
		return nil, err
	case rest != nil:
		return nil, e.notFound()
	case it.isNull():
		*it = *fresh([]Value{})
	case it.kind != list:
		return nil, e.fail(KindRefused, say.New("the value is not a list"))
	}
	it.open()
	return it, nil
}

func (e *editor) append(v Value) error {
	if _, rest, err := e.walk(e.path); err != nil {
		return err
	} else if rest != nil {
		return e.set(e.root, e.path, []Value{v}, "")
	}
	it, err := e.listAt(e.path)
	if err == nil {
		it.parts = append(it.parts, part{at: -1, val: fresh(v)})
	}
	return err
}

func (e *editor) insert(v Value) error {
	n := len(e.path) - 1
	if n < 0 {
		return e.notFound()
	}
	it, err := e.listAt(e.path[:n])
	if err != nil {
		return err
	}
	i, ok := e.path[n].(int)
	if !ok || i < 0 || i > len(it.parts) {
		return e.notFound()
	}
	it.parts = slices.Insert(it.parts, i, part{at: -1, val: fresh(v)})
	return nil
}

func (e *editor) move(to int) error {
	it, i, err := e.last()
	if err != nil {
		return err
	}
	if i < 0 || it.kind != list || to < 0 || to >= len(it.parts) {
		return e.notFound()
	}
	moved := it.parts[i]
	it.parts = slices.Insert(slices.Delete(it.parts, i, i+1), to, moved)
	return nil
}

func (e *editor) remove() error {
	it, i, err := e.last()
	if err != nil {
		return err
	}
	return e.removePart(it, i, e.path[len(e.path)-1])
}

// removePart removes what step leads to, the i-th part of it.
func (e *editor) removePart(it *intent, i int, step any) error {
	name, _ := step.(string)
	switch {
	case it.merged(name) != nil:
		return e.fail(KindRefused, say.New("the field comes from a merge key, and would still be there"))
	case i < 0:
		return e.notFound()
	case it.kind == mapping:
		it.removeMember(i)
	default:
		it.parts = slices.Delete(it.parts, i, i+1)
	}
	return nil
}

func (e *editor) rename(name string) error {
	it, i, err := e.last()
	if err != nil {
		return err
	}
	if i < 0 || it.kind != mapping {
		return e.notFound()
	}
	p := &it.parts[i]
	if p.name == name {
		return nil
	}
	if it.merged(p.name) != nil {
		return e.fail(KindRefused, say.New("a merge key gives the field too, and it would still be there under its name"))
	}
	if k, err := e.find(it, name); err != nil || k >= 0 || it.merged(name) != nil {
		return e.fail(KindRefused, say.New("there is a key of the new name already"))
	}
	it.renameMember(i, name)
	return nil
}

// check refuses what no document can hold: keys that are twice in a mapping or
// called <<, text that is not UTF-8, deep nesting, values of other types, and more of
// anything than a front matter may have.
func (e *editor) check(edit Edit) error {
	keys := []string{edit.Name}
	for _, step := range edit.Path {
		if name, ok := step.(string); ok {
			keys = append(keys, name)
		}
	}
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return e.refused(err)
		}
	}
	if err := checkValue(edit.Value, maxDepth-len(edit.Path)); err != nil {
		return e.refused(err)
	}
	return nil
}

// refused is err as the refusal of the edit.
func (e *editor) refused(err error) error {
	kind, at := KindRefused, new(EditError)
	if errors.As(err, &at) {
		kind = at.Kind
	}
	return e.fail(kind, say.Of(err))
}

func checkKey(key string) error {
	switch {
	case key == "<<":
		return say.Error(say.New("a key cannot be called <<, which merges mappings"))
	case len(key) > maxKey:
		return tooLarge(say.New("a key has more than %d bytes", maxKey))
	case !utf8.ValidString(key):
		return say.Error(say.New("the key is not UTF-8"))
	}
	return nil
}

func checkValue(v Value, depth int) error {
	var c valueCheck
	return c.value(v, depth)
}

// A valueCheck counts what is in a value. Where a document has aliases, the value of
// its fields has more than is written.
type valueCheck struct{ values, bytes int }

func (c *valueCheck) count(values, bytes int) error {
	c.values, c.bytes = c.values+values, c.bytes+bytes
	switch {
	case c.values > maxValues+maxAliasedNodes:
		return tooLarge(say.New("more than %d keys and values", maxValues))
	case c.bytes > maxFrontMatter+4*maxFrontMatter:
		return tooLarge(say.New("more than %d bytes of front matter", maxFrontMatter))
	}
	return nil
}

func (c *valueCheck) value(v Value, depth int) error {
	if depth < 0 {
		return say.Error(say.New("nested deeper than %d levels", maxDepth))
	}
	if err := c.count(1, 0); err != nil {
		return err
	}
	switch x := v.(type) {
	case nil, bool, Time:
	case string:
		if !utf8.ValidString(x) {
			return say.Error(say.New("the value is not UTF-8"))
		}
		return c.count(0, len(x))
	case Number:
		switch {
		case len(x) > maxNumber:
			return tooLarge(say.New("a number has more than %d characters", maxNumber))
		case !number(string(x)):
			return say.Error(say.New("%q is not a number", x))
		}
		return c.count(0, len(x))
	case []Value:
		for _, item := range x {
			if err := c.value(item, depth-1); err != nil {
				return err
			}
		}
	case *Object:
		seen := make(map[string]bool, x.Len())
		for i := range x.Len() {
			m := x.Members[i]
			if seen[m.Key] {
				return say.Error(say.New("the key %q is duplicated", m.Key))
			}
			seen[m.Key] = true
			if err := checkKey(m.Key); err != nil {
				return err
			}
			if err := c.count(1, len(m.Key)); err != nil {
				return err
			}
			if err := c.value(m.Value, depth-1); err != nil {
				return err
			}
		}
	default:
		return say.Error(say.New("a %s is no value of a document", fmt.Sprintf("%T", v)))
	}
	return nil
}
