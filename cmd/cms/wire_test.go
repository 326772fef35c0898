package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"testing"

	"cms/config"
)

// TestEachKeyIsHandedOn sets each key of a grant, a collection and a field of a schema, and
// finds that the package which heeds it is told of something else then: a key that is
// accepted and does nothing is a promise that nobody keeps.
func TestEachKeyIsHandedOn(t *testing.T) {
	t.Parallel()
	for of, at := range map[string]struct {
		in        any
		translate func(any) (any, error)
	}{
		"a grant":      {config.Grant{}, func(in any) (any, error) { return grant(in.(config.Grant)) }},
		"a collection": {config.Collection{}, func(in any) (any, error) { c := in.(config.Collection); return collection(&c) }},
		"a field":      {config.Field{}, func(in any) (any, error) { f := in.(config.Field); return field(&f) }},
	} {
		without, err := at.translate(at.in)
		if err != nil {
			t.Fatalf("%s: %v", of, err)
		}
		for i := range reflect.TypeOf(at.in).NumField() {
			key := reflect.TypeOf(at.in).Field(i)
			if of+" "+key.Name == "a collection Page" { // which pagesOf hands to the form
				continue
			}
			set := reflect.New(reflect.TypeOf(at.in)).Elem()
			something(set.Field(i))
			with, err := at.translate(set.Interface())
			if err == nil && reflect.DeepEqual(with, without) {
				t.Errorf("%s: %s is handed to nobody", of, key.Name)
			}
		}
	}
}

// something makes something of a value that is not its zero.
func something(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`"x"`))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		if v.Type().Elem().Kind() != reflect.Struct { // which may hold such a slice
			something(v.Index(0))
		}
	case v.Kind() == reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		something(key)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	case v.CanFloat():
		v.SetFloat(1)
	default:
		panic(fmt.Sprint("nothing is known of ", v.Type()))
	}
}

// TestCommandsAreDocumented holds the table of docs/operate.md against the commands.
func TestCommandsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `cms ([a-z]+)` \\|").FindAllStringSubmatch(string(doc), -1) {
		rows[m[1]] = true
	}
	for _, c := range (&program{}).command().Commands() {
		if !rows[c.Name()] {
			t.Errorf("docs/operate.md has no row for cms %s", c.Name())
		}
		delete(rows, c.Name())
	}
	for name := range rows {
		t.Errorf("docs/operate.md tells of cms %s, which is no command", name)
	}
}
