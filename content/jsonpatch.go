package content

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrTestFailed is the error of a JSON Patch whose test operation fails.
var ErrTestFailed = errors.New("a test operation of the patch failed")

// Limits of a JSON Patch: how many operations it has, and how many members and
// items they may pass or move in all.
const (
	maxOperations = 10_000
	maxSteps      = 1 << 30
)

// JSONPatch applies a JSON Patch (RFC 6902) to {"fields": …, "body": …}, as a
// whole or not at all. Its errors name the operation, from 0, and nothing of
// what it says. A test that fails is ErrTestFailed.
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
	operations, err := parsePatch(patch)
	if err != nil {
		return nil, "", err
	}
	before, err := appendJSON(nil, &Object{Members: []Member{{"fields", d.fields}, {"body", d.Body()}}})
	if err != nil {
		return nil, "", err
	}
	p := patcher{room: 8 * (len(before) + len(patch)), steps: maxSteps}
	if p.root, err = ParseJSON(before); err != nil {
		return nil, "", refusePatch("the document is " + detailOf(err))
	}
	for i, o := range operations {
		if err := p.apply(o); err != nil {
			return nil, "", atOperation(i, err)
		}
	}
	o, _ := p.root.(*Object)
	f, _ := o.Get("fields")
	b, _ := o.Get("body")
	fields, ok1 := f.(*Object)
	body, ok2 := b.(string)
	if !ok1 || !ok2 || o.Len() != 2 {
		return nil, "", refusePatch("its result is not an object of fields, which are an object, and body, which is text")
	}
	if err := checkValue(fields, maxDepth); err != nil {
		return nil, "", refusePatch("in its result, " + err.Error())
	}
	return fields, body, nil
}

func refusePatch(detail string) error {
	return &EditError{Kind: KindRefused, Detail: "the patch: " + detail}
}

// detailOf is what a syntax error says without the place.
func detailOf(err error) string {
	var at *SyntaxError
	if errors.As(err, &at) {
		return at.Detail
	}
	return err.Error()
}

// atOperation says which operation err is about.
func atOperation(i int, err error) error {
	var e *EditError
	if errors.As(err, &e) {
		return &EditError{Kind: e.Kind, Detail: fmt.Sprintf("operation %d of the patch: %s", i, e.Detail)}
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
		errors.As(err, &at)
		return nil, refusePatch(fmt.Sprintf("it is not JSON that can be read, from line %d, column %d", at.Line, at.Column))
	}
	list, ok := v.([]Value)
	if !ok {
		return nil, refusePatch("it is not an array of operations")
	}
	if len(list) > maxOperations {
		return nil, refusePatch(fmt.Sprintf("it has more than %d operations; send several patches, or the whole entry", maxOperations))
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
	refuse := func(detail string) (operation, error) {
		return operation{}, &EditError{Kind: KindRefused, Detail: detail}
	}
	members, ok := v.(*Object)
	if !ok {
		return refuse("it is not an object")
	}
	op, _ := members.Get("op")
	o.op, _ = op.(string)
	if !slices.Contains([]string{"add", "remove", "replace", "move", "copy", "test"}, o.op) {
		return refuse("its op is none of add, remove, replace, move, copy and test")
	}
	if o.path, ok = pointer(members, "path"); !ok {
		return refuse("its path is not a JSON Pointer")
	}
	switch o.op {
	case "add", "replace", "test":
		if o.value, ok = members.Get("value"); !ok {
			return refuse("it has no value")
		}
		return o, nil
	case "move", "copy":
		if o.from, ok = pointer(members, "from"); !ok {
			return refuse("its from is not a JSON Pointer")
		}
	}
	switch {
	case o.op == "remove" && len(o.path) == 0, o.op == "move" && len(o.from) == 0:
		return refuse("it takes the whole document away")
	case o.op == "move" && len(o.from) < len(o.path) && slices.Equal(o.from, o.path[:len(o.from)]):
		return refuse("it moves a value into itself")
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
	tokens = strings.Split(s[1:], "/")
	unescape := strings.NewReplacer("~0", "~", "~1", "/")
	for i, token := range tokens {
		if strings.Count(token, "~") != strings.Count(token, "~0")+strings.Count(token, "~1") {
			return nil, false
		}
		tokens[i] = unescape.Replace(token)
	}
	return tokens, true
}

// patcher applies operations to a value that is its own.
type patcher struct {
	root  Value
	room  int // bytes of JSON that copies may add
	steps int // members and items that may be passed
}

func (p *patcher) apply(o operation) error {
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
		c, err := p.copy(*v)
		if err != nil {
			return err
		}
		return p.add(o.path, c)
	}
	v, err := p.slot(o.path)
	if isMissing(err) || err == nil && !Equal(*v, o.value) {
		return ErrTestFailed
	}
	return err
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
	return &EditError{Kind: KindNotFound, Detail: "there is no value where it points to"}
}

func isMissing(err error) bool {
	var e *EditError
	return errors.As(err, &e) && e.Kind == KindNotFound
}

// find is the index in v that a token means: that of a member, or from 0 to
// the number of the items.
func (p *patcher) find(v Value, token string) (int, error) {
	switch x := v.(type) {
	case *Object:
		if err := p.pass(x.Len()); err != nil {
			return 0, err
		}
		if i := slices.IndexFunc(x.Members, func(m Member) bool { return m.Key == token }); i >= 0 {
			return i, nil
		}
	case []Value:
		i, err := strconv.Atoi(token)
		switch {
		case token == "-":
			return len(x), nil
		case token == "" || strings.Trim(token, "0123456789") != "" || len(token) > 1 && token[0] == '0':
			return 0, &EditError{Kind: KindRefused, Detail: "it points into a list by what is no index: digits without a leading zero"}
		case err == nil && i <= len(x):
			return i, nil
		}
	}
	return 0, nothingThere()
}

// pass counts what is done, so that thousands of operations on a large list
// cannot keep the service busy.
func (p *patcher) pass(n int) error {
	if p.steps -= n; p.steps < 0 {
		return &EditError{Kind: KindRefused, Detail: "so many operations on so large a document are too much; send the whole entry"}
	}
	return nil
}

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
			x.Members = append(x.Members, Member{token, v})
			return nil
		}
		if err == nil {
			x.Members[i].Value = v
		}
	case []Value:
		if err == nil {
			err = p.pass(len(x) - i)
		}
		if err == nil {
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
		x.Members = slices.Delete(x.Members, i, i+1)
	case []Value:
		if i == len(x) {
			return nil, nothingThere()
		}
		removed = x[i]
		*in = slices.Delete(x, i, i+1)
		err = p.pass(len(x) - i)
	}
	return removed, err
}

// copy is v again, if there is room for it.
func (p *patcher) copy(v Value) (Value, error) {
	b, err := appendJSON(nil, v)
	if err != nil {
		return nil, err
	}
	if p.room -= len(b); p.room < 0 {
		return nil, &EditError{Kind: KindRefused, Detail: "the copies of the patch are too large"}
	}
	c, err := ParseJSON(b)
	if err != nil {
		return nil, &EditError{Kind: KindRefused, Detail: "what it copies is " + detailOf(err)}
	}
	return c, nil
}
