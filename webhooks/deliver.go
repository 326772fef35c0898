package webhooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Limits of an attempt and between attempts.
const (
	attemptTimeout = 30 * time.Second
	maxResponse    = 64 << 10 // bytes
	minBackoff     = time.Second
	maxBackoff     = 5 * time.Minute
	maxRetryAfter  = time.Hour
)

// sender posts events to one endpoint.
type sender struct {
	url    string
	client *http.Client
	signer *standardwebhooks.Webhook
}

func newSender(e Endpoint) (*sender, error) {
	signer, err := e.signer()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !e.AllowPrivate {
		// Control sees the address that is dialled, whatever a name resolved to.
		dialer.Control = ssrf.New(ssrf.WithAnyPort()).Safe
	}
	return &sender{
		url:    e.URL,
		signer: signer,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:                  nil,
				DialContext:            dialer.DialContext,
				ForceAttemptHTTP2:      true,
				TLSHandshakeTimeout:    10 * time.Second,
				MaxResponseHeaderBytes: maxResponse,
				MaxIdleConnsPerHost:    1,
				IdleConnTimeout:        90 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// post makes one attempt. Errors are a *refusal when there was an answer that
// is not 2xx, and never hold the URL, which may be a secret in itself.
func (s *sender) post(ctx context.Context, ev Event) error {
	body, err := ev.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return bare(err)
	}
	now := time.Now()
	signature, err := s.signer.Sign(ev.ID, now, body)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	req.Header.Set("User-Agent", "cms-webhooks")
	req.Header.Set(standardwebhooks.HeaderWebhookID, ev.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)

	resp, err := s.client.Do(req)
	if err != nil {
		return bare(err)
	}
	defer resp.Body.Close()
	// Read to its end, the connection can be used again; a failure here takes
	// nothing back of the status.
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponse)
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &refusal{status: resp.StatusCode, retryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
}

func (s *sender) close() { s.client.CloseIdleConnections() }

// refusal is an answer other than 2xx.
type refusal struct {
	status     int
	retryAfter time.Duration // zero when the answer does not say
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the endpoint answered %d %s", r.status, http.StatusText(r.status))
}

// gone says whether the endpoint wants no more events.
func gone(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusGone
}

// backoff is how long to wait after the given failure, the nth in a row
// counted from 0: exponential with full jitter, or what the endpoint asked for
// if that is more.
func backoff(n int, err error) time.Duration {
	ceiling := maxBackoff
	if n < 16 {
		ceiling = min(ceiling, minBackoff<<n)
	}
	wait := rand.N(ceiling) + 1 //nolint:gosec // jitter is no secret
	if r := (*refusal)(nil); errors.As(err, &r) {
		wait = max(wait, min(r.retryAfter, maxRetryAfter))
	}
	return wait
}

// retryAfter reads the value of the header of that name (RFC 9110, section
// 10.2.3): seconds, or a date.
func retryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// bare takes the URL out of an error of net/http.
func bare(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
