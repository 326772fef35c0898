package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNameTaken says that a name is in use.
var ErrNameTaken = errors.New("name is taken")

// Webhooks keeps the endpoints and how far each has come. Deliveries are kept
// with them, see deliveries.go.
type Webhooks struct{ db *DB }

// Webhooks is the store of webhooks.
func (db *DB) Webhooks() *Webhooks { return &Webhooks{db} }

// Endpoint is a receiver of events.
type Endpoint struct {
	Name       string
	Configured bool   // the configuration has its settings
	Settings   string // JSON, else
	Cursor            // the events up to it are enqueued
	MovedAt    time.Time
	Disabled   time.Time // zero while it is enabled
	Reason     string    // why it is disabled
	Succeeded  time.Time // zero when never
	Created    time.Time
	Pending    int // deliveries, where they are counted
}

const endpointColumns = `name, configured, settings, turn, commit_id, moved_at, disabled_at, disabled_reason, succeeded_at, created_at`

func scanEndpoint(row interface{ Scan(...any) error }, more ...any) (Endpoint, error) {
	var (
		e                                     Endpoint
		kind                                  int
		moved, disabled, succeeded, createdAt int64
	)
	err := row.Scan(append([]any{&e.Name, &kind, &e.Settings, &e.Epoch, &e.Commit, &moved, &disabled, &e.Reason, &succeeded, &createdAt}, more...)...)
	e.Configured = kind != madeByAPI
	e.MovedAt, e.Disabled, e.Succeeded, e.Created = fromMillis(moved), fromMillis(disabled), fromMillis(succeeded), fromMillis(createdAt)
	return e, err
}

// Endpoints are all of them, by name, with the number of their deliveries that
// are pending.
func (w *Webhooks) Endpoints(ctx context.Context) ([]Endpoint, error) {
	return w.endpoints(ctx, `(SELECT COUNT(*) FROM webhook_deliveries d WHERE d.endpoint = e.name AND d.state = 'pending')`)
}

// Tally is how the endpoints do, all together.
type Tally struct {
	Enabled, Disabled int
	Waiting           int       // deliveries that are pending
	Oldest            time.Time // when the first of those was made; zero for none
	Failed            int       // deliveries that were given up and are kept
}

// Tally counts all deliveries that are kept.
func (w *Webhooks) Tally(ctx context.Context) (t Tally, err error) {
	var oldest int64
	err = w.db.reads.QueryRowContext(ctx, w.db.Bind(`SELECT
		(SELECT COUNT(*) FROM webhook_endpoints WHERE configured <> ? AND disabled_at = 0), (SELECT COUNT(*) FROM webhook_endpoints WHERE configured <> ? AND disabled_at <> 0),
		(SELECT COUNT(*) FROM webhook_deliveries WHERE state = 'pending'), (SELECT COALESCE(MIN(created_at), 0) FROM webhook_deliveries WHERE state = 'pending'),
		(SELECT COUNT(*) FROM webhook_deliveries WHERE state = 'failed')`), leaving, leaving).Scan(&t.Enabled, &t.Disabled, &t.Waiting, &oldest, &t.Failed)
	if err != nil {
		return Tally{}, fmt.Errorf("count deliveries: %w", err)
	}
	t.Oldest = fromMillis(oldest)
	return t, nil
}

// Cursors are Endpoints whose deliveries are not counted, which takes long where
// many are pending.
func (w *Webhooks) Cursors(ctx context.Context) ([]Endpoint, error) {
	return w.endpoints(ctx, `0`)
}

func (w *Webhooks) endpoints(ctx context.Context, pending string) ([]Endpoint, error) {
	rows, err := w.db.reads.QueryContext(ctx, `SELECT `+endpointColumns+`, `+pending+` FROM webhook_endpoints e ORDER BY name`) //nolint:gosec // of constants
	if err != nil {
		return nil, fmt.Errorf("list webhook endpoints: %w", err)
	}
	defer rows.Close()
	var all []Endpoint
	for rows.Next() {
		var pending int
		e, err := scanEndpoint(rows, &pending)
		if err != nil {
			return nil, fmt.Errorf("list webhook endpoints: %w", err)
		}
		e.Pending = pending
		all = append(all, e)
	}
	return all, rows.Err()
}

// Current says whether an endpoint has these settings still, and is enabled. It reads
// what was stored before it was asked, by any service.
func (w *Webhooks) Current(ctx context.Context, name, settings string) (bool, error) {
	var n int
	err := w.db.reads.QueryRowContext(ctx, w.db.Bind(`SELECT COUNT(*) FROM webhook_endpoints WHERE name = ? AND settings = ? AND disabled_at = 0`), name, settings).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("read webhook endpoint %q: %w", name, err)
	}
	return n > 0, nil
}

// What the column configured holds. One that leaves is gone to those who look at the
// configuration, but not all of its deliveries are.
const (
	madeByAPI = iota
	configured
	leaving
)

// Configure makes the configured endpoints those of names: new ones start at
// the commit head, and those that are gone take their deliveries with them, in
// steps. ErrNameTaken, and nothing is done, when one of names was made through the
// API. One that was interrupted is repeated, as at the next start.
func (w *Webhooks) Configure(ctx context.Context, names []string, head string, now time.Time) error {
	if err := w.db.Tx(ctx, func(tx *sql.Tx) error { return w.retire(ctx, tx, names, now) }); err != nil {
		return err
	}
	old, err := w.names(ctx, leaving)
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := w.forgetEndpoint(ctx, name); err != nil {
			return err
		}
	}
	return w.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, name := range names {
			if err := w.insert(ctx, tx, Endpoint{Name: name, Configured: true, Cursor: Cursor{Commit: head}, Created: now}); err != nil {
				return err
			}
		}
		return nil
	})
}

// retire makes the configured endpoints leave that are not among names.
func (w *Webhooks) retire(ctx context.Context, tx *sql.Tx, names []string, now time.Time) error {
	stay := []any{now.UnixMilli()}
	for _, name := range names {
		var n int
		if err := tx.QueryRowContext(ctx, w.db.Bind(`SELECT COUNT(*) FROM webhook_endpoints WHERE name = ? AND configured = 0`), name).Scan(&n); err != nil {
			return fmt.Errorf("configure webhook endpoint %q: %w", name, err)
		}
		if n > 0 {
			return fmt.Errorf("webhook endpoint %q was made through the API; rename it in the configuration, or delete it there first: %w", name, ErrNameTaken)
		}
		stay = append(stay, name)
	}
	query := `UPDATE webhook_endpoints SET configured = 2, disabled_at = ?, disabled_reason = 'it is not in the configuration any more' WHERE configured = 1`
	if len(names) > 0 {
		query += ` AND name NOT IN (?` + strings.Repeat(", ?", len(names)-1) + `)`
	}
	if _, err := tx.ExecContext(ctx, w.db.Bind(query), stay...); err != nil {
		return fmt.Errorf("remove webhook endpoints that are not configured any more: %w", err)
	}
	return nil
}

// names are those of the endpoints of one kind.
func (w *Webhooks) names(ctx context.Context, kind int) ([]string, error) {
	rows, err := w.db.sql.QueryContext(ctx, w.db.Bind(`SELECT name FROM webhook_endpoints WHERE configured = ? ORDER BY name`), kind)
	if err != nil {
		return nil, fmt.Errorf("list webhook endpoints: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("list webhook endpoints: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// forgetEndpoint removes an endpoint and its deliveries, which may be many: in steps.
func (w *Webhooks) forgetEndpoint(ctx context.Context, name string) error {
	if err := w.forget(ctx, `endpoint = ? ORDER BY seq LIMIT ?`, name); err != nil {
		return err
	}
	return w.db.Tx(ctx, func(tx *sql.Tx) error { return w.remove(ctx, tx, name) })
}

// Create adds an endpoint that is not configured. ErrNameTaken when there is one of
// its name; ErrTooMany when there are so many of its kind that it would be one more
// than most.
func (w *Webhooks) Create(ctx context.Context, e Endpoint, most int) error {
	return w.db.Tx(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, w.db.Bind(`SELECT COUNT(*) FROM webhook_endpoints WHERE name = ?`), e.Name).Scan(&n); err != nil {
			return fmt.Errorf("create webhook endpoint: %w", err)
		}
		if n > 0 {
			return ErrNameTaken
		}
		if err := tx.QueryRowContext(ctx, w.db.Bind(`SELECT COUNT(*) FROM webhook_endpoints WHERE configured = ?`), madeByAPI).Scan(&n); err != nil {
			return fmt.Errorf("create webhook endpoint: %w", err)
		}
		if n >= most {
			return ErrTooMany
		}
		return w.insert(ctx, tx, e)
	})
}

func (w *Webhooks) insert(ctx context.Context, tx *sql.Tx, e Endpoint) error {
	kind := madeByAPI
	if e.Configured {
		kind = configured
	}
	_, err := tx.ExecContext(ctx, w.db.Bind(`INSERT INTO webhook_endpoints
		(name, configured, settings, turn, commit_id, moved_at, next_seq, disabled_at, disabled_reason, succeeded_at, created_at)
		VALUES (?, ?, ?, ?, ?, ?, 1, 0, '', 0, ?) ON CONFLICT (name) DO NOTHING`),
		e.Name, kind, e.Settings, e.Epoch, e.Commit, e.Created.UnixMilli(), e.Created.UnixMilli())
	if err != nil {
		return fmt.Errorf("add webhook endpoint %q: %w", e.Name, err)
	}
	return nil
}

// Change calls change with the settings of an endpoint that is not configured,
// and stores what it returns; its error comes back as it is.
func (w *Webhooks) Change(ctx context.Context, name string, change func(settings string) (string, error)) error {
	return w.db.Tx(ctx, func(tx *sql.Tx) error {
		query := `SELECT settings FROM webhook_endpoints WHERE name = ? AND configured = 0`
		if w.db.postgres {
			query += ` FOR UPDATE`
		}
		var settings string
		if err := tx.QueryRowContext(ctx, w.db.Bind(query), name).Scan(&settings); errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		} else if err != nil {
			return fmt.Errorf("read webhook endpoint %q: %w", name, err)
		}
		settings, err := change(settings)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, w.db.Bind(`UPDATE webhook_endpoints SET settings = ? WHERE name = ?`), settings, name); err != nil {
			return fmt.Errorf("change webhook endpoint %q: %w", name, err)
		}
		return nil
	})
}

// Delete removes an endpoint that is not configured, and its deliveries, which
// may be many: in steps, and disabled meanwhile. One that was interrupted is
// repeated.
func (w *Webhooks) Delete(ctx context.Context, name string) error {
	var n int
	if err := w.db.reads.QueryRowContext(ctx, w.db.Bind(`SELECT COUNT(*) FROM webhook_endpoints WHERE name = ? AND configured = 0`), name).Scan(&n); err != nil {
		return fmt.Errorf("delete webhook endpoint %q: %w", name, err)
	}
	if n == 0 {
		return ErrUnknown
	}
	if _, err := w.Disable(ctx, name, "it is being deleted", time.Now()); err != nil {
		return err
	}
	return w.forgetEndpoint(ctx, name)
}

func (w *Webhooks) remove(ctx context.Context, tx *sql.Tx, name string) error {
	for _, statement := range []string{
		`DELETE FROM webhook_attempts WHERE delivery IN (SELECT id FROM webhook_deliveries WHERE endpoint = ?)`,
		`DELETE FROM webhook_deliveries WHERE endpoint = ?`,
		`DELETE FROM webhook_endpoints WHERE name = ?`,
	} {
		if _, err := tx.ExecContext(ctx, w.db.Bind(statement), name); err != nil {
			return fmt.Errorf("delete webhook endpoint %q: %w", name, err)
		}
	}
	return nil
}

// Disable keeps an endpoint from getting more, until Enable. It says whether
// the endpoint was enabled before.
func (w *Webhooks) Disable(ctx context.Context, name, reason string, now time.Time) (bool, error) {
	r, err := w.db.sql.ExecContext(ctx, w.db.Bind(`UPDATE webhook_endpoints SET disabled_at = ?, disabled_reason = ? WHERE name = ? AND disabled_at = 0`), now.UnixMilli(), reason, name)
	if err != nil {
		return false, fmt.Errorf("disable webhook endpoint %q: %w", name, err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// Enable lets an endpoint have what it missed: its pending deliveries, tried
// anew, and everything after its commit.
func (w *Webhooks) Enable(ctx context.Context, name string, now time.Time) error {
	if err := w.changePending(ctx, name, `next_at = ?, started_at = 0`, `0 = 0`, now.UnixMilli()); err != nil {
		return err
	}
	n, err := w.db.exec(ctx, `UPDATE webhook_endpoints SET disabled_at = 0, disabled_reason = '' WHERE name = ?`, name)
	if err == nil && n == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("enable webhook endpoint %q: %w", name, err)
	}
	return nil
}

// fromMillis is the zero time for 0.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
