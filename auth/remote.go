package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// When the key set behind a URL is fetched.
const (
	refetchAfter = 10 * time.Minute // keys older than that are fetched again when they are next used
	refetchEvery = 10 * time.Second // at most, however many unknown key ids come in
)

// ErrKeysUnavailable is returned while the keys of an issuer have never been
// fetched with success. It says nothing about the token.
var ErrKeysUnavailable = errors.New("the keys of the token's issuer cannot be fetched")

// remoteKeys are the keys behind an issuer's JWKSURL, or the URL that it tells
// when asked. They are fetched when they are first asked for, when they have
// aged, and when a key id is unknown; the last good ones are kept while the URL
// does not answer.
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
	r := &remoteKeys{issuer: is, client: fetcher(o.Client), log: o.Logger, turn: make(chan struct{}, 1)}
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
	ctx = context.WithoutCancel(ctx)
	doc, err := r.fetch(ctx)
	var keys keySet
	if err == nil {
		keys, err = parseKeySet(doc, r.issuer.Algorithms)
	}
	if err != nil {
		r.log.WarnContext(ctx, "key set is unusable or has unusable keys", "issuer", r.issuer.Issuer, "usable", len(keys), "error", err)
	}
	if len(keys) > 0 {
		r.current.Store(&fetchedKeys{keys: keys, at: time.Now()})
	}
}

// fetch reads the key set. Where it is may have changed with discovery, so that
// is asked each time.
func (r *remoteKeys) fetch(ctx context.Context) ([]byte, error) {
	where := r.issuer.JWKSURL
	if r.issuer.Discovery {
		m, err := discover(ctx, r.client, r.issuer.Issuer)
		if err != nil {
			return nil, err
		}
		if where = m.JWKSURI; where == "" {
			return nil, fmt.Errorf("discover %s: it names no key set", r.issuer.Issuer)
		}
	}
	return fetch(ctx, r.client, where, "application/jwk-set+json, application/json")
}
