package repo

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// warmThreshold is how many files are read in one go: of more, the parse result is left to
// warm, and is no part of a start or of an update.
const warmThreshold = 500

// A batch of parse results is saved together when they have so many bytes.
const batchBytes = 4 << 20

// A warming is how far the first reading of many files has come.
type warming struct {
	total, done atomic.Int64
	over        chan struct{} // closed at its end
}

func newWarming() *warming { return &warming{over: make(chan struct{})} }

// A WarmingError says that the entries are being read for the first time, and how far
// that has come.
type WarmingError struct{ Done, Total int64 }

func (e *WarmingError) Error() string {
	return fmt.Sprintf("the entries are being read for the first time, %d of %d until now", e.Done, e.Total)
}

// AwaitWarm waits while more than a few files of a collection have to be read and
// the writer has that done, in their order on disk: whoever read them one by one
// would take far longer. A *WarmingError when ctx ends first.
func (r *Repo) AwaitWarm(ctx context.Context, collection string) error {
	for {
		w := r.warming.Load()
		if w == nil || !r.View().unread(collection, warmThreshold) {
			return nil
		}
		select {
		case <-w.over:
		case <-r.stopped:
			return nil
		case <-ctx.Done():
			return &WarmingError{w.done.Load(), w.total.Load()}
		}
	}
}

// Warming says whether AwaitWarm would wait.
func (r *Repo) Warming(collection string) bool {
	return r.warming.Load() != nil && r.View().unread(collection, warmThreshold)
}

// unread says whether more than most entries of a collection have to be read.
func (s *Snapshot) unread(collection string, most int) bool {
	l := s.listings[collection]
	if l == nil {
		return false
	}
	n := 0
	for e := range l.all() {
		if !e.blob.isCached() {
			if n++; n > most {
				return true
			}
		}
	}
	return false
}

// warm reads and parses the entries of which neither memory nor the index has a
// reading, so that the first one who lists them need not wait. It reads in the
// order of the packs, on all cores, and hands what it found to the writer, which
// adds it to the index: so it is done once, however often the process is started.
func (r *Repo) warm(ctx context.Context) {
	progress := r.warming.Load()
	if progress == nil { // nobody waits
		progress = newWarming()
	}
	defer close(progress.over)
	defer r.warming.Store(nil)
	var unread []*cachedBlob
	for t := range r.View().blobs() {
		if !t.isCached() {
			unread = append(unread, t)
		}
	}
	progress.total.Store(int64(len(unread)))
	many := len(unread) >= warmThreshold
	if many {
		r.log.Info("entries are being read for the first time", "entries", len(unread))
		unread = r.store.inPackOrder(unread)
	}
	parts := make(chan []*cachedBlob)
	var g errgroup.Group
	workers := 1
	if many {
		workers = runtime.GOMAXPROCS(0)
	}
	for range workers {
		g.Go(func() error {
			w := warmer{repo: r, store: r.store.withOwnCache(), saving: many}
			defer w.store.Close()
			for part := range parts {
				w.read(ctx, part)
				progress.done.Add(int64(len(part)))
			}
			w.save(ctx)
			return nil
		})
	}
	for part := range slices.Chunk(unread, warmThreshold) {
		if ctx.Err() != nil {
			break
		}
		parts <- part
	}
	close(parts)
	_ = g.Wait() // no error: whoever needs what could not be read will learn of it
	if many && ctx.Err() == nil {
		r.log.Info("entries were read", "entries", len(unread))
	}
}

// A warmer is one of those who warm.
type warmer struct {
	repo   *Repo
	store  *store
	saving bool
	found  []record
	bytes  int
}

func (w *warmer) read(ctx context.Context, texts []*cachedBlob) {
	for _, t := range texts {
		if ctx.Err() != nil {
			return
		}
		runtime.Gosched() // whoever waits for an answer goes first
		if t.isCached() {
			continue
		}
		src := t.cachedBytes()
		if src == nil {
			var err error
			if src, err = t.load(w.store); err != nil {
				continue
			}
		}
		rd := t.parse(src)
		t.cacheParsed(rd)
		if !w.saving {
			continue
		}
		if b, ok := encodeParsed(rd); ok {
			w.found = append(w.found, record{t, b})
			if w.bytes += len(b); w.bytes >= batchBytes {
				w.save(ctx)
			}
		}
	}
}

// save hands what was found to the writer.
func (w *warmer) save(ctx context.Context) {
	if len(w.found) == 0 {
		return
	}
	select {
	case w.repo.parsedBatches <- w.found:
	case <-ctx.Done():
	case <-w.repo.stopped:
	}
	w.found, w.bytes = nil, 0
}

// inPackOrder is texts in the order in which they are in packs, so that to read
// them goes forward through few files; what is in none comes last. Packs are asked by
// their mapped indexes, of which nothing is kept.
func (s *store) inPackOrder(texts []*cachedBlob) []*cachedBlob {
	list, err := s.set().list()
	if err != nil {
		return texts // they are only slower to read
	}
	type placedText struct {
		*cachedBlob
		pack int32 // that it is in, or the number of packs
		at   int64
	}
	numbers := make(map[*knownPack]int32, len(list.packs))
	for i, p := range list.packs {
		numbers[p] = int32(i)
	}
	sorted := make([]placedText, len(texts))
	for i, t := range texts {
		sorted[i] = placedText{cachedBlob: t, pack: int32(len(list.packs))}
		if at, ok, _ := list.find(t.hash); ok {
			sorted[i].pack, sorted[i].at = numbers[at.pack], at.offset
		}
	}
	slices.SortFunc(sorted, func(a, b placedText) int { return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.at, b.at)) })
	for i, p := range sorted {
		texts[i] = p.cachedBlob
	}
	return texts
}
