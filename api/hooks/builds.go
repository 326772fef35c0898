package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"cms/api/jsonbody"
	"cms/api/openapi"
	"cms/api/operation"
	"cms/auth"
	"cms/say"
	"cms/web"
	"cms/webhooks"
)

// DeploymentReport is what a build tells.
type DeploymentReport struct {
	Commit string `json:"commit" doc:"What is built."`
	State  string `json:"state"`
	URL    string `json:"url,omitempty" doc:"Of the site or of the build's log: http or https."`
	Reason string `json:"reason,omitempty" doc:"The output of a build that failed; the last 50 lines are kept."`

	Missing []string `json:"missing,omitempty" maxItems:"500" doc:"Entries whose pages are not on the site." example:"[\"consultations/plan-velo\"]"`
	Found   []string `json:"found,omitempty" maxItems:"500" doc:"Entries whose pages are."`
}

type reportInput struct{ operation.Payload }

// Admit refuses a caller whose role does not report.
func (in *reportInput) Admit(ctx context.Context, a *API) error {
	if !signs(in.Request()) {
		if err := a.site.MayOperate(web.Principal(ctx), auth.Update); err != nil {
			return err
		}
	}
	_, err := web.MediaType(in.Request().Header.Get("Content-Type"), "", openapi.JSON)
	return err
}

var reportDeploymentDoc = operation.Doc{
	ID: "report-deployment", Tag: "Webhooks", Public: true,
	Summary:   "Report a build",
	Text:      "With a token whose role has the action update of webhooks, or signed with the secret of a configured endpoint, as cms listen does. Entries then have it as their deployment.",
	Requests:  map[string]any{openapi.JSON: DeploymentReport{}},
	Example:   json.RawMessage(`{"commit": "8843d7f92416211de9ebb963ff4ce28125932878", "state": "live", "url": "https://www.example.org/"}`),
	Responses: map[int]any{204: nil}, Problems: []int{400, 404, 413, 415},
	Body: operation.SmallBody,
}

const maxURL = 2048

func (a *API) reportDeployment(ctx context.Context, in *reportInput) (*operation.Reply, error) {
	var by webhooks.Signature
	if signs(in.Request()) {
		var ok bool
		if by, ok = a.deployments.Signed(in.Request().Header, in.Content()); !ok {
			return nil, badSignature()
		}
	}
	b, err := jsonbody.Decode(in.Content(), "commit", "state", "url", "reason", "missing", "found")
	if err != nil {
		return nil, err
	}
	b.Require(say.New("Say what was built, and what became of it."), "commit", "state")
	commit, state, site := b.Text("commit"), b.Text("state"), b.Text("url")
	if !slices.Contains(webhooks.BuildStates(), state) {
		b.Wrong("state", "enum", say.New("This must be %s.", strings.Join(webhooks.BuildStates(), ", ")))
	}
	if u, err := url.Parse(site); site != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || len(site) > maxURL) {
		b.Wrong("url", "url", say.New("This must be an absolute http or https URL without credentials."))
	}
	build := webhooks.Build{Commit: commit, State: state, URL: site, Reason: b.Text("reason"), Missing: b.Texts("missing"), Found: b.Texts("found")}
	for member, entries := range map[string][]string{"missing": build.Missing, "found": build.Found} {
		if len(entries) > webhooks.MaxPages || slices.ContainsFunc(entries, func(e string) bool { return e == "" || strings.ContainsFunc(e, unicode.IsControl) }) {
			b.Wrong(member, "entries", say.New("This must be at most %d names of entries: collection/slug.", webhooks.MaxPages))
		}
	}
	if err := b.Problem(); err != nil {
		return nil, err
	}
	if err := a.deployments.Report(ctx, by, build); errors.Is(err, webhooks.ErrNoCommit) {
		b.Wrong("commit", "commit", say.New("The branch has no such commit. Give its whole id."))
		return nil, b.Problem()
	} else if err != nil {
		return nil, err
	}
	if state == webhooks.FailedBuild {
		a.web.Log().WarnContext(ctx, "a build has failed", "commit", commit, "url", site, "reason", webhooks.Reason(build.Reason))
	}
	return &operation.Reply{Status: http.StatusNoContent}, nil
}

// signs says whether a report is to be held to its signature, and not to a token.
func signs(r *http.Request) bool { return r.Header.Get("Webhook-Signature") != "" }

func badSignature() error {
	return web.NewProblem(http.StatusUnauthorized, say.New("The signature is wrong or too old. Sign with the secret of a configured webhook.")).
		With("WWW-Authenticate", `Webhook realm="cms"`)
}

// reporter is who reports a build: nobody, where a signature speaks for the report that
// may be one. Which body it is of, the handler says.
func (a *API) reporter(r *http.Request) (*auth.Principal, error) {
	switch {
	case a.deployments == nil:
		return nil, web.NewProblem(http.StatusNotFound, say.New("This service keeps no deployments."))
	case !signs(r):
		return a.web.Caller(r)
	case !a.deployments.MaySign(r.Header):
		return nil, badSignature()
	}
	return nil, nil
}
