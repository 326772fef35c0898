package content

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cms/bounded"
	"cms/say"
)

// ErrTestFailed is the error of a JSON Patch whose test operation fails.
var ErrTestFailed = errors.New("a test operation of the patch failed")

// Limits of a JSON Patch: how many operations it has, and how many tokens its
// pointers have, as nothing is deeper.
const (
	maxOperations = 10_000
	maxTokens     = maxDepth + 1
)

// JSONPatch applies a JSON Patch (RFC 6902) to {"fields": …, "body": …}, as a
// whole or not at all, with values of the types that the schema, which may be nil, has.
// Its errors name the operation, from 0, and nothing of what it says. A test that fails
// is ErrTestFailed. It takes a bounded number of steps, and ends when ctx does.
func (d *Document) JSONPatch(ctx context.Context, patch []byte, s *Schema) (*Document, error) {
	if d.err != nil {
		_, err := d.edit(nil)
		return nil, err
	}
	operations, err := parsePatch(patch)
	if err != nil {
		return nil, err
	}
	if s == nil {
		s = &Schema{}
	}
	p := newPatcher(&budget{Work: bounded.New(ctx), much: say.New("too many operations for a document of this size; send the whole entry")}, s)
	var (
		fields *Object
		body   string
	)
	err = p.Run(func() error {
		fields, body, err = p.patched(d, operations, len(patch))
		return err
	})
	if err != nil {
		return nil, err
	}
	fields = s.Coerce(fields)
	if len(p.edits) > 0 {
		if moved, err := d.Apply(p.edits...); err == nil {
			if out, err := moved.Replace(fields, body, s.Order()); err == nil {
				return out, nil
			}
		}
	}
	return d.Replace(fields, body, s.Order())
}

// patched is the fields and the body that the operations of a patch of so many bytes
// make. It notes the edits that they are, as far as that can be told.
func (p *patcher) patched(d *Document, operations []operation, size int) (fields *Object, body string, err error) {
	was, err := p.copy(d.fields, maxDepth)
	if err != nil {
		return nil, "", refusePatch(say.New("the document is nested too deep"))
	}
	p.room = min(copyRoom, 8*(size+len(d.src)+math.MaxInt-p.room))
	p.root = &Object{Members: []Member{{"fields", was}, {"body", asJSON(d.Body())}}}
	told := true
	for i, o := range operations {
		var edits []Edit
		if told {
			edits, told = p.editsOf(o)
		}
		if err := p.apply(o); err != nil {
			return nil, "", atOperation(i, err)
		}
		p.edits = append(p.edits, edits...)
	}
	p.compact()
	o, _ := p.root.(*Object)
	f, _ := o.Get("fields")
	text, _ := o.Get("body")
	fields, ok1 := f.(*Object)
	body, ok2 := text.(string)
	if !ok1 || !ok2 || o.Len() != 2 {
		return nil, "", refusePatch(say.New("its result is not an object of fields, which are an object, and body, which is text"))
	}
	if err := checkValue(fields, maxDepth); err != nil {
		refusal := new(EditError)
		kind := KindRefused
		if errors.As(err, &refusal) {
			kind = refusal.Kind
		}
		return nil, "", &EditError{Kind: kind, Detail: say.New("the patch: in its result, %s", say.Of(err))}
	}
	return fields, body, nil
}

// asJSON is a text as it comes through JSON, which is UTF-8.
func asJSON(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func refusePatch(detail say.Text) error {
	return &EditError{Kind: KindRefused, Detail: say.New("the patch: %s", detail)}
}

// atOperation says which operation err is about.
func atOperation(i int, err error) error {
	var e *EditError
	if errors.As(err, &e) {
		return &EditError{Kind: e.Kind, Detail: say.New("operation %d of the patch: %s", i, e.Detail)}
	}
	return fmt.Errorf("operation %d: %w", i, err)
}

// operation is one of a JSON Patch, with its JSON Pointers (RFC 6901) split
// into their tokens.
type operation struct {
	op         string
	path, from []string
	value      Value
}

// parsePatch reads a JSON Patch, and checks all that can be said without the
// document.
func parsePatch(patch []byte) ([]operation, error) {
	v, err := ParseJSON(patch)
	if err != nil {
		var at *SyntaxError
		if errors.As(err, &at); at.TooLarge {
			return nil, tooLarge(say.New("the patch: %s", at.Detail))
		}
		return nil, refusePatch(say.New("it is not JSON that can be read, from line %d, column %d", at.Line, at.Column))
	}
	list, ok := v.([]Value)
	if !ok {
		return nil, refusePatch(say.New("it is not an array of operations"))
	}
	if len(list) > maxOperations {
		return nil, refusePatch(say.New("it has more than %d operations; send several patches, or the whole entry", maxOperations))
	}
	operations := make([]operation, len(list))
	for i, item := range list {
		if operations[i], err = parseOperation(item); err != nil {
			return nil, atOperation(i, err)
		}
	}
	return operations, nil
}

func parseOperation(v Value) (o operation, err error) {
	refuse := func(detail say.Text) (operation, error) {
		return operation{}, &EditError{Kind: KindRefused, Detail: detail}
	}
	members, ok := v.(*Object)
	if !ok {
		return refuse(say.New("it is not an object"))
	}
	op, _ := members.Get("op")
	o.op, _ = op.(string)
	if !slices.Contains([]string{"add", "remove", "replace", "move", "copy", "test"}, o.op) {
		return refuse(say.New("its op is none of add, remove, replace, move, copy and test"))
	}
	if o.path, ok = pointer(members, "path"); !ok {
		return refuse(say.New("its path is not a JSON Pointer"))
	}
	switch o.op {
	case "add", "replace", "test":
		if o.value, ok = members.Get("value"); !ok {
			return refuse(say.New("it has no value"))
		}
		return o, nil
	case "move", "copy":
		if o.from, ok = pointer(members, "from"); !ok {
			return refuse(say.New("its from is not a JSON Pointer"))
		}
	}
	switch {
	case o.op == "remove" && len(o.path) == 0, o.op == "move" && len(o.from) == 0:
		return refuse(say.New("it takes the whole document away"))
	case o.op == "move" && len(o.from) < len(o.path) && slices.Equal(o.from, o.path[:len(o.from)]):
		return refuse(say.New("it moves a value into itself"))
	}
	return o, nil
}

// pointer is the tokens of the JSON Pointer that is the member called name.
func pointer(o *Object, name string) (tokens []string, ok bool) {
	v, _ := o.Get(name)
	s, ok := v.(string)
	if !ok || s == "" {
		return nil, ok
	}
	if s[0] != '/' {
		return nil, false
	}
	tokens = strings.SplitN(s[1:], "/", maxTokens+2) // nothing is as deep as more than these lead
	for i, token := range tokens {
		if strings.Count(token, "~") != strings.Count(token, "~0")+strings.Count(token, "~1") {
			return nil, false
		}
		tokens[i] = UnescapeToken(token)
	}
	return tokens, true
}

// copyRoom is how many bytes the copies of a patch may have together, if document and
// patch are not small: more than a front matter can hold.
const copyRoom = 4 * maxFrontMatter

// few members are looked through, more are found by an index.
const few = 16

// patcher applies operations to a value that is its own. Of an object of many members
// those that are removed stay, as gone, until it is looked at as a whole.
type patcher struct {
	*budget
	schema  *Schema
	root    Value
	edits   []Edit                     // what the operations so far are, as edits
	room    int                        // bytes that copies may add
	indexes map[*Object]map[string]int // where members are, of objects in which one was looked for
	holed   map[*Object]bool           // with members that are gone
}

func newPatcher(b *budget, s *Schema) *patcher {
	return &patcher{budget: b, schema: s, indexes: make(map[*Object]map[string]int), holed: make(map[*Object]bool), room: math.MaxInt}
}

// gone is the value of a member that was removed.
type gone struct{}

func (p *patcher) apply(o operation) error {
	p.step(1)
	switch o.op {
	case "add":
		return p.add(o.path, o.value)
	case "remove":
		_, err := p.remove(o.path)
		return err
	case "replace":
		v, err := p.slot(o.path)
		if err == nil {
			*v = o.value
		}
		return err
	case "move":
		v, err := p.remove(o.from)
		if err != nil {
			return err
		}
		return p.add(o.path, v)
	case "copy":
		v, err := p.slot(o.from)
		if err != nil {
			return err
		}
		p.compact()
		c, err := p.copy(*v, maxDepth+1)
		if err != nil {
			return err
		}
		return p.add(o.path, c)
	}
	v, err := p.slot(o.path)
	if isMissing(err) || err == nil && !p.equal(*v, o.value) {
		return ErrTestFailed
	}
	return err
}

func (p *patcher) equal(v, other Value) bool {
	if !scalars([]Value{v}) {
		p.compact()
	}
	return comparison{times: sameTime, budget: p.budget}.equal(v, other)
}

// compact drops the members that are gone.
func (p *patcher) compact() {
	for o := range p.holed {
		p.step(o.Len())
		o.Members = slices.DeleteFunc(o.Members, func(m Member) bool { return m.Value == gone{} })
		delete(p.indexes, o)
	}
	clear(p.holed)
}

// slot is where the value that path leads to is held.
func (p *patcher) slot(path []string) (*Value, error) {
	v := &p.root
	for _, token := range path {
		i, err := p.find(*v, token)
		if err != nil {
			return nil, err
		}
		switch x := (*v).(type) {
		case *Object:
			v = &x.Members[i].Value
		case []Value:
			if i == len(x) {
				return nil, nothingThere()
			}
			v = &x[i]
		}
	}
	return v, nil
}

func nothingThere() error {
	return &EditError{Kind: KindNotFound, Detail: say.New("there is no value where it points to")}
}

func isMissing(err error) bool {
	var e *EditError
	return errors.As(err, &e) && e.Kind == KindNotFound
}

// find is the index in v that a token means: that of a member, or from 0 to
// the number of the items.
func (p *patcher) find(v Value, token string) (int, error) {
	p.step(1)
	switch x := v.(type) {
	case *Object:
		if i, ok := p.member(x, token); ok {
			return i, nil
		}
	case []Value:
		i, err := strconv.Atoi(token)
		switch {
		case token == "-":
			return len(x), nil
		case token == "" || strings.Trim(token, "0123456789") != "" || len(token) > 1 && token[0] == '0':
			return 0, &EditError{Kind: KindRefused, Detail: say.New("its index into a list is not valid: use digits without a leading zero")}
		case err == nil && i <= len(x):
			return i, nil
		}
	}
	return 0, nothingThere()
}

// member is where the member called name is.
func (p *patcher) member(o *Object, name string) (int, bool) {
	at := p.indexes[o]
	if at == nil && o.Len() <= few {
		i := slices.IndexFunc(o.Members, func(m Member) bool { return m.Key == name })
		return i, i >= 0
	}
	if at == nil {
		p.step(o.Len())
		at = make(map[string]int, o.Len())
		for i, m := range o.Members {
			at[m.Key] = i
		}
		p.indexes[o] = at
	}
	i, ok := at[name]
	return i, ok
}

// moved counts n items that make room or close up, which is quick.
func (p *patcher) moved(n int) { p.step(n / 16) }

// parent is where the value is held that has the end of path in it.
func (p *patcher) parent(path []string) (in *Value, token string, err error) {
	last := len(path) - 1
	in, err = p.slot(path[:last])
	return in, path[last], err
}

func (p *patcher) add(path []string, v Value) error {
	if len(path) == 0 {
		p.root = v
		return nil
	}
	in, token, err := p.parent(path)
	if err != nil {
		return err
	}
	i, err := p.find(*in, token)
	switch x := (*in).(type) {
	case *Object:
		if isMissing(err) {
			if at := p.indexes[x]; at != nil {
				at[token] = len(x.Members)
			}
			x.Members = append(x.Members, Member{token, v})
			return nil
		}
		if err == nil {
			x.Members[i].Value = v
		}
	case []Value:
		if err == nil {
			p.moved(len(x) - i)
			*in = slices.Insert(x, i, v)
		}
	}
	return err
}

// remove takes the value that path leads to away.
func (p *patcher) remove(path []string) (Value, error) {
	in, token, err := p.parent(path)
	if err != nil {
		return nil, err
	}
	i, err := p.find(*in, token)
	if err != nil {
		return nil, err
	}
	var removed Value
	switch x := (*in).(type) {
	case *Object:
		removed = x.Members[i].Value
		if at := p.indexes[x]; at != nil {
			delete(at, token)
			x.Members[i] = Member{Value: gone{}}
			p.holed[x] = true
		} else {
			x.Members = slices.Delete(x.Members, i, i+1)
		}
	case []Value:
		if i == len(x) {
			return nil, nothingThere()
		}
		removed = x[i]
		p.moved(len(x) - i)
		*in = slices.Delete(x, i, i+1)
	}
	return removed, nil
}

// copy is v again, as it comes through JSON, if there is room for it.
func (p *patcher) copy(v Value, depth int) (Value, error) {
	if p.step(1); depth < 0 {
		return nil, &EditError{Kind: KindRefused, Detail: say.New("a value is nested deeper than %d levels", maxDepth)}
	}
	take := func(n int) error {
		if p.room -= n + 8; p.room < 0 {
			return &EditError{Kind: KindRefused, Detail: say.New("the copies of the patch are too large")}
		}
		return nil
	}
	switch x := v.(type) {
	case string:
		return x, take(len(x))
	case Number:
		return x, take(len(x))
	case Time:
		return x.String(), take(len(rubyLayout))
	case []Value:
		if err := take(len(x)); err != nil {
			return nil, err
		}
		items := make([]Value, len(x))
		for i := range x {
			var err error
			if items[i], err = p.copy(x[i], depth-1); err != nil {
				return nil, err
			}
		}
		return items, nil
	case *Object:
		o := &Object{Members: make([]Member, x.Len())}
		for i, m := range members(x) {
			if err := take(len(m.Key)); err != nil {
				return nil, err
			}
			c, err := p.copy(m.Value, depth-1)
			if err != nil {
				return nil, err
			}
			o.Members[i] = Member{m.Key, c}
		}
		return o, nil
	}
	return v, take(0)
}
