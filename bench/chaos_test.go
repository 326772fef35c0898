package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLedgerAgainstInventedHistories(t *testing.T) {
	for _, c := range []struct {
		name   string
		told   outcome
		commit string
		drop   bool
		branch []logged
		want   string // part of the only complaint; "" for none
	}{
		{"acknowledged and there", acked, "c1", false, []logged{{"c1", "w"}}, ""},
		{"acknowledged without a commit", acked, "", false, []logged{{"c1", "w"}}, ""},
		{"lost", acked, "c1", false, nil, "not in the branch's history"},
		{"another commit than was told", acked, "c1", false, []logged{{"c2", "w"}}, "is c2"},
		{"made twice", acked, "c1", false, []logged{{"c1", "w"}, {"c2", "w"}}, "made 2 times"},
		{"refused and not there", refused, "", false, nil, ""},
		{"refused and there", refused, "", false, []logged{{"c1", "w"}}, "told as not saved"},
		{"may be saved and is", unknown, "", false, []logged{{"c1", "w"}}, ""},
		{"may be saved and is not", unknown, "", false, nil, ""},
		{"may be saved and is twice", unknown, "", false, []logged{{"c1", "w"}, {"c2", "w"}}, "made 2 times"},
		{"dropped", acked, "c1", true, nil, ""},
		{"dropped, and pushed again", acked, "c1", true, []logged{{"c2", "w"}}, ""},
		{"dropped, and there twice", acked, "c1", true, []logged{{"c1", "w"}, {"c2", "w"}}, "made 2 times"},
		{"nobody's", refused, "", false, []logged{{"c9", "other"}}, "nobody has written"},
		{"there before", refused, "", false, []logged{{"c0", "import"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger()
			l.begin("w")
			l.settle("w", c.told, c.commit, "503")
			if c.drop {
				l.drop([]logged{{"c1", "w"}})
			}
			complains(t, l.check(c.branch, map[string]bool{"c0": true}), c.want)
		})
	}
}

func TestWhatTheServiceTells(t *testing.T) {
	branch := []logged{{"c1", "a"}, {"c2", "b"}}
	for _, c := range []struct {
		name string
		told []string
		want string
	}{
		{"all", []string{"c1", "c2", "c2"}, ""},
		{"one too many", []string{"c1", "c2", "c3", "c3"}, "c3, which the branch has not"},
		{"one too few", []string{"c1"}, "does not tell commit c2"},
	} {
		t.Run(c.name, func(t *testing.T) { complains(t, checkTold(c.told, branch), c.want) })
	}
}

func TestStatesAgainstInventedBranches(t *testing.T) {
	a, b, c := state{"e", "1", ""}, state{"e", "2", ""}, state{"moved", "2", ""}
	for _, tc := range []struct {
		name  string
		sent  func(*entity)
		files []found
		want  string
	}{
		{"as acknowledged", nil, []found{{"x", a}}, ""},
		{"as it was before", func(e *entity) { e.became(b, "") }, []found{{"x", a}}, "may be"},
		{"gone", nil, nil, "may be"},
		{"deleted", func(e *entity) { e.became(state{}, "") }, nil, ""},
		{"deleted and there", func(e *entity) { e.became(state{}, "") }, []found{{"x", a}}, "may be"},
		{"may be edited and is not", func(e *entity) { e.mayBecome(b) }, []found{{"x", a}}, ""},
		{"may be edited and is", func(e *entity) { e.mayBecome(b) }, []found{{"x", b}}, ""},
		{"may be edited and moved", func(e *entity) { e.mayBecome(b); e.mayBecome(c) }, []found{{"x", c}}, ""},
		{"the edit was not made, so the next cannot be", func(e *entity) { e.mayBecome(b); e.became(a, ""); e.became(c, "") }, []found{{"x", b}}, "may be"},
		{"an edit that comes late", func(e *entity) { e.mayBecome(b); e.became(a, "") }, []found{{"x", b}}, ""},
		{"moved and not taken away", func(e *entity) { e.became(c, "") }, []found{{"x", b}, {"x", c}}, "twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &entity{id: "x", known: a}
			if tc.sent != nil {
				tc.sent(e)
			}
			_, wrong := checkStates([]*entity{e}, tc.files)
			complains(t, wrong, tc.want)
		})
	}
}

// complains wants one complaint that contains want, or none where that is "".
func complains(t *testing.T, wrong []error, want string) {
	t.Helper()
	if want == "" {
		if len(wrong) > 0 {
			t.Fatalf("got %v, want no complaint", wrong)
		}
		return
	}
	if len(wrong) != 1 || !strings.Contains(wrong[0].Error(), want) {
		t.Fatalf("got %v, want one complaint with %q", wrong, want)
	}
}

// TestSentAgainAfterSilence: a write of which nothing is known is not refused because the
// service could not take it when it was sent again; one that was never sent before is.
func TestSentAgainAfterSilence(t *testing.T) {
	for _, again := range []bool{false, true} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			if requests == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, `{"commit": "c1"}`)
		}))
		defer server.Close()
		c := &chaos{ledger: newLedger(), counts: map[string]int{}}
		c.service.Store(&service{url: server.URL})
		o, a, _ := c.attempts(t.Context(), server.Client(), write{subject: "w", method: http.MethodDelete, target: "/", key: "k"}, again)
		if want := map[bool]outcome{false: refused, true: acked}[again]; o != want || (o == acked) != (a.told().Commit == "c1") {
			t.Errorf("sent before %t: got %v by %d %s after %d requests, want %v", again, o, a.status, a.body, requests, want)
		}
	}
}

// TestMergedAfterForcePush: what a force push dropped while a write was to be sent again is
// not expected of its answer; of any other write it is.
func TestMergedAfterForcePush(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"commit": "c1", "fields": {"mark": "older"}}`)
	}))
	defer server.Close()
	for _, dropped := range []bool{false, true} {
		c := &chaos{ledger: newLedger(), counts: map[string]int{}, cancel: func() {}}
		c.service.Store(&service{url: server.URL})
		w := &writer{chaos: c, client: server.Client()}
		c.ledger.begin("marked")
		c.ledger.begin("merged")
		if dropped {
			c.ledger.drop([]logged{{subject: "marked"}})
		}
		e := &entity{id: "e"}
		w.settle(t.Context(), e, write{subject: "merged", method: http.MethodPatch, target: "/"}, state{path: "p", mark: "marked", extra: "merged"})
		if got := len(c.wrong) == 0; got != dropped {
			t.Errorf("dropped %t: complaints %v", dropped, c.wrong)
		}
		if dropped && e.known.mark != "older" {
			t.Errorf("known: got %+v", e.known)
		}
	}
}
