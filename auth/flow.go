package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
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

// Logout is a logout at a provider under way, which its browser keeps likewise.
type Logout struct {
	State    string `json:"state"`
	Provider string `json:"provider"`
	ReturnTo string `json:"return_to"`
}

// ErrTooLong refuses what no browser would keep.
var ErrTooLong = errors.New("is longer than a browser keeps")

// maxSealed is how long a cookie may be, with its name and its attributes: browsers drop
// one of more than 4096 bytes without a word.
const maxSealed = 3800

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

// sealed is a login or a logout as its browser keeps it.
type sealed[T any] struct {
	Of    T     `json:"of"`
	Until int64 `json:"until"` // seconds since 1970
}

// Seal writes f for its browser. The error is ErrTooLong.
func (fs *Flows) Seal(f Flow) (string, error) { return seal(fs, "login", f) }

// Open reads what Seal has written; false for what it has not, or too long ago.
func (fs *Flows) Open(s string) (Flow, bool) { return open[Flow](fs, "login", s) }

// SealLogout writes l for its browser. The error is ErrTooLong.
func (fs *Flows) SealLogout(l Logout) (string, error) { return seal(fs, "logout", l) }

// OpenLogout reads what SealLogout has written, as Open does.
func (fs *Flows) OpenLogout(s string) (Logout, bool) { return open[Logout](fs, "logout", s) }

func seal[T any](fs *Flows, what string, v T) (string, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // which makes six bytes of one
	if err := enc.Encode(sealed[T]{v, time.Now().Add(FlowTime).Unix()}); err != nil {
		return "", err
	}
	s := base64.RawURLEncoding.EncodeToString(text.Bytes()) + "." + base64.RawURLEncoding.EncodeToString(fs.mac(what, text.Bytes()))
	if len(s) > maxSealed {
		return "", ErrTooLong
	}
	return s, nil
}

func open[T any](fs *Flows, what, s string) (v T, ok bool) {
	payload, proof, _ := strings.Cut(s, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil {
		return v, false
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(proof)
	if err != nil || !hmac.Equal(mac, fs.mac(what, text)) {
		return v, false
	}
	var f sealed[T]
	if err := json.Unmarshal(text, &f); err != nil || time.Now().Unix() >= f.Until {
		return v, false
	}
	return f.Of, true
}

// End ends f, or refuses, with a *LoginError, as it was over already.
func (fs *Flows) End(f Flow) error {
	if over, _ := fs.ended.ContainsOrAdd(f.State, struct{}{}); over {
		return errEnded
	}
	return nil
}

func (fs *Flows) mac(what string, text []byte) []byte {
	h := hmac.New(sha256.New, fs.key)
	h.Write([]byte(what + "\n"))
	h.Write(text)
	return h.Sum(nil)
}
