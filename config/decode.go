package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"cms/content"
)

// decoder fills Go values from YAML nodes, and goes on where one is wrong.
//
// It reads the nodes by itself, guided by the tags of [Config]. A JSON schema
// made from the types and a validator of it would say the same three things
// (unknown, missing, not of this type), but of a JSON document: each error would
// have to be led back to its node, "a type or a field" becomes a choice whose
// errors name neither, and secrets, durations, defaults and overrides would
// still need code like this.
type decoder struct {
	problems
	environ map[string]string
	secrets Secrets
	needed  []string // keys of what all secrets are read of
	base    string   // the folder of the file, absolute: where relative paths begin

	warnings []Problem
}

// place is a value to be filled and what is known of it.
type place struct {
	path  []any
	value reflect.Value
	oneof []string // of the scalars below; none: any
	fixed bool     // within a list or a map: the environment cannot override it
}

func (pl place) at(step any, v reflect.Value) place {
	return place{path: join(pl.path, step), value: v, oneof: pl.oneof, fixed: pl.fixed}
}

// decode fills pl from n, which is nil for a key that is not there.
func (d *decoder) decode(n *yaml.Node, pl place) {
	n = follow(n)
	switch v := pl.value; {
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		if raw, ok := d.json(n, pl.path); ok {
			v.SetBytes(raw)
		}
	case scalar(v.Type()):
		d.scalar(n, pl)
	case v.Kind() == reflect.Pointer:
		if !null(n) {
			v.Set(reflect.New(v.Type().Elem()))
			d.decode(n, place{path: pl.path, value: v.Elem(), fixed: pl.fixed})
		}
	case v.Kind() == reflect.Struct:
		d.structure(n, pl)
	case null(n):
	case v.Kind() == reflect.Slice:
		if d.want(n, pl, yaml.SequenceNode, "a list; write [first, second], or each item on a line of its own after a dash") {
			d.list(n, pl)
		}
	case v.Kind() == reflect.Map:
		if d.want(n, pl, yaml.MappingNode, "a mapping; write {key: value}, or each key on a line of its own") {
			d.mapping(n, pl)
		}
	default:
		panic(fmt.Sprintf("config: key %s is of the unexpected type %s", key(pl.path), v.Type()))
	}
}

func (d *decoder) structure(n *yaml.Node, pl place) {
	t := pl.value.Type()
	if n != nil && n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && t == reflect.TypeFor[Field]() && pl.path[len(pl.path)-1] == "of" {
		n = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "type"}, n}}
	}
	if null(n) {
		n = &yaml.Node{Kind: yaml.MappingNode}
	}
	if n.Kind == yaml.SequenceNode {
		for i := range t.NumField() {
			if tag := t.Field(i).Tag; tag.Get("alone") != "" {
				d.list(n, place{path: pl.path, value: pl.value.Field(i), oneof: options(tag)})
				return
			}
		}
	}
	if !d.want(n, pl, yaml.MappingNode, "a mapping; write each key on a line of its own") {
		return
	}
	var known []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			known = append(known, name)
		}
	}
	given := map[string]*yaml.Node{}
	for k, v := range d.members(n, pl.path) {
		if given[k.Value] = v; !slices.Contains(known, k.Value) {
			d.addAt(d.at(k), join(pl.path, k.Value), "there is no such key; %s", suggest(k.Value, known))
		}
	}
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name := tag.Get("yaml")
		if name == "" {
			continue
		}
		field := pl.at(name, pl.value.Field(i))
		field.oneof = options(tag)
		node := given[name]
		if o := d.override(field); o != nil {
			node = o
		}
		if null(node) {
			if tag.Get("required") != "" {
				d.add(field.path, "is missing")
			}
			if def := tag.Get("default"); def != "" {
				node = text(def, field.value)
			}
		}
		d.decode(node, field)
	}
}

// override is the value that the environment gives for pl, nil for none.
func (d *decoder) override(pl place) *yaml.Node {
	if pl.fixed || !scalar(pl.value.Type()) {
		return nil
	}
	name := variable(pl.path)
	value := d.environ[name]
	if value == "" {
		return nil
	}
	d.overrides[key(pl.path)] = name
	return text(value, pl.value)
}

// variable is the name of the one that overrides the key at path.
func variable(path []any) string {
	return "CMS_" + strings.ToUpper(strings.ReplaceAll(key(path), ".", "_"))
}

// text is s as a node that v can be filled from.
func text(s string, v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: s}
	if textual(v.Type()) {
		n.Tag = "!!str"
	}
	return n
}

func (d *decoder) list(n *yaml.Node, pl place) {
	pl.fixed = true
	pl.value.Set(reflect.MakeSlice(pl.value.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		inner := pl.at(i, pl.value.Index(i))
		if null(item) && inner.value.Type() != reflect.TypeFor[json.RawMessage]() {
			d.unread(inner.path, "is empty; remove it or give it a value")
			continue
		}
		d.decode(item, inner)
	}
}

func (d *decoder) mapping(n *yaml.Node, pl place) {
	pl.fixed = true
	pl.value.Set(reflect.MakeMap(pl.value.Type()))
	for k, item := range d.members(n, pl.path) {
		v := reflect.New(pl.value.Type().Elem()).Elem()
		d.decode(item, pl.at(k.Value, v))
		pl.value.SetMapIndex(reflect.ValueOf(k.Value), v)
	}
}

// members yields the keys of a mapping and their values, without those that
// are duplicated.
func (d *decoder) members(n *yaml.Node, path []any) func(func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		first := map[string]*yaml.Node{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := follow(n.Content[i])
			switch at := d.at(n.Content[i]); {
			case k.Kind != yaml.ScalarNode:
				d.addAt(at, path, "has a key that is %s; use a text", kind(k))
			case first[k.Value] != nil:
				d.addAt(at, join(path, k.Value), "is duplicated, here and in line %d; remove one", first[k.Value].Line)
			default:
				first[k.Value] = k
				if !yield(k, n.Content[i+1]) {
					return
				}
			}
		}
	}
}

// want says whether n is of the kind that is called what, and blames it if not.
func (d *decoder) want(n *yaml.Node, pl place, k yaml.Kind, what string) bool {
	if n.Kind != k {
		d.unread(pl.path, "is %s, not %s", kind(n), what)
		return false
	}
	return true
}

// scalar says whether t is one that a YAML scalar fills.
func scalar(t reflect.Type) bool {
	return textual(t) || t == reflect.TypeFor[content.Number]() || t.Kind() == reflect.Bool || t.Kind() == reflect.Int64 || t.Kind() == reflect.Float64
}

// textual says whether t is filled from the scalar's text.
func textual(t reflect.Type) bool {
	return t.Kind() == reflect.String && t != reflect.TypeFor[content.Number]() || t == reflect.TypeFor[time.Duration]() ||
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (d *decoder) scalar(n *yaml.Node, pl place) {
	if null(n) {
		return
	}
	v := pl.value
	tag := n.ShortTag()
	want, ok := "", n.Kind == yaml.ScalarNode
	switch {
	case textual(v.Type()):
		if want = "a text"; ok && (tag == "!!int" || tag == "!!float" || tag == "!!bool" || tag == "!!timestamp") {
			d.add(pl.path, "is %s, not a text; put it in quotes", kind(n))
			return
		}
		ok = ok && tag == "!!str"
	case v.Kind() == reflect.Bool:
		want, ok = "true or false", ok && tag == "!!bool"
	case v.Kind() == reflect.Int64:
		want, ok = "a whole number", ok && tag == "!!int"
	default:
		want, ok = "a number", ok && (tag == "!!int" || tag == "!!float")
	}
	if !ok {
		d.add(pl.path, "is %s, not %s", kind(n), want)
		return
	}
	if !d.allowed(n.Value, pl) {
		return
	}
	switch target := v.Addr().Interface().(type) {
	case *time.Duration:
		duration, err := time.ParseDuration(n.Value)
		if err != nil {
			d.add(pl.path, "%q is not a duration; write 30s or 1h30m", n.Value)
		}
		*target = duration
	case encoding.TextUnmarshaler:
		if err := target.UnmarshalText([]byte(n.Value)); err != nil {
			d.add(pl.path, "%v", err)
		}
	case *content.Number:
		var ok bool
		if *target, ok = number(n); !ok {
			d.add(pl.path, "is not a number that can be compared with")
		}
	case *float64:
		if err := n.Decode(target); err != nil || math.IsNaN(*target) || math.IsInf(*target, 0) {
			d.add(pl.path, "is not a number that can be compared with")
		}
	default:
		if v.Kind() == reflect.String {
			v.SetString(n.Value)
		} else if err := n.Decode(target); err != nil {
			d.add(pl.path, "is not %s that fits into 64 bits", want)
		}
	}
}

// number is that of a scalar with all of its digits; false for one that no float64 is next to.
func number(n *yaml.Node) (content.Number, bool) {
	var f float64
	if err := n.Decode(&f); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return "", false
	}
	var i int64
	switch {
	case json.Valid([]byte(n.Value)): // in decimal, as most are written
		return content.Number(n.Value), true
	case n.ShortTag() == "!!int" && n.Decode(&i) == nil:
		return content.Number(strconv.FormatInt(i, 10)), true
	}
	return content.Number(strconv.FormatFloat(f, 'e', -1, 64)), true
}

// allowed says whether s is one of the values that pl has to choose from.
func (d *decoder) allowed(s string, pl place) bool {
	if len(pl.oneof) == 0 || slices.Contains(pl.oneof, s) {
		return true
	}
	d.add(pl.path, "%q is not one of %s", s, strings.Join(pl.oneof, ", "))
	return false
}

func null(n *yaml.Node) bool {
	n = follow(n)
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// kind says what n is, with its article.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	case "!!timestamp":
		return "a date"
	}
	return "a text"
}
