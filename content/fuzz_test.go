package content

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// seeds adds the hard cases to what a fuzz target begins with.
func seeds(f *testing.F, add func(src []byte)) {
	f.Helper()
	files, err := filepath.Glob("testdata/cases/*.md")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(src)
	}
	for _, fm := range []string{
		"a: &x {b: [1, 2.50, .inf, 0x1F]}\nc: *x\n", "a: &x\n  b: 1\nc:\n  <<: *x\n  d: ~\n", "? a\n: b\n", "- a\n- - b\n  - c\n",
		"a: |2-\n   b\n\n  c\nd: >+\n  e\n\n", "{a: 'b', \"c\": [d, e: f]}\n", "a: !!binary aGk=\nb: 2019-01-15\nc: 2019-01-15 09:29:08 +0000\n",
		"a: &x\n  b:\n  c: [1]\nd:\n  <<: *x\n  e: 1\n", "a:\n  - b: 1\n    c: 2\n  - b: 3 # d\n", "a: \"b\\\n  c\"\nd: 'e\n\n  f'\n",
	} {
		add([]byte("---\n" + fm + "---\nCorps\n"))
	}
	add([]byte("+++\na = 1\n[b]\nc = ['d', \"e\"]\n[[f]]\ng = {h = 2019-01-15}\n+++\nCorps\n"))
	add([]byte("---json\n{\"a\" : 1,\n \"a\": {\"b\": [\"\\u00e9\", -1.5e3, true]}}\n---\nCorps\n"))
	add([]byte("---toml\na.b = '''c\n'''\n[d.e]\nf = [1, [2.5, inf], {g = true}] # h\n---\nCorps\n"))
	add([]byte("{\"a\": [1, {\"b\": null}], \"c\": \"d\"}\nCorps\n"))
}

// Parse must not panic, must keep every byte, and what was read must be no
// change when it is written back, by whatever way.
func FuzzParse(f *testing.F) {
	seeds(f, func(src []byte) { f.Add(src) })
	f.Fuzz(func(t *testing.T, src []byte) {
		before := slices.Clone(src)
		d := Parse(src)
		if !bytes.Equal(d.Source(), before) {
			t.Fatalf("source is %q", d.Source())
		}
		if !strings.HasSuffix(string(before), d.Body()) {
			t.Fatalf("body %q is not the end of the file", d.Body())
		}
		if d.Err() != nil && d.Fields().Len() > 0 {
			t.Fatalf("error %v with fields %v", d.Err(), d.Fields())
		}
		for _, p := range d.Problems() {
			if p.Line < 1 || p.Line > bytes.Count(before, []byte("\n"))+1 || p.Rule == "" || p.Detail.IsZero() {
				t.Fatalf("problem %+v", p)
			}
		}
		if err := unchanged(d); err != nil {
			t.Fatal(err)
		}
	})
}

// An edit does what it says, and leaves all else alone, or is refused.
func FuzzApply(f *testing.F) {
	seeds(f, func(src []byte) {
		for op := range byte(len(fuzzOps)) {
			f.Add(src, op, uint16(op)*7, `"Une valeur : 'neuve'"`)
			f.Add(src, op, uint16(op)*3+1, `{"a": ["b", 2.5e3, null, "c\nd"], "e": {}}`)
		}
	})
	f.Fuzz(func(t *testing.T, src []byte, op byte, pick uint16, value string) {
		d := Parse(src)
		v, err := ParseJSON([]byte(value))
		if err != nil {
			v = value
		}
		paths := allPaths(d.Fields(), nil, []FieldPath{{"neuf"}})
		path := paths[int(pick)%len(paths)]
		edit := Edit{Op: fuzzOps[int(op)%len(fuzzOps)], Path: path, Value: v, To: int(pick>>8) % 4, Name: value}
		if edit.Op == OpInsert {
			edit.Path = append(slices.Clone(path), int(pick>>8)%4)
		}
		got, err := d.Apply(edit)
		if err != nil {
			return
		}
		if got.Body() != d.Body() {
			t.Fatalf("%s %s: body %q became %q", edit.Op, edit.Path, d.Body(), got.Body())
		}
		want, ok := model(d.Fields(), edit.Path, edit)
		if !ok {
			t.Fatalf("%s %s of\n%s\nmust fail, but gives\n%s", edit.Op, edit.Path, src, got.Source())
		}
		if !inAnyZone(want, got.Fields()) {
			a, _ := appendJSON(nil, got.Fields())
			b, _ := appendJSON(nil, want)
			t.Fatalf("%s %s of\n%s\ngives\n%s\nread as %s\nwant    %s", edit.Op, edit.Path, src, got.Source(), a, b)
		}
		if err := unchanged(got); err != nil {
			t.Fatalf("%s %s: %v", edit.Op, edit.Path, err)
		}
		if err := elsewhere(d, got, edit); err != nil {
			t.Fatalf("%s %s of\n%s\ngives\n%s\n%v", edit.Op, edit.Path, src, got.Source(), err)
		}
	})
}

// elsewhere judges an edit without our parser's values: lines that are not of
// the edited key are the same bytes, to yaml.v3 all other keys have the values
// they had, and no key has become a duplicate.
func elsewhere(d, got *Document, e Edit) error {
	if d.block.format != YAML || d.root == nil || got == d {
		return nil
	}
	if a, b := duplicates(d), duplicates(got); b > a {
		return fmt.Errorf("has %d duplicate keys instead of %d", b, a)
	}
	key, _ := e.Path[0].(string)
	if at, _ := d.root.find(key); at >= 0 {
		p, block := &d.root.pairs[at], text{d.src, d.block.from, d.block.to}
		head, tail := d.src[:block.lineStart(p.start)], d.src[block.nextLine(p.end()):]
		if !bytes.HasPrefix(got.src, head) || !bytes.HasSuffix(got.src[len(head):], tail) {
			return errors.New("lines of other fields have changed")
		}
	}
	before, ok1 := decodeKeys(d)
	after, ok2 := decodeKeys(got)
	if !ok1 {
		return nil
	}
	if !ok2 {
		return errors.New("yaml.v3 cannot read it any more")
	}
	for _, name := range []string{key, e.Name} {
		delete(before, name)
		delete(after, name)
	}
	if !maps.Equal(before, after) {
		return fmt.Errorf("yaml.v3 reads other keys as %q instead of %q", after, before)
	}
	return nil
}

func duplicates(d *Document) (n int) {
	for _, p := range d.Problems() {
		if p.Rule == RuleDuplicateKey {
			n++
		}
	}
	return n
}

// decodeKeys is what yaml.v3 makes of each key of a front matter, as text. It is
// false where it cannot decode it, or where keys are no strings to it.
func decodeKeys(d *Document) (keys map[string]string, ok bool) {
	var all map[string]any
	if err := yaml.Unmarshal(d.src[d.block.from:d.block.to], &all); err != nil {
		return nil, false
	}
	keys = make(map[string]string)
	for k, v := range all {
		keys[k] = fmt.Sprintf("%#v", v)
	}
	return keys, true
}

var fuzzOps = []Op{OpSet, OpAppend, OpInsert, OpMove, OpRemove, OpRename}

func allPaths(v Value, path FieldPath, all []FieldPath) []FieldPath {
	if path != nil {
		all = append(all, path)
	}
	if len(all) > 1000 {
		return all
	}
	switch x := v.(type) {
	case *Object:
		for _, m := range x.Members {
			all = allPaths(m.Value, append(slices.Clone(path), m.Key), all)
		}
	case []Value:
		for i, item := range x {
			all = allPaths(item, append(slices.Clone(path), i), all)
		}
	}
	return all
}

// model is what an edit means, on values. It is false where it means nothing.
func model(v Value, path FieldPath, e Edit) (Value, bool) {
	name, isName := path[0].(string)
	if v == nil && isName {
		v = &Object{}
	} else if v == nil && e.Op == OpInsert {
		v = []Value{}
	}
	switch x := v.(type) {
	case *Object:
		if !isName {
			return nil, false
		}
		return modelMember(x, name, path, e)
	case []Value:
		i, ok := path[0].(int)
		if !ok || i < 0 || i > len(x) || i == len(x) && (len(path) > 1 || e.Op != OpInsert) {
			return nil, false
		}
		return modelItem(x, i, path, e)
	}
	return nil, false
}

func modelMember(x *Object, name string, path FieldPath, e Edit) (Value, bool) {
	members := slices.Clone(x.Members)
	i := slices.IndexFunc(members, func(m Member) bool { return m.Key == name })
	if len(path) == 1 {
		switch e.Op {
		case OpRemove:
			if i < 0 {
				return nil, false
			}
			return &Object{slices.Delete(members, i, i+1)}, true
		case OpRename:
			if i < 0 {
				return nil, false
			}
			members[i].Key = e.Name
			return &Object{members}, true
		}
	}
	if i < 0 {
		i = len(members)
		members = append(members, Member{Key: name})
	}
	var ok bool
	members[i].Value, ok = modelRest(members[i].Value, path[1:], e)
	return &Object{members}, ok
}

func modelItem(x []Value, i int, path FieldPath, e Edit) (Value, bool) {
	x = slices.Clone(x)
	if len(path) == 1 {
		switch e.Op {
		case OpRemove:
			return slices.Delete(x, i, i+1), true
		case OpInsert:
			return slices.Insert(x, i, e.Value), true
		case OpMove:
			if e.To >= len(x) {
				return nil, false
			}
			item := x[i]
			return slices.Insert(slices.Delete(x, i, i+1), e.To, item), true
		}
	}
	var ok bool
	x[i], ok = modelRest(x[i], path[1:], e)
	return x, ok
}

func modelRest(v Value, path FieldPath, e Edit) (Value, bool) {
	if len(path) > 0 {
		return model(v, path, e)
	}
	switch e.Op {
	case OpSet:
		return e.Value, true
	case OpAppend:
		list, ok := v.([]Value)
		return append(slices.Clone(list), e.Value), ok || v == nil
	}
	return nil, false
}

// inAnyZone is Equal but for the zones of times, which the layout of a file may
// not have, and which are no change where they become UTC.
func inAnyZone(a, b Value) bool { return comparison{times: sameInstant}.equal(a, b) }

// The fields of one document, written over another, are the fields of that one;
// and so is the body, but for line endings.
func FuzzReplace(f *testing.F) {
	var all [][]byte
	seeds(f, func(src []byte) { all = append(all, src) })
	for i, a := range all {
		f.Add(a, all[(i+1)%len(all)])
		f.Add(a, bytes.ReplaceAll(a, []byte("e"), []byte("é: ")))
		f.Add(a, bytes.ReplaceAll(a, []byte("\n- "), []byte("\n- a\n- ")))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d, to := Parse(a), Parse(b)
		got, err := d.Replace(to.Fields(), to.Body(), nil)
		if err != nil {
			return
		}
		if !inAnyZone(got.Fields(), to.Fields()) {
			t.Fatalf("the fields of\n%s\nover\n%s\ngive\n%s", b, a, got.Source())
		}
		lf := func(s string) string { return strings.ReplaceAll(string([]rune(s)), "\r\n", "\n") }
		if lf(got.Body()) != lf(to.Body()) {
			t.Fatalf("the body of\n%s\nover\n%s\nis\n%q", b, a, got.Body())
		}
		if again, err := got.Replace(to.Fields(), to.Body(), nil); again != got || err != nil {
			t.Fatalf("written once more over\n%s\nit gives %v", got.Source(), err)
		}
	})
}
