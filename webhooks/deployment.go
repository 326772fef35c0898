package webhooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/state"
	"cms/webhooks/inbound"
)

// What a build can be reported as; PendingBuild is what nothing was reported of, and
// MissingPage a build that is live without the page of the entry.
const (
	Queued       = "queued"
	Building     = "building"
	Live         = "live"
	FailedBuild  = "failed"
	PendingBuild = "pending"
	MissingPage  = "missing"
)

// BuildStates are those that can be reported.
func BuildStates() []string { return []string{Queued, Building, Live, FailedBuild} }

// DeploymentStates are those of an edit: of the build that has it, or of none.
func DeploymentStates() []string {
	return []string{Live, Building, Queued, FailedBuild, PendingBuild, MissingPage}
}

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
	signers  []signer

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
	if !slices.ContainsFunc(d.signers, func(w signer) bool { return w.Verify(body, header) == nil }) {
		return Signature{}, false
	}
	seconds, err := strconv.ParseInt(header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	id := sha256.Sum256([]byte(header.Get(standardwebhooks.HeaderWebhookID)))
	return Signature{hex.EncodeToString(id[:]), time.Unix(seconds, 0)}, err == nil
}

// Build is what is reported of one.
type Build struct {
	Commit string
	State  string // of [BuildStates]
	URL    string
	Reason string // why it failed: its output, of which [Reason] is kept

	// The entries, as [site.Ref.String] has them, whose pages were looked for on the site, and
	// whether they are there.
	Found, Missing []string
}

// MaxPages is how many pages one report may be about.
const MaxPages = 500

// pages are those of the build, as they are kept.
func (b *Build) pages() string {
	var text strings.Builder
	for _, entry := range b.Found {
		text.WriteString("+" + entry + "\n")
	}
	for _, entry := range b.Missing {
		text.WriteString("-" + entry + "\n")
	}
	return text.String()
}

// Report keeps what was reported of a build. A report
// whose signature was taken before, or which was made before the last one of the
// commit, changes nothing. ErrNoCommit when the branch does not have it.
func (d *Deployments) Report(ctx context.Context, by Signature, b Build) error {
	if _, ok := d.position(b.Commit); !ok {
		return ErrNoCommit
	}
	now := time.Now()
	report := state.Report{Deployment: state.Deployment{Commit: b.Commit, State: b.State, URL: b.URL, At: now, Reason: Reason(b.Reason), Pages: b.pages()}, ID: by.id, Made: now}
	if by.id != "" && by.made.Before(now) { // a clock that is fast shuts out nobody
		report.Made = by.made
	}
	if b.State == Live {
		report.LiveAt = now
	}
	if err := d.store.Report(ctx, report, keptDeployments); err != nil {
		return err
	}
	return d.reload(ctx)
}

// OfEntry tells what became of an edit, the commit, of an entry, as [site.Ref.String] has
// it: [Live] since the first build that has it, else what was last told of the newest build
// that has it, or [PendingBuild]; false when no build was ever reported. Old edits are live
// since the oldest build that is remembered. Where the entry's page was looked for since,
// and was not there the last time, it is not live but [MissingPage].
func (d *Deployments) OfEntry(ctx context.Context, entry, commit string) (state.Deployment, bool) {
	at, ok := d.position(commit)
	d.refresh(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok || len(d.all) == 0 {
		return state.Deployment{}, false
	}
	found := state.Deployment{State: PendingBuild}
	newest := -1
	lost, lostAt := state.Deployment{}, -1 // the last build in which the page was looked for
	for _, b := range d.all {
		has, ok := d.position(b.Commit)
		if there, looked := pageOf(b, entry); ok && has >= at && looked && has >= lostAt {
			if lost, lostAt = b, has; there {
				lost = state.Deployment{}
			}
		}
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
	if lost.Commit != "" && found.State == Live {
		lost.State = MissingPage
		return lost, true
	}
	return found, true
}

// pageOf says whether the page of an entry was looked for in a build, and was there.
func pageOf(b state.Deployment, entry string) (there, looked bool) {
	if entry == "" || b.Pages == "" {
		return false, false
	}
	text := "\n" + b.Pages
	has, lacks := strings.LastIndex(text, "\n+"+entry+"\n"), strings.LastIndex(text, "\n-"+entry+"\n")
	return has > lacks, has != lacks
}
