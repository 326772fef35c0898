package api

import (
	"context"
	"time"
)

// Deployment is whether an entry's newest revision is on the public site.
type Deployment struct {
	State  string     `json:"state" enum:"live,building,queued,failed,pending" doc:"Of the newest build that has the revision, or live once one is; pending when none was reported."`
	Commit string     `json:"commit,omitempty" doc:"What was built."`
	At     *time.Time `json:"at,omitempty" doc:"Live since then, or when the state was reported."`
	URL    string     `json:"url,omitempty" doc:"What was reported with it: the site, or the log of the build."`
}

// deployment tells what became of an edit; nil where no build was ever reported.
func (a *API) deployment(ctx context.Context, commit string) *Deployment {
	if a.deployments == nil {
		return nil
	}
	d, ok := a.deployments.Of(ctx, commit)
	if !ok {
		return nil
	}
	return &Deployment{d.State, d.Commit, maybe(d.At), d.URL}
}
