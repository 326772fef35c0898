package webhooks

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/pattern"
	"cms/say"
)

// Endpoint is a receiver of events, as it is configured or as an operator made
// it. Its JSON is what the database keeps, secrets included.
type Endpoint struct {
	Name string `json:"-"`   // unique: letters, digits, - and _, 64 at most; the name in logs
	URL  string `json:"url"` // https, unless AllowPrivate

	// Secret signs the events. "whsec_" and the standard base64 of 24 to 64
	// bytes is the form of Standard Webhooks, which its libraries take as it
	// is. Any other text is the key itself, byte by byte, and must be at least
	// 24 bytes long: a receiver gives its library "whsec_" and the base64 of
	// the text, or uses the library's constructor for raw keys.
	Secret string `json:"secret,omitempty"`

	// OldSecret signs the events too, while receivers change to Secret: until
	// OldUntil, or as long as it is there.
	OldSecret string    `json:"old_secret,omitempty"`
	OldUntil  time.Time `json:"old_until,omitzero"`

	// Older are secrets before OldSecret whose time is not over, the newest first.
	Older []OlderSecret `json:"older,omitempty"`

	// Events are the types asked for: "entry.updated", "entry.*", "*". None
	// asks for all. A repository.updated that tells of a rewritten history is
	// sent in any case, since it stands for every event that cannot be made.
	Events []string `json:"events,omitempty"`

	// Collections are those whose entry events are asked for. None asks for all.
	Collections []string `json:"collections,omitempty"`

	// Fields are those whose changes are asked for. None asks for all.
	Fields []string `json:"fields,omitempty"`

	// Type is "" for a receiver of events, or the kind of a service that builds
	// the newest commit: one of [Kinds].
	Type string `json:"type,omitempty"`

	// Token authorises a build, where the preset has one.
	Token string `json:"token,omitempty"`

	// Ref is the branch that GitLab builds, and the event's type for GitHub.
	Ref string `json:"ref,omitempty"`

	// Coalesce is how long a build waits for more edits, which become part of it.
	Coalesce time.Duration `json:"coalesce,omitempty"`

	// Headers are sent with every request, such as an Authorization for a gateway
	// before the receiver. Their values may be secrets.
	Headers map[string]string `json:"headers,omitempty"`

	// EventTypePrefix, "org.example.cms", makes entry.updated the CloudEvents type
	// org.example.cms.entry.updated.
	EventTypePrefix string `json:"event_type_prefix,omitempty"`

	// AllowPrivate allows plain http and addresses that are not public.
	AllowPrivate bool `json:"-"`
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
	if ev.Data.Collection == "" {
		return true
	}
	return (len(e.Collections) == 0 || slices.Contains(e.Collections, ev.Data.Collection)) &&
		(len(e.Fields) == 0 || ev.Data.Conflict != "" || slices.ContainsFunc(e.Fields, func(f string) bool { return slices.Contains(ev.Data.Changed, f) }))
}

// Check says all that is wrong with e, without repeating its URL or secret.
func (e *Endpoint) Check() error {
	var errs []error
	if !names().MatchString(e.Name) {
		errs = append(errs, say.Error(say.New("the name may have only letters, digits, - and _, 1 to 64 of them")))
	}
	if err := e.checkURL(); err != nil {
		errs = append(errs, err)
	}
	if _, err := e.signers(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, e.checkBuild(), e.checkHeaders())
	if p := e.EventTypePrefix; p != "" {
		if !e.signed() {
			errs = append(errs, say.Error(say.New("event_type_prefix is only for endpoints that receive events")))
		}
		if !prefixes().MatchString(p) {
			errs = append(errs, say.Error(say.New("event_type_prefix must be a reverse DNS name such as org.example.cms")))
		}
	}
	for _, p := range e.Events {
		if len(matching(p)) == 0 {
			errs = append(errs, say.Error(say.New("unknown event %q; there are %s", p, strings.Join(eventTypes, ", "))))
		}
	}
	return errors.Join(errs...)
}

var names = pattern.Lazy(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// An OlderSecret signs events until then.
type OlderSecret struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until"`
}

// maxOlder is how many secrets sign beside Secret and OldSecret at most.
const maxOlder = 8

// renew gives e another secret. The one before signs too until then, if that is to come, and so
// do those before it whose time is not over: whoever did not get the answer renews once more,
// and the receiver still has the first.
func (e *Endpoint) renew(secret string, now, until time.Time) {
	older := append([]OlderSecret{{e.OldSecret, e.OldUntil}}, e.Older...)
	older = slices.DeleteFunc(older, func(o OlderSecret) bool { return o.Secret == "" || !o.Until.After(now) })
	e.OldSecret, e.OldUntil, e.Secret = e.Secret, until, secret
	e.Older = older[:min(len(older), maxOlder)]
	if !until.After(now) {
		e.Older = nil
	}
}

var prefixes = pattern.Lazy(`^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,9}$`)

func (e *Endpoint) checkURL() error {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return say.Error(say.New("the url is not an absolute http or https URL"))
	case u.Scheme == "http" && !e.AllowPrivate:
		return say.Error(say.New("the url is plain http, which needs allow_private"))
	}
	return nil
}

// A signer signs events until its time is over; zero is never.
type signer struct {
	*standardwebhooks.Webhook
	until time.Time
}

// signers are the keys that sign an event: that of the secret, and the old ones.
func (e *Endpoint) signers() ([]signer, error) {
	if !e.signed() {
		return nil, nil
	}
	secrets := append([]OlderSecret{{Secret: e.Secret}, {e.OldSecret, e.OldUntil}}, e.Older...)
	var all []signer
	for i, old := range secrets {
		if old.Secret == "" && i > 0 {
			continue
		}
		w, err := keyOf(old.Secret)
		if err != nil {
			return nil, err
		}
		all = append(all, signer{w, old.Until})
	}
	return all, nil
}

func keyOf(secret string) (*standardwebhooks.Webhook, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		if len(secret) < 24 {
			return nil, say.Error(say.New("the secret is shorter than 24 bytes"))
		}
		return standardwebhooks.NewWebhookRaw([]byte(secret))
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil:
		return nil, say.Error(say.New("the secret after whsec_ is not standard base64"))
	case len(key) < 24 || len(key) > 64:
		return nil, say.Error(say.New("the secret after whsec_ is of %d bytes, not of 24 to 64", len(key)))
	}
	return standardwebhooks.NewWebhookRaw(key)
}
