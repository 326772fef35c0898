package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// environment finds the variables that were to override a key and name none: those that
// begin like a section of the configuration, or are all but called like a key. What a key
// such as secret_env names is called as its owner likes.
func (d *decoder) environment(c *Config) {
	keys, named := map[string]bool{}, map[string]bool{}
	variables(reflect.TypeFor[Config](), nil, keys)
	namedVariables(reflect.ValueOf(c).Elem(), named)
	var known []string
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if keys[name] {
			known = append(known, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.environ)) {
		overrides, isKey := keys[name]
		if overrides || named[name] || d.environ[name] == "" || ofKubernetes(name, d.environ[name]) {
			continue
		}
		if isKey {
			d.found = append(d.found, Problem{Position: Position{File: "environment variable " + name},
				Detail: "names a key of the configuration that holds others, or a list or mapping, which a variable cannot set; write it into the file"})
			continue
		}
		meant := Nearest(name, known)
		if meant == "" && !beginsLikeSection(name) {
			continue
		}
		p := Problem{Position: Position{File: "environment variable " + name}, Detail: "names no key of the configuration"}
		switch {
		case meant != "":
			p.Detail += "; did you mean " + meant + "?"
		case ofList(name, keys):
			p.Detail += " that a variable can set, as those of lists and mappings cannot; write it into the file"
		default:
			p.Detail += "; call it otherwise, or remove it"
		}
		d.found = append(d.found, p)
	}
}

// variables notes the variables of the keys of t, and whether they override: not those of
// what holds others.
func variables(t reflect.Type, path []any, keys map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if name == "" {
			continue
		}
		at, inner := join(path, name), f.Type
		keys[variable(at)] = scalar(inner)
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && !scalar(inner) {
			variables(inner, at, keys)
		}
	}
}

// namedVariables notes the variables that a configuration names.
func namedVariables(v reflect.Value, named map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			namedVariables(v.Elem(), named)
		}
	case reflect.Slice:
		if v.Type() != reflect.TypeFor[json.RawMessage]() {
			for i := range v.Len() {
				namedVariables(v.Index(i), named)
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			namedVariables(v.MapIndex(k), named)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch f := v.Type().Field(i); {
			case strings.HasSuffix(f.Tag.Get("yaml"), "_env"):
				named[v.Field(i).String()] = true
			case f.IsExported():
				namedVariables(v.Field(i), named)
			}
		}
	}
}

// beginsLikeSection says whether a variable is called as one of a key of some section.
func beginsLikeSection(name string) bool {
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		section := t.Field(i).Tag.Get("yaml")
		if section != "" && !scalar(t.Field(i).Type) && strings.HasPrefix(name, variable([]any{section})+"_") {
			return true
		}
	}
	return false
}

// ofList says whether a variable begins like a list or a mapping, whose keys none can set.
func ofList(name string, keys map[string]bool) bool {
	for key, overrides := range keys {
		holdsKeys := slices.ContainsFunc(slices.Collect(maps.Keys(keys)), func(k string) bool { return strings.HasPrefix(k, key+"_") })
		if !overrides && !holdsKeys && strings.HasPrefix(name, key+"_") {
			return true
		}
	}
	return false
}

// What Kubernetes tells each container of a service that is called cms-server, or after
// another section, is not meant for us.
var kubernetesName = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

func ofKubernetes(name, value string) bool {
	return kubernetesName.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}
