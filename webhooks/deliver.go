package webhooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/trace"
)

// Limits of an attempt and between attempts.
const (
	attemptTimeout = 30 * time.Second
	maxResponse    = 64 << 10 // bytes
	keptResponse   = 2 << 10  // bytes, for the log
	minBackoff     = time.Second
	maxBackoff     = 4 * time.Hour
	maxRetryAge    = 72 * time.Hour // since the first attempt of a delivery
	maxRetryAfter  = time.Hour
)

// sender posts events to one endpoint.
type sender struct {
	endpoint Endpoint
	dialer   *net.Dialer
	client   *http.Client
	signers  []signer
	masker   *strings.Replacer // of what is told of an attempt
}

func newSender(e Endpoint) (*sender, error) {
	signers, err := e.signers()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !e.AllowPrivate {
		// Control sees the address that is dialled, whatever a name resolved to.
		dialer.Control = ssrf.New(ssrf.WithAnyPort()).Safe
	}
	return &sender{
		endpoint: e,
		dialer:   dialer,
		signers:  signers,
		masker:   e.masker(),
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:                  nil,
				DialContext:            dialer.DialContext,
				ForceAttemptHTTP2:      true,
				TLSHandshakeTimeout:    10 * time.Second,
				MaxResponseHeaderBytes: maxResponse,
				MaxIdleConnsPerHost:    parallel,
				IdleConnTimeout:        90 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// answer is what an endpoint said.
type answer struct {
	status   int
	response string // its beginning, as text
}

// post makes one attempt. Errors are a *refusal when there was an answer that
// is not 2xx, and never hold the URL, which may be a secret in itself.
func (s *sender) post(ctx context.Context, id string, event []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := s.endpoint.request(ctx, event)
	if err != nil {
		return answer{}, withoutURL(err)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "cms-webhooks")
	}
	trace.Of(ctx).Set(req.Header)
	now := time.Now()
	if err := s.sign(req, id, now, event); err != nil {
		return answer{}, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, withoutURL(err)
	}
	defer resp.Body.Close()
	// Read to its end, the connection can be used again; a failure here takes
	// nothing back of the status.
	read, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	a := answer{resp.StatusCode, s.told(read)}
	if resp.StatusCode/100 == 2 {
		return a, nil
	}
	return a, &refusal{status: resp.StatusCode, retryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
}

// told is the beginning of an answer, as text without the secrets that it repeats; one
// that was cut at the end of what was read goes with what is around it.
func (s *sender) told(read []byte) string {
	text := s.masker.Replace(string(read))
	if len(read) == maxResponse {
		text = text[:max(0, len(text)-maxHeaderValue)]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), keptResponse)], "\x00", ""), "")
}

// sign signs with every secret that is in use, the new one first, by Standard
// Webhooks.
func (s *sender) sign(req *http.Request, id string, now time.Time, body []byte) error {
	var signatures []string
	for _, w := range s.signers {
		if !w.until.IsZero() && now.After(w.until) {
			continue
		}
		signature, err := w.Sign(id, now, body)
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		signatures = append(signatures, signature)
	}
	if signatures == nil {
		return nil
	}
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
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
	if n = max(n, 0); n < 16 {
		ceiling = min(ceiling, minBackoff<<n)
	}
	wait := rand.N(ceiling) + 1 //nolint:gosec // jitter is no secret
	return max(wait, asked(err))
}

// asked is for how long an endpoint that refused an event asked to be left alone,
// within bounds; 0 when it did not.
func asked(err error) time.Duration {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return min(r.retryAfter, maxRetryAfter)
	}
	return 0
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

// withoutURL takes the URL out of an error of net/http.
func withoutURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
