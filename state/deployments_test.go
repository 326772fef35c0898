package state_test

import (
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// A commit that was live once stays it, and the oldest reports are forgotten.
func TestDeployments(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		ds := statetest.Open(t, address).Deployments()
		at := func(n int) time.Time { return time.Unix(int64(n), 0).UTC() }
		for _, d := range []state.Deployment{
			{Commit: "a", State: "building", At: at(1)},
			{Commit: "b", State: "live", URL: "https://example.org", At: at(2), LiveAt: at(2)},
			{Commit: "c", State: "queued", At: at(3)},
			{Commit: "b", State: "building", At: at(4)},
		} {
			if err := ds.Report(t.Context(), state.Report{Deployment: d, Made: d.At}, 2); err != nil {
				t.Fatal(err)
			}
		}
		all, err := ds.All(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("got %+v, %v, want two", all, err)
		}
		for _, d := range all {
			if d.Commit == "a" || d.Commit == "b" && (d.State != "building" || !d.LiveAt.Equal(at(2)) || !d.At.Equal(at(4)) || d.URL != "") {
				t.Errorf("got %+v", d)
			}
		}
	})
}
