package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cms/content"
	"cms/media"
)

// The example names all words of each vocabulary, and no others.
func TestExampleNamesAllWords(t *testing.T) {
	src, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(string(src), "#", " ")), " ")
	var types []string
	for _, typ := range content.Types() {
		types = append(types, string(typ))
	}
	for _, tt := range []struct {
		name string
		list string // what stands around the words, and one group of them
		want []string
	}{
		{"types", `The types are (.*?)\. `, types},
		{"algorithms", `algorithms: \[.*?\]|(HS256, with a secret; or some of .*?), with a key set`, words("algorithms")},
		{"extensions", `What is taken: some of (.*?)\. `, words("extensions")},
		{"actions", `some of (read, .*?)\. `, words("actions")},
		{"events", `whsec_.*?secret_file: \S+ (entry\.created.*?)\. Without it: all`, words("events")},
		{"builds", `all edits within coalesce\. (.*?)\. - name`, words("builds")},
		{"languages", `for searches: (.*? none) to find`, words("languages")},
		{"texts", `words itself: (.*?)\. `, words("texts")},
		{"yaml", `reads front matter: (.*?)\. `, words("yaml")},
		{"hosts", `hooks: (github, .*?) - provider`, words("hosts")},
	} {
		found := ""
		for _, m := range regexp.MustCompile(tt.list).FindAllStringSubmatch(text, -1) {
			found += m[1]
		}
		var got []string
		for _, word := range regexp.MustCompile(`[A-Za-z0-9*._-]+`).FindAllString(regexp.MustCompile(`\(.*?\)`).ReplaceAllString(found, ""), -1) {
			if !slices.Contains([]string{"or", "and", "some", "of", "with", "a", "secret", "for", "these", "that"}, word) {
				got = append(got, word)
			}
		}
		want := slices.Clone(tt.want)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(slices.Compact(got), want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, want)
		}
	}
}

// Defaults that another package has too are the same there.
func TestDefaultsOfOwners(t *testing.T) {
	f, _ := reflect.TypeFor[Media]().FieldByName("MaxPixels")
	if got, want := f.Tag.Get("default"), strconv.Itoa(media.DefaultMaxPixels); got != want {
		t.Errorf("max_pixels is %s, and %s to package media", got, want)
	}
	src, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("extensions: [%s]", strings.Join(media.DefaultExtensions(), ", ")); !strings.Contains(string(src), want) {
		t.Errorf("the example does not show %s", want)
	}
}

// Every vocabulary that a tag names is there.
func TestWordsOfTags(t *testing.T) {
	named := 0
	var look func(reflect.Type)
	seen := map[reflect.Type]bool{}
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			if name := typ.Field(i).Tag.Get("words"); name != "" {
				named++
				if len(words(name)) == 0 {
					t.Errorf("%s has no words", name)
				}
			}
			look(typ.Field(i).Type)
		}
	}
	look(reflect.TypeFor[Config]())
	if named < 5 {
		t.Errorf("found %d vocabularies only", named)
	}
}
