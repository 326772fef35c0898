package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// What a push can come to, beside success and errors of the network.
var (
	// errMovedThere: the remote's branch is not where it was expected to be. Nothing
	// was sent.
	errMovedThere = errors.New("the remote's branch moved")
	// ErrSent: the push was sent, and no answer came: the remote may have taken it.
	ErrSent = errors.New("the remote may have taken the push")
)

// A refusal is what the remote says when it takes nothing: by its protocol, its hooks or
// its HTTP status.
type refusal struct {
	text    string
	retry   time.Duration // after which it asks to be tried again; 0 when it says nothing
	content bool          // because of what was pushed, as a hook does
}

func (e *refusal) Error() string { return "the remote refuses: " + e.text }

// A pushSession is one contact with the remote, for one push.
type pushSession struct {
	remote  *Remote
	auth    transport.AuthMethod
	session transport.ReceivePackSession
	offered *packp.AdvRefs
	waits   *retryAfter
}

// openPush connects with the remote and asks where its branches are.
func (m *Remote) openPush(ctx context.Context) (*pushSession, error) {
	at, err := transport.NewEndpoint(m.URL)
	if err != nil {
		return nil, m.plain(err)
	}
	useSSHLines()
	p := &pushSession{remote: m, waits: new(retryAfter)}
	var by transport.Transport
	if at.Protocol == "http" || at.Protocol == "https" {
		by = githttp.NewClient(&http.Client{Transport: p.waits})
	} else if by, err = client.NewClient(at); err != nil {
		return nil, m.plain(err)
	}
	err = m.asking(ctx, func(auth transport.AuthMethod) (err error) {
		p.auth = auth
		if p.session, err = by.NewReceivePackSession(at, auth); err != nil {
			return err
		}
		if p.offered, err = p.session.AdvertisedReferencesContext(ctx); err != nil {
			_ = p.session.Close()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reach the remote: %w", p.told(err))
	}
	return p, nil
}

// tip is where the remote's branch is, zero when there is none.
func (p *pushSession) tip(name plumbing.ReferenceName) Hash {
	return p.offered.References[name.String()]
}

// empty says whether the remote has no reference.
func (p *pushSession) empty() bool { return len(p.offered.References) == 0 && p.offered.Head == nil }

// push moves a reference of the remote from one commit to another, zero for none, if it is
// still there, and sends a pack of what that needs. After ErrSent it may have done so;
// after a refusal, errMovedThere and an error of reaching the remote it has not.
func (p *pushSession) push(ctx context.Context, name plumbing.ReferenceName, from, to Hash, pack io.Reader) error {
	if p.tip(name) != from {
		return errMovedThere
	}
	return p.send(ctx, []*packp.Command{{Name: name, Old: from, New: to}}, pack)
}

// send asks for several references to be changed. The pack is nil where they are only removed.
func (p *pushSession) send(ctx context.Context, commands []*packp.Command, pack io.Reader) error {
	words := new(hostWords)
	req := packp.NewReferenceUpdateRequestFromCapabilities(p.offered.Capabilities)
	if !p.offered.Capabilities.Supports(capability.ReportStatus) {
		return &refusal{text: "it does not report what came of a push"}
	}
	if p.offered.Capabilities.Supports(capability.Sideband64k) {
		if err := req.Capabilities.Set(capability.Sideband64k); err != nil {
			return err
		}
	}
	req.Progress = words
	req.Commands = commands
	if pack != nil {
		req.Packfile = io.NopCloser(pack)
	}
	report, err := p.session.ReceivePack(ctx, req)
	p.remote.rejected(p.auth, err) // so that the next push has another one
	switch {
	case report != nil && err != nil, report != nil && report.Error() != nil:
		return &refusal{text: p.told(errors.New(words.with(errors.Join(report.Error())))).Error(), content: true}
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed), errors.Is(err, transport.ErrRepositoryNotFound):
		return &refusal{text: p.told(errors.New(words.with(err))).Error()}
	case err == nil && report != nil:
		return nil
	case err == nil:
		err = errors.New("it answered nothing")
	}
	if status, refused := p.waits.refused(); refused {
		return &refusal{text: p.told(errors.New(words.with(fmt.Errorf("%s: %w", status, err)))).Error(), retry: p.waits.wait()}
	}
	return fmt.Errorf("%w: %w", ErrSent, p.told(err))
}

// told is an error of the remote without secrets, a refusal if its status says so.
func (p *pushSession) told(err error) error {
	err = p.remote.plain(err)
	if status, refused := p.waits.refused(); refused {
		return &refusal{text: status + ": " + err.Error(), retry: p.waits.wait()}
	}
	return err
}

func (p *pushSession) close() { _ = p.session.Close() }

// hostWords keeps the end of what the host says while it takes a push, as its hooks do.
type hostWords struct {
	mu  sync.Mutex
	raw []byte
}

const maxHostWords = 4 << 10

func (w *hostWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.raw = append(w.raw, b...); len(w.raw) > maxHostWords {
		w.raw = w.raw[len(w.raw)-maxHostWords:]
	}
	return len(b), nil
}

func (w *hostWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.raw)
}

// with is an error with what the host said before it.
func (w *hostWords) with(err error) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var said []string
	for line := range strings.Lines(string(w.raw)) {
		if line = oneLine(line); line != "" && line != "error:" { // as Gitea frames its words
			said = append(said, line)
		}
	}
	if len(said) == 0 {
		return err.Error()
	}
	return err.Error() + ": " + strings.Join(said, " ")
}

// retryAfter is an HTTP transport that remembers the last status, and when the host asks
// to be tried again.
type retryAfter struct {
	mu     sync.Mutex
	status int
	after  time.Duration
}

func (t *retryAfter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status, t.after = 0, 0
	if err == nil {
		t.status, t.after = res.StatusCode, parseRetryAfter(res.Header.Get("Retry-After"))
	}
	return res, err
}

// refused is the last status, and whether the host took nothing by it.
func (t *retryAfter) refused() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%d %s", t.status, http.StatusText(t.status)), t.status >= 400 && t.status < 500
}

func (t *retryAfter) wait() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.after
}

// maxRetryAfter bounds what a host may ask for.
const maxRetryAfter = time.Hour

func parseRetryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n > 0 {
		return min(time.Duration(min(n, 1<<20))*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, min(time.Until(at), maxRetryAfter))
	}
	return 0
}
