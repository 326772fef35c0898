package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"cms/content"
	"cms/site"
	"cms/state"
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
	words := func(all ...string) []string { return all }
	var types, references []string
	for _, typ := range content.Types() {
		types = append(types, string(typ))
	}
	for _, how := range site.EveryReferences() {
		references = append(references, string(how))
	}
	for _, tt := range []struct {
		path string // in the document
		want []string
	}{
		{"components schemas Field properties type", types},
		{"components schemas Operation properties references", references},
		{"components schemas Change properties action", site.Actions()},
		{"components schemas FeedItem properties action", site.Actions()},
		{"components schemas EntryData properties action", append(site.Actions(), site.SetAsideAction)},
		{"components schemas MediaData properties action", append(site.Actions(), site.SetAsideAction)},
		{"components schemas NewWebhook properties type", webhooks.Kinds()},
		{"components schemas Delivery properties state", state.DeliveryStates()},
		{"components schemas Deployment properties state", webhooks.DeploymentStates()},
		{"components schemas DeploymentReport properties state", webhooks.BuildStates()},
		{"paths /hooks/{provider} post parameters provider schema", inbound.Providers()},
		{"paths /v1/deliveries get parameters state schema", state.DeliveryStates()},
		{"paths /v1/collections/{collection}/move/{slug} post parameters references schema", references},
		{"paths /v1/collections/{collection}/entries/{slug} delete parameters references schema", words(string(site.RefuseReferences), string(site.ClearReferences))},
		{"paths /v1/media-move/{path} post parameters references schema", words(string(site.RefuseReferences), string(site.UpdateReferences))},
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
			schema = nil // of the parameter with that name
			for _, x := range list {
				if p, _ := x.(map[string]any); p["name"] == step {
					schema = x
				}
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
