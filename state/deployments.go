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
	Reason string    // why it failed, as it was last told
	Pages  string    // which pages were looked for: a line for each, + or - and the entry, the later ones count
}

// Report is what was told of a build.
type Report struct {
	Deployment
	ID   string    // of the signed message; "" for one that is not signed
	Made time.Time // when it was signed, At when it was not
}

// ReportWindow is how long the id of a signed report is remembered: longer than its
// signature is good.
const ReportWindow = time.Hour

// Deployments are the reports of builds.
type Deployments struct{ db *DB }

// Deployments are those in db.
func (db *DB) Deployments() Deployments { return Deployments{db} }

// Report keeps what was told of a commit and forgets all but the keep commits that
// were told of last. A report that was taken before, or was made before the last one
// of its commit, changes nothing.
func (ds Deployments) Report(ctx context.Context, r Report, keep int) error {
	var live int64
	if !r.LiveAt.IsZero() {
		live = r.LiveAt.UnixMilli()
	}
	err := ds.db.Tx(ctx, func(tx *sql.Tx) error {
		if repeated, err := ds.repeated(ctx, tx, r); err != nil || repeated {
			return err
		}
		_, err := tx.ExecContext(ctx, ds.db.Bind(`INSERT INTO deployments (commit_id, state, url, at, live_at, made_at, reason, pages) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (commit_id) DO UPDATE SET state = excluded.state, url = excluded.url, at = excluded.at, made_at = excluded.made_at, reason = excluded.reason,
			pages = CASE WHEN LENGTH(deployments.pages) > 65536 THEN excluded.pages ELSE deployments.pages || excluded.pages END,
			live_at = CASE WHEN deployments.live_at > 0 THEN deployments.live_at ELSE excluded.live_at END
			WHERE deployments.made_at <= excluded.made_at`),
			r.Commit, r.State, r.URL, r.At.UnixMilli(), live, r.Made.Unix(), r.Reason, r.Pages)
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

// repeated says whether a signed report was taken before, and remembers it.
func (ds Deployments) repeated(ctx context.Context, tx *sql.Tx, r Report) (bool, error) {
	if r.ID == "" {
		return false, nil
	}
	if _, err := tx.ExecContext(ctx, ds.db.Bind(`DELETE FROM deployment_reports WHERE at < ?`), r.At.Add(-ReportWindow).UnixMilli()); err != nil {
		return false, err
	}
	res, err := tx.ExecContext(ctx, ds.db.Bind(`INSERT INTO deployment_reports (id, at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING`), r.ID, r.At.UnixMilli())
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 0, err
}

// All are those that are kept.
func (ds Deployments) All(ctx context.Context) ([]Deployment, error) {
	rows, err := ds.db.reads.QueryContext(ctx, `SELECT commit_id, state, url, at, live_at, reason, pages FROM deployments`)
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
		if err := rows.Scan(&d.Commit, &d.State, &d.URL, &at, &live, &d.Reason, &d.Pages); err != nil {
			return nil, fmt.Errorf("read deployments: %w", err)
		}
		d.At, d.LiveAt = fromMillis(at), fromMillis(live)
		all = append(all, d)
	}
	return all, rows.Err()
}
