package once_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cms/auth"
	"cms/state"
	"cms/state/statetest"
	"cms/web/once"
)

var (
	errForbidden = errors.New("forbidden")
	errBroken    = errors.New("broken")
)

// shop is a door whose writes are counted, and its history.
type shop struct {
	made   int
	commit string // that has the key, as after a crash
	hidden bool   // nobody may see it
	lost   bool   // what was kept cannot be told any more
	gone   bool   // the history has its commit no more
	fails  error  // of each write
}

func (s *shop) Head() (string, <-chan struct{}) { return "head", nil }
func (s *shop) FindKey(context.Context, string, string) (string, error) {
	return s.commit, nil
}
func (s *shop) SeesCommit(context.Context, *auth.Principal, string) (bool, error) {
	return !s.hidden, nil
}
func (s *shop) Position(string) (int, bool) { return 1, !s.gone }
func (s *shop) Kept(answer string) string   { return strings.TrimPrefix(answer, "dry ") }
func (s *shop) Again(_ context.Context, kept string) (string, error) {
	if s.lost {
		return "", &once.MadeError{Commit: "c1"}
	}
	return kept, nil
}

func (s *shop) Tell(_ context.Context, err error) (int, error) {
	switch {
	case errors.Is(err, errForbidden), errors.Is(err, once.ErrUnseen):
		return http.StatusForbidden, err
	case errors.Is(err, errBroken):
		return http.StatusInternalServerError, err
	}
	return http.StatusConflict, err
}

func (s *shop) run(_ context.Context, how once.Attempt) (string, error) {
	if s.fails != nil {
		return "", s.fails
	}
	if !how.Dry {
		s.made++
	}
	return "a", nil
}

func request(key, body string) once.Request {
	r := httptest.NewRequest(http.MethodPost, "/things", http.NoBody)
	r.Header.Set(once.Header, key)
	return once.Request{Request: r, Caller: &auth.Principal{Issuer: "cms", Subject: "ann"}, Body: []byte(body), Limit: time.Minute}
}

func TestWritesAreMadeOnce(t *testing.T) {
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	keys, s := db.Keys(), &shop{}
	w := once.New(&keys, s, s, nil)
	for i, c := range []struct {
		name     string
		key      string
		body     string
		set      func()
		made     int // writes, by then
		replayed bool
		err      error
	}{
		{"the first", "k", "x", nil, 1, false, nil},
		{"again", `"k"`, "x", nil, 1, true, nil},
		{"another body", "k", "y", nil, 1, false, state.ErrKeyReused},
		{"no key", `"k`, "x", nil, 1, false, once.ErrMalformed},
		{"refused", "r", "x", func() { s.fails = errForbidden }, 1, false, errForbidden},
		{"what was refused, again", "r", "x", func() { s.fails = nil }, 2, false, nil},
		{"nobody can tell", "b", "x", func() { s.fails = errBroken }, 2, false, errBroken},
		{"made before it broke", "b", "x", func() { s.fails, s.commit = nil, "c1" }, 2, false, &once.MadeError{Commit: "c1"}},
		{"the same, out of sight", "b", "x", func() { s.hidden, s.fails = true, errForbidden }, 2, false, errForbidden},
		{"lost, and in sight", "k", "x", func() { s.hidden, s.fails, s.lost = false, nil, true }, 2, true, &once.MadeError{Commit: "c1"}},
		{"lost, and out of sight", "k", "x", func() { s.hidden, s.fails = true, errForbidden }, 2, false, errForbidden},
		{"withdrawn, of who may not", "k", "x", func() { s.gone = true }, 2, false, errForbidden},
		{"withdrawn", "k", "x", func() { s.fails = nil }, 2, true, once.ErrWithdrawn},
	} {
		if c.set != nil {
			c.set()
		}
		answer, replayed, err := w.Do(t.Context(), request(c.key, c.body), s.run)
		same := errors.Is(err, c.err)
		if want := (*once.MadeError)(nil); errors.As(c.err, &want) {
			got := (*once.MadeError)(nil)
			same = errors.As(err, &got) && *got == *want
		}
		if !same || replayed != c.replayed || s.made != c.made || err == nil && answer != "a" {
			t.Errorf("%d, %s: got %q, replayed %t, %v, and %d writes; want replayed %t, %v, and %d", i, c.name, answer, replayed, err, s.made, c.replayed, c.err, c.made)
		}
	}
}
