// Package repo keeps entries in an ordinary bare Git repository, safely and
// fast.
//
// Reading: [Repo.View] is an immutable [Snapshot] of the branch. It never
// blocks.
//
// Writing: [Repo.Update] queues a function. One writer, [Repo.Run], takes what
// waits as a group and runs the functions one after the other, each on what its
// predecessors left. Every function that changed something becomes one commit.
// The group's objects are made durable as one pack, the branch moves once, the
// new snapshot is published, and the callers return. A function that fails
// fails alone; if the storage fails, so does the whole group.
//
// The repository stays one that Git may read and write at any moment. Commits
// that others put on the branch are taken in before the next group, and within
// seconds when nothing is written. Only one Repo may have it open.
//
// Besides what is Git's, the folder of the repository holds five files: cms.lock,
// which the process that has it open keeps locked, cms.index and
// objects/info/cms.synced, which make the next start quick, cms.tip, by which it sees what
// was taken from the branch after a kill, and objects/info/cms.keep, of which the files
// that guard packs are links (see keepFiles). The latter four can be deleted at any time.
// The folder cms.drafts has what is being written.
package repo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/content"
)

// Options say which repository to open and how. Path and Committer are
// required.
type Options struct {
	Path        string
	Branch      string // short name; "" is the one of HEAD
	Committer   Person
	Signer      Signer // of the commits that are made here; nil when they are not signed
	Collections []content.Collection
	Language    string           // of the subjects that commits are given here, one of [say.Languages]; "" is English
	Logger      *slog.Logger     // nil discards
	Clock       func() time.Time // nil is time.Now
	Queue       int              // how many updates may wait; 0 is 1,024
	Memory      int64            // how many bytes of files and fields are kept in memory; 0 is 256 MiB
	Progress    *Progress        // is told how far opening has come; may be nil
	KeepPacks   time.Duration    // how long packs that were repacked are kept for those who read them; 0 is two minutes
	Remote      *Remote          // where others push to; nil when they do not, or push here
	ReadOnly    bool             // look at an existing repository, beside its writer if there is one
	MustExist   bool             // make no new one; ErrNoRepository where there is none
	// Pushes may not delete the branch or, unless AllowRewrite is true, take commits
	// away from it, in a repository that Open made or, with Protect, any. It takes a
	// hook of Git's, which must not be another one.
	Protect, AllowRewrite bool

	// BeforeSync is asked before a folder is synced; its error is that of the
	// sync. Tests of other packages make the storage fail by it.
	BeforeSync func(folder string) error

	disk   disk              // nil is the real one
	accept func(*Repo) error // what to do when the branch is gone; nil is to refuse
}

// Repo is an open repository.
type Repo struct {
	path      string
	readOnly  bool
	mustExist bool              // until it is open, as accept
	progress  *Progress         // likewise
	accept    func(*Repo) error // until it is open

	allowRewrite bool // by pushes
	committer    Person
	signer       Signer
	collections  collections
	language     string // of subjects
	log          *slog.Logger
	clock        func() time.Time

	disk        disk
	drafts      string // the folder of drafts; empty when nothing is written
	lock        *os.File
	branch      branch
	store       *store
	streams     *store       // of large blobs, which are read as streams
	uploads     atomic.Int64 // how many there were
	pushes      atomic.Int64 // how many are being received; see Quarantine
	queue       *queue
	history     *history
	budget      *budget
	packs       atomic.Int64 // how many there are that could be repacked, about
	repacker    *repacker    // owned by whoever maintains the packs, beside the writer
	lostIndexes lostIndexes  // owned by whoever looks for them, likewise
	commits     atomic.Int64 // how many the writer made
	groups      atomic.Int64 // and in how many groups
	failures    atomic.Int64 // how often packs could not be maintained
	view        atomic.Pointer[Snapshot]
	running     atomic.Bool
	writeErr    atomic.Pointer[error] // what keeps updates from being done, as Run last found
	started     chan struct{}         // closed when Run has begun
	stopped     chan struct{}         // closed when Run has returned
	inDoubt     atomic.Pointer[Hash]  // the commit that the branch may be at since a write failed late; nil when none did

	remote        *Remote
	contact       contact                 // with the remote
	pushBytes     int                     // about how many one push sends at most
	pushWake      chan struct{}           // holds one when the remote can be reached again
	fetching      sync.Mutex              // one fetch at a time
	refUpdates    chan *refUpdate         // asked of the writer by fetches
	landings      chan *refUpdate         // likewise by pushes, which may themselves wait for a fetch
	lander        chan struct{}           // holds one while a push changes references beside the branch
	looks         looks                   // for commits that somebody waits for
	unknownUntil  atomic.Int64            // until when, in Unix nanoseconds, a push without an answer may still land at the remote
	asides        asides                  // what was set aside and is not resolved
	parsedBatches chan []record           // found by warm, for the writer to save
	warming       atomic.Pointer[warming] // nil while nothing is being warmed

	// Owned by the writer.
	root        *folder // the branch's tree; nil when it must be read again
	pack        *pack
	keepFiles   keepFiles
	syncTracker syncTracker
	dirty       bool     // a write failed and may have left something behind
	tipUnsaved  bool     // the tip could not be noted; see saveTip
	indexed     int      // how many commits the saved index has
	sections    int      // and in how many sections that are not large
	outdated    bool     // whether it has parse results of another version
	unindexed   []record // parse results that it lacks, but for those that warm finds
	warmDue     bool     // there may be entries for warm

	rebuild       *indexRebuild // nil while there is none
	rebuildAfter  time.Time     // not before
	rebuildBeyond int           // see large

	refused struct { // what cannot be taken in, so as not to try it again and again
		tip Hash
		err error
	}
	firstSaved bool // a first index was saved, or is being; see maintainIndex
	skewed     bool // the tip was dated ahead of the clock when it was last looked at
	lastGroup  groupStats
	remoteAt   Hash          // where the remote's branch is, as far as the writer knows; zero when it is to be asked
	restUntil  time.Time     // until when the writer leaves the remote alone
	pushTook   time.Duration // by the last push that the remote took
	leftAt     Hash          // where the last group that was done with the remote left the branch
	waiting    int           // how many updates waited before those of the last group were answered, and could come back
	overtaken  int           // how many updates of the last group failed upon what others put there since the one before
	window     pushWindow

	opens    opens // by Git's commands
	expected opens // by those who may push here, as ExpectPush says

	syncedFolders sync.Map // of references that move often: those whose names are durable
}

// Result is what came of an update.
type Result struct {
	Commit   Hash      // of this update; the tip when nothing changed
	Snapshot *Snapshot // holds this update, and maybe later ones of its group
	Changed  bool
}

// NewHash makes a Hash of its hexadecimal form. The zero Hash stands for
// everything that is none.
func NewHash(s string) Hash {
	if !plumbing.IsHash(s) {
		return Hash{}
	}
	return plumbing.NewHash(s)
}

// View is the current snapshot.
func (r *Repo) View() *Snapshot { return r.view.Load() }

// Branch is the short name of the branch.
func (r *Repo) Branch() string { return r.branch.name.Short() }

// Update runs fn in the writer and, if it changed something, commits that. When
// Update returns nil, the commit is durable, the branch is at it or beyond, and
// View holds it. An error of fn is returned as it is, and nothing is committed.
//
// fn may run more than once, each time from the start on a newer tip, and must
// not call Update. It should be quick: everybody waits for it. An update whose
// ctx ends while it waits in the queue is not run; once it runs, Update waits
// for its outcome, but where that waits for the remote: then it is ErrUnsure.
//
// ErrBusy, ErrClosed and ErrStorage (maybe ErrFull) say that nothing was
// published, nor will be. ErrUnsure says that it may be.
func (r *Repo) Update(ctx context.Context, m Meta, fn func(*Tx) error) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	q := &request{ctx: ctx, meta: m, fn: fn, done: make(chan struct{})}
	if r.remote.syncs() {
		q.sent = make(chan struct{}, 1)
	}
	if err := r.queue.push(q); err != nil {
		return Result{}, err
	}
	select {
	case <-q.done:
		return q.result, q.err
	case <-ctx.Done():
		if r.queue.cancel(q) {
			return Result{}, ctx.Err()
		}
		if q.sent != nil {
			if err := q.leave(); err != nil {
				return Result{}, err
			}
		}
	case <-r.stopped:
	}
	select {
	case <-q.done:
		return q.result, q.err
	case <-r.stopped:
	}
	select { // the last group was answered before the writer stopped
	case <-q.done:
		return q.result, q.err
	default:
		return Result{}, ErrClosed
	}
}

// DryRun runs fn on s as Update would on the tip, in the goroutine of its
// caller and beside the writer, and commits nothing. The error is fn's. Unless it
// is thorough, it takes for granted that nothing but an entry, such as a symbolic
// link, is at the path of a new one: to know that, the tree has to be read.
func (r *Repo) DryRun(s *Snapshot, thorough bool, fn func(*Tx) error) error {
	tx := newTx(s, s.tables())
	tx.tree, tx.skipTreeCheck = s.tree, !thorough
	return tx.call(fn)
}

// How often Run looks for commits that others made, how many updates it takes
// into a group, how long and how often at least it tries to get hold of the
// branch, and after how many commits it saves the index.
const (
	pollInterval = time.Second
	groupLimit   = 256
	lockTimeout  = 5 * time.Second
	minLockTries = 3
	indexEvery   = 5000
)

// Beyond packLimit packs Run has some repacked, which rests repackRest times as long
// as it works; beyond packUrgent, without a rest; and at maxPacks packs updates
// wait for it.
const (
	packLimit  = 50
	repackRest = 3
	packUrgent = 2 * packLimit
	maxPacks   = 20 * packLimit
)

// Started is closed when Run has begun. Whoever reads many entries waits for it, and
// then for [Repo.AwaitWarm].
func (r *Repo) Started() <-chan struct{} { return r.started }

// Run is the writer. It returns nil after ctx has ended and what was queued then
// is done; Update fails with ErrClosed from then on. It must be called once.
func (r *Repo) Run(ctx context.Context) error {
	if r.lock == nil {
		return errors.New("repository was opened to read only")
	}
	if r.running.Swap(true) {
		return errors.New("repository has a writer already")
	}
	defer close(r.stopped)
	defer r.queue.close()
	if r.warmDue { // which AwaitWarm knows before anybody reads
		r.warming.Store(newWarming())
	}
	close(r.started)
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	writing := context.WithoutCancel(ctx) // what was taken is finished
	var beside sync.WaitGroup             // what goes on beside the writer
	defer beside.Wait()
	var maintained chan struct{} // nil while nobody maintains the packs
	var looked chan []string     // tells which packs have lost their index; nil while nobody looks
	var warmed chan struct{}     // nil while nothing is being warmed
	var held <-chan time.Time    // when to look whether updates are still to wait; nil while they are not
	if _, plain := r.disk.(osDisk); plain {
		beside.Go(func() {
			defer r.opens.end()
			watchOpens(ctx, r.path, r.opens.note)
		})
	}
	beside.Go(func() { r.keepLooking(ctx) })
	r.lookAside(ctx)
	r.countPacks(nil)
	due := true       // as an earlier process may have kept some
	var lost []string // the packs that have lost their index
	for {
		if warmed == nil && r.warmDue && r.mayWarm(ctx) {
			r.warmDue, warmed = false, make(chan struct{})
			beside.Go(func() { defer close(warmed); r.warm(ctx) })
		}
		if repack := r.packs.Load() > packLimit; maintained == nil && (repack || due) {
			maintained, due = make(chan struct{}), false
			now, without := r.expiryTime(), lost
			lost = nil
			beside.Go(func() { defer close(maintained); r.maintainPacks(ctx, now, repack, without) })
		}
		wake := r.queue.wake
		if maintained != nil && r.packs.Load() >= maxPacks {
			wake = nil // until the packs are repacked
		}
		if held != nil {
			wake = nil // until the push has landed that they wait for
		}
		readings, renewed := r.parsedBatches, (chan error)(nil)
		if r.rebuild != nil {
			readings, renewed = nil, r.rebuild.done
		}
		select {
		case <-wake:
			if r.leavesWindow() {
				r.queue.signal() // for when they may go on
				held = time.After(windowPoll)
				continue
			}
			r.gather(ctx)
			r.commitNext(ctx)
		case <-held:
			if _, err := r.catchUp(ctx); err != nil {
				r.setWriteErr(err)
			}
			if held = nil; r.leavesWindow() {
				held = time.After(windowPoll)
			}
		case <-poll.C:
			r.setWriteErr(r.probe(ctx))
			r.lookAside(ctx)
			r.maintainIndex(ctx)
			due = maintained == nil && (r.repacker.due(r.expiryTime()) || r.repacker.multiIndexPlaced())
			if looked == nil {
				looked = make(chan []string, 1)
				beside.Go(func() { looked <- r.lostIndexes.look() })
			}
		case a := <-r.refUpdates:
			a.done <- r.updateRef(writing, a)
		case a := <-r.landings:
			a.done <- r.land(writing, a)
		case found := <-readings:
			r.saveParsed(ctx, found)
		case err := <-renewed:
			r.indexSaved(r.finishRebuild(err))
		case <-warmed:
			warmed = nil
		case <-maintained:
			maintained = nil
		case lost = <-looked:
			looked = nil
			due = due || maintained == nil && len(lost) > 0
		case <-ctx.Done():
			r.queue.close()
			for r.queue.size() > 0 {
				r.commitNext(ctx)
			}
			if r.rebuild != nil { // which ends with ctx
				r.indexSaved(r.finishRebuild(<-r.rebuild.done))
			}
			r.flushIndex(1, maxSections)
			if err := r.syncTracker.save(); err != nil {
				r.log.Warn("the next start will be slower", "error", err)
			}
			return nil
		}
	}
}

// A groupStats is what the last group tells of the next one.
type groupStats struct {
	updates int           // in the group, or waiting when it was done
	took    time.Duration // from its begin to its answers
}

// How long updates wait for others at most: for what a group costs here, and for the push
// that makes it done.
const (
	maxGather     = 5 * time.Millisecond
	maxGatherPush = 500 * time.Millisecond
)

// gather waits until those who were just answered have come back, so that they
// make one group with those who waited meanwhile: what a group costs beside its
// commits, a tree and three fsyncs or a push, is paid once. It gives up after half
// the time of a group, or a quarter of that of a push. Who writes alone is not kept
// waiting.
func (r *Repo) gather(ctx context.Context) {
	maxWait := min(r.lastGroup.took/2, maxGather)
	if r.remote.syncs() {
		maxWait = max(maxWait, min(r.pushTook/4, maxGatherPush), r.remote.minWait)
	}
	r.awaitReturn(ctx, maxWait)
}

// awaitReturn waits until as many updates wait as took part in the last group or waited
// when it was done, but not beyond maxWait, nor once ctx has ended.
func (r *Repo) awaitReturn(ctx context.Context, maxWait time.Duration) {
	runtime.Gosched()
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	for r.queue.size() < min(r.lastGroup.updates, groupLimit) {
		select {
		case <-r.queue.wake:
		case a := <-r.refUpdates:
			a.done <- r.updateRef(context.WithoutCancel(ctx), a)
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// commitNext commits what waits, as a group. Where services push in turns, and some of it
// fails upon what others pushed before this turn, those who come back at once are in the
// same turn: otherwise others would always have pushed before them again.
func (r *Repo) commitNext(ctx context.Context) {
	if r.queue.size() == 0 { // those that it was woken for were in the last group
		return
	}
	writing := context.WithoutCancel(ctx) // what was taken is finished
	turn := r.takeTurn(writing)
	defer turn.end()
	r.commitGroup(writing)
	if turn.had && r.overtaken > 0 {
		r.awaitReturn(ctx, r.keepsTurn())
		r.commitGroup(writing)
	}
}

// commitGroup is commitNext by who has the turn to push, if there are such.
func (r *Repo) commitGroup(ctx context.Context) {
	r.overtaken = 0
	began, tip := time.Now(), r.View().commit
	group := r.queue.pop(groupLimit)
	if len(group) == 0 { // they were withdrawn, or nobody has come back
		return
	}
	r.commit(ctx, group)
	if r.View().commit != tip {
		r.window.recordGroup(began, time.Now(), len(group))
	}
	r.lastGroup = groupStats{len(group) + r.waiting, time.Since(began)}
}

func (r *Repo) packFolder() string { return filepath.Join(r.path, "objects", "pack") }

// Close gives the repository free for others. Call it after Run has returned.
func (r *Repo) Close() error {
	r.queue.close()
	r.remote.close()
	err := errors.Join(r.store.Close(), r.streams.Close())
	if r.lock != nil {
		err = errors.Join(err, unlockFile(r.lock))
	}
	return err
}

// Blob is the content of a blob, now or at any time before. ErrNotFound when
// there is none.
func (r *Repo) Blob(ctx context.Context, h Hash) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.store.blob(h)
}

// catchUp is the snapshot of the branch as it is on disk now. Commits that
// others made are taken in and published.
func (r *Repo) catchUp(ctx context.Context) (*Snapshot, error) {
	s := r.View()
	if err := r.syncBranch(); err != nil {
		return nil, storageError(err)
	}
	tip, err := r.branch.read()
	switch {
	case err != nil:
		return nil, storageError(err)
	case tip == s.commit:
		r.resolveDoubt(tip)
		return s, nil
	case tip.IsZero():
		return nil, storageError(fmt.Errorf("branch %s is gone; it was at %s", r.branch.name.Short(), s.commit))
	}
	if tip == r.refused.tip {
		return nil, r.refused.err
	}
	if err := r.syncForeign(); err != nil {
		return nil, storageError(err)
	}
	a, err := r.prepareIncoming(ctx, s, tip, nil, nil)
	if err == nil {
		err = r.backupLost(a.extension)
	}
	if err == nil {
		err = r.copyPushed(ctx, a.extension.added)
	}
	if err != nil {
		err = storageError(fmt.Errorf("take in commits of others up to %s: %w", tip, err))
		if errors.Is(err, errDiffTooLarge) || errors.Is(err, ErrPushTooLarge) {
			r.refused.tip, r.refused.err = tip, err
		}
		return nil, err
	}
	return r.applyIncoming(a), nil
}

// An incoming is what is needed to take in commits of others, all of it read.
type incoming struct {
	from      *Snapshot
	extension *extension
	finish    func(touched []string) *Snapshot
}

// prepareIncoming reads what leads to tip, and what it has that s has not, unless that was
// found already. Nothing is changed by that: a history never tells of commits that
// no snapshot is of. What has a place at is not read.
func (r *Repo) prepareIncoming(ctx context.Context, s *Snapshot, tip Hash, found *entryDiff, at *recordIndex) (*incoming, error) {
	r.history.committer = r.committer
	e, err := r.history.extension(ctx, r.store, tip, r.progress)
	if err != nil {
		return nil, err
	}
	if found == nil {
		if found, err = r.diffEntries(s, tip, r.history.maxSteps); err != nil {
			return nil, err
		}
	}
	finish, err := r.prepareSnapshot(ctx, s, found, at)
	return &incoming{s, e, finish}, err
}

// applyIncoming extends the history by what was prepared last and publishes the snapshot.
// It cannot fail.
func (r *Repo) applyIncoming(a *incoming) *Snapshot {
	next := a.finish(r.history.apply(a.extension))
	r.indexed = min(r.indexed, r.history.size())
	r.publish(next)
	if !r.resolveDoubt(next.commit) && !a.from.commit.IsZero() { // as it is when the repository is opened
		if r.remote == nil { // otherwise they may be the remote's; see land
			r.window.pushArrived(time.Now())
		}
		r.log.Info("took in commits that were made outside", "from", a.from.commit.String(), "to", next.commit.String())
	}
	if n := a.extension.skipped; n > 0 {
		r.log.Warn("folders are nested too deep, and are left out", "folders", n, "commit", next.commit.String())
	}
	return next
}

// syncForeign makes durable what others have brought, and where they have moved the
// branch.
func (r *Repo) syncForeign() error {
	if err := r.syncTracker.syncNew(); err != nil {
		return fmt.Errorf("sync objects of others: %w", err)
	}
	return r.branch.syncForeign()
}

// syncBranch makes durable where the branch is, after a write failed so late that it
// may have moved it.
func (r *Repo) syncBranch() error {
	if r.inDoubt.Load() == nil {
		return nil
	}
	if err := r.branch.removeStaleLock(); err != nil {
		return err
	}
	if err := r.branch.syncFolder(); err != nil {
		return fmt.Errorf("sync branch folder: %w", err)
	}
	return nil
}

// resolveDoubt ends the doubt about a write that failed late, if there is any: what was
// published last, of which tip is the newest commit, holds it or not. It reports
// whether that is the newest commit.
func (r *Repo) resolveDoubt(tip Hash) bool {
	doubt := r.inDoubt.Load()
	if doubt == nil {
		return false
	}
	if r.Has(*doubt) {
		r.log.Warn("a commit that failed late is saved", "commit", doubt.String())
	} else {
		r.log.Warn("a commit that failed late is not saved", "commit", doubt.String())
	}
	r.inDoubt.Store(nil)
	r.releaseKeepFiles()
	return *doubt == tip
}

// publish makes s the current snapshot.
func (r *Repo) publish(s *Snapshot) {
	r.saveTip(s.commit)
	if old := r.view.Swap(s); old != nil {
		close(old.superseded)
	}
}
