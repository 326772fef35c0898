package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The states of a delivery.
const (
	Pending    = "pending"    // to be tried, or tried again
	Delivered  = "delivered"  // answered with 2xx
	Failed     = "failed"     // given up
	Superseded = "superseded" // a build whose place a later one took
)

// DeliveryStates are all of them.
func DeliveryStates() []string { return []string{Pending, Delivered, Failed, Superseded} }

// Errors of Redeliver and RedeliverRange.
var (
	ErrPending = errors.New("the delivery is pending")
	ErrTooMany = errors.New("too many deliveries")
)

// Delivery is an event on its way to an endpoint. ID and Seq are given by the
// store.
type Delivery struct {
	ID       string
	Endpoint string
	Seq      int64
	EventID  string
	Type     string
	Subject  string
	Path     string // deliveries that share one keep their order
	From     string // the other path of a move
	Commit   string
	Body     string
	State    string
	Attempts int
	Created  time.Time
	Started  time.Time // zero before the first attempt
	Next     time.Time
	Finished time.Time // zero while it is pending

	TraceParent string // as W3C's Trace Context has it; "" for no trace
	TraceState  string
}

// Attempt is one try of a delivery.
type Attempt struct {
	N        int // from 1
	At       time.Time
	Took     time.Duration
	Status   int // 0 when there was no answer
	Error    string
	Response string // its beginning
}

// Result is what came of an attempt.
type Result struct {
	Delivery Delivery
	Attempt  Attempt
	State    string    // of the delivery from now on
	Next     time.Time // when to try again, if Pending
}

const deliveryColumns = `d.id, d.endpoint, d.seq, d.event_id, d.type, d.subject, d.path, d.moved_from, d.commit_id, d.body,
	d.state, d.attempts, d.created_at, d.started_at, d.next_at, d.finished_at, d.traceparent, d.tracestate`

func scanDelivery(row interface{ Scan(...any) error }) (Delivery, error) {
	var (
		d                                Delivery
		from                             sql.NullString
		created, started, next, finished int64
	)
	err := row.Scan(&d.ID, &d.Endpoint, &d.Seq, &d.EventID, &d.Type, &d.Subject, &d.Path, &from, &d.Commit, &d.Body,
		&d.State, &d.Attempts, &created, &started, &next, &finished, &d.TraceParent, &d.TraceState)
	d.From = from.String
	d.Created, d.Started, d.Next, d.Finished = fromMillis(created), fromMillis(started), fromMillis(next), fromMillis(finished)
	return d, err
}

func (w *Webhooks) deliveries(ctx context.Context, query string, args ...any) ([]Delivery, error) {
	rows, err := w.db.reads.QueryContext(ctx, w.db.Bind(query), args...)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	defer rows.Close()
	var all []Delivery
	for rows.Next() {
		d, err := scanDelivery(rows)
		if err != nil {
			return nil, fmt.Errorf("read deliveries: %w", err)
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// Cursor is how far an endpoint has come: to a commit of an epoch of the history. A
// commit can be met again in a later epoch.
type Cursor struct {
	Epoch  int64
	Commit string // "" before the first
}

// Advance moves the cursor of an endpoint from one place to another and
// enqueues the deliveries of the commits between, both or neither. It says
// false, and does nothing, when the cursor stands elsewhere by now, or the
// endpoint is disabled or gone.
func (w *Webhooks) Advance(ctx context.Context, endpoint string, from, to Cursor, now time.Time, ds []Delivery) (moved bool, err error) {
	err = w.db.Tx(ctx, func(tx *sql.Tx) error {
		moved, err = w.move(ctx, tx, endpoint, from, to, now)
		if err != nil || !moved {
			return err
		}
		return w.enqueue(ctx, tx, endpoint, ds)
	})
	return moved, err
}

// AdvanceBuild is Advance for an endpoint that builds the newest commit: the
// delivery takes the place of one that was not tried yet, which keeps its time.
// One for the same commit as the last is left out.
func (w *Webhooks) AdvanceBuild(ctx context.Context, endpoint string, from, to Cursor, now time.Time, d *Delivery) (moved bool, err error) {
	err = w.db.Tx(ctx, func(tx *sql.Tx) error {
		moved, err = w.move(ctx, tx, endpoint, from, to, now)
		if err != nil || !moved || d == nil {
			return err
		}
		r, err := tx.ExecContext(ctx, w.db.Bind(`UPDATE webhook_deliveries SET event_id = ?, commit_id = ?, body = ?, traceparent = ?, tracestate = ?
			WHERE endpoint = ? AND state = 'pending' AND started_at = 0 AND path = ?`), d.EventID, d.Commit, d.Body, d.TraceParent, d.TraceState, endpoint, d.Path)
		if err != nil {
			return fmt.Errorf("renew the build of %q: %w", endpoint, err)
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var last string
		err = tx.QueryRowContext(ctx, w.db.Bind(`SELECT commit_id FROM webhook_deliveries WHERE endpoint = ? AND path = ? ORDER BY seq DESC LIMIT 1`), endpoint, d.Path).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || last == d.Commit {
			return err
		}
		return w.enqueue(ctx, tx, endpoint, []Delivery{*d})
	})
	return moved, err
}

func (w *Webhooks) move(ctx context.Context, tx *sql.Tx, endpoint string, from, to Cursor, now time.Time) (bool, error) {
	r, err := tx.ExecContext(ctx, w.db.Bind(`UPDATE webhook_endpoints SET turn = ?, commit_id = ?, moved_at = ?
		WHERE name = ? AND turn = ? AND commit_id = ? AND disabled_at = 0`), to.Epoch, to.Commit, now.UnixMilli(), endpoint, from.Epoch, from.Commit)
	if err != nil {
		return false, fmt.Errorf("move the cursor of %q: %w", endpoint, err)
	}
	n, err := r.RowsAffected()
	if err != nil || n == 0 {
		return false, err
	}
	return true, w.seen(ctx, tx, to, now)
}

// Enqueue adds a delivery to an endpoint beside those of history, behind what
// is pending, and gives its id. ErrUnknown when there is no such endpoint.
func (w *Webhooks) Enqueue(ctx context.Context, endpoint string, d Delivery) (id string, err error) {
	ds := []Delivery{d}
	err = w.db.Tx(ctx, func(tx *sql.Tx) error { return w.enqueue(ctx, tx, endpoint, ds) })
	return ds[0].ID, err
}

// enqueue adds deliveries and gives them their ids.
func (w *Webhooks) enqueue(ctx context.Context, tx *sql.Tx, endpoint string, ds []Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	var next int64
	err := tx.QueryRowContext(ctx, w.db.Bind(`UPDATE webhook_endpoints SET next_seq = next_seq + ? WHERE name = ? RETURNING next_seq`), len(ds), endpoint).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("number the deliveries to %q: %w", endpoint, err)
	}
	insert, err := tx.PrepareContext(ctx, w.db.Bind(`INSERT INTO webhook_deliveries
		(id, endpoint, seq, event_id, type, subject, path, moved_from, commit_id, body, state, attempts, created_at, started_at, next_at, finished_at, traceparent, tracestate, held)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, ?, 0, ?, 0, ?, ?, CASE WHEN `+sharesPath+` THEN 1 ELSE 0 END)`))
	if err != nil {
		return fmt.Errorf("enqueue deliveries to %q: %w", endpoint, err)
	}
	defer insert.Close()
	for i, d := range ds {
		id, err := uuid.NewV7() // they sort as they are made
		if err != nil {
			return fmt.Errorf("name a delivery: %w", err)
		}
		ds[i].ID = "dlv_" + id.String()
		from := sql.NullString{String: d.From, Valid: d.From != ""}
		seq := next - int64(len(ds)-i)
		if _, err := insert.ExecContext(ctx, append([]any{ds[i].ID, endpoint, seq, d.EventID, d.Type, d.Subject,
			d.Path, from, d.Commit, d.Body, d.Created.UnixMilli(), d.Next.UnixMilli(), d.TraceParent, d.TraceState}, sharing(endpoint, d.Path, from, seq)...)...); err != nil {
			return fmt.Errorf("enqueue a delivery to %q: %w", endpoint, err)
		}
	}
	return nil
}

// sharesPath says whether an earlier delivery is pending that shares a path with
// one; its parameters are those of sharing.
const sharesPath = `(EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = ? AND e.state = 'pending' AND e.path = ? AND e.seq < ?)
	OR EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = ? AND e.state = 'pending' AND e.moved_from = ? AND e.seq < ?)
	OR EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = ? AND e.state = 'pending' AND e.path = ? AND e.seq < ?)
	OR EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = ? AND e.state = 'pending' AND e.moved_from = ? AND e.seq < ?))`

func sharing(endpoint, path string, from sql.NullString, seq int64) []any {
	return []any{endpoint, path, seq, endpoint, path, seq, endpoint, from, seq, endpoint, from, seq}
}

const headsQuery = `SELECT ` + deliveryColumns + ` FROM webhook_deliveries d
	WHERE d.endpoint = ? AND d.state = 'pending' AND d.held = 0 ORDER BY d.next_at, d.seq LIMIT ?`

// Heads are the deliveries of an endpoint that no earlier one on the same path
// holds back, the next to be tried first, due or not. Its cost follows the limit,
// not how many wait.
func (w *Webhooks) Heads(ctx context.Context, endpoint string, limit int) ([]Delivery, error) {
	return w.deliveries(ctx, headsQuery, endpoint, limit)
}

// release lets the first delivery go that is pending on a path, unless it is held
// back on its other one.
func (w *Webhooks) release(ctx context.Context, tx *sql.Tx, endpoint, path string) error {
	var (
		id, first string
		from      sql.NullString
		seq       int64
		held      int
	)
	for _, column := range []string{"path", "moved_from"} {
		var (
			d     string
			p     string
			f     sql.NullString
			n     int64
			holds int
		)
		err := tx.QueryRowContext(ctx, w.db.Bind(`SELECT id, path, moved_from, seq, held FROM webhook_deliveries
			WHERE endpoint = ? AND state = 'pending' AND `+column+` = ? ORDER BY seq LIMIT 1`), endpoint, path).Scan(&d, &p, &f, &n, &holds)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && (id == "" || n < seq) {
			id, first, from, seq, held = d, p, f, n, holds
		}
	}
	if held == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, w.db.Bind(`UPDATE webhook_deliveries SET held = 0 WHERE id = ? AND NOT `+sharesPath), append([]any{id}, sharing(endpoint, first, from, seq)...)...)
	return err
}

// hold keeps other services from enqueueing to an endpoint until tx ends: what
// they add would not be seen by release. On SQLite no one else writes meanwhile.
func (w *Webhooks) hold(ctx context.Context, tx *sql.Tx, endpoint string) error {
	if !w.db.postgres {
		return nil
	}
	var name string
	err := tx.QueryRowContext(ctx, `SELECT name FROM webhook_endpoints WHERE name = $1 FOR UPDATE`, endpoint).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it was deleted with its deliveries
	}
	return err
}

// Start marks the first attempt of a delivery, after which it is not changed
// any more, and gives it as it is then. ErrUnknown when it is not pending.
func (w *Webhooks) Start(ctx context.Context, id string, now time.Time) (Delivery, error) {
	d, err := scanDelivery(w.db.sql.QueryRowContext(ctx, w.db.Bind(`UPDATE webhook_deliveries SET started_at = ?
		WHERE id = ? AND state = 'pending' RETURNING `+strings.ReplaceAll(deliveryColumns, "d.", "")), now.UnixMilli(), id))
	if errors.Is(err, sql.ErrNoRows) {
		return d, ErrUnknown
	}
	if err != nil {
		return d, fmt.Errorf("start delivery %s: %w", id, err)
	}
	return d, nil
}

// Record records the results of attempts.
func (w *Webhooks) Record(ctx context.Context, results []Result) error {
	return w.db.Tx(ctx, func(tx *sql.Tx) error {
		endpoints := map[string]bool{}
		for _, r := range results {
			endpoints[r.Delivery.Endpoint] = true
		}
		for _, endpoint := range slices.Sorted(maps.Keys(endpoints)) {
			if err := w.hold(ctx, tx, endpoint); err != nil {
				return fmt.Errorf("record attempts of deliveries to %q: %w", endpoint, err)
			}
		}
		succeeded := map[string]time.Time{}
		for _, r := range results {
			if err := w.settle(ctx, tx, r); err != nil {
				return fmt.Errorf("record an attempt of delivery %s: %w", r.Delivery.ID, err)
			}
			if r.State == Delivered {
				succeeded[r.Delivery.Endpoint] = r.Attempt.At
			}
		}
		for endpoint, at := range succeeded {
			if _, err := tx.ExecContext(ctx, w.db.Bind(`UPDATE webhook_endpoints SET succeeded_at = ? WHERE name = ?`), at.UnixMilli(), endpoint); err != nil {
				return fmt.Errorf("record a success of %q: %w", endpoint, err)
			}
		}
		return nil
	})
}

func (w *Webhooks) settle(ctx context.Context, tx *sql.Tx, r Result) error {
	done := r.Attempt.At.Add(r.Attempt.Took)
	var finished int64
	if r.State != Pending {
		finished = done.UnixMilli()
	}
	started := r.Delivery.Started
	if started.IsZero() {
		started = r.Attempt.At
	}
	updated, err := tx.ExecContext(ctx, w.db.Bind(`UPDATE webhook_deliveries SET state = ?, attempts = ?, started_at = ?, next_at = ?, finished_at = ? WHERE id = ?`),
		r.State, r.Attempt.N, started.UnixMilli(), r.Next.UnixMilli(), finished, r.Delivery.ID)
	if err != nil {
		return err
	}
	if n, err := updated.RowsAffected(); err != nil || n == 0 {
		return err // it was deleted with its endpoint
	}
	_, err = tx.ExecContext(ctx, w.db.Bind(`INSERT INTO webhook_attempts (delivery, n, at, took, status, error, response) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (delivery, n) DO NOTHING`),
		r.Delivery.ID, r.Attempt.N, r.Attempt.At.UnixMilli(), r.Attempt.Took.Milliseconds(), r.Attempt.Status, r.Attempt.Error, r.Attempt.Response)
	if err != nil || r.State == Pending {
		return err
	}
	if err := w.release(ctx, tx, r.Delivery.Endpoint, r.Delivery.Path); err != nil || r.Delivery.From == "" {
		return err
	}
	return w.release(ctx, tx, r.Delivery.Endpoint, r.Delivery.From)
}

// Supersede ends the pending deliveries on a path that a later one follows, and
// which were tried already.
func (w *Webhooks) Supersede(ctx context.Context, endpoint, path string, now time.Time) error {
	err := w.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := w.hold(ctx, tx, endpoint); err != nil {
			return err
		}
		paths, err := w.supersede(ctx, tx, endpoint, path, now)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := w.release(ctx, tx, endpoint, path); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("supersede deliveries to %q: %w", endpoint, err)
	}
	return nil
}

// supersede ends the deliveries and says which paths were theirs: path, and those
// that they moved from.
func (w *Webhooks) supersede(ctx context.Context, tx *sql.Tx, endpoint, path string, now time.Time) ([]string, error) {
	rows, err := tx.QueryContext(ctx, w.db.Bind(`UPDATE webhook_deliveries SET state = 'superseded', finished_at = ?
		WHERE endpoint = ? AND path = ? AND state = 'pending' AND started_at > 0
		AND seq < (SELECT MAX(seq) FROM webhook_deliveries l WHERE l.endpoint = ? AND l.state = 'pending' AND l.path = ?)
		RETURNING moved_from`), now.UnixMilli(), endpoint, path, endpoint, path)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	paths := []string{path}
	for rows.Next() {
		var from sql.NullString
		if err := rows.Scan(&from); err != nil {
			return nil, err
		}
		if from.Valid {
			paths = append(paths, from.String)
		}
	}
	return paths, rows.Err()
}

// RetryNow makes the deliveries of an endpoint that wait for another attempt due.
// Those that have not been tried keep their time.
func (w *Webhooks) RetryNow(ctx context.Context, endpoint string, now time.Time) error {
	return w.changePending(ctx, endpoint, `next_at = ?`, `attempts > 0 AND next_at > ?`, now.UnixMilli(), now.UnixMilli())
}

// step is how many deliveries are changed at once: whoever has something to write
// goes between.
const step = 256

// changePending sets something of the pending deliveries of an endpoint for which
// a condition holds, in steps. The parameters are those of both, in this order.
func (w *Webhooks) changePending(ctx context.Context, endpoint, set, condition string, params ...any) error {
	for after := int64(0); ; {
		var last sql.NullInt64
		err := w.db.reads.QueryRowContext(ctx, w.db.Bind(`SELECT MAX(seq) FROM (SELECT seq FROM webhook_deliveries
			WHERE endpoint = ? AND seq > ? AND state = 'pending' ORDER BY seq LIMIT ?) page`), endpoint, after, step).Scan(&last)
		if err == nil && last.Valid {
			_, err = w.db.exec(ctx, `UPDATE webhook_deliveries SET `+set+` WHERE `+condition+` AND endpoint = ? AND seq > ? AND seq <= ? AND state = 'pending'`,
				append(slices.Clone(params), endpoint, after, last.Int64)...)
		}
		if err != nil {
			return fmt.Errorf("change pending deliveries to %q: %w", endpoint, err)
		}
		if !last.Valid {
			return nil
		}
		after = last.Int64
	}
}

// Redeliver enqueues a copy of the delivery with id, which has the event's id, so
// that a receiver knows it. ErrUnknown when there is none, ErrPending when it
// is still on its way.
func (w *Webhooks) Redeliver(ctx context.Context, id string, now time.Time) (copied string, err error) {
	d, err := w.Delivery(ctx, id)
	if err != nil {
		return "", err
	}
	if d.State == Pending {
		return "", ErrPending
	}
	d.Created, d.Next = now, now
	return w.Enqueue(ctx, d.Endpoint, d)
}

// RedeliverRange is Redeliver for the deliveries to an endpoint that were made
// in [since, until) and are not pending: all of them or, by more than limit,
// none. It returns how many there are. It goes in steps: one that was interrupted has
// enqueued the first ones, and is repeated, as receivers know events that they had.
func (w *Webhooks) RedeliverRange(ctx context.Context, endpoint string, since, until time.Time, limit int, now time.Time) (n int, err error) {
	var last sql.NullInt64
	err = w.db.reads.QueryRowContext(ctx, w.db.Bind(`SELECT COUNT(*), MAX(seq) FROM (SELECT d.seq FROM webhook_deliveries d WHERE `+redelivered+` ORDER BY d.seq LIMIT ?) page`),
		endpoint, since.UnixMilli(), until.UnixMilli(), int64(0), int64(math.MaxInt64), limit+1).Scan(&n, &last)
	if err != nil {
		return 0, fmt.Errorf("count deliveries to %q: %w", endpoint, err)
	}
	if n > limit {
		return 0, ErrTooMany
	}
	n = 0
	for after := int64(0); after < last.Int64; {
		some, err := w.deliveries(ctx, `SELECT `+deliveryColumns+` FROM webhook_deliveries d WHERE `+redelivered+` ORDER BY d.seq LIMIT ?`,
			endpoint, since.UnixMilli(), until.UnixMilli(), after, last.Int64, step)
		if err != nil || len(some) == 0 {
			return n, err
		}
		after = some[len(some)-1].Seq
		for i := range some {
			some[i].Created, some[i].Next = now, now
		}
		if err := w.db.Tx(ctx, func(tx *sql.Tx) error { return w.enqueue(ctx, tx, endpoint, some) }); err != nil {
			return n, err
		}
		n += len(some)
	}
	return n, nil
}

// redelivered chooses what RedeliverRange copies, by the endpoint, the times and the
// numbers between which it is: the copies, which have later ones, are not among them.
const redelivered = `d.endpoint = ? AND d.created_at >= ? AND d.created_at < ? AND d.seq > ? AND d.seq <= ? AND d.state <> 'pending'`

// DeliveryFilter chooses deliveries; what is empty chooses all.
type DeliveryFilter struct {
	Endpoint, State, Subject string
	Before                   string // an id: only older ones
	Limit                    int
}

// Deliveries are those that f chooses, the newest first. Its cost follows the limit, or how
// many are about f.Subject.
func (w *Webhooks) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	query, args := f.query()
	return w.deliveries(ctx, query, args...)
}

func (f DeliveryFilter) query() (query string, args []any) {
	where := []string{"1 = 1"}
	for _, c := range []struct{ column, compares, value string }{
		{"d.subject", "=", f.Subject}, {"d.endpoint", "=", f.Endpoint}, {"d.state", "=", f.State}, {"d.id", "<", f.Before},
	} {
		if c.value == "" {
			continue
		}
		if f.Subject != "" && (c.column == "d.endpoint" || c.column == "d.state") {
			c.column += " || ''" // which no index has: few are about one subject, many of an endpoint
		}
		where = append(where, c.column+" "+c.compares+" ?")
		args = append(args, c.value)
	}
	return `SELECT ` + deliveryColumns + ` FROM webhook_deliveries d WHERE ` + strings.Join(where, " AND ") + ` ORDER BY d.id DESC LIMIT ?`, append(args, f.Limit)
}

// Delivery is the one with id, or ErrUnknown.
func (w *Webhooks) Delivery(ctx context.Context, id string) (Delivery, error) {
	found, err := w.deliveries(ctx, `SELECT `+deliveryColumns+` FROM webhook_deliveries d WHERE d.id = ?`, id)
	if err == nil && len(found) == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return Delivery{}, err
	}
	return found[0], nil
}

// Attempts are those of each of some deliveries, by its id, the first one first.
func (w *Webhooks) Attempts(ctx context.Context, deliveries ...string) (map[string][]Attempt, error) {
	all := map[string][]Attempt{}
	if len(deliveries) == 0 {
		return all, nil
	}
	ids := make([]any, len(deliveries))
	for i, id := range deliveries {
		ids[i] = id
	}
	rows, err := w.db.reads.QueryContext(ctx, w.db.Bind(`SELECT delivery, n, at, took, status, error, response FROM webhook_attempts
		WHERE delivery IN (?`+strings.Repeat(", ?", len(ids)-1)+`) ORDER BY delivery, n`), ids...)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			id       string
			a        Attempt
			at, took int64
		)
		if err := rows.Scan(&id, &a.N, &at, &took, &a.Status, &a.Error, &a.Response); err != nil {
			return nil, fmt.Errorf("read attempts: %w", err)
		}
		a.At, a.Took = fromMillis(at), time.Duration(took)*time.Millisecond
		all[id] = append(all[id], a)
	}
	return all, rows.Err()
}

// Prune forgets deliveries that were finished before then, in steps.
func (w *Webhooks) Prune(ctx context.Context, then time.Time) error {
	return w.forget(ctx, prunable, then.UnixMilli())
}

const prunable = `state <> 'pending' AND finished_at < ? ORDER BY finished_at LIMIT ?`

// forget deletes the deliveries that a condition chooses, with their attempts, in
// steps of the limit that ends it.
func (w *Webhooks) forget(ctx context.Context, condition string, param any) error {
	for {
		n, err := w.forgetSome(ctx, condition, param)
		if err != nil {
			return fmt.Errorf("forget deliveries: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// forgetSome is one step of forget, and says how many deliveries it took.
func (w *Webhooks) forgetSome(ctx context.Context, condition string, param any) (n int64, err error) {
	err = w.db.Tx(ctx, func(tx *sql.Tx) error {
		some := `(SELECT id FROM webhook_deliveries WHERE ` + condition + `)`
		if _, err := tx.ExecContext(ctx, w.db.Bind(`DELETE FROM webhook_attempts WHERE delivery IN `+some), param, step); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, w.db.Bind(`DELETE FROM webhook_deliveries WHERE id IN `+some), param, step)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, err
}
