package repo

import (
	"context"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// worthwhile is how many files are read in one go: of more, the reading is left to
// warm, and is no part of a start or of an update.
const worthwhile = 500

// A batch of readings is saved together when they have so many bytes.
const batchBytes = 4 << 20

// warm reads and parses the entries of which neither memory nor the index has a
// reading, so that the first one who lists them need not wait. It reads in the
// order of the packs, on all cores, and hands what it found to the writer, which
// adds it to the index: so it is done once, however often the process is started.
func (r *Repo) warm(ctx context.Context) {
	var unread []*text
	for t := range r.View().texts() {
		if !t.known() {
			unread = append(unread, t)
		}
	}
	many := len(unread) >= worthwhile
	if many {
		unread = inPackOrder(r.packFolder(), unread)
	}
	parts := make(chan []*text)
	var g errgroup.Group
	workers := 1
	if many {
		workers = runtime.GOMAXPROCS(0)
	}
	for range workers {
		g.Go(func() error {
			w := warmer{repo: r, store: r.store.beside(), saving: many}
			defer w.store.Close()
			for part := range parts {
				w.read(ctx, part)
			}
			w.save(ctx)
			return nil
		})
	}
	for part := range slices.Chunk(unread, worthwhile) {
		if ctx.Err() != nil {
			break
		}
		parts <- part
	}
	close(parts)
	_ = g.Wait() // no error: whoever needs what could not be read will learn of it
}

// A warmer is one of those who warm.
type warmer struct {
	repo   *Repo
	store  *store
	saving bool
	found  []shelved
	bytes  int
}

func (w *warmer) read(ctx context.Context, texts []*text) {
	for _, t := range texts {
		if ctx.Err() != nil {
			return
		}
		runtime.Gosched() // whoever waits for an answer goes first
		if t.known() {
			continue
		}
		src := t.held()
		if src == nil {
			var err error
			if src, err = t.load(w.store); err != nil {
				continue
			}
		}
		rd := t.parse(src)
		t.remember(rd)
		if !w.saving {
			continue
		}
		if b, ok := encodeReading(rd); ok {
			w.found = append(w.found, shelved{t, b})
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
	case w.repo.readings <- w.found:
	case <-ctx.Done():
	case <-w.repo.stopped:
	}
	w.found, w.bytes = nil, 0
}

// inPackOrder is texts in the order in which they are in packs, so that to read
// them goes forward through few files; what is in none comes last.
func inPackOrder(folder string, texts []*text) []*text {
	packs, err := listPacks(folder)
	if err != nil {
		return texts // they are only slower to read
	}
	at := make(map[Hash]int, len(texts))
	for i, t := range texts {
		at[t.blob] = i
	}
	ordered := make([]*text, 0, len(texts))
	for _, p := range packs {
		entries, err := readIndex(p.name + ".idx")
		if err == nil {
			for _, e := range entries {
				if i, ok := at[e.Hash]; ok {
					ordered = append(ordered, texts[i])
					delete(at, e.Hash)
					texts[i] = nil
				}
			}
		}
	}
	for _, t := range texts {
		if t != nil {
			ordered = append(ordered, t)
		}
	}
	return ordered
}
