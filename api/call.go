package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"cms/auth"
	"cms/site"
)

// call is what is known of a request while it is answered. The middleware puts
// one into the context of each request; what learns something adds it. It
// belongs to the request's goroutine.
type call struct {
	id        string          // a UUID
	address   netip.Addr      // of the client; the zero Addr where it cannot be told
	principal *auth.Principal // nil until the token is verified
	route     string          // the template of the path; "" for none
	operation string          // the id in the OpenAPI document; "" for none
	code      string          // of the problem that was answered
	targets   []target        // what a write has changed or, refused, was asked to
	key       string          // names the write in its commit, so that it is not made twice; "" for none
	dry       bool            // the write was made before: it is only seen whether the caller may make it
}

// target is an entry, or another thing in the repository, that a write changed.
type target struct {
	Collection string `json:"collection"`
	Name       string `json:"name"`
	Commit     string `json:"commit,omitempty"` // "" where nothing differed
}

// targetOf is what a write did, for the audit log.
func targetOf(out *site.Outcome) target {
	t := target{Collection: out.Collection, Name: out.Slug.String()}
	if out.Changed {
		t.Commit = out.Commit
	}
	return t
}

type contextKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// callOf is the call that ctx belongs to; an empty one where there is none.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(contextKey{}).(*call); ok {
		return c
	}
	return &call{}
}

func requestID(ctx context.Context) string { return callOf(ctx).id }

func principal(ctx context.Context) *auth.Principal { return callOf(ctx).principal }

// instance is the URI that names a request in problem documents.
func instance(ctx context.Context) string {
	if id := requestID(ctx); id != "" {
		return "urn:uuid:" + id
	}
	return ""
}

// newRequestID is the id that the client gave, if it is a UUID in the usual
// form, so that it can stand in logs and URNs; else a new one.
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
