package webhooks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The kinds of services that build. What each is sent follows its documentation
// of build hooks, repository_dispatch, pipeline triggers and remote builds.
const (
	Netlify         = "netlify"
	CloudflarePages = "cloudflare-pages"
	Vercel          = "vercel"
	GitHub          = "github"
	GitLab          = "gitlab"
	Jenkins         = "jenkins"
	Generic         = "generic" // a signed repository.updated
)

// A preset is what is particular to a kind of service that builds.
type preset struct {
	kind  string
	token tokenUse
	order func(e *Endpoint, commit, event string) order // to build the commit that the event of that ID tells
}

// tokenUse says whether a service is sent a token.
type tokenUse int

const (
	noToken tokenUse = iota
	mayHaveToken
	needsToken
)

// An order is a request to build. The zero order has no body: its URL says it all.
type order struct {
	json   any        // the body
	form   url.Values // or the body
	query  url.Values // beside that of the endpoint's URL
	header http.Header
}

// presets are all but Generic, in the order in which documentation lists them. They are
// read only.
var presets = []preset{
	{Netlify, noToken, orderNetlify},
	{CloudflarePages, noToken, orderByURL},
	{Vercel, noToken, orderByURL},
	{GitHub, needsToken, orderGitHub},
	{GitLab, needsToken, orderGitLab},
	{Jenkins, mayHaveToken, orderJenkins},
}

// Kinds are those of services that build, in the order in which documentation lists
// them.
func Kinds() []string {
	var kinds []string
	for _, p := range presets {
		kinds = append(kinds, p.kind)
	}
	return append(kinds, Generic)
}

// tokenKinds are those that may have a token.
func tokenKinds() (kinds []string) {
	for _, p := range presets {
		if p.token != noToken {
			kinds = append(kinds, p.kind)
		}
	}
	return kinds
}

// presetOf is that of a kind; without an order for one that gets events.
func presetOf(kind string) preset {
	for _, p := range presets {
		if p.kind == kind {
			return p
		}
	}
	return preset{kind: kind}
}

const (
	maxCoalesce = time.Hour
	defaultType = "cms" // of GitHub's event
	defaultRef  = "main"
)

// builds says whether e gets one request for many changes, to build the newest
// commit.
func (e *Endpoint) builds() bool { return e.Type != "" }

// signed says whether e gets CloudEvents with a signature.
func (e *Endpoint) signed() bool { return Signed(e.Type) }

// Signed says whether endpoints of a kind, "" for those that get events, are sent
// CloudEvents with a signature.
func Signed(kind string) bool { return kind == "" || kind == Generic }

func (e *Endpoint) checkBuild() error {
	token := presetOf(e.Type).token
	switch {
	case e.Type != "" && !slices.Contains(Kinds(), e.Type):
		return fmt.Errorf("there is no type %q; there are %s", e.Type, strings.Join(Kinds(), ", "))
	case e.Coalesce != 0 && !e.builds():
		return errors.New("coalesce is for endpoints with a type, which build")
	case e.Coalesce < 0 || e.Coalesce > maxCoalesce:
		return fmt.Errorf("coalesce is not between 0s and %s", maxCoalesce)
	case token == needsToken && e.Token == "":
		return fmt.Errorf("%s needs a token: name it with token_env or token_file", e.Type)
	case token == noToken && e.Token != "":
		return fmt.Errorf("a token is for %s only", strings.Join(tokenKinds(), ", "))
	case e.Type == Jenkins && e.Token != "" && !strings.Contains(e.Token, ":"):
		return errors.New("the token for jenkins is not USER:API-TOKEN")
	}
	return nil
}

// request is what e is sent for an event. The commit to build is told where the
// service has a place for it.
func (e *Endpoint) request(ctx context.Context, event []byte) (*http.Request, error) {
	p := presetOf(e.Type)
	if p.order == nil {
		return newPost(ctx, e.URL, event, "application/cloudevents+json")
	}
	var ev Event
	if err := json.Unmarshal(event, &ev); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	return p.order(e, ev.Data.Commit, ev.ID).request(ctx, e.URL)
}

func (o order) request(ctx context.Context, to string) (*http.Request, error) {
	if u, err := url.Parse(to); err == nil && o.query != nil {
		q := u.Query()
		maps.Copy(q, o.query)
		u.RawQuery = q.Encode()
		to = u.String()
	}
	var (
		body      []byte
		mediaType string
		err       error
	)
	switch {
	case o.json != nil:
		mediaType = "application/json"
		body, err = json.Marshal(o.json)
	case o.form != nil:
		body, mediaType = []byte(o.form.Encode()), "application/x-www-form-urlencoded"
	}
	if err != nil {
		return nil, fmt.Errorf("encode the order to build: %w", err)
	}
	req, err := newPost(ctx, to, body, mediaType)
	if err == nil {
		maps.Copy(req.Header, o.header)
	}
	return req, err
}

// newPost is a request with a body of a media type, "" for none.
func newPost(ctx context.Context, to string, body []byte, mediaType string) (*http.Request, error) {
	var r io.Reader
	if mediaType != "" {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, r)
	if err == nil && mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	return req, err
}

func orderNetlify(*Endpoint, string, string) order { return order{json: struct{}{}} }

func orderByURL(*Endpoint, string, string) order { return order{} }

func orderGitHub(e *Endpoint, commit, event string) order {
	return order{
		json: map[string]any{
			"event_type":     cmp.Or(e.Ref, defaultType),
			"client_payload": map[string]string{"commit": commit, "event": event},
		},
		header: http.Header{
			"Accept":               {"application/vnd.github+json"},
			"X-Github-Api-Version": {"2022-11-28"},
			"Authorization":        {"Bearer " + e.Token},
		},
	}
}

func orderGitLab(e *Endpoint, commit, _ string) order {
	return order{form: url.Values{"token": {e.Token}, "ref": {cmp.Or(e.Ref, defaultRef)}, "variables[CMS_COMMIT]": {commit}}}
}

func orderJenkins(e *Endpoint, commit, _ string) order {
	var o order
	if u, err := url.Parse(e.URL); err == nil && strings.HasSuffix(u.Path, "/buildWithParameters") {
		o.query = url.Values{"CMS_COMMIT": {commit}}
	}
	if strings.Contains(e.Token, ":") {
		o.header = http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(e.Token))}}
	}
	return o
}
