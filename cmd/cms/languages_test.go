package main

import (
	"reflect"
	"strings"
	"testing"

	"cms/config"
	"cms/search"
)

// TestLanguages: the configuration takes the languages whose stems are known, and none.
func TestLanguages(t *testing.T) {
	field, ok := reflect.TypeFor[config.Collection]().FieldByName("Language")
	if got, want := field.Tag.Get("oneof"), strings.Join(append(search.Languages(), "none"), " "); !ok || got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
