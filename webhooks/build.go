package webhooks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

var builders = []string{Netlify, CloudflarePages, Vercel, GitHub, GitLab, Jenkins, Generic}

const (
	maxCoalesce = time.Hour
	defaultType = "cms" // of GitHub's event
	defaultRef  = "main"
)

// builds says whether e gets one request for many changes, to build the newest
// commit.
func (e *Endpoint) builds() bool { return e.Type != "" }

// signed says whether e gets CloudEvents with a signature.
func (e *Endpoint) signed() bool { return e.Type == "" || e.Type == Generic }

func (e *Endpoint) checkBuild() error {
	needsToken := e.Type == GitHub || e.Type == GitLab
	switch {
	case e.Type != "" && !slices.Contains(builders, e.Type):
		return fmt.Errorf("there is no type %q; there are %s", e.Type, strings.Join(builders, ", "))
	case e.Coalesce != 0 && !e.builds():
		return errors.New("coalesce is for endpoints with a type, which build")
	case e.Coalesce < 0 || e.Coalesce > maxCoalesce:
		return fmt.Errorf("coalesce is not between 0s and %s", maxCoalesce)
	case needsToken && e.Token == "":
		return fmt.Errorf("%s needs a token: name it with token_env or token_file", e.Type)
	case e.Token != "" && !needsToken && e.Type != Jenkins:
		return errors.New("a token is for github, gitlab and jenkins only")
	case e.Type == Jenkins && e.Token != "" && !strings.Contains(e.Token, ":"):
		return errors.New("the token for jenkins is not USER:API-TOKEN")
	}
	return nil
}

// request is what e is sent for an event. The commit to build is told where the
// service has a place for it.
func (e *Endpoint) request(ctx context.Context, event []byte) (*http.Request, error) {
	var ev Event
	if e.builds() {
		if err := json.Unmarshal(event, &ev); err != nil {
			return nil, fmt.Errorf("read event: %w", err)
		}
	}
	var (
		body  io.Reader
		media string
		where = e.URL
	)
	switch e.Type {
	case Netlify:
		body, media = strings.NewReader("{}"), "application/json"
	case CloudflarePages, Vercel:
		// The URL says it all.
	case GitHub:
		b, err := json.Marshal(map[string]any{
			"event_type":     cmp.Or(e.Ref, defaultType),
			"client_payload": map[string]string{"commit": ev.Data.Commit, "event": ev.ID},
		})
		if err != nil {
			return nil, fmt.Errorf("encode the dispatch: %w", err)
		}
		body, media = bytes.NewReader(b), "application/json"
	case GitLab:
		form := url.Values{"token": {e.Token}, "ref": {cmp.Or(e.Ref, defaultRef)}, "variables[CMS_COMMIT]": {ev.Data.Commit}}
		body, media = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	case Jenkins:
		if u, err := url.Parse(e.URL); err == nil && strings.HasSuffix(u.Path, "/buildWithParameters") {
			q := u.Query()
			q.Set("CMS_COMMIT", ev.Data.Commit)
			u.RawQuery = q.Encode()
			where = u.String()
		}
	default:
		body, media = bytes.NewReader(event), "application/cloudevents+json"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, body)
	if err != nil {
		return nil, err
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	e.authorize(req)
	return req, nil
}

func (e *Endpoint) authorize(req *http.Request) {
	switch e.Type {
	case GitHub:
		req.Header.Set("Accept", "application/vnd.github+json")
		req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		req.Header.Set("Authorization", "Bearer "+e.Token)
	case Jenkins:
		if user, token, ok := strings.Cut(e.Token, ":"); ok {
			req.SetBasicAuth(user, token)
		}
	}
}
