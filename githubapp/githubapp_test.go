package githubapp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, minKeyBits)
	if err != nil {
		panic(err)
	}
	return key
})

// A host gives tokens to the app with the key, each another one.
type host struct {
	*httptest.Server
	t     *testing.T
	now   time.Time // of the app's clock
	given atomic.Int32
	lasts time.Duration
	gate  chan struct{} // that answers wait for, if any
}

func serve(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, now: time.Now().Truncate(time.Second), lasts: time.Hour}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *host) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if h.gate != nil {
		<-h.gate
	}
	if req.Method != http.MethodPost || req.URL.Path != "/app/installations/77/access_tokens" {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message": "Not Found"}`)
		return
	}
	var claims jwt.RegisteredClaims
	bearer, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	_, err := jwt.ParseWithClaims(bearer, &claims, func(*jwt.Token) (any, error) { return testKey().Public(), nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("123"), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return h.now }))
	if err != nil || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > 10*time.Minute {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message": "A JSON web token could not be decoded"}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"token": "ghs_%d", "expires_at": %q}`, h.given.Add(1), h.now.Add(h.lasts).Format(time.RFC3339))
}

func (h *host) app(o Options) *App {
	h.t.Helper()
	if o.API == "" {
		o.API = h.URL
	}
	o.InstallationID = max(o.InstallationID, 77)
	if o.AppID == "" {
		o.AppID = "123"
	}
	if o.Key == nil {
		o.Key = testKey()
	}
	o.Clock = func() time.Time { return h.now }
	a, err := New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// TestToken: a token is kept until shortly before its end or until it is rejected, and all
// who wait for one get the same.
func TestToken(t *testing.T) {
	t.Parallel()
	h := serve(t)
	a := h.app(Options{})
	ask := func(want string) {
		t.Helper()
		if got, err := a.Token(t.Context()); err != nil || got != want {
			t.Fatalf("got %q, %v; want %s", got, err, want)
		}
	}
	ask("ghs_1")
	ask("ghs_1")
	h.now = h.now.Add(time.Hour - early - time.Second)
	ask("ghs_1")
	h.now = h.now.Add(time.Second)
	ask("ghs_2")
	a.Reject("ghs_1") // which is not the one any more
	ask("ghs_2")
	a.Reject("ghs_2")
	ask("ghs_3")
	a.Reject("ghs_3")
	h.gate = make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := a.Token(t.Context()); err != nil || got != "ghs_4" {
				t.Errorf("of many: %q, %v; want ghs_4", got, err)
			}
		})
	}
	close(h.gate)
	wg.Wait()
	if n := h.given.Load(); n != 4 {
		t.Errorf("%d were asked for, want 4", n)
	}

	h.lasts = time.Minute // less than what is kept for later
	a.Reject("ghs_4")
	ask("ghs_5")
	ask("ghs_5")
	h.now = h.now.Add(31 * time.Second)
	ask("ghs_6")
}

// TestRefusals: what is wrong is told, with where to look, and nothing that is secret.
func TestRefusals(t *testing.T) {
	t.Parallel()
	h := serve(t)
	other, err := rsa.GenerateKey(rand.Reader, minKeyBits)
	if err != nil {
		t.Fatal(err)
	}
	redirect := httptest.NewServer(http.RedirectHandler(h.URL, http.StatusTemporaryRedirect))
	defer redirect.Close()
	long := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message": "%s\nnext"}`, strings.Repeat("x", 5000))
	}))
	defer long.Close()
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	defer empty.Close()
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Key: other}, "401 A JSON web token could not be decoded (look at app_id and key_file"},
		{Options{AppID: "124"}, "401 "},
		{Options{InstallationID: 78}, "404 Not Found (look at installation_id"},
		{Options{API: redirect.URL}, "307"},
		{Options{API: long.URL}, "403 xxx"},
		{Options{API: empty.URL}, "holds no token"},
		{Options{API: "http://127.0.0.1:1"}, "ask for a token"},
	} {
		got, err := h.app(tt.o).Token(t.Context())
		if got != "" || err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500 {
			t.Errorf("got %q, %v; want %s", got, err, tt.want)
		}
	}
	if n := h.given.Load(); n != 0 {
		t.Errorf("%d tokens were given", n)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	encode := func(kind string, der []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	one := encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testKey()), nil)
	der, err := x509.MarshalPKCS8PrivateKey(testKey())
	eight := encode("PRIVATE KEY", der, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err = x509.MarshalPKCS8PrivateKey(curve)
	for name, tt := range map[string]struct {
		raw  []byte
		want string
	}{
		"PKCS #1": {one, ""}, "PKCS #8": {eight, ""},
		"none": {nil, "no PEM"}, "text": {[]byte("ghp_abc"), "no PEM"},
		"cut":            {bytes.Replace(one, []byte("M"), []byte("N"), 1), "no private key"},
		"elliptic curve": {encode("PRIVATE KEY", der, err), "not a key of RSA"},
	} {
		key, err := ParseKey(tt.raw)
		if tt.want == "" && (err != nil || !key.Equal(testKey())) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestAPIOf(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"https://github.com/ville/site.git":           "https://api.github.com",
		"https://GitHub.com/ville/site":               "https://api.github.com",
		"https://ville.ghe.com/ville/site.git":        "https://api.ville.ghe.com",
		"https://git.ville.example/ville/site.git":    "https://git.ville.example/api/v3",
		"https://git.ville.example:8443/ville/site":   "https://git.ville.example:8443/api/v3",
		"http://[::1]:80/ville/site":                  "http://[::1]:80/api/v3",
		"http://[::1]/ville/site":                     "http://[::1]/api/v3",
		"git@github.com:ville/site.git":               "",
		"https://github.com.evil.example/ville/x.git": "https://github.com.evil.example/api/v3",
	} {
		if got, err := APIOf(remote); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", remote, got, err, want)
		}
	}
}
