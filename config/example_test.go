package config

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The example shows every key of every type, live or, where one excludes
// another, in a comment.
func TestExampleIsComplete(t *testing.T) {
	src, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(src, &document); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	show(document.Content[0], reflect.TypeFor[Config](), shown)
	commented := map[string]bool{}
	for line := range strings.Lines(string(src)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "# "); ok {
			k, _, _ := strings.Cut(strings.TrimLeft(text, " -"), ":")
			commented[k] = true
		}
	}
	want := 0
	for k := range keys(reflect.TypeFor[Config](), map[reflect.Type]bool{}) {
		want++
		_, name, _ := strings.Cut(k, ".")
		if !shown[k] && !commented[name] {
			t.Errorf("config.example.yaml does not show %s", k)
		}
	}
	if want < 60 {
		t.Errorf("looked for %d keys only", want)
	}
}

// show notes as Type.key what n, from which a t is read, has.
func show(n *yaml.Node, t reflect.Type, shown map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer:
		show(n, t.Elem(), shown)
	case reflect.Slice:
		for _, item := range n.Content {
			show(item, t.Elem(), shown)
		}
	case reflect.Map:
		for i := 1; i < len(n.Content); i += 2 {
			show(n.Content[i], t.Elem(), shown)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("yaml")
			if inner := child(n, name); name != "" && inner != nil {
				shown[t.Name()+"."+name] = true
				show(inner, t.Field(i).Type, shown)
			}
		}
	}
}

// keys yields Type.key for every key in t and in the types of its fields.
func keys(t reflect.Type, seen map[reflect.Type]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return
		}
		seen[t] = true
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("yaml")
			if name == "" {
				continue
			}
			if !yield(t.Name() + "." + name) {
				return
			}
			for k := range keys(t.Field(i).Type, seen) {
				if !yield(k) {
					return
				}
			}
		}
	}
}
