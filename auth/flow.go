package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"cms/state"
)

// FlowTime is how long a login at a provider may take.
const FlowTime = 10 * time.Minute

// Flow is a login under way. The browser that began it keeps it, and nobody
// else sees it.
type Flow struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
	Provider string `json:"provider"` // where it was begun: name, issuer, client and redirect URL
	ReturnTo string `json:"return_to"`
}

// Flows seal the logins that browsers keep, so that a provider is asked only about
// those that were begun here, each once. They are safe for concurrent use.
type Flows struct {
	key   []byte
	ended *lru.Cache[string, struct{}] // states of those that are over, the last ones
}

// maxEnded is how many logins are remembered that are over: more than end in FlowTime.
const maxEnded = 1 << 16

// OpenFlows are those of all services of db.
func OpenFlows(ctx context.Context, db *state.DB) (*Flows, error) {
	key, err := db.Secret(ctx, "login flows", freshKey())
	if err != nil {
		return nil, err
	}
	return newFlows(key)
}

// NewFlows are those of this process alone.
func NewFlows() (*Flows, error) { return newFlows(freshKey()) }

func newFlows(key []byte) (*Flows, error) {
	if len(key) < sha256.Size {
		return nil, fmt.Errorf("the key of logins has %d bytes, and needs %d", len(key), sha256.Size)
	}
	ended, err := lru.New[string, struct{}](maxEnded)
	return &Flows{key, ended}, err
}

func freshKey() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return key
}

// sealed is a login as its browser keeps it.
type sealed struct {
	Flow
	Until int64 `json:"until"` // seconds since 1970
}

// Seal writes f for its browser.
func (fs *Flows) Seal(f Flow) (string, error) {
	text, err := json.Marshal(sealed{f, time.Now().Add(FlowTime).Unix()})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(text) + "." + base64.RawURLEncoding.EncodeToString(fs.mac(text)), nil
}

// Open reads what Seal has written; false for what it has not, or too long ago.
func (fs *Flows) Open(s string) (Flow, bool) {
	payload, proof, _ := strings.Cut(s, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil {
		return Flow{}, false
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(proof)
	if err != nil || !hmac.Equal(mac, fs.mac(text)) {
		return Flow{}, false
	}
	var f sealed
	if err := json.Unmarshal(text, &f); err != nil || time.Now().Unix() >= f.Until {
		return Flow{}, false
	}
	return f.Flow, true
}

// End says whether f was still under way, and is over now.
func (fs *Flows) End(f Flow) bool {
	over, _ := fs.ended.ContainsOrAdd(f.State, struct{}{})
	return !over
}

func (fs *Flows) mac(text []byte) []byte {
	h := hmac.New(sha256.New, fs.key)
	h.Write([]byte("login\n"))
	h.Write(text)
	return h.Sum(nil)
}
