package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"cms/auth"
	"cms/say"
)

// bearer asks for a token (RFC 6750).
const bearer = `Bearer realm="cms"` //nolint:gosec // a challenge, no credential

// Caller is who sends a request: whom its bearer token speaks for or, where it
// has no Authorization header, whom its session is of. What is sent on purpose
// counts more than what a browser sends by itself, so a bad token is not made
// good by a cookie.
func (f *Floor) Caller(r *http.Request) (*auth.Principal, error) {
	access := ""
	if f.sessions != nil && len(r.Header.Values("Authorization")) == 0 {
		access = f.cookies.Of(r, accessCookie)
	}
	if access == "" {
		return f.byToken(r.Context(), r.Header.Values("Authorization"))
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := f.SameOrigin(r, true); err != nil {
			return nil, err
		}
	}
	pr, err := f.sessions.Principal(r.Context(), access)
	if errors.Is(err, auth.ErrNoSession) {
		return nil, NewProblem(http.StatusUnauthorized, say.New("The session has ended or must be refreshed: POST /v1/auth/refresh, or log in again.")).
			With("WWW-Authenticate", bearer)
	}
	return pr, err
}

func (f *Floor) byToken(ctx context.Context, headers []string) (*auth.Principal, error) {
	if len(headers) > 1 {
		return nil, NewProblem(http.StatusBadRequest, say.New("Send one Authorization header."))
	}
	scheme, token, _ := strings.Cut(strings.Join(headers, ""), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, NewProblem(http.StatusUnauthorized, say.New("Send a token: Authorization: Bearer …")).With("WWW-Authenticate", bearer)
	}
	return f.Token(ctx, strings.TrimSpace(token))
}

// Token is whom a token speaks for, whichever way it came: as a bearer token, or as the
// password of a Git client. It is one that an issuer has signed, or a personal one.
func (f *Floor) Token(ctx context.Context, token string) (*auth.Principal, error) {
	if f.personal != nil && strings.HasPrefix(token, auth.PersonalPrefix) {
		return f.personal.Principal(ctx, token)
	}
	return f.verifier.Verify(ctx, token)
}

// challenge tells a client what was wrong with its token (RFC 6750, section 3).
func challenge(e *auth.TokenError) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	return bearer + `, error="` + quote.Replace(e.Code) + `", error_description="` + quote.Replace(e.Detail.String()) + `"`
}
