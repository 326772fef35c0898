package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cms/auth"
	"cms/web"
	"cms/web/once"
	"cms/webhooks"
)

type entryDeploymentInput struct {
	AtEntry
	IfNoneMatch string `header:"If-None-Match" doc:"Answer 304 if the deployment is still at one of these ETags."`
}

var entryDeploymentDoc = doc{
	id: "entry-deployment", tag: "Entries",
	summary:   "Whether an entry's newest revision is on the site",
	text:      "By itself, with an ETag of its own, for those who wait for it. 404 too where no build was ever reported.",
	responses: map[int]any{200: Deployment{}, 304: nil},
	headers:   map[int][]string{200: {"ETag"}, 304: {"ETag"}},
	problems:  []int{404},
}

func (a *API) entryDeployment(ctx context.Context, in *entryDeploymentInput) (*reply, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	e, err := a.site.Entry(ctx, web.Principal(ctx), ref)
	if err != nil {
		return nil, err
	}
	d := a.deployment(ctx, e)
	if d == nil {
		return nil, web.NewProblem(http.StatusNotFound, "No build was ever reported here.")
	}
	r, err := answer(http.StatusOK, d)
	if err != nil {
		return nil, err
	}
	version := once.Digest(string(r.Body))
	r.ETag = web.ETag(version)
	if in.IfNoneMatch == "" {
		return r, nil
	}
	t, err := web.ParseTags("If-None-Match", in.IfNoneMatch)
	if err != nil {
		return nil, err
	}
	if matched, ok := t.Match(version); ok {
		return &reply{Status: http.StatusNotModified, ETag: matched}, nil
	}
	return r, nil
}

// DeploymentReport is what a build tells.
type DeploymentReport struct {
	Commit string `json:"commit" doc:"What is built."`
	State  string `json:"state" enum:"queued,building,live,failed"`
	URL    string `json:"url,omitempty" doc:"Of the site or of the build's log: http or https."`
	Reason string `json:"reason,omitempty" doc:"The output of a build that failed; the last 50 lines are kept."`

	Missing []string `json:"missing,omitempty" maxItems:"500" doc:"Entries whose pages are not on the site." example:"[\"consultations/plan-velo\"]"`
	Found   []string `json:"found,omitempty" maxItems:"500" doc:"Entries whose pages are."`
}

type reportInput struct{ Payload }

// admit refuses a caller whose role does not report.
func (in *reportInput) admit(ctx context.Context, a *API) error {
	if !signs(in.request) {
		if err := a.site.MayOperate(web.Principal(ctx), auth.Update); err != nil {
			return err
		}
	}
	_, err := web.MediaType(in.request.Header.Get("Content-Type"), "", mediaJSON)
	return err
}

var reportDeploymentDoc = doc{
	id: "report-deployment", tag: "Webhooks", public: true, caller: (*API).reporter,
	summary:   "Report a build",
	text:      "With a token whose role has the action update of webhooks, or signed with the secret of a configured endpoint, as cms listen does. Entries then have it as their deployment.",
	requests:  map[string]any{mediaJSON: DeploymentReport{}},
	example:   json.RawMessage(`{"commit": "8843d7f92416211de9ebb963ff4ce28125932878", "state": "live", "url": "https://www.example.org/"}`),
	responses: map[int]any{204: nil}, problems: []int{400, 404, 413, 415},
	body: smallBody,
}

const maxURL = 2048

func (a *API) reportDeployment(ctx context.Context, in *reportInput) (*reply, error) {
	var by webhooks.Signature
	if signs(in.request) {
		var ok bool
		if by, ok = a.deployments.Signed(in.request.Header, in.body); !ok {
			return nil, badSignature()
		}
	}
	b, err := decodeBody(in.body, "commit", "state", "url", "reason", "missing", "found")
	if err != nil {
		return nil, err
	}
	b.Require("Say what was built, and what became of it.", "commit", "state")
	commit, state, site := b.Text("commit"), b.Text("state"), b.Text("url")
	if !slices.Contains(webhooks.BuildStates(), state) {
		b.Wrong("state", "enum", "This must be "+strings.Join(webhooks.BuildStates(), ", ")+".")
	}
	if u, err := url.Parse(site); site != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || len(site) > maxURL) {
		b.Wrong("url", "url", "This must be an absolute http or https URL without credentials.")
	}
	build := webhooks.Build{Commit: commit, State: state, URL: site, Reason: b.Text("reason"), Missing: b.Texts("missing"), Found: b.Texts("found")}
	for member, entries := range map[string][]string{"missing": build.Missing, "found": build.Found} {
		if len(entries) > webhooks.MaxPages || slices.ContainsFunc(entries, func(e string) bool { return e == "" || strings.ContainsRune(e, '\n') }) {
			b.Wrong(member, "entries", fmt.Sprintf("This must be at most %d names of entries: collection/slug.", webhooks.MaxPages))
		}
	}
	if err := b.Problem(); err != nil {
		return nil, err
	}
	if err := a.deployments.Report(ctx, by, build); errors.Is(err, webhooks.ErrNoCommit) {
		b.Wrong("commit", "commit", "The branch has no such commit. Give its whole id.")
		return nil, b.Problem()
	} else if err != nil {
		return nil, err
	}
	if state == webhooks.FailedBuild {
		a.log.WarnContext(ctx, "a build has failed", "commit", commit, "url", site, "reason", webhooks.Reason(build.Reason))
	}
	return &reply{Status: http.StatusNoContent}, nil
}

// signs says whether a report is to be held to its signature, and not to a token.
func signs(r *http.Request) bool { return r.Header.Get("Webhook-Signature") != "" }

func badSignature() error {
	return web.NewProblem(http.StatusUnauthorized, "The signature is wrong or too old. Sign with the secret of a configured webhook.").
		With("WWW-Authenticate", `Webhook realm="cms"`)
}

// reporter is who reports a build: nobody, where a signature speaks for the report that
// may be one. Which body it is of, the handler says.
func (a *API) reporter(r *http.Request) (*auth.Principal, error) {
	switch {
	case a.deployments == nil:
		return nil, web.NewProblem(http.StatusNotFound, "This service keeps no deployments.")
	case !signs(r):
		return a.web.Caller(r)
	case !a.deployments.MaySign(r.Header):
		return nil, badSignature()
	}
	return nil, nil
}
