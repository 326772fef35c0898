package state_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// TestAudit: what is kept comes back in its order, as it is asked for, until its time is over.
func TestAudit(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		log := statetest.Open(t, address).Audit()
		at := time.UnixMilli(1_800_000_000_000).UTC()
		edit := func(n int, name, email, outcome string) state.Audited {
			r := state.Audited{
				At: at.Add(time.Duration(n) * time.Minute), Address: "192.0.2.1", Issuer: "cms", Subject: "s-" + name, Name: name, Email: email, Operation: "patch-entry",
				Method: "PATCH", Path: fmt.Sprintf("/v1/collections/notes/entries/a/%d", n), Status: 200, Outcome: outcome, RequestID: fmt.Sprint("r", n),
			}
			if outcome == "changed" {
				r.Targets = []state.AuditTarget{{"notes", fmt.Sprintf("a/%d", n), "c0"}, {"notes", "index", ""}}
			} else {
				r.Status, r.Code, r.Reason = 412, "precondition_failed", "Somebody was faster."
			}
			return r
		}
		var all []state.Audited
		for n := range 1200 {
			all = append(all, edit(n, "Ann", "ann@example.org", []string{"changed", "refused"}[n%2]))
		}
		strange := state.Audited{At: at.Add(1200 * time.Minute), Claimed: "cms sub=Zoé_1 jti=4", Method: "POST", Path: "/editor/entry/notes/a/7", Status: 401, Outcome: "refused", Reason: "a\x00b\xff"}
		if err := log.Add(t.Context(), append(all, strange)); err != nil {
			t.Fatal(err)
		}
		strange.Reason = "a\uFFFDb\uFFFD"
		last := edit(1201, "Ben", "ben@example.org", "changed")
		if err := log.Add(t.Context(), []state.Audited{last}); err != nil {
			t.Fatal(err)
		}
		all = append(all, strange, last)
		get := func(f state.AuditFilter) (got []state.Audited) {
			t.Helper()
			if err := log.Each(t.Context(), f, func(r state.Audited) error { got = append(got, r); return nil }); err != nil {
				t.Fatal(err)
			}
			return got
		}
		for name, c := range map[string]struct {
			filter state.AuditFilter
			want   []state.Audited
		}{
			"all":                    {state.AuditFilter{}, all},
			"an entry":               {state.AuditFilter{Collection: "notes", Name: "a/4"}, all[4:5]},
			"refused alone":          {state.AuditFilter{Collection: "notes", Name: "a/5"}, all[5:6]},
			"refused to a form":      {state.AuditFilter{Collection: "notes", Name: "a/7"}, []state.Audited{all[7], strange}},
			"no other's end":         {state.AuditFilter{Collection: "notes", Name: "7"}, nil},
			"an address":             {state.AuditFilter{Person: "BEN@example.org"}, []state.Audited{last}},
			"a name":                 {state.AuditFilter{Person: "Ben"}, []state.Audited{last}},
			"a subject":              {state.AuditFilter{Person: "s-Ben"}, []state.Audited{last}},
			"whom a token names":     {state.AuditFilter{Person: "Zoé_1"}, []state.Audited{strange}},
			"no wildcard":            {state.AuditFilter{Person: "Zo%"}, nil},
			"since":                  {state.AuditFilter{Since: last.At}, []state.Audited{last}},
			"until":                  {state.AuditFilter{Until: at.Add(time.Minute)}, all[:1]},
			"a person and an entry":  {state.AuditFilter{Person: "Ben", Collection: "notes", Name: "index"}, []state.Audited{last}},
			"a person and no entry":  {state.AuditFilter{Person: "Ben", Collection: "notes", Name: "a/4"}, nil},
			"a person, and too late": {state.AuditFilter{Person: "Ben", Until: last.At}, nil},
		} {
			if got := get(c.filter); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: got %d, want %d", name, len(got), len(c.want))
			}
		}

		// In steps, and with what they were about.
		for want := true; want; {
			more, err := log.Prune(t.Context(), at.Add(1100*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if want = len(get(state.AuditFilter{})) > 102; more != want && more {
				t.Errorf("more to forget: %v, want %v", more, want)
			}
		}
		if got := get(state.AuditFilter{}); !reflect.DeepEqual(got, all[1100:]) {
			t.Errorf("%d are left, want 102", len(got))
		}
		if got := get(state.AuditFilter{Collection: "notes", Name: "index"}); len(got) != 51 {
			t.Errorf("%d about an entry are left", len(got))
		}
	})
}

// TestAuditKeepsLongNames of everything that may be long.
func TestAuditKeepsLongNames(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		log := statetest.Open(t, address).Audit()
		long := strings.Repeat("é", 1024)
		want := state.Audited{At: time.UnixMilli(1).UTC(), Name: long, Email: long, Path: long, Claimed: long, Reason: long, Targets: []state.AuditTarget{{long, long, "c"}}}
		if err := log.Add(t.Context(), []state.Audited{want}); err != nil {
			t.Fatal(err)
		}
		err := log.Each(t.Context(), state.AuditFilter{}, func(got state.Audited) error {
			if !reflect.DeepEqual(got, want) {
				t.Error("they differ")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
