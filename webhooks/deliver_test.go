package webhooks

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"code.dny.dev/ssrf"
	"golang.org/x/net/dns/dnsmessage"
	"pgregory.net/rapid"
)

func TestBackoff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<40).Draw(t, "failures")
		asked := time.Duration(rapid.Int64Range(0, int64(2*maxRetryAfter)).Draw(t, "retry after"))
		got := backoff(n, &refusal{http.StatusServiceUnavailable, asked})
		least := max(1, min(asked, maxRetryAfter))
		most := max(least, min(maxBackoff, minBackoff<<min(n, 30)))
		if got < least || got > most {
			t.Fatalf("backoff(%d) = %s, want %s to %s", n, got, least, most)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 3, 5, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"90", 90 * time.Second},
		{"Tue, 05 Mar 2024 10:02:00 GMT", 2 * time.Minute},
		{"Tue, 05 Mar 2024 09:00:00 GMT", 0},
		{"-1", 0},
		{"1.5", 0},
		{strconv.FormatUint(1<<63, 10), 0},
	}
	for _, tt := range tests {
		if got := retryAfter(tt.value, now); got != tt.want {
			t.Errorf("retryAfter(%q) = %s, want %s", tt.value, got, tt.want)
		}
	}
}

// post sends an event to the URL.
func post(t *testing.T, url string, allowPrivate bool) error {
	t.Helper()
	e := Endpoint{Name: "site", URL: url, Secret: secret, AllowPrivate: allowPrivate}
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	s, err := newSender(e)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = s.post(ctx, "evt_1", []byte("{}"))
	return err
}

// Only 2xx is success, and no redirect is followed.
func TestStatuses(t *testing.T) {
	var followed atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			followed.Store(true)
			return
		}
		w.Header().Set("Location", "/suivi")
		w.WriteHeader(code)
	}))
	defer s.Close()
	for _, code := range []int{200, 201, 202, 204, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503} {
		err := post(t, s.URL+"/"+strconv.Itoa(code), true)
		if (err == nil) != (code < 300) || gone(err) != (code == 410) {
			t.Errorf("%d: got %v", code, err)
		}
		if r := (*refusal)(nil); err != nil && (!errors.As(err, &r) || r.status != code) {
			t.Errorf("%d: got error %v, want a refusal with the status", code, err)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// A response without an end is read no further than its first 64 KB.
func TestResponseIsBounded(t *testing.T) {
	done := make(chan int, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, line := 0, make([]byte, 4096)
		for {
			n, err := w.Write(line)
			sent += n
			if err != nil {
				done <- sent
				return
			}
		}
	}))
	defer s.Close()
	if err := post(t, s.URL, true); err != nil {
		t.Errorf("got %v, want success", err)
	}
	// What the sockets buffer is sent without being read.
	if sent := <-done; sent > 32<<20 {
		t.Errorf("the receiver could send %d bytes", sent)
	}
}

// Addresses that are not public are refused as they are dialled, however the
// URL spells them, and nothing is sent.
func TestPrivateAddressesAreRefused(t *testing.T) {
	var reached atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{
		"127.0.0.1", "127.8.8.8", "localhost", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "240.0.0.1", "255.255.255.255",
		"169.254.169.254", "[fd00:ec2::254]",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1]", "[fc00::1]", "[2002:7f00:1::]", "[ff02::1]",
		"2130706433", "0x7f000001", "0177.0.0.1", "127.1",
	}
	for _, host := range hosts {
		err := post(t, "https://"+host+":"+port+"/hook", false)
		var dns *net.DNSError
		if !errors.Is(err, ssrf.ErrProhibitedIP) && !errors.As(err, &dns) {
			t.Errorf("%s: got %v, want a prohibited address or an unknown name", host, err)
		}
	}
	for _, host := range []string{"127.0.0.1", "localhost", "169.254.169.254", "[::1]"} {
		if err := post(t, "https://"+host+":"+port+"/hook", false); !errors.Is(err, ssrf.ErrProhibitedIP) {
			t.Errorf("%s: got %v, want %v", host, err, ssrf.ErrProhibitedIP)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the receiver was reached %d times", n)
	}
}

// A name that was that of a public address when somebody looked is refused when it
// leads inside as it is dialled.
func TestRebindingIsRefused(t *testing.T) {
	var reached atomic.Bool
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSender(Endpoint{Name: "site", URL: "https://builds.example.org:" + port, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.dialer.Resolver = turning(t, [4]byte{8, 8, 8, 8}, [4]byte{127, 0, 0, 1})
	if first, err := s.dialer.Resolver.LookupHost(t.Context(), "builds.example.org"); err != nil || !slices.Equal(first, []string{"8.8.8.8"}) {
		t.Fatalf("got %v, %v", first, err)
	}
	if _, err := s.post(t.Context(), "evt_1", []byte("{}")); !errors.Is(err, ssrf.ErrProhibitedIP) {
		t.Errorf("got %v, want %v", err, ssrf.ErrProhibitedIP)
	}
	if reached.Load() {
		t.Error("the service inside was reached")
	}
}

// turning resolves every name to the first address once, and to the other from
// then on.
func turning(t *testing.T, first, other [4]byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		next, packet := first, make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: next},
				}}
				next = other
			}
			answer, err := m.Pack()
			if err == nil {
				_, err = server.WriteTo(answer, from)
			}
			if err != nil {
				return
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func TestPublicAddressesAreDialled(t *testing.T) {
	s, err := newSender(Endpoint{URL: "https://example.org", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.client.Transport.(*http.Transport).DialContext(ctx, "tcp", "8.8.8.8:8443")
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedPort) {
		t.Errorf("got %v, want no refusal of the address", err)
	}
}
