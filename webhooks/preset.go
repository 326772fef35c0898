package webhooks

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"cms/say"
)

// A preset is a kind of service that builds. What it is sent follows its
// documentation of build hooks, repository_dispatch, pipeline triggers or remote
// builds.
type preset struct {
	kind    string
	signed  bool      // it is sent CloudEvents with a signature
	token   tokenRule // what authorises the build
	message func(*Endpoint, build) (message, error)
}

type tokenRule int

const (
	noToken tokenRule = iota
	needsToken
	mayHaveLogin // USER:API-TOKEN
)

// generic is the preset of a service that takes the signed repository.updated.
const generic = "generic"

// presets are those that there are: a new one is a row here and one in the table of
// TestBuildRequests, and a word in config.example.yaml.
var presets = []preset{
	{kind: "netlify", message: func(e *Endpoint, _ build) (message, error) {
		return message{url: e.URL, body: "{}", media: "application/json"}, nil
	}},
	{kind: "cloudflare-pages", message: urlAlone},
	{kind: "vercel", message: urlAlone},
	{kind: "github", token: needsToken, message: dispatch},
	{kind: "gitlab", token: needsToken, message: trigger},
	{kind: "jenkins", token: mayHaveLogin, message: remoteBuild},
	{kind: generic, signed: true, message: func(e *Endpoint, b build) (message, error) {
		return cloudEvent(e, b.event), nil
	}},
}

// Kinds are the names of the services that build, as an endpoint's Type.
func Kinds() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.kind
	}
	return names
}

// withToken are the names of those that a token authorises.
func withToken() (names []string) {
	for _, p := range presets {
		if p.token != noToken {
			names = append(names, p.kind)
		}
	}
	return names
}

// build is what a service is asked to build, and the event that tells it.
type build struct {
	commit, id string
	event      []byte
}

// message is what is sent to an endpoint.
type message struct {
	url, body, media string
	header           map[string]string // beside the media type
}

// urlAlone is for a URL that says it all.
func urlAlone(e *Endpoint, _ build) (message, error) { return message{url: e.URL}, nil }

// dispatch is GitHub's repository_dispatch.
func dispatch(e *Endpoint, b build) (message, error) {
	body, err := json.Marshal(map[string]any{
		"event_type":     cmp.Or(e.Ref, "cms"),
		"client_payload": map[string]string{"commit": b.commit, "event": b.id},
	})
	return message{url: e.URL, body: string(body), media: "application/json", header: map[string]string{
		"Accept":               "application/vnd.github+json",
		"X-GitHub-Api-Version": "2022-11-28",
		"Authorization":        "Bearer " + e.Token,
	}}, err
}

// trigger is GitLab's pipeline trigger.
func trigger(e *Endpoint, b build) (message, error) {
	form := url.Values{"token": {e.Token}, "ref": {cmp.Or(e.Ref, "main")}, "variables[CMS_COMMIT]": {b.commit}}
	return message{url: e.URL, body: form.Encode(), media: "application/x-www-form-urlencoded"}, nil
}

// remoteBuild is Jenkins', which takes the commit where the job has parameters.
func remoteBuild(e *Endpoint, b build) (message, error) {
	m := message{url: e.URL}
	if u, err := url.Parse(e.URL); err == nil && strings.HasSuffix(u.Path, "/buildWithParameters") {
		q := u.Query()
		q.Set("CMS_COMMIT", b.commit)
		u.RawQuery = q.Encode()
		m.url = u.String()
	}
	if e.Token != "" {
		m.header = map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(e.Token))}
	}
	return m, nil
}

func cloudEvent(e *Endpoint, event []byte) message {
	return message{url: e.URL, body: string(event), media: "application/cloudevents+json"}
}

const maxCoalesce = time.Hour

// preset is that of e; nil for a receiver of events.
func (e *Endpoint) preset() *preset { return presetOf(e.Type) }

// presetOf is the preset of a kind; nil where there is none.
func presetOf(kind string) *preset {
	if i := slices.IndexFunc(presets, func(p preset) bool { return p.kind == kind }); i >= 0 {
		return &presets[i]
	}
	return nil
}

// builds says whether e gets one request for many changes, to build the newest
// commit.
func (e *Endpoint) builds() bool { return e.Type != "" }

// signed says whether e gets CloudEvents with a signature.
func (e *Endpoint) signed() bool { return Signed(e.Type) }

// Signed says whether endpoints of a kind, "" for those that get events, are sent
// CloudEvents with a signature.
func Signed(kind string) bool {
	p := presetOf(kind)
	return kind == "" || p != nil && p.signed
}

func (e *Endpoint) checkBuild() error {
	p := e.preset()
	switch {
	case e.Type != "" && p == nil:
		return say.Error(say.New("there is no type %q; there are %s", e.Type, strings.Join(Kinds(), ", ")))
	case e.Coalesce != 0 && !e.builds():
		return say.Error(say.New("coalesce is for endpoints with a type, which build"))
	case e.Coalesce < 0 || e.Coalesce > maxCoalesce:
		return say.Error(say.New("coalesce is not between 0s and %s", maxCoalesce))
	case p != nil && p.token == needsToken && e.Token == "":
		return say.Error(say.New("%s needs a token: name it with token_env or token_file", e.Type))
	case e.Token != "" && (p == nil || p.token == noToken):
		return say.Error(say.New("a token is for %s only", strings.Join(withToken(), ", ")))
	case e.Token != "" && p.token == mayHaveLogin && !strings.Contains(e.Token, ":"):
		return say.Error(say.New("the token for %s is not USER:API-TOKEN", e.Type))
	}
	return nil
}

// request is what e is sent for an event. The commit to build is told where the
// service has a place for it.
func (e *Endpoint) request(ctx context.Context, event []byte) (*http.Request, error) {
	m := cloudEvent(e, event)
	if p := e.preset(); p != nil {
		var ev Event
		if err := json.Unmarshal(event, &ev); err != nil {
			return nil, fmt.Errorf("read event: %w", err)
		}
		var err error
		if m, err = p.message(e, build{commit: ev.Data.Commit, id: ev.ID, event: event}); err != nil {
			return nil, fmt.Errorf("encode the request for %s: %w", e.Type, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, strings.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	if m.media != "" {
		req.Header.Set("Content-Type", m.media)
	}
	for _, header := range []map[string]string{e.Headers, m.header} {
		for name, value := range header {
			req.Header.Set(name, value)
		}
	}
	return req, nil
}
