package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// ErrDiverged says that the branch has commits that the remote's has not, and the other
// way round. Neither is touched; a person has to merge them.
var ErrDiverged = errors.New("branch and remote have diverged: merge them with git, and push the result to both")

// Fetch brings the branch to where the remote's branch of the same name is. It
// goes forward, and follows a history that was rewritten there as long as no
// commit of this side is lost by that; ErrDiverged otherwise. Without a remote
// it looks for commits that others made in this repository. Fetches come one
// at a time: a second call waits for the first.
func (r *Repo) Fetch(ctx context.Context) error {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	if r.remote == nil {
		return r.requestUpdate(ctx, Hash{}, Hash{})
	}
	pause := firstPause
	for deadline := time.Now().Add(lockTimeout); ; pause = min(2*pause, longestPause) {
		err := r.follow(ctx)
		if err == nil || errors.Is(err, ErrDiverged) {
			r.contact.made()
		} else {
			r.contact.failed(err)
		}
		// An edit was made meanwhile, whose lock go-git reads as a reference; or packs
		// were repacked that it had listed.
		again := errors.Is(err, errMoved) || errors.Is(err, fs.ErrExist) || errors.Is(err, dotgit.ErrEmptyRefFile) ||
			errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, dotgit.ErrPackfileNotFound) || errors.Is(err, fs.ErrNotExist)
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
	ok, err := f.leads(from, tip)
	if err != nil {
		return err
	}
	if ok {
		if err := r.requestUpdate(ctx, from, tip); err != nil {
			return err
		}
	}
	if tip == f.followed {
		return nil
	}
	return storageError(f.storage.SetReference(plumbing.NewHashReference(f.tracking, tip)))
}

// A fetch brings in the remote's commits, through a storage of its own, as
// another process would. They are kept by the reference incoming; tracking is
// where the remote was when the branch had all of it.
type fetch struct {
	repo               *Repo
	git                *gogit.Repository
	storage            *fetchStorage
	incoming, tracking plumbing.ReferenceName
	followed           Hash // the value of tracking; zero when there is none
}

func (r *Repo) openFetch() (*fetch, error) {
	g, err := gogit.PlainOpen(r.path)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	files, ok := g.Storer.(*filesystem.Storage)
	if !ok {
		return nil, fmt.Errorf("fetch: go-git keeps repositories as %T", g.Storer)
	}
	f := &fetch{
		repo: r, git: g, storage: &fetchStorage{Storage: files, repo: r, keepFiles: keepFiles{disk: r.disk, folder: r.packFolder()}},
		incoming: plumbing.ReferenceName("refs/cms/incoming/" + r.Branch()),
		tracking: plumbing.NewRemoteReferenceName("cms", r.Branch()),
	}
	if ref, err := g.Reference(f.tracking, true); err == nil {
		f.followed = ref.Hash()
	}
	return f, nil
}

// fetch brings in what the remote's branch has, durably, and gives its tip; zero when the
// remote is empty.
func (f *fetch) fetch(ctx context.Context) (Hash, error) {
	m := f.repo.remote
	auth, err := m.auth()
	if err != nil {
		return Hash{}, err
	}
	remote := gogit.NewRemote(f.storage, &config.RemoteConfig{Name: "cms", URLs: []string{m.URL}})
	err = remote.FetchContext(ctx, &gogit.FetchOptions{
		RemoteName: "cms",
		RefSpecs:   []config.RefSpec{config.RefSpec("+" + f.repo.branch.name.String() + ":" + f.incoming.String())},
		Tags:       gogit.NoTags,
		Auth:       auth,
	})
	var missing gogit.NoMatchingRefSpecError
	switch {
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return Hash{}, nil
	case errors.As(err, &missing):
		return Hash{}, fmt.Errorf("the remote has no branch %s: make it there, or name another one as repository.branch", f.repo.Branch())
	case err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate):
		return Hash{}, fmt.Errorf("fetch branch %s of the remote: %w", f.repo.Branch(), m.plain(err))
	}
	ref, err := f.git.Reference(f.incoming, true)
	if err != nil {
		return Hash{}, storageError(fmt.Errorf("fetched branch: %w", err))
	}
	return ref.Hash(), nil
}

// release ends the keeping of what was fetched: a reference leads to it, or it was in
// vain.
func (f *fetch) release() {
	if err := f.storage.keepFiles.release(); err != nil {
		f.repo.log.Warn("the keep file of a fetched pack cannot be removed before the next start", "error", err)
	}
}

// leads reports whether the branch, at from, shall go to the remote's tip.
func (f *fetch) leads(from, tip Hash) (bool, error) {
	switch {
	case from == tip:
		return false, nil
	case from.IsZero(), from == f.followed:
		return true, nil
	}
	commits := f.repo.store.withOwnCache() // go-git's own storage loses sight of packs that are repacked
	defer commits.Close()
	if found, err := commits.ancestor(from, tip); err != nil || found {
		return found, err
	}
	if found, err := commits.ancestor(tip, from); err != nil || found {
		return false, err // this side is ahead
	}
	return false, ErrDiverged
}

// A refUpdate asks the writer to look at the branch and, unless to is zero, to
// move it before.
type refUpdate struct {
	from, to Hash
	done     chan error
}

// requestUpdate has the writer do a refUpdate.
func (r *Repo) requestUpdate(ctx context.Context, from, to Hash) error {
	a := &refUpdate{from: from, to: to, done: make(chan error, 1)}
	select {
	case r.refUpdates <- a:
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
	coming, err := r.prepareIncoming(ctx, s, a.to, nil, nil)
	if err == nil {
		err = r.backupLost(coming.extension)
	}
	if err == nil {
		err = r.branch.move(a.from, a.to)
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
