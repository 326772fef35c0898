package inbound

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A verifier tells whether a request was made by who has a secret. The body is
// written to it as it goes by.
type verifier interface {
	io.Writer
	valid() bool
}

// macVerifier asks that the MAC of the body is one of those that were given.
type macVerifier struct {
	hash.Hash
	given [][]byte
}

// valid compares with each of them, so that time tells nothing.
func (s *macVerifier) valid() bool {
	want, same := s.Sum(nil), 0
	for _, given := range s.given {
		same |= subtle.ConstantTimeCompare(given, want)
	}
	return same == 1
}

// headerVerifier is of a request whose header alone has proved it.
type headerVerifier struct{ io.Writer }

func (headerVerifier) valid() bool { return true }

// hexHMAC is for a header that holds, after the prefix, the HMAC-SHA256 of the body
// in hexadecimal.
func hexHMAC(name, prefix string) func(string, http.Header) verifier {
	return func(secret string, header http.Header) verifier {
		digits, ok := strings.CutPrefix(header.Get(name), prefix)
		if !ok || len(header.Values(name)) != 1 || len(digits) != hex.EncodedLen(sha256.Size) {
			return nil
		}
		given, err := hex.DecodeString(digits)
		if err != nil {
			return nil
		}
		return &macVerifier{hmac.New(sha256.New, []byte(secret)), [][]byte{given}}
	}
}

// gitlabVerifier is for the signature of a hook that has a signing token ("whsec_…"),
// which is that of Standard Webhooks, and for the bare secret token of one that has
// none.
func gitlabVerifier(secret string, header http.Header) verifier {
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		key, err := base64.StdEncoding.DecodeString(encoded)
		s, ok := ReadStandard(header)
		if err != nil || !ok {
			return nil
		}
		return s.verifier(key)
	}
	given := header.Values("X-Gitlab-Token")
	want := sha256.Sum256([]byte(secret))
	if len(given) != 1 {
		return nil
	}
	got := sha256.Sum256([]byte(given[0])) // so that lengths do not show
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return nil
	}
	return headerVerifier{io.Discard}
}

// Standard is what the header of a request that is signed by Standard Webhooks says.
type Standard struct {
	id, seconds string
	at          time.Time
	macs        [][]byte
}

// Bounds of that header.
const (
	standardTolerance = 5 * time.Minute // between its time and ours
	maxStandardMACs   = 10
)

// ReadStandard reads it; ok is false for one that cannot be valid, or is too old,
// whatever the body.
func ReadStandard(header http.Header) (s Standard, ok bool) {
	var field [3]string
	for i, name := range []string{standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature} {
		if values := header.Values(name); len(values) == 1 {
			field[i] = values[0]
		}
		if field[i] == "" {
			return s, false
		}
	}
	seconds, err := strconv.ParseInt(field[1], 10, 64)
	s = Standard{id: field[0], seconds: strconv.FormatInt(seconds, 10), at: time.Unix(seconds, 0)}
	if now := time.Now(); err != nil || now.Sub(s.at) > standardTolerance || s.at.After(now.Add(standardTolerance)) {
		return s, false
	}
	for versioned := range strings.SplitSeq(field[2], " ") {
		encoded, v1 := strings.CutPrefix(versioned, "v1,")
		mac, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if v1 && err == nil && len(mac) == sha256.Size && len(s.macs) < maxStandardMACs {
			s.macs = append(s.macs, mac)
		}
	}
	return s, len(s.macs) > 0
}

// verifier asks that the body is signed with key.
func (s Standard) verifier(key []byte) verifier {
	p := &macVerifier{hmac.New(sha256.New, key), s.macs}
	p.Hash.Write([]byte(s.id + "." + s.seconds + "."))
	return p
}

// verifiers are several, of which one has to be satisfied.
type verifiers []verifier

func (vs verifiers) Write(b []byte) (int, error) {
	for _, v := range vs {
		_, _ = v.Write(b) // a hash takes everything
	}
	return len(b), nil
}

func (vs verifiers) valid() bool { return slices.ContainsFunc(vs, verifier.valid) }
