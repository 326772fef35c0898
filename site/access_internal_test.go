package site

import (
	"reflect"
	"testing"

	"cms/auth"
	"cms/content"
)

// TestVisibleTellsGrantsApart: callers share what is kept by [access.visible], so each part
// of a grant has a place there, or is none of what they read.
func TestVisibleTellsGrantsApart(t *testing.T) {
	t.Parallel()
	read := []auth.Action{auth.Read}
	ofGrants := map[string][2]auth.Grant{
		"Actions":  {{Actions: read, Hide: []string{"note"}}, {Actions: []auth.Action{auth.Update}, Hide: []string{"note"}}},
		"Hide":     {{Actions: read, Hide: []string{"note"}}, {Actions: read, Hide: []string{"note", "title"}}},
		"Where":    {{Actions: read}, {Actions: read, Where: []auth.Condition{{Field: "note"}}}},
		"ReadOnly": {}, // is read as any other
		"Paths":    {}, // is of media, see visibleMedia
	}
	ofConditions := map[string][2]auth.Condition{
		"Field":  {{Field: "note", Values: []content.Value{"1"}}, {Field: "title", Values: []content.Value{"1"}}},
		"Values": {{Field: "note", Values: []content.Value{"1"}}, {Field: "note", Values: []content.Value{int64(1)}}},
		"Claim":  {}, // is replaced by its values
	}
	differ := func(name string, a, b auth.Grant) {
		of := func(g auth.Grant) string {
			return (&access{Collection: new(content.Collection), grants: []auth.Grant{g}}).visible()
		}
		if of(a) == of(b) {
			t.Errorf("%s: callers with %+v and with %+v share what is kept", name, a, b)
		}
	}
	for field := range reflect.TypeFor[auth.Grant]().Fields() {
		pair, known := ofGrants[field.Name]
		if !known {
			t.Errorf("Grant.%s has no row here, by two grants that differ in it", field.Name)
		} else if !reflect.DeepEqual(pair[0], pair[1]) {
			differ("Grant."+field.Name, pair[0], pair[1])
		}
	}
	for field := range reflect.TypeFor[auth.Condition]().Fields() {
		pair, known := ofConditions[field.Name]
		if !known {
			t.Errorf("Condition.%s has no row here, by two conditions that differ in it", field.Name)
		} else if !reflect.DeepEqual(pair[0], pair[1]) {
			differ("Condition."+field.Name, auth.Grant{Actions: read, Where: pair[:1]}, auth.Grant{Actions: read, Where: pair[1:]})
		}
	}
}
