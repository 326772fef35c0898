package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Limits of what is fetched from an issuer.
const (
	fetchTimeout = 5 * time.Second
	maxFetched   = 1 << 20 // bytes
)

// metadata is what an issuer tells of itself (OpenID Connect Discovery 1.0,
// section 3; RFC 8414).
type metadata struct {
	Issuer        string `json:"issuer"`
	JWKSURI       string `json:"jwks_uri"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	EndSession    string `json:"end_session_endpoint"` // of OpenID Connect RP-Initiated Logout 1.0

	AuthMethods []string `json:"token_endpoint_auth_methods_supported"` // client_secret_basic where it tells none
}

// discover reads the metadata of issuer, whose name is its URL. Endpoints that
// anybody on the way could replace are refused; those that the caller needs may
// still be missing.
func discover(ctx context.Context, client *http.Client, issuer string) (m metadata, err error) {
	where := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	doc, err := fetch(ctx, client, where, "application/json")
	if err != nil {
		return m, fmt.Errorf("discover %s: %w", issuer, err)
	}
	if err := json.Unmarshal(doc, &m); err != nil {
		return m, fmt.Errorf("discover %s: the answer is not the metadata of an issuer", issuer)
	}
	if m.Issuer != issuer { // section 4.3: exactly the same
		return m, fmt.Errorf("discover %s: the answer is about another issuer", issuer)
	}
	for _, endpoint := range []string{m.JWKSURI, m.Authorization, m.Token, m.UserInfo} {
		if endpoint == "" {
			continue
		}
		if err := checkURL(endpoint); err != nil {
			return m, fmt.Errorf("discover %s: an endpoint %w", issuer, err)
		}
	}
	if checkURL(m.EndSession) != nil { // a login needs none
		m.EndSession = ""
	}
	return m, nil
}

// fetch reads what is at where, within bounds of time and size.
func fetch(ctx context.Context, client *http.Client, where, accept string) ([]byte, error) {
	return fetchAs(ctx, client, where, accept, "")
}

// fetchAs is fetch with a token that the issuer has given, if it is not "".
func fetchAs(ctx context.Context, client *http.Client, where, accept, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	doc, err := io.ReadAll(io.LimitReader(res.Body, maxFetched+1))
	if err == nil && len(doc) > maxFetched {
		err = fmt.Errorf("is larger than %d bytes", maxFetched)
	}
	return doc, err
}

// fetcher is client or, where there is none, one that follows redirects only
// to places that checkURL allows.
func fetcher(client *http.Client) *http.Client {
	if client != nil {
		return client
	}
	return &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		return checkURL(req.URL.String())
	}}
}

// checkURL allows only places from which nobody on the way can change keys. The
// error goes on after "the URL …".
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("is not an absolute URL without credentials")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return errors.New("does not begin with https://")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
