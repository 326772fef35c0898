package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"time"
	"unique"
)

// An indexRebuild makes the file of the index anew, beside the writer: of a million entries
// that takes a minute. It is of one moment. What comes later is added when it is done,
// and only then it takes the place of the file; so that is whole at any time. Or it adds to
// the file what that lacks at one moment, and what comes later is what it lacks then.
type indexRebuild struct {
	view    *Snapshot // nil where it adds
	history *history
	from    int                // how many commits the file holds to which it adds
	since   *journal           // what came since it began; that of the history while it is of use
	lacks   map[string][]touch // what the file to which it adds does
	records []record           // likewise, or what is not with the entries yet
	tip     Hash
	paths   []string
	writer  indexWriter
	written bool // whether it has begun to write; the writer looks when it is done
	cancel  context.CancelFunc
	done    chan error
}

// adds says whether it adds to the file.
func (n *indexRebuild) adds() bool { return n.view == nil }

// rebuildBeyond is how many commits and entries make an index large: it is not made anew
// by the writer itself, nor when the repository is closed. rebuildPause is how long after a
// failure it is tried again.
const (
	rebuildBeyond = 20_000
	rebuildPause  = time.Minute
)

// errRewritten: the branch was taken back behind what a rebuild has.
var errRewritten = errors.New("history was rewritten meanwhile")

// large says whether the index is.
func (r *Repo) large() bool {
	n := r.history.size()
	for _, l := range r.View().listings {
		n += l.size
	}
	return n > r.rebuildBeyond
}

// maintainIndex has the index saved if it lacks much or there is none, and rebuilt where that
// has to be done, beside the writer.
func (r *Repo) maintainIndex(ctx context.Context) {
	h := r.history
	if r.rebuild != nil || h.size() == 0 {
		return
	}
	if worn := h.journal == nil || r.sections > maxSections || r.outdated; worn && r.large() {
		if now := time.Now(); !now.Before(r.rebuildAfter) && r.warming.Load() == nil && !r.warmDue {
			r.rebuildAfter = now.Add(rebuildPause)
			r.startRebuild(ctx)
		}
		return
	}
	// There is an index as soon as there is a commit, so that the next start knows that there
	// is a branch, however this one ends.
	first := !r.firstSaved && h.journal == nil
	if first || h.size()-r.indexed >= indexEvery {
		r.firstSaved = true
		r.startSave(ctx, nil)
	}
}

// startSave begins to save what the index lacks, and more.
func (r *Repo) startSave(ctx context.Context, more []record) {
	h := r.history
	if h.journal == nil {
		r.startRebuild(ctx, more...)
		return
	}
	n := &indexRebuild{
		from: h.journal.from, lacks: h.journal.byPath(), records: append(more, r.unindexed...),
		writer: indexWriter{name: filepath.Join(r.path, indexFile)},
	}
	n.paths = slices.Collect(maps.Keys(n.lacks))
	r.unindexed = nil
	r.start(ctx, n)
}

// startRebuild begins a rebuild, which is to have more parse results than entries have.
func (r *Repo) startRebuild(ctx context.Context, more ...record) {
	h := r.history
	r.start(ctx, &indexRebuild{
		view: r.View(), records: more,
		paths:  slices.AppendSeq(make([]string, 0, len(h.touches)), maps.Keys(h.touches)),
		writer: indexWriter{name: filepath.Join(r.path, indexFile+tmpSuffix)},
	})
}

// start begins to write n, of this moment.
func (r *Repo) start(ctx context.Context, n *indexRebuild) {
	h := r.history
	n.history, n.since, n.tip, n.done = h, &journal{from: h.commits.len()}, h.tip, make(chan error, 1)
	n.writer.disk, n.writer.from, n.writer.tip = r.disk, n.since.from, n.tip
	h.mu.Lock()
	h.next = n.since
	h.mu.Unlock()
	ctx, n.cancel = context.WithCancel(ctx)
	r.rebuild = n
	go func() { n.done <- n.write(ctx) }()
}

// mayWarm says whether files may be read for the first time now: a large index is there
// before, so that what is read can be added to it.
func (r *Repo) mayWarm(ctx context.Context) bool {
	if r.warming.Load() == nil {
		r.warming.Store(newWarming())
	}
	lacking := r.history.journal == nil && r.history.size() > 0
	switch now := time.Now(); {
	case r.rebuild != nil && !lacking:
		r.rebuild.cancel() // it is tried again
		return false
	case r.rebuild != nil:
		return false
	case lacking && r.large() && !now.Before(r.rebuildAfter):
		r.rebuildAfter = now.Add(rebuildPause)
		r.startRebuild(ctx)
		return false
	}
	return true
}

// saveParsed has parse results added to the index. Where that has to be rebuilt first, which
// failed lately, they are read again at the next start.
func (r *Repo) saveParsed(ctx context.Context, found []record) {
	if r.history.journal != nil || !r.large() {
		r.startSave(ctx, found)
	}
}

// write makes the file.
func (n *indexRebuild) write(ctx context.Context) error {
	if !n.adds() {
		if err := removeIfExists(n.writer.disk, n.writer.name); err != nil {
			return err
		}
	}
	part, err := n.encode(ctx)
	if err != nil {
		return err
	}
	n.written = true
	if n.adds() {
		return n.writer.write(false, part, unsavedRecordsOf(nil, false, n.records))
	}
	if err := n.writer.write(true, part, untilDone(ctx, unsavedRecordsOf(n.view, true, n.records))); err != nil {
		return err
	}
	return ctx.Err()
}

// untilDone is all until ctx ends.
func untilDone(ctx context.Context, all iter.Seq[record]) iter.Seq[record] {
	return func(yield func(record) bool) {
		for s := range all {
			if ctx.Err() != nil || !yield(s) {
				return
			}
		}
	}
}

// encode is the history up to the moment of the rebuild. The lock is held for some of it
// at a time, and the writer goes between.
func (n *indexRebuild) encode(ctx context.Context) ([]byte, error) {
	const some = 1024
	h, count := n.history, n.since.from
	each := func(from, to int, do func(i int)) error {
		for ; from < to; from += some {
			if err := ctx.Err(); err != nil {
				return err
			}
			h.mu.RLock()
			outrun := h.next != n.since
			for i := from; i < min(from+some, to) && !outrun; i++ {
				do(i)
			}
			h.mu.RUnlock()
			if outrun {
				return errRewritten
			}
		}
		return nil
	}
	numbers := make(map[unique.Handle[Person]]int)
	var authors []Person
	err := each(n.from, count, func(i int) {
		author := h.commits.at(int32(i)).author
		if _, ok := numbers[author]; !ok {
			numbers[author] = len(authors)
			authors = append(authors, author.Value())
		}
	})
	e := make(encoder, 0, 128*(count-n.from)+1024)
	e.number(n.from)
	e.hash(n.tip)
	e.number(len(authors))
	for _, p := range authors {
		e.text(p.Name)
		e.text(p.Email)
	}
	e.number(count - n.from)
	if err == nil {
		err = each(n.from, count, func(i int) { h.encodeCommit(&e, int32(i), numbers) })
	}
	e.number(len(n.paths))
	if err == nil {
		err = each(0, len(n.paths), func(i int) {
			path := n.paths[i]
			list := n.lacks[path]
			if !n.adds() {
				list = slices.DeleteFunc(slices.Clone(h.touches[path]), func(t touch) bool { return int(t.commit) >= count })
			}
			h.encodeTouches(&e, path, list)
		})
	}
	return e, err
}

// finishRebuild ends a rebuild: what came since is added, and it becomes the index.
func (r *Repo) finishRebuild(err error) error {
	n, h := r.rebuild, r.history
	r.rebuild = nil
	n.cancel()
	if h != n.history || h.next != n.since {
		err = errors.Join(err, errRewritten)
	}
	h.mu.Lock()
	h.next = nil
	h.mu.Unlock()
	if n.adds() {
		return r.finishAdding(n, err)
	}
	w := &n.writer
	if err == nil {
		err = w.write(false, h.encodeFrom(n.since.from, n.since.byPath()), unsavedRecordsOf(nil, false, r.unindexed))
	}
	if err == nil {
		err = r.disk.Rename(w.name, filepath.Join(r.path, indexFile))
	}
	if err != nil {
		removed := removeIfExists(r.disk, w.name)
		if errors.Is(err, errRewritten) || errors.Is(err, context.Canceled) { // it was called off, and comes again
			r.rebuildAfter, r.firstSaved, err = time.Time{}, false, nil
			r.unindexed = append(n.records, r.unindexed...)
		}
		if err = errors.Join(err, removed); err != nil {
			err = fmt.Errorf("renew index: %w", err)
		}
		return err
	}
	r.unindexed, r.outdated, r.firstSaved = nil, false, true
	r.indexed, r.sections = h.size(), w.sections-w.large
	h.journal = &journal{from: r.indexed}
	return nil
}

// finishAdding ends one that adds. Where it was called off in time, the file lacks as much as
// before; if it may have failed half way, or has commits that are no more, it is made anew.
func (r *Repo) finishAdding(n *indexRebuild, err error) error {
	h := r.history
	switch {
	case err == nil:
		r.indexed = n.since.from
		r.sections += n.writer.sections - n.writer.large
		h.mu.Lock()
		h.journal = n.since
		h.mu.Unlock()
		return nil
	case !n.written:
		r.unindexed = append(n.records, r.unindexed...)
	default:
		h.mu.Lock()
		h.journal = nil
		h.mu.Unlock()
	}
	if errors.Is(err, errRewritten) || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("add to index: %w", err)
}
