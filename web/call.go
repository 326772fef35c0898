package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"cms/auth"
)

// Call is what is known of a request while it is answered.
type Call struct {
	ID        string          // a UUID
	Address   netip.Addr      // of the client; the zero Addr where it cannot be told
	Principal *auth.Principal // whom it is of; nil until that is verified, and where anyone may ask
	Operation Operation       // the zero one until it is found, and where there is none
}

// record is the call as the floor keeps it, with what the logs are told. It belongs to
// the request's goroutine.
type record struct {
	Call
	code    string   // of the problem that was answered
	reason  string   // of the same, in English
	claimed string   // whom the request says it is of, where that was not proved
	targets []Target // what a write has changed or, refused, was asked to
	dry     bool     // it was a dry run
	how     string   // somebody has proved themselves whom it has let in; "" where it has not
	pending bool     // it has not let them in yet
	quiet   bool     // the log has no use for it
	body    *arriving
}

// Target is a thing in the repository, such as an entry, that a write changed.
type Target struct {
	Collection string `json:"collection"`
	Name       string `json:"name"`
	Commit     string `json:"commit,omitempty"` // "" for what is not in Git
	Unchanged  bool   `json:"-"`                // nothing differed
}

type contextKey struct{}

// recordOf is the record of the request that ctx belongs to; an empty one where there
// is none.
func recordOf(ctx context.Context) *record {
	if c, ok := ctx.Value(contextKey{}).(*record); ok {
		return c
	}
	return &record{}
}

func withRecord(ctx context.Context, c *record) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// CallOf is what is known of the request that ctx belongs to.
func CallOf(ctx context.Context) Call { return recordOf(ctx).Call }

// RequestID names the request that ctx belongs to.
func RequestID(ctx context.Context) string { return recordOf(ctx).ID }

// Principal is who sends the request that ctx belongs to; nil where anyone may.
func Principal(ctx context.Context) *auth.Principal { return recordOf(ctx).Principal }

// Audit adds to what the audit log tells of the request that ctx belongs to: what it has
// changed or, where it is refused, was asked to.
func Audit(ctx context.Context, targets ...Target) {
	c := recordOf(ctx)
	c.targets = append(c.targets, targets...)
}

// AuditDryRun has the audit log say that the request that ctx belongs to was to change nothing.
func AuditDryRun(ctx context.Context) { recordOf(ctx).dry = true }

// AuditReason has the logs say why the request that ctx belongs to is refused, and whom it says
// it is of, where its answer keeps that back. They never have a token or a password.
func AuditReason(ctx context.Context, err error) {
	c := recordOf(ctx)
	if attempt := (*auth.AttemptError)(nil); errors.As(err, &attempt) {
		c.reason, c.claimed = attempt.Why, attempt.Of
	}
}

// AuditLogin has the audit log say that the request that ctx belongs to has begun a session, of
// whom and by what, and that it is theirs.
func AuditLogin(ctx context.Context, s *auth.Session) {
	c := recordOf(ctx)
	c.Principal, c.how = s.Principal, s.How
}

// AuditPendingLogin has the audit log say that a login waits for its second factor, of whom.
func AuditPendingLogin(ctx context.Context, err *auth.FactorError) {
	c := recordOf(ctx)
	c.pending, c.claimed, c.how = true, err.Of, "password"
}

// AuditCaller has the audit log say that the request that ctx belongs to, which anyone may send, is
// of pr, if that is somebody.
func AuditCaller(ctx context.Context, pr *auth.Principal) {
	if pr != nil {
		recordOf(ctx).Principal = pr
	}
}

// newRequestID is the id that the client gave, if it is a UUID in the usual
// form, so that it can stand in logs and URNs; otherwise a new one.
func newRequestID(r *http.Request) string {
	if given := r.Header.Get("X-Request-Id"); len(given) == 36 {
		if id, err := uuid.Parse(given); err == nil {
			return id.String()
		}
	}
	return uuid.NewString()
}

// proxies are the networks whose word on the client's address is taken.
type proxies []netip.Prefix

func (p proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// client is the address that a request comes from: that of the connection or,
// if this is a trusted proxy's, the last one in X-Forwarded-For that is not.
// What stands to the left of it, anyone may have written.
func (p proxies) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := peer.Addr().Unmap().WithZone("")
	if len(p) == 0 {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trust(at) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		at = next.Unmap().WithZone("")
	}
	return at
}
