package state

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is asked again and again goes by an index, and sorts nothing: its cost is
// that of what it gives, however much waits.
func TestPlans(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, c := range map[string]struct {
		query string
		args  []any
		index []string
	}{
		"heads": {headsQuery, []any{"site", 10}, []string{"webhook_deliveries_heads (endpoint=?)"}},
		"prune": {`SELECT id FROM webhook_deliveries WHERE ` + prunable, []any{1, 1}, []string{"webhook_deliveries_done (finished_at<?)"}},
		"shares a path": {`SELECT ` + sharesPath, sharing("site", "a", sql.NullString{}, 1), []string{
			"webhook_deliveries_path (endpoint=? AND state=? AND path=? AND seq<?)", "webhook_deliveries_moved (endpoint=? AND state=? AND moved_from=? AND seq<?)"}},
		"first on a path": {`SELECT id FROM webhook_deliveries WHERE endpoint = ? AND state = 'pending' AND path = ? ORDER BY seq LIMIT 1`, []any{"site", "a"},
			[]string{"webhook_deliveries_path (endpoint=? AND state=? AND path=?)"}},
		"redeliver": {`SELECT d.id FROM webhook_deliveries d WHERE ` + redelivered + ` ORDER BY d.seq LIMIT ?`, []any{"site", 1, 2, 0, 9, 1},
			[]string{"(endpoint=? AND seq>? AND seq<?)"}},
		"pending": {`SELECT seq FROM webhook_deliveries WHERE endpoint = ? AND seq > ? AND state = 'pending' ORDER BY seq LIMIT ?`, []any{"site", 0, 1},
			[]string{"(endpoint=? AND seq>?)"}},
		"change pending": {`UPDATE webhook_deliveries SET next_at = ? WHERE attempts > 0 AND next_at > ? AND endpoint = ? AND seq > ? AND seq <= ? AND state = 'pending'`,
			[]any{1, 1, "site", 0, 9}, []string{"(endpoint=? AND seq>? AND seq<?)"}},
		"renew a build": {`UPDATE webhook_deliveries SET body = ? WHERE endpoint = ? AND state = 'pending' AND started_at = 0 AND path = ?`, []any{"", "site", "build"},
			[]string{"webhook_deliveries_path (endpoint=? AND state=? AND path=?)"}},
		"last build":         {`SELECT commit_id FROM webhook_deliveries WHERE endpoint = ? AND path = ? ORDER BY seq DESC LIMIT 1`, []any{"site", "build"}, []string{"(endpoint=?)"}},
		"forget an endpoint": {`SELECT id FROM webhook_deliveries WHERE endpoint = ? ORDER BY seq LIMIT ?`, []any{"site", 1}, []string{"(endpoint=?)"}},
		"session":            {`SELECT ` + accountColumns + ` FROM sessions JOIN accounts ON accounts.id = sessions.account WHERE sessions.id = ?`, []any{"s"}, []string{"(id=?)"}},
		"personal token":     {findPersonalToken, []any{"h"}, []string{"(hash=?)"}},
		"old devices":        {`DELETE FROM devices WHERE until_at < ?`, []any{1}, []string{"devices_until (until_at<?)"}},
		"more devices":       {forgetDevices, []any{"a", "a", 1}, []string{"devices_account (account=? AND until_at<?)", "devices_account (account=?)"}},
		"devices":            {`DELETE FROM devices WHERE account = ?`, []any{"a"}, []string{"devices_account (account=?)"}},
	} {
		rows, err := db.reads.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+c.query, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var plan strings.Builder
		for rows.Next() {
			var a, b, n int
			var detail string
			if err := rows.Scan(&a, &b, &n, &detail); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&plan, detail)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		got := plan.String()
		for _, index := range c.index {
			if !strings.Contains(got, index) {
				t.Errorf("%s: not by %s:\n%s", name, index, got)
			}
		}
		if strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN webhook") || strings.Contains(got, "SCAN d") || strings.Contains(got, "SCAN devices") {
			t.Errorf("%s: looks at more than it gives:\n%s", name, got)
		}
	}
}

// A page of deliveries is found by an index in its order, whatever is asked for.
func TestPlansOfDeliveries(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct {
		filter DeliveryFilter
		index  string
	}{
		{DeliveryFilter{}, ""},
		{DeliveryFilter{Endpoint: "e"}, "webhook_deliveries_list (endpoint=?"},
		{DeliveryFilter{State: Failed}, "webhook_deliveries_state (state=?"},
		{DeliveryFilter{Subject: "s"}, "webhook_deliveries_subject (subject=?"},
		{DeliveryFilter{Endpoint: "e", State: Failed}, "webhook_deliveries_endpoint_state (endpoint=? AND state=?"},
		{DeliveryFilter{Endpoint: "e", Subject: "s"}, "webhook_deliveries_subject (subject=?"},
		{DeliveryFilter{State: Failed, Subject: "s"}, "webhook_deliveries_subject (subject=?"},
		{DeliveryFilter{Endpoint: "e", State: Failed, Subject: "s"}, "webhook_deliveries_subject (subject=?"},
	} {
		for _, before := range []string{"", "d"} {
			c.filter.Before, c.filter.Limit = before, 20
			query, args := c.filter.query()
			var plan string
			rows, err := db.reads.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, args...)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var a, b, n int
				var detail string
				if err := rows.Scan(&a, &b, &n, &detail); err != nil {
					t.Fatal(err)
				}
				plan += detail + "\n"
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(plan, c.index) || strings.Contains(plan, "TEMP B-TREE") || !strings.Contains(plan, "USING INDEX") {
				t.Errorf("%+v: not by %q, in its order:\n%s", c.filter, c.index, plan)
			}
		}
	}
}

// A step of pruning is bounded, so that whoever has something to write need not
// wait for all of it.
func TestStepsAreBounded(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w, now := db.Webhooks(), time.UnixMilli(1_800_000_000_000)
	if err := w.Configure(t.Context(), []string{"site"}, "", now); err != nil {
		t.Fatal(err)
	}
	ds := make([]Delivery, 2*step+1)
	for i := range ds {
		ds[i] = Delivery{Path: "x", Created: now, Next: now}
	}
	if ok, err := w.Advance(t.Context(), "site", Cursor{}, Cursor{Commit: "a"}, now, ds); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := db.exec(t.Context(), `UPDATE webhook_deliveries SET state = 'failed', finished_at = 1`); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{step, step, 1, 0} {
		if n, err := w.forgetSome(t.Context(), prunable, now.UnixMilli()); n != want || err != nil {
			t.Errorf("step %d took %d, %v; want %d", i, n, err, want)
		}
	}
}

// Nor does forgetting old keys, which may be as many as there were writes in an hour.
func TestOldKeysGoInSteps(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.UnixMilli(1_800_000_000_000)
	err = db.Tx(t.Context(), func(tx *sql.Tx) error {
		for i := range 2*step + 2 {
			created := now.Add(-KeyLifetime - time.Second)
			if i == 0 {
				created = now
			}
			if _, err := tx.Exec(`INSERT INTO idempotency_keys (id, fingerprint, head, lease_until, created_at) VALUES (?, '', '', 0, ?)`, fmt.Sprint(i), created.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := db.Keys().purgeSome(t.Context(), now); n != step || err != nil {
		t.Errorf("a step took %d, %v; want %d", n, err, step)
	}
	if err := db.Keys().Purge(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.SQL().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM idempotency_keys`).Scan(&left); left != 1 || err != nil {
		t.Errorf("%d keys are left, %v; want the one that is not old", left, err)
	}
}

// What removes or repeats many deliveries does so in steps: when a step fails, those
// before it are done, and to ask again does the rest.
func TestStepsThatFail(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w, now := db.Webhooks(), time.UnixMilli(1_800_000_000_000)
	if err := w.Configure(t.Context(), []string{"site", "other"}, "", now); err != nil {
		t.Fatal(err)
	}
	const many = 3*step + 1
	ds := make([]Delivery, many)
	for i := range ds {
		ds[i] = Delivery{EventID: fmt.Sprint("e", i), Path: "x", Created: now, Next: now}
	}
	if ok, err := w.Advance(t.Context(), "site", Cursor{}, Cursor{Commit: "a"}, now, ds); !ok || err != nil {
		t.Fatal(ok, err)
	}
	do := func(query string) {
		t.Helper()
		if _, err := db.exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		t.Helper()
		if err := db.sql.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM webhook_deliveries`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	do(`UPDATE webhook_deliveries SET state = 'failed', finished_at = 1`)
	const broken = step + step/2 // in the second step
	do(fmt.Sprintf(`CREATE TRIGGER broken BEFORE INSERT ON webhook_deliveries WHEN new.event_id = 'e%d' BEGIN SELECT RAISE(ABORT, 'kaputt'); END`, broken))
	again := func() (int, error) {
		return w.RedeliverRange(t.Context(), "site", now, now.Add(time.Second), many, now.Add(time.Minute))
	}
	if n, err := again(); n != step || err == nil {
		t.Errorf("redelivered %d, %v; want the %d of the first step and an error", n, err, step)
	}
	if n := count(); n != many+step {
		t.Errorf("there are %d deliveries, want those of the first step twice, %d", n, many+step)
	}
	do(`DROP TRIGGER broken`)
	if n, err := again(); n != many || err != nil {
		t.Errorf("redelivered %d, %v; want %d", n, err, many)
	}
	if n := count(); n != 2*many+step {
		t.Errorf("there are %d deliveries, want %d", n, 2*many+step)
	}

	do(fmt.Sprintf(`CREATE TRIGGER broken BEFORE DELETE ON webhook_deliveries WHEN old.event_id = 'e%d' BEGIN SELECT RAISE(ABORT, 'kaputt'); END`, broken))
	left := count() - step
	if err := w.Configure(t.Context(), []string{"other"}, "b", now); err == nil || count() != left {
		t.Errorf("removed an endpoint: %v, %d deliveries are left, want an error and %d", err, count(), left)
	}
	if moved, err := w.Advance(t.Context(), "site", Cursor{Commit: "a"}, Cursor{Commit: "b"}, now, ds); moved || err != nil {
		t.Errorf("an endpoint that is leaving gets deliveries: %t, %v", moved, err)
	}
	do(`DROP TRIGGER broken`)
	if err := w.Configure(t.Context(), []string{"other", "site"}, "c", now); err != nil || count() != 0 {
		t.Errorf("configured again: %v, %d deliveries are left", err, count())
	}
	all, err := w.Endpoints(t.Context())
	if err != nil || len(all) != 2 || all[1].Name != "site" || all[1].Commit != "c" || !all[1].Disabled.IsZero() || !all[1].Configured {
		t.Errorf("got %+v, %v; want site as a new endpoint at c", all, err)
	}
}

// A database of an earlier version knows which of its deliveries wait for others.
func TestMigrateHeads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	old, err := openSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"migrations/001_webhooks.sql", "migrations/002_deployments.sql"} {
		src, err := migrations.ReadFile(name)
		if err == nil {
			_, err = old.ExecContext(t.Context(), string(src))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := old.ExecContext(t.Context(), `CREATE TABLE migrations (name TEXT PRIMARY KEY, at BIGINT NOT NULL);
		INSERT INTO migrations VALUES ('migrations/001_webhooks.sql', 1), ('migrations/002_deployments.sql', 1);
		INSERT INTO webhook_endpoints VALUES ('site', 1, '', 'c1', 0, 100, 0, '', 0, 0)`); err != nil {
		t.Fatal(err)
	}
	for seq, d := range []struct {
		path, from, state string
		head              bool
	}{
		{"a", "", "delivered", false}, {"a", "", "pending", true}, {"a", "", "pending", false},
		{"b", "a", "pending", false}, {"b", "", "pending", false}, {"c", "d", "pending", true},
		{"d", "", "pending", false}, {"e", "d", "pending", false}, {"f", "", "pending", true},
	} {
		if _, err := old.ExecContext(t.Context(), `INSERT INTO webhook_deliveries VALUES (?, 'site', ?, '', ?, '', ?, ?, '', '', ?, 0, 0, 0, 0, 0)`,
			fmt.Sprint("dlv_", seq), seq, fmt.Sprint(d.head), d.path, sql.NullString{String: d.from, Valid: d.from != ""}, d.state); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	heads, err := db.Webhooks().Heads(t.Context(), "site", 100)
	if err != nil || len(heads) != 3 {
		t.Errorf("got %d heads, %v; want 3", len(heads), err)
	}
	for _, d := range heads {
		if d.Type != "true" {
			t.Errorf("delivery %d, on %s, does not wait for others", d.Seq, d.Path)
		}
	}
	if rows, err := db.Webhooks().Cursors(t.Context()); err != nil || len(rows) != 1 || rows[0].Commit != "c1" {
		t.Errorf("got the endpoints %+v, %v", rows, err)
	}
}
