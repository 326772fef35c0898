package state

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Deployment is what is known of the builds of a commit.
type Deployment struct {
	Commit string
	State  string // of the last report
	URL    string // "" when none was told
	At     time.Time
	LiveAt time.Time // when it was first told to be live; zero when never
}

// Deployments are the reports of builds.
type Deployments struct{ db *DB }

// Deployments are those in db.
func (db *DB) Deployments() Deployments { return Deployments{db} }

// Report keeps what was told of a commit, whose last report it is, and forgets
// all but the keep commits that were told of last.
func (ds Deployments) Report(ctx context.Context, d Deployment, keep int) error {
	var live int64
	if !d.LiveAt.IsZero() {
		live = d.LiveAt.UnixMilli()
	}
	err := ds.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, ds.db.Bind(`INSERT INTO deployments (commit_id, state, url, at, live_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (commit_id) DO UPDATE SET state = excluded.state, url = excluded.url, at = excluded.at,
			live_at = CASE WHEN deployments.live_at > 0 THEN deployments.live_at ELSE excluded.live_at END`),
			d.Commit, d.State, d.URL, d.At.UnixMilli(), live)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, ds.db.Bind(`DELETE FROM deployments WHERE commit_id NOT IN
			(SELECT commit_id FROM deployments ORDER BY at DESC, commit_id LIMIT ?)`), keep)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep a deployment: %w", err)
	}
	return nil
}

// All are those that are kept.
func (ds Deployments) All(ctx context.Context) ([]Deployment, error) {
	rows, err := ds.db.reads.QueryContext(ctx, `SELECT commit_id, state, url, at, live_at FROM deployments`)
	if err != nil {
		return nil, fmt.Errorf("read deployments: %w", err)
	}
	defer rows.Close()
	var all []Deployment
	for rows.Next() {
		var (
			d        Deployment
			at, live int64
		)
		if err := rows.Scan(&d.Commit, &d.State, &d.URL, &at, &live); err != nil {
			return nil, fmt.Errorf("read deployments: %w", err)
		}
		d.At, d.LiveAt = fromMillis(at), fromMillis(live)
		all = append(all, d)
	}
	return all, rows.Err()
}
