// Package inbound takes the push hooks of Git hosts: it verifies who sent them while
// their bodies go by, and has the branch fetched when one tells that it moved.
package inbound

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
	Fetch    bool     // the branch moved, and is being fetched
}

// Errors of a hook.
var (
	// ErrUnknown: no hook of the provider is configured.
	ErrUnknown = errors.New("no inbound hook of this provider is configured")
	// ErrForged: the signature or the token is missing, wrong or too old.
	ErrForged = errors.New("the hook's signature is missing, wrong or too old")
	// ErrMalformed: it is signed, but its body is not what the provider sends.
	ErrMalformed = errors.New("the hook's body is not what the provider sends: choose the content type application/json")
)

// Receiver takes hooks. Receive may be called at any time, also from several
// goroutines.
type Receiver struct {
	secrets map[string][]string // by provider
	branch  string
	fetch   func(context.Context) error
	every   time.Duration
	log     *slog.Logger
	wake    chan struct{} // holds one value when the branch moved since the last fetch began

	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // bodies that were received, and when
}

// Options are what a Receiver is made of. All are required, but Hooks may be
// empty and Every zero.
type Options struct {
	Hooks  []Hook                      // at most one of each provider
	Branch string                      // whose pushes matter: its short name
	Fetch  func(context.Context) error // brings in what was pushed
	Every  time.Duration               // how often to fetch though no hook came; 0 is never
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
	case providerOf(h.Provider) == nil:
		return fmt.Errorf("there is no provider %q; there are %s", h.Provider, strings.Join(Providers(), ", "))
	case len(h.Secrets) == 0 || slices.ContainsFunc(h.Secrets, func(s string) bool { return len(s) < minSecret }):
		return fmt.Errorf("the hook of %s needs a secret of at least %d characters", h.Provider, minSecret)
	}
	return nil
}

// minSecret is how many characters a secret has at least.
const minSecret = 16

// How long, and how many, bodies are remembered to tell a replay; and how long
// a fetch that failed waits to be tried again.
const (
	replayWindow = time.Hour
	replayLimit  = 10_000

	minFetchBackoff = 2 * time.Second
	maxFetchBackoff = 5 * time.Minute
)

// New checks the hooks.
func New(o Options) (*Receiver, error) {
	in := &Receiver{
		secrets: make(map[string][]string), branch: o.Branch, fetch: o.Fetch, every: o.Every, log: o.Logger,
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

// Run fetches at once, after each push of the branch that was received and as often as
// was asked for, until ctx ends. A fetch that fails is logged and tried again. Run returns nil.
func (in *Receiver) Run(ctx context.Context) error {
	backoff := minFetchBackoff
	for {
		var again <-chan time.Time
		switch err := in.fetch(ctx); {
		case err == nil:
			backoff = minFetchBackoff
			if in.every > 0 {
				again = time.After(in.every)
			}
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

// MaxBody is the longest body that a Git host sends: GitHub's bound, the widest.
const MaxBody = 25 << 20

// Receive verifies a request of the provider. What its header says is held against
// the secrets first, before anything of the body is read. Then the body goes by: its
// signature is worked out over the bytes as they come, and only the names of what was
// moved are kept of it. The errors are ErrUnknown, ErrForged, ErrMalformed and those
// of reading the body.
//
// A body that was received within the last hour is told as repeated. What hosts send
// as the name of a delivery is no part of what they sign, hence cannot tell that.
func (in *Receiver) Receive(provider string, header http.Header, body io.Reader) (Push, error) {
	signature, err := in.verifiers(provider, header)
	if err != nil {
		return Push{}, err
	}
	host := providerOf(provider)
	sum := sha256.New()
	sum.Write([]byte(provider + "\x00"))
	read := &errorKeeper{r: body}
	passing := io.TeeReader(read, io.MultiWriter(signature, sum))
	moved := &movedRefs{branch: in.branch}
	if host.isPush(header) {
		if err = host.refs(moved).scan(passing); err == nil && !moved.told {
			err = errPick
		}
	}
	_, _ = io.Copy(io.Discard, passing) // the rest is signed, too; read knows what failed
	switch {
	case read.err != nil:
		return Push{}, read.err
	case !signature.valid():
		return Push{}, ErrForged
	case !host.isPush(header):
		return Push{}, nil
	case err != nil:
		return Push{}, ErrMalformed
	}
	push := Push{Branches: moved.branches, Repeated: in.repeated([sha256.Size]byte(sum.Sum(nil)))}
	if push.Fetch = !push.Repeated && moved.branchMoved; push.Fetch {
		select {
		case in.wake <- struct{}{}:
		default: // a fetch is due anyway
		}
	}
	return push, nil
}

// CheckHeader refuses what Receive would refuse whatever the body: ErrUnknown or
// ErrForged.
func (in *Receiver) CheckHeader(provider string, header http.Header) error {
	_, err := in.verifiers(provider, header)
	return err
}

// verifiers are those of the provider's secrets that the header may be valid for.
func (in *Receiver) verifiers(provider string, header http.Header) (verifiers, error) {
	secrets := in.secrets[provider]
	if len(secrets) == 0 {
		return nil, ErrUnknown
	}
	var may verifiers
	for _, secret := range secrets {
		if v := providerOf(provider).verifier(secret, header); v != nil {
			may = append(may, v)
		}
	}
	if may == nil {
		return nil, ErrForged
	}
	return may, nil
}

// errorKeeper remembers why a body could not be read.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (f *errorKeeper) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// repeated reports whether a body of this sum came before, and remembers it.
func (in *Receiver) repeated(key [sha256.Size]byte) bool {
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
