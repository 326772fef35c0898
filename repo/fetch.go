package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// ErrDiverged says that the branch has commits that the remote's has not, and the other
// way round. Neither is touched; a person has to merge them.
var ErrDiverged = errors.New("branch and remote have diverged: merge them with git, and push the result to both")

// ErrUnrelated says that the branch and the remote's share no commit, so that nothing can
// join them: the remote is another site's.
var ErrUnrelated = errors.New("branch and remote share no commit: they are two histories, of which one has to be chosen")

// Fetch brings the branch to where the remote's branch of the same name is. It
// goes forward, and follows a history that was rewritten there as long as no
// commit of this side is lost by that. Where both sides went on, what was written here
// and not pushed is joined with what the remote has, if there is to be pushed: see join.
// Otherwise it is ErrDiverged. Without a remote
// it looks for commits that others made in this repository. Fetches come one
// at a time: a second call waits for the first.
func (r *Repo) Fetch(ctx context.Context) error {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	if r.remote == nil {
		return r.requestUpdate(ctx, &refUpdate{})
	}
	err := r.fetchLocked(ctx)
	if err == nil {
		r.wakePusher()
	}
	return err
}

// fetchLocked is Fetch of a remote, by who holds fetching.
func (r *Repo) fetchLocked(ctx context.Context) error {
	pause := firstPause
	for deadline := time.Now().Add(lockTimeout); ; pause = min(2*pause, longestPause) {
		err := r.follow(ctx)
		if err == nil || errors.Is(err, ErrDiverged) {
			r.contact.made(err)
		} else {
			r.contact.failed(err)
		}
		// An edit was made meanwhile, whose lock go-git reads as a reference.
		again := errors.Is(err, errMoved) || errors.Is(err, fs.ErrExist) || errors.Is(err, dotgit.ErrEmptyRefFile) || errors.Is(err, fs.ErrNotExist)
		if !again || !time.Now().Before(deadline) {
			return err
		}
		if err := pauseFor(ctx, pause); err != nil {
			return err
		}
	}
}

// follow fetches once, and moves the branch if it may.
func (r *Repo) follow(ctx context.Context) error {
	f, err := r.openFetch()
	if err != nil {
		return storageError(err)
	}
	defer f.release()
	tip, err := f.fetch(ctx)
	if err != nil {
		return err
	}
	if tip.IsZero() {
		return nil // everything is on this side
	}
	from := r.View().Commit()
	to, err := f.relate(from, tip)
	if err != nil {
		return err
	}
	switch {
	case to == apart && !r.remote.pushes():
		return ErrDiverged
	case to == apart, to == rewritten:
		err = r.requestUpdate(ctx, &refUpdate{from: from, to: tip, join: true, rewritten: to == rewritten, known: f.followed})
	case to == forward:
		err = r.requestUpdate(ctx, &refUpdate{from: from, to: tip})
	}
	if err != nil {
		return err
	}
	if now, err := r.followed(); err != nil || now != f.followed {
		return storageError(err) // a push of ours went on from there meanwhile
	}
	return storageError(r.setFollowed(tip))
}

// A fetch brings in the remote's commits, through a storage of its own, as
// another process would. They are kept by the reference incoming; tracking is
// where the remote was when the branch had all of it.
type fetch struct {
	repo               *Repo
	storage            *fetchStorage
	incoming, tracking plumbing.ReferenceName
	followed           Hash // the value of tracking; zero when there is none
}

func (r *Repo) openFetch() (*fetch, error) {
	files := filesystem.NewStorage(osfs.New(r.path), cache.NewObjectLRUDefault())
	f := &fetch{
		repo: r, storage: &fetchStorage{Storage: files, repo: r, keepFiles: keepFiles{disk: r.disk, folder: r.packFolder()}},
		incoming: plumbing.ReferenceName("refs/cms/incoming/" + r.Branch()),
		tracking: r.tracking(),
	}
	f.storage.offered = []plumbing.ReferenceName{f.incoming, f.tracking, r.branch.name}
	var err error
	if f.followed, err = r.followed(); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return f, nil
}

// fetch brings in what the remote's branch has, durably, and gives its tip; zero when the
// remote is empty.
func (f *fetch) fetch(ctx context.Context) (Hash, error) {
	m := f.repo.remote
	remote := gogit.NewRemote(f.storage, &config.RemoteConfig{Name: "cms", URLs: []string{m.URL}})
	err := m.asking(ctx, func(auth transport.AuthMethod) error {
		return remote.FetchContext(ctx, &gogit.FetchOptions{
			RemoteName: "cms",
			RefSpecs:   []config.RefSpec{config.RefSpec("+" + f.repo.branch.name.String() + ":" + f.incoming.String())},
			Tags:       gogit.NoTags,
			Auth:       auth,
		})
	})
	var missing gogit.NoMatchingRefSpecError
	switch {
	case f.storage.failed != nil:
		return Hash{}, storageError(fmt.Errorf("look for what the remote has: %w", f.storage.failed))
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return Hash{}, nil
	case errors.As(err, &missing):
		return Hash{}, fmt.Errorf("the remote has no branch %s: make it there, or name another one as repository.branch", f.repo.Branch())
	case err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate):
		return Hash{}, fmt.Errorf("fetch branch %s of the remote: %w", f.repo.Branch(), m.plain(err))
	}
	incoming := branch{disk: f.repo.disk, dir: f.repo.path, name: f.incoming}
	tip, err := incoming.read()
	if err == nil && tip.IsZero() {
		err = ErrNotFound
	}
	if err != nil {
		return Hash{}, storageError(fmt.Errorf("fetched branch: %w", err))
	}
	return tip, nil
}

// release ends the keeping of what was fetched: a reference leads to it, or it was in
// vain.
func (f *fetch) release() {
	if err := f.storage.keepFiles.release(); err != nil {
		f.repo.log.Warn("the keep file of a fetched pack cannot be removed before the next start", "error", err)
	}
}

// A relation is how the remote's tip stands to the branch.
type relation int

const (
	behind    relation = iota // or equal: the branch has it
	forward                   // the branch can go on to it, and loses nothing of its own
	apart                     // both went on
	rewritten                 // there is work here that was never there, upon commits that were taken away there
)

// relate says how the remote's tip stands to the branch, which is at from.
func (f *fetch) relate(from, tip Hash) (relation, error) {
	r := f.repo
	switch {
	case from == tip:
		return behind, nil
	case from.IsZero(), from == f.followed:
		return forward, nil
	}
	if r.Has(tip) {
		if r.remote.pushes() && !f.followed.IsZero() && tip != f.followed && !r.leadsTo(f.followed, tip) {
			return rewritten, nil
		}
		return behind, nil
	}
	commits := r.store.withOwnCache() // go-git's own storage loses sight of packs that are repacked
	defer commits.Close()
	met, err := r.met(commits, tip)
	switch {
	case err != nil:
		return behind, err
	case slices.Contains(met, from):
		return forward, nil
	case len(met) == 0 && r.remote.pushes():
		return behind, ErrUnrelated
	case f.followed.IsZero(), slices.ContainsFunc(met, func(m Hash) bool { return m == f.followed || r.leadsTo(f.followed, m) }):
		return apart, nil
	case !r.remote.pushes():
		return apart, nil
	}
	return rewritten, nil
}

// met are the commits of the branch that the remote's tip leads back to first.
func (r *Repo) met(commits *store, tip Hash) (met []Hash, err error) {
	seen := map[Hash]bool{tip: true}
	for next := []Hash{tip}; len(next) > 0; next = next[1:] {
		if r.Has(next[0]) {
			met = append(met, next[0])
			continue
		}
		c, err := commits.commit(next[0])
		if err != nil {
			return nil, err
		}
		for _, parent := range c.parents {
			if !seen[parent] {
				seen[parent] = true
				next = append(next, parent)
			}
		}
	}
	return met, nil
}

// A refUpdate asks the writer to look at the branch and, unless to is zero, to
// move it before, from one commit to another.
type refUpdate struct {
	from, to  Hash
	join      bool // to is the remote's tip, and is joined with what the branch has
	rewritten bool // the remote took commits away that the branch has
	known     Hash // the remote's tip as it was before; zero when it is not known

	landing bool         // it is a push, which the remote has to take where updates are for it
	before  func() error // brings what to leads to, once the branch is found at from; nil where it is there
	done    chan error
}

// requestUpdate has the writer do a refUpdate.
func (r *Repo) requestUpdate(ctx context.Context, a *refUpdate) error {
	a.done = make(chan error, 1)
	to := r.refUpdates
	if a.landing {
		to = r.landings
	}
	select {
	case to <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stopped:
		return ErrClosed
	}
	return <-a.done
}

// updateRef does a refUpdate. The branch only moves to what can be taken in.
func (r *Repo) updateRef(ctx context.Context, a *refUpdate) error {
	s, err := r.catchUp(ctx)
	if err != nil || a.to.IsZero() {
		return err
	}
	if s.commit != a.from {
		return errMoved
	}
	if a.join {
		return r.join(ctx, s, a)
	}
	if a.before != nil {
		if err := a.before(); err != nil {
			return storageError(err)
		}
	}
	return r.moveTo(ctx, s, a.to)
}

// moveTo moves the branch from the snapshot's commit to another one that can be taken in.
func (r *Repo) moveTo(ctx context.Context, s *Snapshot, to Hash) error {
	coming, err := r.prepareIncoming(ctx, s, to, nil, nil)
	if err == nil {
		err = r.backupLost(coming.extension)
	}
	if err == nil {
		err = r.branch.move(s.commit, to)
	}
	switch {
	case errors.Is(err, errMoved), errors.Is(err, fs.ErrExist):
		return err
	case err != nil:
		return storageError(err)
	}
	r.applyIncoming(coming)
	return nil
}
