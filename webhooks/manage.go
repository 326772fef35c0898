package webhooks

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cms/say"
	"cms/state"
)

// What endpoints that operators make can be refused for. Their settings are in the
// database, and count for every service that shares it.
var (
	ErrNameTaken  = state.ErrNameTaken
	ErrConfigured = errors.New("the endpoint is in the configuration")
	ErrUnsigned   = errors.New("the endpoint is sent nothing that is signed")
)

// MaxEndpoints is how many endpoints operators can make: each costs every service a
// goroutine and every commit a look at its history.
const MaxEndpoints = 100

// SettingsError says what is wrong with the settings of an endpoint, without
// repeating its URL or a secret.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string { return "webhook endpoint: " + e.Err.Error() }
func (e *SettingsError) Unwrap() error { return e.Err }

// Create adds an endpoint, which hears of the commits after the present tip, and
// gives the secret that signs its events: made here, shown once, and "" for a
// service that is sent nothing signed. ErrNameTaken, or a *SettingsError, also beyond
// [MaxEndpoints].
func (r *Relay) Create(ctx context.Context, e Endpoint) (Status, string, error) {
	e.Secret, e.OldSecret, e.Older, e.AllowPrivate = "", "", nil, r.allowPrivate
	if e.signed() {
		e.Secret = newSecret()
	}
	settings, err := e.encode()
	if err != nil {
		return Status{}, "", err
	}
	tip, _ := r.source.Head()
	err = r.store.Create(ctx, state.Endpoint{Name: e.Name, Settings: settings, Cursor: state.Cursor{Commit: tip}, Created: time.Now()}, MaxEndpoints)
	if errors.Is(err, state.ErrTooMany) {
		err = &SettingsError{say.Error(say.New("there are %d endpoints that were made so: delete one that is not needed", MaxEndpoints))}
	}
	if err != nil {
		return Status{}, "", err
	}
	poke(r.changed)
	s, err := r.Endpoint(ctx, e.Name)
	return s, e.Secret, err
}

// Change sets what change does of an endpoint's settings; its name and its
// secrets stay. What waits to be delivered goes where the new settings say.
// ErrUnknownEndpoint, ErrConfigured, a *SettingsError, or the error of change.
func (r *Relay) Change(ctx context.Context, name string, change func(*Endpoint) error) (Status, error) {
	s, err := r.Endpoint(ctx, name)
	if err != nil {
		return Status{}, err
	}
	if s.Configured {
		return Status{}, ErrConfigured
	}
	err = r.store.Change(ctx, name, func(settings string) (string, error) {
		e, err := r.decode(name, settings)
		if err != nil {
			return "", err
		}
		if err := change(&e); err != nil {
			return "", err
		}
		e.Name = name
		return e.encode()
	})
	if errors.Is(err, state.ErrUnknown) {
		return Status{}, ErrUnknownEndpoint // it was deleted meanwhile
	} else if err != nil {
		return Status{}, err
	}
	poke(r.changed)
	return r.Endpoint(ctx, name)
}

// Renew gives an endpoint another secret, and tells it. The one before signs too
// for as long as overlap says, so that its receiver can change; without an overlap no other
// one does any more.
func (r *Relay) Renew(ctx context.Context, name string, overlap time.Duration) (Status, string, error) {
	secret := newSecret()
	s, err := r.Change(ctx, name, func(e *Endpoint) error {
		if !e.signed() {
			return ErrUnsigned
		}
		now := time.Now().UTC()
		e.renew(secret, now, now.Add(overlap))
		return nil
	})
	return s, secret, err
}

// Delete removes an endpoint with its deliveries. ErrUnknownEndpoint, or
// ErrConfigured.
func (r *Relay) Delete(ctx context.Context, name string) error {
	s, err := r.Endpoint(ctx, name)
	if err != nil {
		return err
	}
	if s.Configured {
		return ErrConfigured
	}
	if err := r.store.Delete(ctx, name); errors.Is(err, state.ErrUnknown) {
		return ErrUnknownEndpoint
	} else if err != nil {
		return err
	}
	poke(r.changed)
	return nil
}

// newSecret is a secret of 32 random bytes, in the form of Standard Webhooks.
func newSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// encode is what the database keeps of e, once nothing is wrong with it.
func (e *Endpoint) encode() (string, error) {
	if err := e.Check(); err != nil {
		return "", &SettingsError{err}
	}
	b, err := json.Marshal(e) //nolint:gosec // with the secrets, which the database has to keep
	return string(b), err
}

// decode is the endpoint that encode wrote.
func (r *Relay) decode(name, settings string) (Endpoint, error) {
	var e Endpoint
	if err := json.Unmarshal([]byte(settings), &e); err != nil {
		return e, fmt.Errorf("settings of webhook endpoint %q: %w", name, err)
	}
	e.Name, e.AllowPrivate = name, r.allowPrivate
	return e, nil
}
