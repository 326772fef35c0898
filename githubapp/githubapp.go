// Package githubapp gets the tokens by which a GitHub App reads and writes a repository
// that it is installed on: each is asked for with a word that the app's key signs, and lasts
// an hour.
package githubapp

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
)

// Username is the name that a token is sent with.
const Username = "x-access-token"

const (
	early       = 5 * time.Minute  // before its end a token is renewed
	skew        = time.Minute      // by how much the host's clock may be behind
	lifetime    = 8 * time.Minute  // of what is signed, with the skew below the ten minutes that hosts allow
	timeout     = 20 * time.Second // with the host
	maxAnswer   = 64 << 10         // bytes
	maxTold     = 200              // of the host's own words, in bytes
	minKeyBits  = 2048
	minLifetime = 2 * early // of a token that may be kept for later
)

// Options of an [App]; all but Client and Clock have to be there.
type Options struct {
	AppID          string // the number of the app, or its client ID
	InstallationID int64
	Key            *rsa.PrivateKey
	API            string           // as [APIOf] has it
	Client         *http.Client     // nil: one of its own
	Clock          func() time.Time // nil: the system's
}

// An App is a GitHub App that is installed somewhere. It may be used by several goroutines.
type App struct {
	o     Options
	asked singleflight.Group

	mu    sync.Mutex
	token string
	until time.Time // when it is to be renewed
}

// New checks the options. It asks nobody.
func New(o Options) (*App, error) {
	if o.AppID == "" || o.InstallationID <= 0 || o.Key == nil || o.API == "" {
		return nil, errors.New("a GitHub App needs its id, that of its installation, a key and an address")
	}
	if o.Client == nil {
		o.Client = new(http.Client)
	}
	own := *o.Client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // what is signed is for one host
	o.Client = &own
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.API = strings.TrimRight(o.API, "/")
	return &App{o: o}, nil
}

// Token is a token that is good for some minutes at least. Whoever asks meanwhile waits for
// the same one.
func (a *App) Token(ctx context.Context) (string, error) {
	a.mu.Lock()
	token, until := a.token, a.until
	a.mu.Unlock()
	if token != "" && a.o.Clock().Before(until) {
		return token, nil
	}
	done := a.asked.DoChan("", func() (any, error) { // for all, so that none of them ends it
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		return nil, a.renew(ctx)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return "", r.Err
		}
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return a.Last(), nil
}

// Reject says that the host did not take a token: the next one is another.
func (a *App) Reject(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == token {
		a.until = time.Time{}
	}
}

// Last is the token that was given last, "" for none.
func (a *App) Last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.token
}

// renew asks the host for a token.
func (a *App) renew(ctx context.Context) error {
	now := a.o.Clock()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: a.o.AppID, IssuedAt: jwt.NewNumericDate(now.Add(-skew)), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
	}).SignedString(a.o.Key)
	if err != nil {
		return fmt.Errorf("sign as the GitHub App: %w", err)
	}
	address := fmt.Sprintf("%s/app/installations/%d/access_tokens", a.o.API, a.o.InstallationID)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return fmt.Errorf("ask for a token of the GitHub App: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+signed)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	req.Header.Set("User-Agent", "cms")
	res, err := a.o.Client.Do(req)
	if err != nil {
		return fmt.Errorf("ask for a token of the GitHub App: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask for a token of the GitHub App: %w", err)
	}
	var answer struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
		Message   string    `json:"message"`
	}
	err = json.Unmarshal(raw, &answer)
	switch {
	case res.StatusCode != http.StatusCreated:
		return fmt.Errorf("the Git host gives the GitHub App no token: %d %s%s", res.StatusCode, told(answer.Message), advice(res.StatusCode))
	case err != nil || answer.Token == "" || strings.ContainsAny(answer.Token, "\r\n"):
		return errors.New("the Git host's answer holds no token for the GitHub App")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.until = answer.Token, answer.ExpiresAt.Add(-early)
	if left := answer.ExpiresAt.Sub(now); left < minLifetime { // or it would be asked for all the time
		a.until = now.Add(left / 2)
	}
	return nil
}

// told is what the host says, on one line and not at length.
func told(message string) string {
	message = strings.Join(strings.Fields(strings.ToValidUTF8(message, "")), " ")
	if len(message) > maxTold {
		message = strings.ToValidUTF8(message[:maxTold], "") + "…"
	}
	return message
}

// advice is what to look at after a status.
func advice(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return " (look at app_id and key_file, which belong together, and at this machine's clock)"
	case http.StatusNotFound:
		return " (look at installation_id, and at api_url)"
	case http.StatusForbidden:
		return " (the installation may be suspended)"
	}
	return ""
}

// ParseKey reads the private key of an app as GitHub gives it: RSA in PEM, by PKCS #1 or #8.
func ParseKey(raw []byte) (*rsa.PrivateKey, error) {
	key, err := jwt.ParseRSAPrivateKeyFromPEM(raw)
	switch {
	case errors.Is(err, jwt.ErrKeyMustBePEMEncoded):
		return nil, errors.New("holds no PEM; it should begin with -----BEGIN RSA PRIVATE KEY-----, as GitHub gives it")
	case errors.Is(err, jwt.ErrNotRSAPrivateKey):
		return nil, errors.New("is not a key of RSA, and GitHub takes no other for an app")
	case err != nil:
		return nil, errors.New("holds no private key that can be read; make one on the app's page at GitHub")
	case key.N.BitLen() < minKeyBits:
		return nil, fmt.Errorf("is a key of %d bits; GitHub's have %d or more", key.N.BitLen(), minKeyBits)
	}
	return key, nil
}

// APIOf is the address of the API that belongs to a repository's: that of github.com, of a
// company's own part of it or of a GitHub Enterprise Server.
func APIOf(remote string) (string, error) {
	u, err := url.Parse(remote)
	if err != nil || u.Host == "" {
		return "", errors.New("the address of the remote names no host")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "github.com", host == "www.github.com":
		return "https://api.github.com", nil
	case strings.HasSuffix(host, ".ghe.com"):
		return "https://api." + host, nil
	}
	if port := u.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host + "/api/v3", nil
}
