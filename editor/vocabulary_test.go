package editor

import (
	"net/http"
	"testing"

	"cms/content"
	"cms/site"
)

// TestEachTypeHasAControl: a field that is blank is no JSON to people.
func TestEachTypeHasAControl(t *testing.T) {
	for _, typ := range content.Types() {
		field := &content.Field{Name: "f", Type: typ}
		switch typ {
		case content.TypeList:
			field.Of = &content.Field{Type: content.TypeString}
		case content.TypeObject:
			field.Fields = []content.Field{{Name: "a", Type: content.TypeString}}
		}
		if got := kindOf(field, content.Maybe{}); got == "json" {
			t.Errorf("a field of type %s has no control; give it one in kindOf", typ)
		}
	}
}

// TestEachRefusalHasAStatus: what the site refuses is no fault of the service.
func TestEachRefusalHasAStatus(t *testing.T) {
	for _, code := range site.Codes() {
		if statusOf(code) == http.StatusInternalServerError {
			t.Errorf("%s has no status; give it one in statusOf", code)
		}
	}
}
