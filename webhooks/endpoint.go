package webhooks

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Endpoint is a receiver of events, as it is configured.
type Endpoint struct {
	Name string // unique; the name in logs
	URL  string // https, unless AllowPrivate

	// Secret signs the events. "whsec_" and the standard base64 of 24 to 64
	// bytes is the form of Standard Webhooks, which its libraries take as it
	// is. Any other text is the key itself, byte by byte, and must be at least
	// 24 bytes long: a receiver gives its library "whsec_" and the base64 of
	// the text, or uses the library's constructor for raw keys.
	Secret string

	// Events are the types asked for: "entry.updated", "entry.*", "*". None
	// asks for all. A repository.updated that tells of a rewritten history is
	// sent in any case, since it stands for every event that cannot be made.
	Events []string

	// Collections are those whose entry events are asked for. None asks for all.
	Collections []string

	// AllowPrivate allows plain http and addresses that are not public.
	AllowPrivate bool
}

// LogValue keeps the secret, and what a URL may hold of secrets, out of logs.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.Name) }

// wants says whether e asked for ev.
func (e *Endpoint) wants(ev Event) bool {
	switch {
	case ev.Data.Previous != "":
		return true
	case len(e.Events) > 0 && !slices.ContainsFunc(e.Events, func(p string) bool { return slices.Contains(matching(p), ev.Type) }):
		return false
	}
	return len(e.Collections) == 0 || ev.Data.Collection == "" || slices.Contains(e.Collections, ev.Data.Collection)
}

// Check says all that is wrong with e, without repeating its URL or secret.
func (e *Endpoint) Check() error {
	var errs []error
	if e.Name == "" {
		errs = append(errs, errors.New("has no name"))
	}
	if err := e.checkURL(); err != nil {
		errs = append(errs, err)
	}
	if _, err := e.signer(); err != nil {
		errs = append(errs, err)
	}
	for _, p := range e.Events {
		if len(matching(p)) == 0 {
			errs = append(errs, fmt.Errorf("unknown event %q; there are %s", p, strings.Join(eventTypes, ", ")))
		}
	}
	return errors.Join(errs...)
}

func (e *Endpoint) checkURL() error {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the url is not an absolute http or https URL")
	case u.Scheme == "http" && !e.AllowPrivate:
		return errors.New("the url is plain http, which needs allow_private")
	}
	return nil
}

// signer makes the key of the secret.
func (e *Endpoint) signer() (*standardwebhooks.Webhook, error) {
	encoded, ok := strings.CutPrefix(e.Secret, "whsec_")
	if !ok {
		if len(e.Secret) < 24 {
			return nil, errors.New("the secret is shorter than 24 bytes")
		}
		return standardwebhooks.NewWebhookRaw([]byte(e.Secret))
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil:
		return nil, errors.New("the secret after whsec_ is not standard base64")
	case len(key) < 24 || len(key) > 64:
		return nil, fmt.Errorf("the secret after whsec_ is of %d bytes, not of 24 to 64", len(key))
	}
	return standardwebhooks.NewWebhookRaw(key)
}
