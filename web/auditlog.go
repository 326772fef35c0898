package web

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"cms/state"
)

// AuditLog keeps what was changed and refused in the database. Requests hand it over and
// wait for nothing: it is written in their order, many at once, at most once a second. A
// process that is killed loses what it had not written, of the last second or two; the
// log has that, too.
type AuditLog struct {
	store state.Audit
	keep  time.Duration
	log   *slog.Logger
	pause time.Duration // between writes

	wake chan struct{} // holds one when something waits

	mu        sync.Mutex // guards what follows
	waiting   []state.Audited
	left      int       // how many could not be kept
	hour      time.Time // in which refused were counted
	refused   int
	strangers int
}

// What waits at most while the database cannot be written, and how many refusals are kept
// of an hour, of those who are known and of strangers: whoever can send requests must not
// fill the disk. All are in the log.
const (
	maxUnwritten = 10_000
	maxRefused   = 10_000
	maxStrangers = 1_000
)

// auditBatch is how many are written in one transaction.
const auditBatch = 500

// NewAuditLog keeps for as long as keep says. Nothing is written before Run.
func NewAuditLog(db *state.DB, keep time.Duration, log *slog.Logger) *AuditLog {
	return &AuditLog{store: db.Audit(), keep: keep, log: log, pause: time.Second, wake: make(chan struct{}, 1)}
}

// add hands one over.
func (l *AuditLog) add(r state.Audited) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if hour := r.At.Truncate(time.Hour); !hour.Equal(l.hour) {
		l.hour, l.refused, l.strangers = hour, 0, 0
	}
	if r.Outcome == outcomeRefused {
		count, most := &l.refused, maxRefused
		if r.Subject == "" {
			count, most = &l.strangers, maxStrangers
		}
		if *count++; *count > most {
			l.left++
			return
		}
	}
	if len(l.waiting) >= maxUnwritten {
		l.left++
		return
	}
	l.waiting = append(l.waiting, r)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take is what waits next, and how many were left out since it was asked last.
func (l *AuditLog) take() (some []state.Audited, left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, l.left = l.left, 0
	return l.waiting[:min(len(l.waiting), auditBatch)], left
}

// done says that the first n are written.
func (l *AuditLog) done(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting = l.waiting[n:]; len(l.waiting) == 0 {
		l.waiting = nil // and with it the memory
	}
}

// Run writes what comes until ctx ends, and then what is left; and forgets what is older
// than it is kept.
func (l *AuditLog) Run(ctx context.Context) error {
	prune := time.NewTicker(time.Hour)
	defer prune.Stop()
	l.prune(ctx)
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := l.flush(last); err != nil {
				l.log.ErrorContext(ctx, "the end of the audit log is not kept in the database", "error", err)
			}
			return nil
		case <-prune.C:
			l.prune(ctx)
			continue
		case <-l.wake:
		}
		if err := l.flush(ctx); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "the audit log waits to be kept in the database", "error", err)
			select {
			case l.wake <- struct{}{}: // to be tried again
			default:
			}
		}
		select {
		case <-time.After(l.pause):
		case <-ctx.Done():
		}
	}
}

// flush writes all that waits.
func (l *AuditLog) flush(ctx context.Context) error {
	for {
		some, left := l.take()
		if left > 0 {
			l.log.WarnContext(ctx, "not all of the audit log is kept in the database", "left_out", left)
		}
		if len(some) == 0 {
			return nil
		}
		if err := l.store.Add(ctx, some); err != nil {
			return err
		}
		l.done(len(some))
	}
}

func (l *AuditLog) prune(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = l.store.Prune(ctx, time.Now().Add(-l.keep)); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "what is old of the audit log stays for now", "error", err)
		}
	}
}
