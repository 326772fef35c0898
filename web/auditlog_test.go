package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
	"cms/web"
)

// TestAuditIsKept: what was changed or refused stands in the database when the service has
// stopped, in its order, and no stranger fills it.
func TestAuditIsKept(t *testing.T) {
	db := statetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	kept := web.NewAuditLog(db, time.Hour, logger)
	old := state.Audited{At: time.Now().Add(-2 * time.Hour), Outcome: "changed", Name: "Old"}
	if err := db.Audit().Add(t.Context(), []state.Audited{old}); err != nil {
		t.Fatal(err)
	}
	floor := doors(t, web.Options{Logger: logger, Audit: kept})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- kept.Run(ctx) }()
	token := mint(t, "ann")
	forged := token[:strings.LastIndex(token, ".")+1] + "AAAA"
	var want []string
	for n := range 600 {
		path := fmt.Sprintf("/notes/%d", n)
		ask(floor, "POST", path, "a", "Authorization", "Bearer "+token)
		want = append(want, "changed ann "+path)
	}
	for n := range 1200 {
		ask(floor, "POST", "/notes/1", "a", "Authorization", "Bearer "+forged)
		if n < 1000 {
			want = append(want, "refused  /notes/1")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var got []string
	var last state.Audited
	err := db.Audit().Each(t.Context(), state.AuditFilter{}, func(r state.Audited) error {
		got, last = append(got, r.Outcome+" "+r.Subject+" "+r.Path), r
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %d, %v; want %d", len(got), err, len(want))
	}
	if last.Claimed != "cms sub=ann" && !strings.HasPrefix(last.Claimed, "cms sub=ann jti=") || last.Reason == "" || last.Status != 401 {
		t.Errorf("a forged token left %+v", last)
	}
	if said := log.String(); !strings.Contains(said, `"msg":"not all of the audit log is kept in the database","left_out":`) || strings.Contains(said, forged) || strings.Contains(said, token) {
		t.Error("the log says a token, or not that some were left out")
	}
}

// TestAuditSaysWhatCameOfIt: a write that changed nothing and a dry run are no changes, and
// a refusal has its reason.
func TestAuditSaysWhatCameOfIt(t *testing.T) {
	var log bytes.Buffer
	floor := doors(t, web.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	bearer := []string{"Authorization", "Bearer " + mint(t, "ann")}
	for body, want := range map[string]string{
		"a": `"outcome":"changed","changed":[{`, "same": `"outcome":"unchanged","unchanged":[{`, "dry": `"outcome":"dry_run"`,
		"fail": `"outcome":"refused","code":"internal","reason":"An unexpected error`,
	} {
		log.Reset()
		ask(floor, "POST", "/notes/1", body, bearer...)
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s: got %s, want %s", body, log.String(), want)
		}
	}
	log.Reset()
	ask(floor, "GET", "/healthz", "")
	ask(floor, "GET", "/readyz", "")
	if log.Len() > 0 {
		t.Errorf("who looks at the health is logged: %s", log.String())
	}
	ask(floor, "POST", "/healthz", "")
	var line struct {
		Msg      string
		Duration *float64 `json:"duration_ms"`
	}
	for dec := json.NewDecoder(&log); dec.More(); {
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
	}
	if line.Msg != "request" || line.Duration == nil {
		t.Errorf("got %+v", line)
	}
}
