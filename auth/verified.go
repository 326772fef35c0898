package auth

import (
	"context"
	"crypto/sha256"
	"reflect"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxVerified is how many tokens are remembered.
const maxVerified = 4096

// verified remembers tokens that were verified, so that one that comes with every
// request is not parsed and its signature not checked each time. What can change
// while a token lives is looked at each time: the time, the issuer's keys, and
// whether it was revoked.
type verified struct {
	tokens *lru.Cache[[sha256.Size]byte, *proof]
}

// proof is what made a token a true one.
type proof struct {
	issuer    *trust
	algorithm string
	keyID     string
	keys      []key // of which one has signed it
	id        string
	principal *Principal
	end       time.Time // from when on it has expired, leeway included
}

func newVerified() (verified, error) {
	tokens, err := lru.New[[sha256.Size]byte, *proof](maxVerified)
	return verified{tokens}, err
}

// get is the proof of a token, nil when there is none that still holds. The error
// is that of the issuer's keys.
func (v verified) get(ctx context.Context, token string, now time.Time) (*proof, error) {
	p, ok := v.tokens.Get(sha256.Sum256([]byte(token)))
	if !ok || !now.Before(p.end) {
		return nil, nil
	}
	keys, err := p.issuer.keys.find(ctx, p.algorithm, p.keyID)
	if err != nil || !reflect.DeepEqual(keys, p.keys) {
		return nil, err
	}
	return p, nil
}

func (v verified) put(token string, p *proof) { v.tokens.Add(sha256.Sum256([]byte(token)), p) }
