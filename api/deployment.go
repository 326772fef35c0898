package api

import (
	"context"
	"net/http"
	"time"

	"cms/say"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/web/once"
	"cms/webhooks"
)

// Deployment is whether an entry's newest revision is on the public site.
type Deployment struct {
	State  string     `json:"state" doc:"Of the newest build that has the revision, or live once one is; missing if the page of the entry is not there then; pending when none was reported."`
	Commit string     `json:"commit,omitempty" doc:"What was built."`
	At     *time.Time `json:"at,omitempty" doc:"Live since then, or when the state was reported."`
	URL    string     `json:"url,omitempty" doc:"What was reported with it: the site, or the log of the build."`
	Reason string     `json:"reason,omitempty" doc:"The end of the output of a build that failed, for those who see everything."`
}

// deployment tells what became of an edit; nil where no build was ever reported.
func (a *API) deployment(ctx context.Context, e *site.Entry) *Deployment {
	if a.deployments == nil {
		return nil
	}
	d, ok := a.deployments.OfEntry(ctx, e.Ref.String(), e.Updated.Commit)
	if !ok {
		return nil
	}
	return deploymentOf(d, a.site.SeesDeliveries(web.Principal(ctx)))
}

// deploymentOf is d as callers are told of it. A build's output may be about anything, so
// only those who see everything get it.
func deploymentOf(d state.Deployment, all bool) *Deployment {
	told := &Deployment{State: d.State, Commit: d.Commit, URL: d.URL}
	if !d.At.IsZero() {
		told.At = &d.At
	}
	if all && d.State == webhooks.FailedBuild {
		told.Reason = d.Reason
	}
	return told
}

type entryDeploymentInput struct {
	AtEntry
	IfNoneMatch string `header:"If-None-Match" doc:"Answer 304 if the deployment is still at one of these ETags."`
}

var entryDeploymentDoc = doc{
	ID: "entry-deployment", Tag: "Entries",
	Summary:   "Whether an entry's newest revision is on the site",
	Text:      "By itself, with an ETag of its own, for those who wait for it. 404 too where no build was ever reported.",
	Responses: map[int]any{200: Deployment{}, 304: nil},
	Headers:   map[int][]string{200: {"ETag"}, 304: {"ETag"}},
	Problems:  []int{404},
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
		return nil, web.NewProblem(http.StatusNotFound, say.New("No build was ever reported here."))
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
