package api

import (
	"context"
	"time"

	"cms/site"
	"cms/state"
	"cms/web"
	"cms/webhooks"
)

// Deployment is whether an entry's newest revision is on the public site.
type Deployment struct {
	State  string     `json:"state" enum:"live,building,queued,failed,pending,missing" doc:"Of the newest build that has the revision, or live once one is; missing if the page of the entry is not there then; pending when none was reported."`
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
	told := &Deployment{d.State, d.Commit, maybe(d.At), d.URL, ""}
	if all && d.State == webhooks.FailedBuild {
		told.Reason = d.Reason
	}
	return told
}
