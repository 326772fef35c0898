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

// A renewal makes the file of the index anew, beside the writer: of a million entries
// that takes a minute. It is of one moment. What comes later is added when it is done,
// and only then it takes the place of the file; so that is whole at any time.
type renewal struct {
	view    *Snapshot
	history *history
	lacks   *journal // what came since it began; that of the history while it is of use
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
	renewBeyond = 20_000
	renewPause  = time.Minute
)

// errOutrun: the branch was taken back behind what a renewal has.
var errOutrun = errors.New("history was rewritten meanwhile")

// large says whether the index is.
func (r *Repo) large() bool {
	n := r.history.size()
	for _, l := range r.View().listings {
		n += l.size
	}
	return n > r.renewBeyond
}

// tendIndex saves the index if it lacks much, and renews it where that has to be done.
func (r *Repo) tendIndex(ctx context.Context) {
	if r.renewal != nil {
		return
	}
	worn := r.history.journal == nil || r.sections > mostSections || r.outdated
	if !worn || r.history.size() == 0 || !r.large() {
		r.markIndex()
		r.keepIndex(indexEvery, math.MaxInt)
		return
	}
	if now := time.Now(); !now.Before(r.renewAgain) && r.warming.Load() == nil && !r.unread {
		r.renewAgain = now.Add(renewPause)
		r.renew(ctx)
	}
}

// renew begins a renewal.
func (r *Repo) renew(ctx context.Context) {
	h := r.history
	n := &renewal{
		view: r.View(), history: h, lacks: &journal{from: h.commits.len()}, tip: h.tip, done: make(chan error, 1),
		paths:  slices.AppendSeq(make([]string, 0, len(h.touches)), maps.Keys(h.touches)),
		writer: indexWriter{disk: r.disk, name: filepath.Join(r.path, indexFile+tmpSuffix), from: h.commits.len(), tip: h.tip},
	}
	h.mu.Lock()
	h.next = n.lacks
	h.mu.Unlock()
	ctx, n.cancel = context.WithCancel(ctx)
	r.renewal = n
	go func() { n.done <- n.write(ctx) }()
}

// mayWarm says whether files may be read for the first time now: a large index is there
// before, so that what is read can be added to it.
func (r *Repo) mayWarm(ctx context.Context) bool {
	if r.warming.Load() == nil {
		r.warming.Store(&warming{over: make(chan struct{})})
	}
	lacking := r.history.journal == nil && r.history.size() > 0
	switch now := time.Now(); {
	case r.renewal != nil && !lacking:
		r.renewal.cancel() // it is tried again
		return false
	case r.renewal != nil:
		return false
	case lacking && r.large() && !now.Before(r.renewAgain):
		r.renewAgain = now.Add(renewPause)
		r.renew(ctx)
		return false
	}
	return true
}

// shelve adds readings to the index. Where that has to be renewed first, which failed
// lately, they are read again at the next start.
func (r *Repo) shelve(found []shelved) {
	if r.history.journal != nil || !r.large() {
		r.saved(r.saveIndex(false, found...))
	}
}

// write makes the file.
func (n *renewal) write(ctx context.Context) error {
	if err := removeIfThere(n.writer.disk, n.writer.name); err != nil {
		return err
	}
	part, err := n.encode(ctx)
	if err != nil {
		return err
	}
	if err := n.writer.write(true, part, until(ctx, lackingOf(n.view, true, nil))); err != nil {
		return err
	}
	return ctx.Err()
}

// until is all until ctx ends.
func until(ctx context.Context, all iter.Seq[shelved]) iter.Seq[shelved] {
	return func(yield func(shelved) bool) {
		for s := range all {
			if ctx.Err() != nil || !yield(s) {
				return
			}
		}
	}
}

// encode is the history up to the moment of the renewal. The lock is held for some of it
// at a time, and the writer goes between.
func (n *renewal) encode(ctx context.Context) ([]byte, error) {
	const some = 1024
	h, count := n.history, n.lacks.from
	inParts := func(total int, do func(from, to int)) error {
		for from := 0; from < total; from += some {
			if err := ctx.Err(); err != nil {
				return err
			}
			h.mu.RLock()
			outrun := h.next != n.lacks
			if !outrun {
				do(from, min(from+some, total))
			}
			h.mu.RUnlock()
			if outrun {
				return errOutrun
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

// renewed ends a renewal: what came since is added, and it becomes the index.
func (r *Repo) renewed(err error) error {
	n, h := r.renewal, r.history
	r.renewal = nil
	n.cancel()
	if h != n.history || h.next != n.lacks {
		err = errors.Join(err, errOutrun)
	}
	h.mu.Lock()
	h.next = nil
	h.mu.Unlock()
	w := &n.writer
	if err == nil {
		err = w.write(false, h.encodeFrom(n.lacks.from, n.lacks.byPath()), lackingOf(nil, false, r.unshelved))
	}
	if err == nil {
		err = r.disk.Rename(w.name, filepath.Join(r.path, indexFile))
	}
	if err != nil {
		removed := removeIfThere(r.disk, w.name)
		if errors.Is(err, errOutrun) || errors.Is(err, context.Canceled) { // it was called off, and comes again
			r.renewAgain, err = time.Time{}, nil
		}
		if err = errors.Join(err, removed); err != nil {
			err = fmt.Errorf("renew index: %w", err)
		}
		return err
	}
	r.unshelved, r.outdated, r.marked = nil, false, true
	r.indexed, r.sections = h.size(), w.sections-w.full
	h.journal = &journal{from: r.indexed}
	return nil
}
