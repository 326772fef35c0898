package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unique"

	"github.com/go-git/go-git/v5/plumbing"
)

// A group is the commits that become durable together.
type group struct {
	repo    *Repo
	base    *Snapshot
	commit  Hash // of the last commit, or of base
	date    int64
	tables  map[string]table
	commits []madeCommit
	entries []*Entry  // that the commits put
	uploads []placing // of what became files

	requests []*request
}

// A placing is of an upload that a request has made a file of.
type placing struct {
	upload  *Upload
	request *request
}

// commit runs a group of requests and answers each of them.
func (r *Repo) commit(ctx context.Context, requests []*request) {
	if r.remote.syncs() {
		if unsure := r.commitSync(ctx, requests); !unsure {
			r.releaseKeepFiles()
		}
		return
	}
	outcomes := make([]outcome, len(requests))
	deadline := time.Now().Add(lockTimeout)
	for tries := 1; ; tries++ {
		next, err := r.attempt(ctx, requests, outcomes, deadline)
		if errors.Is(err, errMoved) && (tries < minLockTries || time.Now().Before(deadline)) {
			continue // on the new tip
		}
		if !errors.Is(err, ErrUnsure) {
			r.releaseKeepFiles()
		}
		if err != nil {
			r.failGroup(requests, outcomes, storageError(err))
			return
		}
		r.succeed(requests, outcomes, next)
		return
	}
}

// failGroup answers requests whose group has failed. If it may be saved nevertheless,
// that is told to those who changed something: of the others nothing can be.
func (r *Repo) failGroup(requests []*request, outcomes []outcome, err error) {
	message := "commit failed"
	if errors.Is(err, ErrUnsure) {
		message = "commit failed late: it may be saved, which the branch will tell"
	}
	r.log.Error(message, "updates", len(requests), "error", err)
	r.setWriteErr(err)
	r.waiting = r.queue.size()
	for i, q := range requests {
		if errors.Is(err, ErrUnsure) && !outcomes[i].changed {
			q.answer(Result{}, fmt.Errorf("%w: an update before this one may be saved, or not", ErrStorage))
		} else {
			q.answer(Result{}, err)
		}
	}
}

// releaseKeepFiles lets Git's maintenance have the packs that are in place, now that the branch
// leads to them or never will.
func (r *Repo) releaseKeepFiles() {
	if err := r.keepFiles.release(); err != nil {
		r.dirty = true // clean tries again
		r.log.Warn("the keep files of packs cannot be removed yet", "error", err)
	}
}

// An outcome is what became of one request in an attempt.
type outcome struct {
	commit  Hash
	changed bool
	err     error
	upon    bool // one before it in its group changed something
}

// attempt runs the requests on the tip of the branch, makes their commits
// durable and publishes them. If it fails, nothing has happened, or it is ErrUnsure
// whether it has.
func (r *Repo) attempt(ctx context.Context, requests []*request, outcomes []outcome, deadline time.Time) (*Snapshot, error) {
	if r.dirty {
		if err := r.clean(); err != nil {
			return nil, err
		}
		r.dirty = false
	}
	if err := r.contact.err(); err != nil {
		return nil, err
	}
	base, err := r.catchUp(ctx)
	if err != nil {
		return nil, err
	}
	g := &group{repo: r, base: base, commit: base.commit, date: base.date, tables: base.tables(), requests: requests}
	if err := g.begin(); err != nil {
		return nil, err
	}
	upon := false
	for i, q := range requests {
		if outcomes[i], err = g.run(q); err != nil {
			r.root = nil
			return nil, err
		}
		outcomes[i].upon = upon
		upon = upon || outcomes[i].changed
	}
	if len(g.commits) == 0 {
		return base, nil
	}
	if err := g.persist(ctx, deadline); err != nil {
		r.root = nil // it holds what was not committed
		r.dirty = r.dirty || !errors.Is(err, errMoved) && !ofRemote(err)
		if errors.Is(err, ErrUnsure) {
			r.inDoubt.Store(&g.commit)
		}
		return nil, err
	}
	return g.publish(), nil
}

// begin makes the writer's tree that of the tip.
func (g *group) begin() (err error) {
	r := g.repo
	if r.root == nil || r.root.hash != g.base.tree {
		r.root, err = r.store.folder(g.base.tree)
	}
	r.pack.reset()
	return err
}

// run runs one request and, if it changed something, makes its commit. An error
// of the storage ends the group; one of the request is its outcome.
func (g *group) run(q *request) (outcome, error) {
	o := outcome{commit: g.commit}
	if o.err = q.ctx.Err(); o.err != nil {
		return o, nil
	}
	tx := newTx(g.base, maps.Clone(g.tables))
	tx.root, tx.request = g.repo.root, q
	if o.err = tx.call(q.fn); o.err != nil {
		return o, nil
	}
	changes := tx.netChanges()
	if len(changes) == 0 {
		return o, nil
	}
	if err := g.addCommit(tx, changes, q.meta); err != nil {
		return o, err
	}
	return outcome{commit: g.commit, changed: true}, nil
}

// addCommit turns what tx did into a commit on top of the group's last one.
func (g *group) addCommit(tx *Tx, changes map[string]*stagedFile, m Meta) error {
	r := g.repo
	edits := make([]edit, 0, len(changes))
	diff := make([]diffEntry, 0, len(changes))
	for _, path := range slices.Sorted(maps.Keys(changes)) {
		c := changes[path]
		if e := c.entry; e != nil && e.blob.unsaved.Load() {
			r.pack.add(plumbing.BlobObject, e.Revision, e.blob.cachedBytes())
		}
		if c.upload != nil {
			g.uploads = append(g.uploads, placing{c.upload, tx.request})
		}
		edits = append(edits, edit{path, c.after})
		diff = append(diff, diffEntry{path: path, before: c.before, after: c.after})
	}
	if err := r.applyTo(r.root, edits); err != nil {
		return err
	}
	diff = classify(diff, r.contentOf(changes))
	at := max(r.clock().Unix(), 0)
	committed := r.committedAt(at, g.date)
	subject := tx.subject(m, diff)
	hash, err := r.packCommit(encodeCommit(r.root.hash, g.commit, m.Author, r.committer, at, committed, m.message(subject)))
	if err != nil {
		return err
	}
	c := commit{hash: hash, date: committed, at: at,
		author: unique.Make(m.Author.clean().clip()), subject: clip(subject)}
	made := &commit{hash: c.hash, at: c.at, author: c.author, subject: c.subject}
	for _, d := range diff {
		if e := changes[d.path].entry; e != nil {
			e.latest = made.latestOf(e, d)
			g.entries = append(g.entries, e)
		}
	}
	if m.Made != nil {
		m.Made(c.hash)
	}
	g.commits = append(g.commits, madeCommit{c, diff})
	g.commit, g.date, g.tables = c.hash, committed, tx.tables
	return nil
}

// contentOf reads blobs of which some are in the changes alone, and not in the
// repository yet.
func (r *Repo) contentOf(changes map[string]*stagedFile) func(Hash) ([]byte, bool) {
	return func(h Hash) ([]byte, bool) {
		for _, c := range changes {
			switch {
			case c.after.hash != h:
			case c.entry != nil:
				if src := c.entry.blob.cachedBytes(); src != nil {
					return src, len(src) <= maxRenameFile
				}
			case c.upload != nil && !c.upload.placed:
				return c.upload.content(maxRenameFile)
			}
		}
		return r.store.blobForRename(h)
	}
}

// persist makes the commits durable and moves the branch to the last one. Nothing
// is written before the branch is this process's to move.
func (g *group) persist(ctx context.Context, deadline time.Time) error {
	h, err := g.repo.branch.acquire(g.base.commit, g.commit, deadline)
	if err != nil {
		return err
	}
	if err := g.save(h); err != nil {
		return errors.Join(err, h.drop())
	}
	if !g.repo.remote.syncs() {
		return h.move()
	}
	if err := g.send(ctx); err != nil {
		return errors.Join(err, h.drop())
	}
	if err := h.move(); err != nil {
		g.repo.dirty = true
		return fmt.Errorf("%w: the remote has it: %w", ErrSent, err)
	}
	g.repo.sent(g.commit)
	return nil
}

// save makes durable what the branch will lead to, and the value that it is to
// have.
func (g *group) save(h *refLock) error {
	r := g.repo
	synced := make(chan error, 1)
	go func() { synced <- h.sync() }()
	err := g.placeUploads()
	if err == nil {
		err = r.pack.save(r.disk, r.drafts, &r.keepFiles)
	}
	if err = errors.Join(err, <-synced); err != nil {
		return err
	}
	r.know(r.pack, r.keepFiles.names)
	r.packs.Add(int64(len(g.uploads)))
	return nil
}

// know has readers know a pack of the writer's, which is in place, durably, as all those are
// whose names are given.
func (r *Repo) know(p *pack, names []string) {
	for _, name := range names {
		r.syncTracker.markSynced(name)
	}
	r.store.addPack(p.saved.name, p.saved.index)
	r.packs.Add(1)
}

// placeUploads makes packs of the uploads.
func (g *group) placeUploads() error {
	for _, p := range g.uploads {
		if err := p.upload.place(g, p.request); err != nil {
			return err
		}
	}
	return nil
}

// publish makes the group what readers see.
func (g *group) publish() *Snapshot {
	r := g.repo
	r.history.append(g.commits)
	r.commits.Add(int64(len(g.commits)))
	r.groups.Add(1)
	for _, e := range g.entries {
		r.unindexed = append(r.unindexed, e.blob.markSaved())
	}
	next := g.base.next(g.commit, r.root.hash, g.date, g.tables)
	if !slices.ContainsFunc(g.commits, func(c madeCommit) bool { return c.touches(attributesName) }) {
		next.attributes = g.base.attributes
	}
	r.publish(next)
	return next
}
