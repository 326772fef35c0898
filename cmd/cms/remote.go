package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cms/config"
	"cms/githubapp"
	"cms/lfs"
	"cms/repo"
	"cms/say"
	"cms/site"
	"cms/state"
	"cms/web"
)

// pushesAlone makes sure that no other service on the database pushes in the background:
// each would take the other's edits for those of somebody else. Nil when nobody pushes.
func pushesAlone(ctx context.Context, db *state.DB, c *config.Config) (*state.Lock, error) {
	if c.Repository.Remote == nil || c.Repository.Remote.Push != "async" {
		return nil, nil
	}
	lock, err := db.TryLock(ctx, "push")
	if err == nil && lock == nil {
		err = errors.New("another service on this database pushes to a Git host; repository.remote.push: async is for one service alone")
	}
	return lock, err
}

// turn is how services on one database take turns to push.
type turn = func(context.Context) (release func(), others bool, err error)

func turnOf(db *state.DB) turn {
	return func(ctx context.Context) (func(), bool, error) {
		lock, others, err := db.Lock(ctx, "turn to push")
		if err != nil {
			return nil, others, err
		}
		return lock.Release, others, nil
	}
}

// tellPush says at the start what it means that nothing is pushed.
func tellPush(c *config.Config, log *slog.Logger) {
	if m := c.Repository.Remote; m != nil && !m.Pushes() {
		log.Warn("edits stay here: nothing is pushed to the Git host, whose builds will not have them; repository.remote.push: async pushes them")
	}
}

// await returns once the branch has a commit, which another replica may have made.
func (s *service) await(ctx context.Context, commit string) error {
	err := s.site.Await(ctx, commit)
	if errors.Is(err, site.ErrGone) {
		err = fmt.Errorf("%w: %s", web.ErrNoCommit, commit)
	}
	return err
}

// warnings are what an operator should see to though edits are taken: how this side
// stands to the Git host.
func (s *service) warnings() []web.Warning {
	var list []web.Warning
	r := s.repo.Remote()
	if r.FetchErr != nil {
		list = append(list, web.Warning{Code: "remote_unreachable", Detail: say.New("What is pushed to the Git host cannot be fetched now. The log says why.")})
	}
	if r.Diverged {
		list = append(list, web.Warning{Code: "diverged", Detail: say.New("The branch and the Git host's have diverged. Somebody has to merge them.")})
	}
	if r.PushErr != nil && r.Unpushed > 0 {
		list = append(list, web.Warning{Code: "unpushed", Detail: say.New("Commits that are not pushed to the Git host yet: %d, the first of them for %s. The log says why.",
			r.Unpushed, time.Since(r.Oldest).Round(time.Second).String())})
	}
	if r.PushErr != nil && r.Unpushed == 0 { // with push: sync
		list = append(list, web.Warning{Code: "push_failing", Detail: say.New("The Git host has not taken the last edits. The log says why.")})
	}
	return list
}

// objectsOf are the files that Git LFS keeps, for a branch: at the Git host, to which they go
// if edits do, and beside the repository.
func objectsOf(c *config.Config, branch string) (*lfs.Objects, error) {
	o := lfs.Options{Path: c.Repository.Path, MaxObject: c.Repository.LFS.MaxObjectBytes, Store: c.Repository.LFS.StoreBytes, Cache: c.Repository.LFS.CacheBytes}
	if m := c.Repository.Remote; m != nil {
		if access := remoteOf(m).LFS(); access != nil {
			o.Remote = &lfs.Remote{Access: access, Ref: "refs/heads/" + branch, ReadOnly: !m.Pushes()}
		}
	}
	return lfs.NewObjects(o)
}

// remoteOf is the repository at the Git host, with what lets one in there.
func remoteOf(m *config.Remote) *repo.Remote {
	r := &repo.Remote{URL: m.URL, Username: m.Username, Token: string(m.Token), KeyFile: m.SSHKeyFile, KnownHosts: m.KnownHosts, Insecure: m.Insecure}
	if m.GitHubApp != nil && m.GitHubApp.App != nil {
		r.Username, r.Tokens = githubapp.Username, m.GitHubApp.App
	}
	return r
}
