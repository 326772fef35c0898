package auth

import (
	"bytes"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestVerifyAgain: a token that was true is refused once its time is over, its
// key is gone, or it was revoked; a token like it never was true.
func TestVerifyAgain(t *testing.T) {
	k, other := newKeyring(t), newKeyring(t)
	p := newProvider(t)
	p.serve(set(t, jwk(t, k.ed25519.Public(), "old"), jwk(t, other.ed25519.Public(), "other")))
	synctest.Test(t, func(t *testing.T) {
		v := p.verifier(t, new(bytes.Buffer))
		var revoked atomic.Bool
		v.revoked = func(_, id string) bool { return id == "leaked" && revoked.Load() }
		token := func(kid string, k keyring, id string, life time.Duration) string {
			return sign(t, "EdDSA", k.ed25519, map[string]any{"kid": kid}, claims(map[string]any{"jti": id, "exp": time.Now().Add(life).Unix()}))
		}
		short, long, leaked := token("old", k, "short", time.Minute), token("old", k, "long", 24*time.Hour), token("other", other, "leaked", 24*time.Hour)
		accepted := func(tokens ...string) {
			t.Helper()
			for _, token := range tokens {
				first, err := v.Verify(t.Context(), token)
				if err != nil {
					t.Fatal(err)
				}
				first.Roles = []string{"admin"} // which is the caller's affair alone
				if again, err := v.Verify(t.Context(), token); err != nil || len(again.Roles) > 0 && again.Roles[0] == "admin" {
					t.Fatalf("got %+v, %v", again, err)
				}
			}
		}
		refusedNow := func(token, detail string) {
			t.Helper()
			got, err := v.Verify(t.Context(), token)
			refused(t, got, err, detail)
		}
		accepted(short, long, leaked)
		refusedNow(long[:len(long)-4]+"AAAA", "the signature is wrong")

		time.Sleep(time.Minute)
		refusedNow(short, "the token has expired")
		revoked.Store(true)
		refusedNow(leaked, "the token has been revoked")
		accepted(long)

		p.serve(set(t, jwk(t, other.ed25519.Public(), "other")))
		time.Sleep(refetchAfter + time.Second)
		refusedNow(long, "the issuer has no such key")

		// Another key under the same id is another key.
		p.serve(set(t, jwk(t, other.ed25519.Public(), "old")))
		time.Sleep(refetchAfter + time.Second)
		refusedNow(long, "the signature is wrong")
	})
}
