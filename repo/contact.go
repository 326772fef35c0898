package repo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"
)

// ErrNoContact says that a remote is named that was never reached, so that what is written here
// might share no history with it. Such an error is ErrStorage too.
var ErrNoContact = errors.New("the remote has not been reached yet")

// A contact is what is known of the remote.
type contact struct {
	mu       sync.Mutex
	ever     bool
	last     error     // of the last fetch
	fetched  time.Time // when it last went well
	pushed   time.Time
	pushErr  error // of the last push
	has      Hash  // the value of the reference tracking
	diverged bool
}

// made notes a fetch that went well, or found that the two sides have diverged.
func (c *contact) made(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ever, c.last, c.fetched, c.diverged = true, nil, time.Now(), err != nil
}

func (c *contact) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
}

// followed is where the remote's branch was when this side had all of it.
func (c *contact) followed() Hash {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has
}

func (c *contact) setFollowed(tip Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.has = tip
}

// pushEnded notes what came of a push.
func (c *contact) pushEnded(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushErr = err
	if err == nil {
		c.pushed = time.Now()
	}
}

// pushFailed says whether the last push did.
func (c *contact) pushFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pushErr != nil
}

// unreached says whether the last push failed, and not because of what was pushed: then
// nothing may be left to push once the remote is there again.
func (c *contact) unreached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	refused := (*refusal)(nil)
	return c.pushErr != nil && (!errors.As(c.pushErr, &refused) || !refused.content)
}

// err is what keeps updates from being done until the remote was reached.
func (c *contact) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ever:
		return nil
	case c.last != nil:
		return fmt.Errorf("%w: %w: %w", ErrStorage, ErrNoContact, c.last)
	}
	return fmt.Errorf("%w: %w", ErrStorage, ErrNoContact)
}

// tracking is the name of the reference to where the remote's branch was when this side
// had all of it.
func (r *Repo) tracking() plumbing.ReferenceName {
	return plumbing.NewRemoteReferenceName("cms", r.Branch())
}

// followed is the value of the reference tracking; zero when there is none.
func (r *Repo) followed() (Hash, error) {
	b := branch{disk: r.disk, dir: r.path, name: r.tracking()}
	return b.read()
}

// setFollowed sets the reference tracking, durably.
func (r *Repo) setFollowed(to Hash) error {
	b := branch{disk: r.disk, dir: r.path, name: r.tracking(), synced: &r.syncedFolders}
	now, err := b.read()
	if err == nil && now != to {
		err = b.move(now, to)
	}
	if err == nil {
		r.contact.setFollowed(to)
	}
	return err
}

// How long a clone that failed waits to be tried again, and how often it tells how far
// it has come.
const (
	minClonePause = 250 * time.Millisecond
	maxClonePause = time.Minute
	cloneProgress = 5 * time.Second
)

// Clone has the repository at o.Path begin with what its remote has: on its branch or,
// where none is named, on the one that the remote's HEAD names. It tries until that is
// done or ctx ends, and tells the log. Where there is a branch already, or no remote,
// there is nothing to do; an empty remote leaves an empty repository.
func Clone(ctx context.Context, o Options) error {
	if o.Remote == nil || o.ReadOnly {
		return nil
	}
	r, err := Open(ctx, o)
	if err != nil {
		return err
	}
	err = r.clone(ctx, o.Branch == "")
	return errors.Join(err, r.Close())
}

func (r *Repo) clone(ctx context.Context, asRemote bool) error {
	if !r.View().commit.IsZero() || exists(filepath.Join(r.path, indexFile)) {
		return nil
	}
	for pause := minClonePause; ; pause = min(2*pause, maxClonePause) {
		began := time.Now()
		r.log.Info("cloning the repository", "remote", r.remote.plainURL(), "path", r.path)
		tip, err := r.cloneOnce(ctx, asRemote)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrStorage):
			return err
		case err == nil && tip.IsZero():
			r.log.Warn("the remote is empty; the first edit begins its history", "branch", r.Branch())
			return nil
		case err == nil:
			r.log.Info("cloned the repository", "branch", r.Branch(), "commit", tip.String(), "duration_ms", time.Since(began).Milliseconds())
			return nil
		}
		r.log.Error("the repository cannot be cloned yet", "error", err, "again_in", pause)
		if err := pauseFor(ctx, pause); err != nil {
			return err
		}
	}
}

// cloneOnce brings in the remote's branch and sets ours to it. There is no writer yet.
func (r *Repo) cloneOnce(ctx context.Context, asRemote bool) (Hash, error) {
	if asRemote {
		name, err := r.remoteHead(ctx)
		if err != nil || name == "" {
			return Hash{}, err
		}
		if err := r.setHead(name); err != nil {
			return Hash{}, storageError(fmt.Errorf("set HEAD to %s: %w", name, err))
		}
	}
	f, err := r.openFetch()
	if err != nil {
		return Hash{}, storageError(err)
	}
	defer f.release()
	f.storage.progress = &progress{told: time.Now(), tell: func(bytes int64) {
		r.log.Info("cloning the repository", "received_bytes", bytes)
	}}
	tip, err := f.fetch(ctx)
	if err != nil || tip.IsZero() {
		return Hash{}, err
	}
	err = r.branch.move(Hash{}, tip)
	if err == nil {
		err = f.storage.SetReference(plumbing.NewHashReference(f.tracking, tip))
	}
	return tip, storageError(err)
}

// remoteHead is the branch that the remote's HEAD names, "" when the remote is empty.
func (r *Repo) remoteHead(ctx context.Context) (plumbing.ReferenceName, error) {
	remote := gogit.NewRemote(memory.NewStorage(), &config.RemoteConfig{Name: "cms", URLs: []string{r.remote.URL}})
	var refs []*plumbing.Reference
	err := r.remote.asking(ctx, func(auth transport.AuthMethod) (err error) {
		refs, err = remote.ListContext(ctx, &gogit.ListOptions{Auth: auth})
		return err
	})
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("ask the remote for its branches: %w", r.remote.plain(err))
	}
	for _, ref := range refs {
		if ref.Name() == plumbing.HEAD && ref.Type() == plumbing.SymbolicReference && ref.Target().IsBranch() {
			return ref.Target(), nil
		}
	}
	return "", errors.New("the remote's HEAD names no branch that there is: name one as repository.branch")
}

// setHead makes name the branch, here and in the repository's HEAD.
func (r *Repo) setHead(name plumbing.ReferenceName) error {
	if r.branch.name == name {
		return nil
	}
	if err := name.Validate(); err != nil {
		return err
	}
	head := filepath.Join(r.path, "HEAD")
	draft := head + ".tmp"
	if err := removeIfExists(r.disk, draft); err != nil {
		return err
	}
	if err := writeFile(r.disk, draft, []byte("ref: "+string(name)+"\n"), 0o666); err != nil {
		return err
	}
	if err := r.disk.Rename(draft, head); err != nil {
		return err
	}
	r.branch.name = name
	return r.disk.SyncDir(r.path)
}

// A progress tells how much was received, now and then.
type progress struct {
	bytes int64
	told  time.Time
	tell  func(bytes int64)
}

func (p *progress) received(n int) {
	if p == nil {
		return
	}
	p.bytes += int64(n)
	if now := time.Now(); now.Sub(p.told) >= cloneProgress {
		p.told = now
		p.tell(p.bytes)
	}
}

// RemoteState is how this side stands to the remote, for whoever watches. The zero value
// is that of a repository without one.
type RemoteState struct {
	Fetched  time.Time // when a fetch last went well; zero for never since the start
	Pushed   time.Time // when there was last nothing left to push
	Unpushed int       // commits that the remote is not known to have; of a remote that is not pushed to, too
	Oldest   time.Time // when the first of those was made
	Diverged bool      // both sides went on, and nothing joins them
	FetchErr error     // of the last fetch
	PushErr  error     // of the last push, in the host's words
}

// Remote is how this side stands to the remote. It costs what is not pushed.
func (r *Repo) Remote() RemoteState {
	if r.remote == nil {
		return RemoteState{}
	}
	s := RemoteState{}
	s.Unpushed, s.Oldest = r.unpushed()
	c := &r.contact
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Fetched, s.Pushed, s.Diverged, s.FetchErr, s.PushErr = c.fetched, c.pushed, c.diverged, c.last, c.pushErr
	return s
}
