package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

// A githubHost serves repositories by Git's own program to those who come with the token
// that it gave last, which it gives to the app that has the key, and takes for a few contacts
// only.
type githubHost struct {
	app *rsa.PublicKey
	git http.Handler

	mu          sync.Mutex
	given, left int
}

// takes is how often a token is taken.
const takes = 5

// githubCommand serves the folder's repositories, with the app's key in app.pem and the
// address in $GITHUB.
func githubCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: github DIR")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("app.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	backend, err := gitBackend(ts.MkAbs(args[0]))
	ts.Check(err)
	h := &githubHost{app: &key.PublicKey, git: backend}
	server := httptest.NewServer(h)
	ts.Defer(server.Close)
	ts.Setenv("GITHUB", server.URL)
}

func (h *githubHost) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/api/v3/app/installations/77/access_tokens" {
		h.give(w, req)
		return
	}
	name, token, _ := req.BasicAuth()
	h.mu.Lock()
	good := name == "x-access-token" && h.given > 0 && token == fmt.Sprintf("ghs_token_%d", h.given) && h.left > 0
	if asks := strings.HasSuffix(req.URL.Path, "/info/refs"); good && asks {
		h.left--
	} else if !asks { // what goes on with that, meanwhile
		good = name == "x-access-token" && strings.HasPrefix(token, "ghs_token_")
	}
	h.mu.Unlock()
	if !good {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.git.ServeHTTP(w, req)
}

// give gives the app a token.
func (h *githubHost) give(w http.ResponseWriter, req *http.Request) {
	_, err := jwt.Parse(req.Header.Get("Authorization")[len("Bearer "):], func(*jwt.Token) (any, error) { return h.app, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("12"), jwt.WithExpirationRequired())
	if err != nil || req.Method != http.MethodPost {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message": "Bad credentials"}`)
		return
	}
	h.mu.Lock()
	h.given, h.left = h.given+1, takes
	token := fmt.Sprintf("ghs_token_%d", h.given)
	h.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"token": %q, "expires_at": %q}`, token, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}
