package webhooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Push is what a Git host tells by an inbound hook that was verified.
type Push struct {
	Branches []string // that were moved: short names; none for a ping and for events that are no push
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
	case providers[h.Provider].genuine == nil:
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

// Receive verifies a request of the provider: first its signature, over the
// bytes of the body as they came and in constant time, then what it says. Its
// errors are ErrUnknownHook, ErrForged and ErrNoPush.
//
// A body that was received within the last hour is told as repeated. What
// hosts send as the name of a delivery is no part of what they sign, hence
// cannot tell that.
func (in *Inbound) Receive(provider string, header http.Header, body []byte) (Push, error) {
	secrets := in.secrets[provider]
	if len(secrets) == 0 {
		return Push{}, ErrUnknownHook
	}
	p := providers[provider]
	if !slices.ContainsFunc(secrets, func(secret string) bool { return p.genuine(secret, header, body) }) {
		return Push{}, ErrForged
	}
	if !p.isPush(header) {
		return Push{}, nil
	}
	refs, err := p.refs(body)
	if err != nil {
		return Push{}, ErrNoPush
	}
	push := Push{Repeated: in.repeated(provider, body)}
	for _, ref := range refs {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			push.Branches = append(push.Branches, name)
		}
	}
	if push.Follow = !push.Repeated && slices.Contains(push.Branches, in.branch); push.Follow {
		select {
		case in.wake <- struct{}{}:
		default: // a fetch is due anyway
		}
	}
	return push, nil
}

// repeated reports whether the body came before, and remembers it.
func (in *Inbound) repeated(provider string, body []byte) bool {
	key := sha256.Sum256(slices.Concat([]byte(provider), []byte{0}, body))
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
	genuine func(secret string, header http.Header, body []byte) bool
	event   string   // the header that says what happened
	pushes  []string // what it says of a push
	refs    func(body []byte) ([]string, error)
}

func (p provider) isPush(header http.Header) bool {
	return slices.Contains(p.pushes, header.Get(p.event))
}

// providers is how each host does it, as their documentation of webhooks says.
var providers = map[string]provider{
	"github":    {hexHMAC("X-Hub-Signature-256", "sha256="), "X-GitHub-Event", []string{"push"}, oneRef},
	"gitlab":    {gitlabGenuine, "X-Gitlab-Event", []string{"Push Hook", "System Hook"}, oneRef},
	"gitea":     {hexHMAC("X-Gitea-Signature", ""), "X-Gitea-Event", []string{"push"}, oneRef},
	"forgejo":   {hexHMAC("X-Forgejo-Signature", ""), "X-Forgejo-Event", []string{"push"}, oneRef},
	"bitbucket": {hexHMAC("X-Hub-Signature", "sha256="), "X-Event-Key", []string{"repo:push", "repo:refs_changed"}, changedRefs},
}

// hexHMAC checks a header that holds, after the prefix, the HMAC-SHA256 of the
// body in hexadecimal.
func hexHMAC(name, prefix string) func(string, http.Header, []byte) bool {
	return func(secret string, header http.Header, body []byte) bool {
		digits, ok := strings.CutPrefix(header.Get(name), prefix)
		if !ok || len(header.Values(name)) != 1 {
			return false
		}
		given, err := hex.DecodeString(digits)
		if err != nil {
			return false
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		return hmac.Equal(given, mac.Sum(nil))
	}
}

// gitlabGenuine checks the signature of a hook that has a signing token
// ("whsec_…"), which is that of Standard Webhooks and at most five minutes old,
// and the bare secret token of one that has none.
func gitlabGenuine(secret string, header http.Header, body []byte) bool {
	if strings.HasPrefix(secret, "whsec_") {
		verifier, err := standardwebhooks.NewWebhook(secret)
		return err == nil && verifier.Verify(body, header) == nil
	}
	given := header.Values("X-Gitlab-Token")
	want := sha256.Sum256([]byte(secret))
	if len(given) != 1 {
		return false
	}
	got := sha256.Sum256([]byte(given[0])) // so that lengths do not show
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// oneRef reads the push of a host that tells each reference by itself.
func oneRef(body []byte) ([]string, error) {
	var push struct {
		Ref   string `json:"ref"`
		Event string `json:"event_name"` // of GitLab's system hooks, which tell of more than pushes
	}
	if err := decode(body, &push); err != nil {
		return nil, err
	}
	if push.Event != "" && push.Event != "push" {
		return nil, nil
	}
	if push.Ref == "" {
		return nil, errors.New("no ref")
	}
	return []string{push.Ref}, nil
}

// changedRefs reads a push of Bitbucket: the cloud's changes have a new and an
// old branch, those of a data center a reference.
func changedRefs(body []byte) ([]string, error) {
	type target struct {
		Type, Name string
	}
	var event struct {
		Push struct {
			Changes []struct{ New, Old *target }
		}
		Changes []struct{ RefID string }
	}
	if err := decode(body, &event); err != nil {
		return nil, err
	}
	var refs []string
	for _, c := range event.Push.Changes {
		t := c.New
		if t == nil { // deleted
			t = c.Old
		}
		if t != nil && t.Type == "branch" {
			refs = append(refs, "refs/heads/"+t.Name)
		}
	}
	for _, c := range event.Changes {
		refs = append(refs, c.RefID)
	}
	if len(event.Push.Changes)+len(event.Changes) == 0 {
		return nil, errors.New("no changes")
	}
	return refs, nil
}

func decode(body []byte, to any) error {
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return errors.New("no object")
	}
	return json.Unmarshal(body, to)
}
