package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"cms/content"
)

// TestBoundsOfFields: min and max are numbers as they always were, also those with more
// digits than a float64 has room for.
func TestBoundsOfFields(t *testing.T) {
	t.Parallel()
	schema := content.Schema{Defined: true, Fields: []content.Field{
		{Name: "none", Type: "number"},
		{Name: "usual", Type: "number", Min: "0.50", Max: "1.2e4"},
		{Name: "large", Type: "integer", Min: "-9007199254740993", Max: "1e21"},
	}}
	s := newServerOf(t, []content.Collection{{Name: "mesures", Folder: "mesures", Extension: ".md", Schema: schema}}, func(*options) {})
	res := s.do(request{method: "GET", path: "/v1/collections/mesures"})
	var got struct {
		Fields []struct{ Min, Max json.RawMessage }
	}
	if err := json.Unmarshal(res.body, &got); err != nil || res.status != http.StatusOK || len(got.Fields) != 3 {
		t.Fatalf("got %d %s, %v", res.status, res.body, err)
	}
	for i, want := range [][2]string{{"", ""}, {"0.5", "12000"}, {"-9007199254740993", "1e+21"}} {
		if f := got.Fields[i]; string(f.Min) != want[0] || string(f.Max) != want[1] {
			t.Errorf("%s: got %s to %s, want %q", schema.Fields[i].Name, f.Min, f.Max, want)
		}
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]map[string]any
			}
		}
	}
	if err := json.Unmarshal(s.do(request{method: "GET", path: "/openapi.json"}).body, &document); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"min", "max"} {
		if got := document.Components.Schemas["Field"].Properties[name]; got["type"] != "number" || got["format"] != "double" || got["description"] == nil {
			t.Errorf("%s is described as %v", name, got)
		}
	}
}
