package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// History is what is known of the branch's history: the epoch that it is in (`turn`), of
// which a new one begins whenever it is rewritten, and the newest commit that was
// looked at. Those who share the database agree on it.
type History struct {
	Cursor
	SeenAt time.Time
}

// History is the one that is known; before anything is, it begins a first epoch at
// tip. Epochs begin with the time, so that those of a database that was lost are
// before those of the next.
func (w *Webhooks) History(ctx context.Context, tip string, now time.Time) (History, error) {
	h, err := w.history(ctx)
	if !errors.Is(err, sql.ErrNoRows) {
		return h, err
	}
	if _, err := w.db.exec(ctx, `INSERT INTO webhook_history (id, turn, tip, seen_at) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		now.Unix(), tip, now.UnixMilli()); err != nil {
		return h, fmt.Errorf("begin the history: %w", err)
	}
	return w.history(ctx)
}

func (w *Webhooks) history(ctx context.Context) (h History, err error) {
	var at int64
	err = w.db.reads.QueryRowContext(ctx, `SELECT turn, tip, seen_at FROM webhook_history`).Scan(&h.Epoch, &h.Commit, &at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("read the history: %w", err)
	}
	h.SeenAt = fromMillis(at)
	return h, err
}

// Epoch begins a new epoch at tip, unless the one that is known is not old any more:
// another service has begun one. It gives what is known then.
func (w *Webhooks) Epoch(ctx context.Context, old int64, tip string, now time.Time) (History, error) {
	if _, err := w.db.exec(ctx, `UPDATE webhook_history SET turn = ?, tip = ?, seen_at = ? WHERE turn = ?`,
		max(old+1, now.Unix()), tip, now.UnixMilli(), old); err != nil {
		return History{}, fmt.Errorf("begin an epoch of the history: %w", err)
	}
	return w.history(ctx)
}

// Anew begins another epoch where the history stands, if anything is known of it: for a
// database that is an earlier one, so that what it was told of since is not known any more.
func (w *Webhooks) Anew(ctx context.Context, now time.Time) error {
	h, err := w.history(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = w.Epoch(ctx, h.Epoch, h.Commit, now)
	}
	return err
}

// Seen notes how far the present epoch has come, where that is as far as from still.
func (w *Webhooks) Seen(ctx context.Context, from Cursor, tip string, now time.Time) error {
	if _, err := w.db.exec(ctx, `UPDATE webhook_history SET tip = ?, seen_at = ? WHERE turn = ? AND tip = ?`, tip, now.UnixMilli(), from.Epoch, from.Commit); err != nil {
		return fmt.Errorf("note the tip of the history: %w", err)
	}
	return nil
}

// seen notes how far the present epoch has come.
func (w *Webhooks) seen(ctx context.Context, tx *sql.Tx, at Cursor, now time.Time) error {
	if _, err := tx.ExecContext(ctx, w.db.Bind(`UPDATE webhook_history SET tip = ?, seen_at = ? WHERE turn = ?`), at.Commit, now.UnixMilli(), at.Epoch); err != nil {
		return fmt.Errorf("note the tip of the history: %w", err)
	}
	return nil
}
