package api_test

import (
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"cms/auth"
	"cms/web"
)

func TestRateLimitOfCallers(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, func(o *options) { o.PerCaller = web.Limit{Requests: 3, Window: time.Hour} })
	bot, err := auth.Mint(s.issuer, auth.Claims{Subject: "robot", Email: "robot@example.org", Roles: []string{"reader"}, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"caller";r=2;t=1200`, `"caller";r=1;t=2400`, `"caller";r=0;t=1200`} {
		token := s.token
		if i == 1 {
			token = s.mint("reader") // another token of the same caller
		}
		res := s.do(request{method: "GET", path: "/v1/me", token: token})
		if res.status != http.StatusOK || res.header.Get("RateLimit") != want || res.header.Get("RateLimit-Policy") != `"caller";q=3;w=3600` {
			t.Errorf("request %d: got %d with RateLimit %s, RateLimit-Policy %s; want 200 with %s", i, res.status,
				res.header.Get("RateLimit"), res.header.Get("RateLimit-Policy"), want)
		}
	}
	res := s.do(request{method: "GET", path: "/v1/me"})
	p := s.problem(res)
	if p.Code != "too_many_requests" || res.header.Get("RateLimit") != `"caller";r=0;t=1200` {
		t.Errorf("got the problem %+v with RateLimit %s", p, res.header.Get("RateLimit"))
	}
	if after, err := strconv.Atoi(res.header.Get("Retry-After")); err != nil || after < 1 || after > 1200 {
		t.Errorf("got Retry-After %q, want up to 1200 seconds", res.header.Get("Retry-After"))
	}
	if res := s.do(request{method: "GET", path: "/v1/me", token: bot}); res.status != http.StatusOK {
		t.Errorf("another caller: got %d", res.status)
	}
}

func TestRateLimitOfAddresses(t *testing.T) {
	t.Parallel()
	t.Run("by connection", func(t *testing.T) {
		s := newServerWith(t, func(o *options) { o.PerAddress = web.Limit{Requests: 2, Window: time.Hour} })
		for i, want := range []int{401, 401, 429, 429} { // also without a token, and whatever the client says of itself
			res := s.do(request{method: "GET", path: "/v1/me", token: "-", header: map[string]string{"X-Forwarded-For": "192.0.2." + strconv.Itoa(i)}})
			if res.status != want {
				t.Errorf("request %d: got %d, want %d", i, res.status, want)
			}
		}
		if res := s.do(request{method: "GET", path: "/healthz", token: "-"}); res.status != http.StatusOK {
			t.Errorf("the health check: got %d, want no limit", res.status)
		}
	})

	t.Run("behind proxies", func(t *testing.T) {
		s := newServerWith(t, func(o *options) {
			o.PerAddress = web.Limit{Requests: 1, Window: time.Hour}
			o.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		})
		for _, c := range []struct {
			forwarded string
			want      int
		}{
			{"192.0.2.1", 401},
			{"192.0.2.1", 429},
			{"192.0.2.2, 10.1.2.3", 401},             // the last one that is not a proxy
			{"192.0.2.99, 192.0.2.2, 10.1.2.3", 429}, // what stands before it, anyone may write
			{"2001:db8:1:2::1", 401},
			{"2001:db8:1:2::ffff", 429}, // the same network
			{"2001:db8:1:3::1", 401},
			{"nonsense", 401}, // the proxy itself
			{"", 429},
		} {
			header := map[string]string{}
			if c.forwarded != "" {
				header["X-Forwarded-For"] = c.forwarded
			}
			if res := s.do(request{method: "GET", path: "/v1/me", token: "-", header: header}); res.status != c.want {
				t.Errorf("X-Forwarded-For %q: got %d, want %d", c.forwarded, res.status, c.want)
			}
		}
	})
}

func TestNoRateLimitUnlessConfigured(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for range 50 {
		res := s.do(request{method: "GET", path: "/v1/me"})
		if res.status != http.StatusOK || res.header.Get("RateLimit") != "" {
			t.Fatalf("got %d with RateLimit %q", res.status, res.header.Get("RateLimit"))
		}
	}
}
