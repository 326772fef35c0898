package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// When and how the key set behind a URL is fetched.
const (
	refetchAfter = 10 * time.Minute // keys older than that are fetched again when they are next used
	refetchEvery = 10 * time.Second // at most, however many unknown key ids come in
	fetchTimeout = 5 * time.Second
	maxKeySet    = 1 << 20 // bytes
)

// ErrKeysUnavailable is returned while the keys of an issuer have never been
// fetched with success. It says nothing about the token.
var ErrKeysUnavailable = errors.New("the keys of the token's issuer cannot be fetched")

// remoteKeys are the keys behind an issuer's JWKSURL. They are fetched when
// they are first asked for, when they have aged, and when a key id is unknown;
// the last good ones are kept while the URL does not answer.
//
// It has no goroutine: whoever asks fetches, one at a time. Who finds aged keys
// while another fetches goes on with these; who needs a key that is not there
// waits for that fetch.
type remoteKeys struct {
	issuer Issuer
	client *http.Client
	log    *slog.Logger

	current atomic.Pointer[fetchedKeys] // nil until a fetch succeeds
	turn    chan struct{}               // holds one token: who took it may fetch
	tried   time.Time                   // of the last fetch; owned by who has the turn
}

type fetchedKeys struct {
	keys keySet
	at   time.Time
}

func newRemoteKeys(is Issuer, o Options) *remoteKeys {
	r := &remoteKeys{issuer: is, client: o.Client, log: o.Logger, turn: make(chan struct{}, 1)}
	if r.client == nil {
		r.client = &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirects")
			}
			return checkURL(req.URL.String())
		}}
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.turn <- struct{}{}
	return r
}

func (r *remoteKeys) find(ctx context.Context, alg, kid string) ([]key, error) {
	current := r.current.Load()
	var found []key
	if current != nil {
		found, _ = current.keys.find(ctx, alg, kid)
	}
	switch {
	case len(found) == 0:
		select {
		case <-r.turn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case time.Since(current.at) > refetchAfter:
		select {
		case <-r.turn:
		default:
			return found, nil
		}
	default:
		return found, nil
	}
	r.refresh(ctx)
	r.turn <- struct{}{}

	if current = r.current.Load(); current == nil {
		return nil, ErrKeysUnavailable
	}
	return current.keys.find(ctx, alg, kid)
}

// refresh fetches the keys, unless that was tried a moment ago, maybe by the
// one we waited for. The caller has the turn.
func (r *remoteKeys) refresh(ctx context.Context) {
	if !r.tried.IsZero() && time.Since(r.tried) < refetchEvery {
		return
	}
	r.tried = time.Now()
	// Others wait for this answer: that our caller goes away must not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	doc, err := r.fetch(ctx)
	var keys keySet
	if err == nil {
		keys, err = parseKeySet(doc, r.issuer.Algorithms)
	}
	if err != nil {
		r.log.WarnContext(ctx, "key set is unusable or has unusable keys", "issuer", r.issuer.Issuer, "url", r.issuer.JWKSURL, "usable", len(keys), "error", err)
	}
	if len(keys) > 0 {
		r.current.Store(&fetchedKeys{keys: keys, at: time.Now()})
	}
}

func (r *remoteKeys) fetch(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.issuer.JWKSURL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	doc, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err == nil && len(doc) > maxKeySet {
		err = fmt.Errorf("is larger than %d bytes", maxKeySet)
	}
	return doc, err
}
