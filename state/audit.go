package state

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Audited is a request that changed something or was refused.
type Audited struct {
	At        time.Time
	Address   string // of the client
	Issuer    string // "" where nobody was verified, as the next three
	Subject   string
	Name      string
	Email     string
	Claimed   string // whom a refused request says it is of
	Operation string
	Method    string
	Path      string
	Status    int
	Outcome   string // changed, done, waiting or refused
	Code      string // of the problem that was answered; "" for none
	Reason    string
	How       string // somebody proved themselves who was let in; "" where nobody was
	RequestID string
	Targets   []AuditTarget
}

// AuditTarget is a thing that was changed or, where that was refused, was asked to be.
type AuditTarget struct{ Collection, Name, Commit string }

// Audit is what is kept of the audit log.
type Audit struct{ db *DB }

// Audit is that of db.
func (db *DB) Audit() Audit { return Audit{db} }

// Add stores them in their order, all or none.
func (a Audit) Add(ctx context.Context, all []Audited) error {
	err := a.db.Tx(ctx, func(tx *sql.Tx) error {
		one, err := tx.PrepareContext(ctx, a.db.Bind(`INSERT INTO audit
			(id, at, address, issuer, subject, name, email, claimed, operation, method, path, status, outcome, code, reason, how, request_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`))
		if err != nil {
			return err
		}
		defer one.Close()
		target, err := tx.PrepareContext(ctx, a.db.Bind(`INSERT INTO audit_targets (audit, n, collection, name, commit_id) VALUES (?, ?, ?, ?, ?)`))
		if err != nil {
			return err
		}
		defer target.Close()
		for i := range all {
			if err := addAudited(ctx, one, target, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the audit log: %w", err)
	}
	return nil
}

func addAudited(ctx context.Context, one, target *sql.Stmt, r *Audited) error {
	id, err := uuid.NewV7() // each after the one before
	if err != nil {
		return err
	}
	args := []any{id.String(), r.At.UnixMilli()}
	for _, s := range []string{r.Address, r.Issuer, r.Subject, r.Name, r.Email, r.Claimed, r.Operation, r.Method, r.Path} {
		args = append(args, storable(s))
	}
	args = append(args, r.Status, r.Outcome, r.Code, storable(r.Reason), storable(r.How), r.RequestID)
	if _, err := one.ExecContext(ctx, args...); err != nil {
		return err
	}
	for n, t := range r.Targets {
		if _, err := target.ExecContext(ctx, id.String(), n, storable(t.Collection), storable(t.Name), t.Commit); err != nil {
			return err
		}
	}
	return nil
}

// storable is a text that both databases take: PostgreSQL has no NUL and nothing that is
// no UTF-8.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// prunedAtOnce is how many are forgotten in one transaction, which is soon over.
const prunedAtOnce = 500

// Prune forgets some of those from before a time, and says whether there may be more.
func (a Audit) Prune(ctx context.Context, before time.Time) (more bool, err error) {
	var n int64
	err = a.db.Tx(ctx, func(tx *sql.Tx) error {
		const old = `(SELECT id FROM audit WHERE at < ? ORDER BY at, id LIMIT ?)`
		if _, err := tx.ExecContext(ctx, a.db.Bind(`DELETE FROM audit_targets WHERE audit IN `+old), before.UnixMilli(), prunedAtOnce); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, a.db.Bind(`DELETE FROM audit WHERE id IN `+old), before.UnixMilli(), prunedAtOnce)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("forget what is old of the audit log: %w", err)
	}
	return n == prunedAtOnce, nil
}

// AuditFilter says which are wanted: all, without anything.
type AuditFilter struct {
	Collection, Name string    // of a target, or of the path of a refused request
	Person           string    // an address, a subject or a name, also one that was only claimed
	Since, Until     time.Time // from the one until before the other; zero for no bound
}

// likely makes a text match itself alone in a LIKE whose escape is "!".
var likely = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// auditPage is how many are read at once.
const auditPage = 500

// Each gives those that are wanted, the oldest first.
func (a Audit) Each(ctx context.Context, f AuditFilter, give func(Audited) error) error {
	where, args := "id > ?", []any{}
	and := func(condition string, more ...any) {
		where += " AND " + condition
		args = append(args, more...)
	}
	if !f.Since.IsZero() {
		and(`at >= ?`, f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		and(`at < ?`, f.Until.UnixMilli())
	}
	if p := f.Person; p != "" {
		and(`(lower(email) = lower(?) OR subject = ? OR name = ? OR lower(claimed) LIKE lower(?) ESCAPE '!')`, p, p, p, "%"+likely.Replace(p)+"%")
	}
	if f.Collection != "" {
		end := "/" + f.Collection + "/" + f.Name
		and(`(EXISTS (SELECT 1 FROM audit_targets t WHERE t.audit = audit.id AND t.collection = ? AND t.name = ?)
			OR path = ? OR path LIKE '/editor/%' AND substr(path, length(path) - length(?) + 1) = ?)`,
			f.Collection, f.Name, "/v1/collections/"+f.Collection+"/entries/"+f.Name, end, end)
	}
	for after := ""; ; {
		page, last, err := a.page(ctx, where, append([]any{after}, args...))
		if err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		for _, r := range page {
			if err := give(r); err != nil {
				return err
			}
		}
		if len(page) < auditPage {
			return nil
		}
		after = last
	}
}

func (a Audit) page(ctx context.Context, where string, args []any) (page []Audited, last string, err error) {
	rows, err := a.db.reads.QueryContext(ctx, a.db.Bind(`SELECT id, at, address, issuer, subject, name, email, claimed, operation, method, path, status, outcome, code, reason, how, request_id
		FROM audit WHERE `+where+` ORDER BY id LIMIT ?`), append(args, auditPage)...)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	var ids []any
	for rows.Next() {
		var (
			r  Audited
			at int64
		)
		if err := rows.Scan(&last, &at, &r.Address, &r.Issuer, &r.Subject, &r.Name, &r.Email, &r.Claimed, &r.Operation, &r.Method, &r.Path,
			&r.Status, &r.Outcome, &r.Code, &r.Reason, &r.How, &r.RequestID); err != nil {
			return nil, "", err
		}
		r.At = fromMillis(at)
		page, ids = append(page, r), append(ids, last)
	}
	if err := rows.Err(); err != nil {
		return nil, "", err
	}
	if err := a.targets(ctx, page, ids); err != nil {
		return nil, "", err
	}
	return page, last, nil
}

// targets reads what the records of a page are about, by their ids.
func (a Audit) targets(ctx context.Context, page []Audited, ids []any) error {
	if len(page) == 0 {
		return nil
	}
	rows, err := a.db.reads.QueryContext(ctx, a.db.Bind(`SELECT audit, collection, name, commit_id FROM audit_targets
		WHERE audit IN (?`+strings.Repeat(", ?", len(ids)-1)+`) ORDER BY audit, n`), ids...)
	if err != nil {
		return err
	}
	defer rows.Close()
	at := map[any]*Audited{}
	for i := range page {
		at[ids[i]] = &page[i]
	}
	for rows.Next() {
		var (
			id string
			t  AuditTarget
		)
		if err := rows.Scan(&id, &t.Collection, &t.Name, &t.Commit); err != nil {
			return err
		}
		at[id].Targets = append(at[id].Targets, t)
	}
	return rows.Err()
}
