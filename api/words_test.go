package api_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cms/content"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// The enums of the document are the vocabularies of their owners.
func TestEnumsAreThoseOfTheirOwners(t *testing.T) {
	t.Parallel()
	s, _ := newLoginServer(t, "http://127.0.0.1:8080")
	var document any
	if err := json.Unmarshal(s.do(request{method: "GET", path: "/openapi.json", token: "-"}).body, &document); err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, typ := range content.Types() {
		types = append(types, string(typ))
	}
	for _, tt := range []struct {
		path string // in the document
		want []string
	}{
		{"components schemas Field properties type", types},
		{"components schemas NewWebhook properties type", webhooks.Kinds()},
		{"components schemas DeploymentReport properties state", webhooks.BuildStates()},
		{"paths /hooks/{provider} post parameters 0 schema", inbound.Providers()},
	} {
		got := enumOf(document, strings.Fields(tt.path))
		slices.Sort(got)
		want := slices.Sorted(slices.Values(tt.want))
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tt.path, got, want)
		}
	}
}

// enumOf is the enum of the schema that steps lead to.
func enumOf(schema any, steps []string) (words []string) {
	for _, step := range append(steps, "enum") {
		if list, ok := schema.([]any); ok {
			if n, err := strconv.Atoi(step); err == nil && n < len(list) {
				schema = list[n]
			}
			continue
		}
		o, _ := schema.(map[string]any)
		schema = o[step]
	}
	list, _ := schema.([]any)
	for _, v := range list {
		word, _ := v.(string)
		words = append(words, word)
	}
	return words
}
