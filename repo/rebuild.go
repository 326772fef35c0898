package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"time"
	"unique"
)

// An indexRebuild makes the file of the index anew, beside the writer: of a million entries
// that takes a minute. It is of one moment. What comes later is added when it is done,
// and only then it takes the place of the file; so that is whole at any time.
type indexRebuild struct {
	view    *Snapshot
	history *history
	since   *journal // what came since it began; that of the history while it is of use
	tip     Hash
	paths   []string
	writer  indexWriter
	cancel  context.CancelFunc
	done    chan error
}

// renewBeyond is how many commits and entries make an index large: it is not made anew
// by the writer itself, nor when the repository is closed. renewPause is how long after a
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

// maintainIndex saves the index if it lacks much, and rebuilds it where that has to be done.
func (r *Repo) maintainIndex(ctx context.Context) {
	if r.rebuild != nil {
		return
	}
	worn := r.history.journal == nil || r.sections > maxSections || r.outdated
	if !worn || r.history.size() == 0 || !r.large() {
		r.saveFirstIndex()
		r.flushIndex(indexEvery, math.MaxInt)
		return
	}
	if now := time.Now(); !now.Before(r.rebuildAfter) && r.warming.Load() == nil && !r.warmDue {
		r.rebuildAfter = now.Add(rebuildPause)
		r.startRebuild(ctx)
	}
}

// startRebuild begins a rebuild.
func (r *Repo) startRebuild(ctx context.Context) {
	h := r.history
	n := &indexRebuild{
		view: r.View(), history: h, since: &journal{from: h.commits.len()}, tip: h.tip, done: make(chan error, 1),
		paths:  slices.AppendSeq(make([]string, 0, len(h.touches)), maps.Keys(h.touches)),
		writer: indexWriter{disk: r.disk, name: filepath.Join(r.path, indexFile+tmpSuffix), from: h.commits.len(), tip: h.tip},
	}
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

// saveParsed adds parse results to the index. Where that has to be rebuilt first, which failed
// lately, they are read again at the next start.
func (r *Repo) saveParsed(found []record) {
	if r.history.journal != nil || !r.large() {
		r.indexSaved(r.saveIndex(false, found...))
	}
}

// write makes the file.
func (n *indexRebuild) write(ctx context.Context) error {
	if err := removeIfExists(n.writer.disk, n.writer.name); err != nil {
		return err
	}
	part, err := n.encode(ctx)
	if err != nil {
		return err
	}
	if err := n.writer.write(true, part, untilDone(ctx, unsavedRecordsOf(n.view, true, nil))); err != nil {
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
	inParts := func(total int, do func(from, to int)) error {
		for from := 0; from < total; from += some {
			if err := ctx.Err(); err != nil {
				return err
			}
			h.mu.RLock()
			outrun := h.next != n.since
			if !outrun {
				do(from, min(from+some, total))
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
	err := inParts(count, func(from, to int) {
		for i := from; i < to; i++ {
			author := h.commits.at(int32(i)).author
			if _, ok := numbers[author]; !ok {
				numbers[author] = len(authors)
				authors = append(authors, author.Value())
			}
		}
	})
	e := make(encoder, 0, 128*count+1024)
	e.number(0)
	e.hash(n.tip)
	e.number(len(authors))
	for _, p := range authors {
		e.text(p.Name)
		e.text(p.Email)
	}
	e.number(count)
	if err == nil {
		err = inParts(count, func(from, to int) {
			for i := from; i < to; i++ {
				h.encodeCommit(&e, int32(i), numbers)
			}
		})
	}
	e.number(len(n.paths))
	if err == nil {
		err = inParts(len(n.paths), func(from, to int) {
			for _, path := range n.paths[from:to] {
				list := slices.DeleteFunc(slices.Clone(h.touches[path]), func(t touch) bool { return int(t.commit) >= count })
				h.encodeTouches(&e, path, list)
			}
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
			r.rebuildAfter, err = time.Time{}, nil
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
