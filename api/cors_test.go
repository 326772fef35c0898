package api_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	const known, other = "https://edit.example.org", "https://other.example.net"
	preflight := func(s *server, origin string) response {
		return s.do(request{method: "OPTIONS", path: entryPath("plan"), token: "-", header: map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type,if-match"}})
	}
	get := func(s *server, origin string) response {
		return s.do(request{method: "GET", path: "/v1/me", header: map[string]string{"Origin": origin}})
	}

	t.Run("closed by default", func(t *testing.T) {
		s := newServer(t)
		for _, res := range []response{preflight(s, known), get(s, known)} {
			for name := range res.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("got %s: %s, want no such header", name, res.header.Get(name))
				}
			}
		}
	})

	t.Run("by configuration", func(t *testing.T) {
		s := newServerWith(t, func(o *options) { o.Origins = []string{known} })
		res := preflight(s, known)
		if res.status != http.StatusNoContent || res.header.Get("Access-Control-Allow-Origin") != known ||
			res.header.Get("Access-Control-Allow-Methods") != "PATCH" {
			t.Errorf("preflight: got %d %v", res.status, res.header)
		}
		res = get(s, known)
		if res.status != http.StatusOK || res.header.Get("Access-Control-Allow-Origin") != known {
			t.Errorf("got %d %v", res.status, res.header)
		}
		for _, name := range []string{"ETag", "Location", "RateLimit"} {
			if exposed := res.header.Get("Access-Control-Expose-Headers"); !strings.Contains(strings.ToLower(exposed), strings.ToLower(name)) {
				t.Errorf("%s is not exposed, only %s", name, exposed)
			}
		}
		for _, res := range []response{preflight(s, other), get(s, other)} {
			if got := res.header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("another origin is allowed as %s", got)
			}
			if !strings.Contains(strings.Join(res.header.Values("Vary"), ","), "Origin") {
				t.Errorf("got Vary %v, want Origin in it", res.header.Values("Vary"))
			}
		}
	})

	t.Run("all origins, without credentials", func(t *testing.T) {
		s := newServerWith(t, func(o *options) { o.Origins = []string{"*"} })
		for _, res := range []response{preflight(s, other), get(s, other)} {
			if got := res.header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("got Access-Control-Allow-Origin %q, want *", got)
			}
			if got := res.header.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("got Access-Control-Allow-Credentials %q, want none", got)
			}
		}
	})
}
