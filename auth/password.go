package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"
)

// Limits of a password. Length is what makes one strong (NIST SP 800-63B,
// section 3.1.1.2), so nothing else is asked of it.
const (
	MinPassword = 12   // characters
	MaxPassword = 1024 // bytes
)

// argon2Params cost about 30 ms and 19 MiB for each password, as OWASP advises.
var argon2Params = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// nobody is a hash with argon2Params, of a password that was never written
// down. It is compared with where there is no account, so that the answer takes
// as long as where there is one.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$koaH1zCKf02vkYBs+zwdjQ$AEmDcoKds5C7uHPrFuHOrdIxBRs70MOSo0ULKLvDmCE"

// hashWait is how long to wait for the turn to hash.
const hashWait = 10 * time.Second

// hashers bounds how many passwords are hashed at once: each takes 19 MiB, and
// whoever asks to log in makes us hash.
type hashers struct {
	turns  chan struct{}
	params *argon2id.Params // argon2Params, or [SessionOptions.Hash]
}

// newHashers has so many at work at once.
func newHashers(n int, params *argon2id.Params) hashers {
	return hashers{make(chan struct{}, n), params}
}

// normal is how a password is hashed: the same one, typed on two systems, may
// come as letters with accents or as letters and accents (NFC and NFD).
func normal(password string) string { return norm.NFC.String(password) }

// What may be wrong with a new password.
var (
	ErrPasswordText  = errors.New("the password is not UTF-8")
	ErrPasswordShort = fmt.Errorf("the password has fewer than %d characters", MinPassword)
	ErrPasswordLong  = fmt.Errorf("the password is longer than %d bytes", MaxPassword)
)

// CheckPassword says what is wrong with a new password, without repeating it.
func CheckPassword(password string) error {
	switch {
	case !utf8.ValidString(password):
		return ErrPasswordText
	case utf8.RuneCountInString(normal(password)) < MinPassword:
		return ErrPasswordShort
	case len(password) > MaxPassword:
		return ErrPasswordLong
	}
	return nil
}

// hash hashes a new password.
func (h hashers) hash(ctx context.Context, password string) (hash string, err error) {
	err = h.with(ctx, func() error {
		hash, err = argon2id.CreateHash(normal(password), h.params)
		return err
	})
	return hash, err
}

// check says whether hash is one of password, and whether it was made with other
// parameters than those of today. Without a hash it takes as long, to say no.
func (h hashers) check(ctx context.Context, password, hash string) (right, outdated bool, err error) {
	there := hash != ""
	if !there {
		hash = nobody
	}
	err = h.with(ctx, func() error {
		match, params, err := argon2id.CheckHash(normal(password), hash)
		right = match && there
		outdated = params != nil && *params != *h.params
		return err
	})
	return right, outdated, err
}

// with works when its turn comes, unless that takes too long.
func (h hashers) with(ctx context.Context, work func() error) error {
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
		return work()
	case <-ctx.Done():
		return ctx.Err()
	}
}
