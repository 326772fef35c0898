package webhooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/state"
	"cms/webhooks/inbound"
)

// What a build can be reported as, and PendingBuild, what nothing was reported of.
const (
	Queued       = "queued"
	Building     = "building"
	Live         = "live"
	FailedBuild  = "failed"
	PendingBuild = "pending"
)

// BuildStates are those that can be reported.
func BuildStates() []string { return []string{Queued, Building, Live, FailedBuild} }

const (
	keptDeployments = 200         // commits
	freshness       = time.Second // of what other services were told
)

// ErrNoCommit says that a report is about a commit that is not of the branch.
var ErrNoCommit = errors.New("the branch has no such commit")

// Deployments tell whether edits are on the public site. They are safe for
// concurrent use.
type Deployments struct {
	store    state.Deployments
	shared   bool // other services add to the store
	position func(commit string) (int, bool)
	signers  []*standardwebhooks.Webhook

	mu   sync.Mutex
	all  []state.Deployment // of the store
	read time.Time
	news chan struct{} // closed when there is something new in all
}

// OpenDeployments reads what was reported. Reports may be signed with a secret of
// endpoints, and are about commits that position, in the order of history, knows.
func OpenDeployments(ctx context.Context, db *state.DB, endpoints []Endpoint, position func(commit string) (int, bool)) (*Deployments, error) {
	d := &Deployments{store: db.Deployments(), shared: db.Postgres(), position: position, news: make(chan struct{})}
	for _, e := range endpoints {
		signers, err := e.signers()
		if err != nil {
			return nil, err
		}
		d.signers = append(d.signers, signers...)
	}
	return d, d.reload(ctx)
}

func (d *Deployments) reload(ctx context.Context) error {
	all, err := d.store.All(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.all, all) {
		close(d.news)
		d.news = make(chan struct{})
	}
	d.all, d.read = all, time.Now()
	return nil
}

// refresh reads what other services may have been told.
func (d *Deployments) refresh(ctx context.Context) {
	d.mu.Lock()
	stale := d.shared && time.Since(d.read) > freshness
	d.mu.Unlock()
	if stale {
		_ = d.reload(ctx) // else what was read before will do
	}
}

// Since are the builds of which something was reported after then, the last report
// of each, in the order of the reports; and a channel that is closed when there is
// a newer one.
func (d *Deployments) Since(ctx context.Context, then time.Time) ([]state.Deployment, <-chan struct{}) {
	d.refresh(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	var after []state.Deployment
	for _, b := range d.all {
		if b.At.After(then) {
			after = append(after, b)
		}
	}
	slices.SortFunc(after, func(a, b state.Deployment) int { return a.At.Compare(b.At) })
	return after, d.news
}

// Signature is that of a report, by Standard Webhooks; the zero value is that of one
// that is not signed.
type Signature struct {
	id   string
	made time.Time
}

// MaySign says whether a report may have the signature of an endpoint's secret: one
// that there is, in form, and not too old.
func (d *Deployments) MaySign(header http.Header) bool {
	_, ok := inbound.ReadStandard(header)
	return ok && len(d.signers) > 0
}

// Signed says whether a report has the signature of an endpoint's secret, by
// Standard Webhooks, and is at most five minutes old.
func (d *Deployments) Signed(header http.Header, body []byte) (Signature, bool) {
	if !slices.ContainsFunc(d.signers, func(w *standardwebhooks.Webhook) bool { return w.Verify(body, header) == nil }) {
		return Signature{}, false
	}
	seconds, err := strconv.ParseInt(header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	id := sha256.Sum256([]byte(header.Get(standardwebhooks.HeaderWebhookID)))
	return Signature{hex.EncodeToString(id[:]), time.Unix(seconds, 0)}, err == nil
}

// Report keeps that the build of commit is in a state of [BuildStates]. A report
// whose signature was taken before, or which was made before the last one of the
// commit, changes nothing. ErrNoCommit when the branch does not have it.
func (d *Deployments) Report(ctx context.Context, by Signature, commit, buildState, url string) error {
	if _, ok := d.position(commit); !ok {
		return ErrNoCommit
	}
	now := time.Now()
	report := state.Report{Deployment: state.Deployment{Commit: commit, State: buildState, URL: url, At: now}, ID: by.id, Made: now}
	if by.id != "" && by.made.Before(now) { // a clock that is fast shuts out nobody
		report.Made = by.made
	}
	if buildState == Live {
		report.LiveAt = now
	}
	if err := d.store.Report(ctx, report, keptDeployments); err != nil {
		return err
	}
	return d.reload(ctx)
}

// Of tells what became of an edit, the commit: [Live] since the first build that
// has it, else what was last told of the newest build that has it, or
// [PendingBuild]; false when no build was ever reported. Old edits are live since
// the oldest build that is remembered.
func (d *Deployments) Of(ctx context.Context, commit string) (state.Deployment, bool) {
	at, ok := d.position(commit)
	d.refresh(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok || len(d.all) == 0 {
		return state.Deployment{}, false
	}
	found := state.Deployment{State: PendingBuild}
	newest := -1
	for _, b := range d.all {
		has, ok := d.position(b.Commit)
		switch {
		case !ok || has < at:
		case !b.LiveAt.IsZero():
			if found.LiveAt.IsZero() || b.LiveAt.Before(found.LiveAt) {
				found = b
				found.State, found.At = Live, b.LiveAt
			}
		case found.LiveAt.IsZero() && has > newest:
			found, newest = b, has
		}
	}
	return found, true
}
