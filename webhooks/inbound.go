package webhooks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Push is what a Git host tells by an inbound hook that was verified.
type Push struct {
	Branches []string // that were moved, 100 at most: short names; none for a ping and for events that are no push
	Repeated bool     // the same was received before: a replay, or sent again by the host
	Follow   bool     // the branch will be fetched
}

// Errors of an inbound hook.
var (
	// ErrUnknownHook: no hook of the provider is configured.
	ErrUnknownHook = errors.New("no inbound hook of this provider is configured")
	// ErrForged: the signature or the token is missing, wrong or too old.
	ErrForged = errors.New("the hook's signature is missing, wrong or too old")
	// ErrNoPush: it is signed, and yet nothing that the provider sends.
	ErrNoPush = errors.New("the hook's body is not what the provider sends: choose the content type application/json")
)

// Inbound verifies the push hooks of Git hosts, and has the branch fetched when
// one tells that it moved. Receive may be called at any time, also from several
// goroutines.
type Inbound struct {
	secrets map[string][]string // by provider
	branch  string
	fetch   func(context.Context) error
	log     *slog.Logger
	wake    chan struct{} // holds one value when the branch moved since the last fetch began

	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // bodies that were received, and when
}

// InboundOptions are what an Inbound is made of. All are required, but Hooks
// may be empty.
type InboundOptions struct {
	Hooks  []Hook                      // at most one of each provider
	Branch string                      // whose pushes matter: its short name
	Fetch  func(context.Context) error // brings in what was pushed
	Logger *slog.Logger
}

// Hook is an inbound hook: who sends it, and the secret that was agreed upon
// with them; several while it is being changed.
type Hook struct {
	Provider string
	Secrets  []string
}

// Check says what is wrong with a hook.
func (h Hook) Check() error {
	switch {
	case providers[h.Provider].proof == nil:
		return fmt.Errorf("there is no provider %q; there are %s", h.Provider, strings.Join(Providers(), ", "))
	case len(h.Secrets) == 0 || slices.ContainsFunc(h.Secrets, func(s string) bool { return len(s) < minInboundSecret }):
		return fmt.Errorf("the hook of %s needs a secret of at least %d characters", h.Provider, minInboundSecret)
	}
	return nil
}

// How long, and how many, bodies are remembered to tell a replay; and how long
// a fetch that failed waits to be tried again.
const (
	replayWindow = time.Hour
	replayLimit  = 10_000

	minFetchBackoff = 2 * time.Second
	maxFetchBackoff = 5 * time.Minute
)

// NewInbound makes an Inbound.
func NewInbound(o InboundOptions) (*Inbound, error) {
	in := &Inbound{
		secrets: make(map[string][]string), branch: o.Branch, fetch: o.Fetch, log: o.Logger,
		wake: make(chan struct{}, 1), seen: make(map[[sha256.Size]byte]time.Time),
	}
	for _, h := range o.Hooks {
		if err := h.Check(); err != nil {
			return nil, err
		}
		if in.secrets[h.Provider] != nil {
			return nil, fmt.Errorf("there are two hooks of %s", h.Provider)
		}
		in.secrets[h.Provider] = h.Secrets
	}
	return in, nil
}

// Run fetches at once, and after each push of the branch that was received,
// until ctx ends. A fetch that fails is logged and tried again. Run returns nil.
func (in *Inbound) Run(ctx context.Context) error {
	backoff := minFetchBackoff
	for {
		var again <-chan time.Time
		switch err := in.fetch(ctx); {
		case err == nil:
			backoff = minFetchBackoff
		case ctx.Err() != nil:
			return nil
		default:
			in.log.Error("the branch could not be fetched", "error", err, "again_in", backoff)
			again = time.After(backoff)
			backoff = min(2*backoff, maxFetchBackoff)
		}
		select {
		case <-in.wake:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

const minInboundSecret = 16

// Providers are the Git hosts whose hooks are understood.
func Providers() []string { return []string{"github", "gitlab", "gitea", "forgejo", "bitbucket"} }

// MaxBody is the longest body that a Git host sends: GitHub's bound, the widest.
const MaxBody = 25 << 20

// maxBranches is how many names of moved branches are told of one push.
const maxBranches = 100

// Receive verifies a request of the provider. What its header says is held against
// the secrets first, before anything of the body is read. Then the body goes by: it
// is signed over its bytes as they come, compared in constant time, and only the
// names of what was moved are kept of it. Its errors are ErrUnknownHook, ErrForged,
// ErrNoPush and those of reading the body.
//
// A body that was received within the last hour is told as repeated. What
// hosts send as the name of a delivery is no part of what they sign, hence
// cannot tell that.
func (in *Inbound) Receive(provider string, header http.Header, body io.Reader) (Push, error) {
	p := providers[provider]
	given, err := in.proofs(provider, header)
	if err != nil {
		return Push{}, err
	}
	sum := sha256.New()
	sum.Write([]byte(provider + "\x00"))
	read := &failing{r: body}
	passing := io.TeeReader(read, io.MultiWriter(given, sum))
	moved := &moved{branch: in.branch}
	if p.isPush(header) {
		if err = p.refs(moved).scan(passing); err == nil && !moved.told {
			err = errPick
		}
	}
	_, _ = io.Copy(io.Discard, passing) // the rest is signed, too; read knows what failed
	switch {
	case read.err != nil:
		return Push{}, read.err
	case !given.hold():
		return Push{}, ErrForged
	case !p.isPush(header):
		return Push{}, nil
	case err != nil:
		return Push{}, ErrNoPush
	}
	push := Push{Branches: moved.branches, Repeated: in.repeated([sha256.Size]byte(sum.Sum(nil)))}
	if push.Follow = !push.Repeated && moved.follow; push.Follow {
		select {
		case in.wake <- struct{}{}:
		default: // a fetch is due anyway
		}
	}
	return push, nil
}

// Expect says what Receive would say of a request whatever its body, if that is a
// refusal.
func (in *Inbound) Expect(provider string, header http.Header) error {
	_, err := in.proofs(provider, header)
	return err
}

// proofs are those that the header gives, for the secrets of a provider.
func (in *Inbound) proofs(provider string, header http.Header) (proofs, error) {
	secrets := in.secrets[provider]
	if len(secrets) == 0 {
		return nil, ErrUnknownHook
	}
	given := make([]proof, len(secrets))
	for i, secret := range secrets {
		given[i] = providers[provider].proof(secret, header)
	}
	if left := proofsOf(given...); len(left) > 0 {
		return left, nil
	}
	return nil, ErrForged
}

// failing remembers why a body could not be read.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// moved is what a push tells of the references that it moved.
type moved struct {
	branch   string // whose move matters
	told     bool   // there was something that may have been one
	follow   bool   // the branch was among them
	branches []string
}

func (m *moved) ref(ref string) {
	m.told = m.told || ref != ""
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		return
	}
	m.follow = m.follow || name == m.branch
	if len(m.branches) < maxBranches {
		m.branches = append(m.branches, name)
	}
}

// repeated reports whether a body of this sum came before, and remembers it.
func (in *Inbound) repeated(key [sha256.Size]byte) bool {
	now := time.Now()
	in.mu.Lock()
	defer in.mu.Unlock()
	if at, ok := in.seen[key]; ok && now.Sub(at) < replayWindow {
		return true
	}
	if len(in.seen) >= replayLimit {
		for k, at := range in.seen {
			if now.Sub(at) >= replayWindow {
				delete(in.seen, k)
			}
		}
	}
	if len(in.seen) >= replayLimit {
		clear(in.seen) // a flood of signed hooks: rather one fetch too many
	}
	in.seen[key] = now
	return false
}

// A provider is how one Git host signs and tells a push.
type provider struct {
	proof  func(secret string, header http.Header) proof // nil where the header cannot be that of who has the secret
	event  string                                        // the header that says what happened
	pushes []string                                      // what it says of a push
	refs   func(*moved) *pick
}

func (p provider) isPush(header http.Header) bool {
	return slices.Contains(p.pushes, header.Get(p.event))
}

// providers is how each host does it, as their documentation of webhooks says.
var providers = map[string]provider{
	"github":    {hexHMAC("X-Hub-Signature-256", "sha256="), "X-GitHub-Event", []string{"push"}, oneRef},
	"gitlab":    {gitlabProof, "X-Gitlab-Event", []string{"Push Hook", "System Hook"}, oneRef},
	"gitea":     {hexHMAC("X-Gitea-Signature", ""), "X-Gitea-Event", []string{"push"}, oneRef},
	"forgejo":   {hexHMAC("X-Forgejo-Signature", ""), "X-Forgejo-Event", []string{"push"}, oneRef},
	"bitbucket": {hexHMAC("X-Hub-Signature", "sha256="), "X-Event-Key", []string{"repo:push", "repo:refs_changed"}, changedRefs},
}

// oneRef picks from the push of a host that tells each reference by itself. Of
// GitLab's system hooks, event_name says which are pushes.
func oneRef(m *moved) *pick {
	var ref, event string
	return &pick{
		members: map[string]*pick{
			"ref":        {text: func(s string) { ref = s }},
			"event_name": {text: func(s string) { event = s }},
		},
		end: func() {
			if event == "" || event == "push" {
				m.ref(ref)
			} else {
				m.told = true
			}
		},
	}
}

// changedRefs picks from a push of Bitbucket: the cloud's changes have a new and an
// old branch, of which a deleted one has the old alone, those of a data center a
// reference.
func changedRefs(m *moved) *pick {
	type target struct {
		there      bool
		kind, name string
	}
	var now, before target
	side := func(t *target) *pick {
		return &pick{
			members: map[string]*pick{
				"type": {text: func(s string) { t.kind = s }},
				"name": {text: func(s string) { t.name = s }},
			},
			end: func() { t.there = true },
		}
	}
	return &pick{members: map[string]*pick{
		"push": {members: map[string]*pick{"changes": {
			members: map[string]*pick{"new": side(&now), "old": side(&before)},
			end: func() {
				t := now
				if !t.there {
					t = before
				}
				if m.told = true; t.kind == "branch" {
					m.ref("refs/heads/" + t.name)
				}
				now, before = target{}, target{}
			},
		}}},
		"changes": {members: map[string]*pick{"refId": {text: m.ref}}, end: func() { m.told = true }},
	}}
}
