package repo

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"

	"cms/content"
)

// A Snapshot is the content of the branch at one commit. It never changes and
// may be kept and read by any number of goroutines.
type Snapshot struct {
	repo         *Repo
	commit, tree Hash
	date         int64 // of the commit, Unix seconds
	listings     map[string]*listing
	superseded   chan struct{}
	attributes   *attributes // shared with those before, if no file of that name has changed since
}

// A listing is a table and, once somebody asked for it, the table as a slice.
type listing struct {
	table
	once sync.Once
	flat []*Entry
}

// Commit is the tip of the branch, zero for a branch without commits.
func (s *Snapshot) Commit() Hash { return s.commit }

// Entry is the entry slug of a collection.
func (s *Snapshot) Entry(collection string, slug content.Slug) (*Entry, bool) {
	l := s.listings[collection]
	if l == nil {
		return nil, false
	}
	return l.get(slug)
}

// Entries lists a collection, ordered by slug. The slice must not be changed.
func (s *Snapshot) Entries(collection string) []*Entry {
	l := s.listings[collection]
	if l == nil {
		return nil
	}
	l.once.Do(func() { l.flat = slices.AppendSeq(make([]*Entry, 0, l.size), l.all()) })
	return l.flat
}

// Len is how many entries a collection has.
func (s *Snapshot) Len(collection string) int {
	l := s.listings[collection]
	if l == nil {
		return 0
	}
	return l.size
}

// Since yields the entries of a collection in which s and an earlier snapshot
// differ, and whether s is the one that has not got them. An entry that changed
// is yielded twice, first as the one that is gone. What did not change costs
// next to nothing. A nil earlier stands for an empty branch.
func (s *Snapshot) Since(earlier *Snapshot, collection string) iter.Seq2[*Entry, bool] {
	var before Edition
	if earlier != nil {
		before = earlier.Edition(collection)
	}
	return s.Edition(collection).Since(before)
}

// Superseded is closed when a newer snapshot has been published.
func (s *Snapshot) Superseded() <-chan struct{} { return s.superseded }

// tables is the content to start a change from.
func (s *Snapshot) tables() map[string]table {
	out := make(map[string]table, len(s.listings))
	for name, l := range s.listings {
		out[name] = l.table
	}
	return out
}

// next is a snapshot that follows s. Listings that did not change are shared.
func (s *Snapshot) next(commit, tree Hash, date int64, tables map[string]table) *Snapshot {
	n := &Snapshot{repo: s.repo, commit: commit, tree: tree, date: date, superseded: make(chan struct{}), attributes: newAttributes(),
		listings: make(map[string]*listing, len(tables))}
	for name, t := range tables {
		if old := s.listings[name]; old != nil && old.same(t) {
			n.listings[name] = old
		} else {
			n.listings[name] = &listing{table: t}
		}
	}
	return n
}

// collections answers which files are entries.
type collections []content.Collection

// owner is the collection that p belongs to: of those that could hold it, the
// one with the longest folder.
func (cs collections) owner(p content.Path) (owner *content.Collection, slug content.Slug, ok bool) {
	for i := range cs {
		if s, in := cs[i].Slug(p); in && (owner == nil || len(cs[i].Folder) > len(owner.Folder)) {
			owner, slug = &cs[i], s
		}
	}
	return owner, slug, owner != nil
}

func (cs collections) named(name string) (*content.Collection, error) {
	for i := range cs {
		if cs[i].Name == name {
			return &cs[i], nil
		}
	}
	return nil, fmt.Errorf("collection %q: %w", name, ErrNotFound)
}

// within says whether folder ("" or ending in a slash) can hold entries, itself
// or further below.
func (cs collections) within(folder string) bool {
	return slices.ContainsFunc(cs, func(c content.Collection) bool {
		own := c.Folder + "/"
		return c.Folder == "" || strings.HasPrefix(folder, own) || strings.HasPrefix(own, folder)
	})
}

// check refuses collections of which two would own the same files.
func (cs collections) check() error {
	type place struct{ folder, extension string }
	seen := make(map[place]string)
	for _, c := range cs {
		at := place{c.Folder, c.Extension}
		if other, ok := seen[at]; ok {
			return fmt.Errorf("collections %q and %q both hold the %s files of folder %q", other, c.Name, c.Extension, c.Folder)
		}
		seen[at] = c.Name
	}
	return nil
}

// An entryDiff is the entries in which a commit differs from a snapshot.
type entryDiff struct {
	commit, tree Hash
	date         int64
	added        []*Entry // without their latest and their text
	removed      []*Entry // of them there are collection and slug
}

// diffEntries reads the trees of what differs, in so many steps at most.
func (r *Repo) diffEntries(s *Snapshot, commit Hash, most int) (*entryDiff, error) {
	c, err := r.store.commit(commit)
	if err != nil {
		return nil, err
	}
	found := &entryDiff{commit: commit, tree: c.tree, date: c.committed}
	d := treeDiff{tree: r.store.tree, want: r.collections.within, budget: newStepBudget(most), emit: func(ch diffEntry) {
		e, ok := r.entryAt(ch.path)
		switch {
		case !ok:
		case ch.after.regular():
			e.Revision, e.Mode = ch.after.hash, ch.after.mode
			found.added = append(found.added, e)
		default:
			found.removed = append(found.removed, e)
		}
	}}
	if err := d.diff(s.tree, c.tree, ""); err != nil {
		return nil, fmt.Errorf("read tree of %s: %w", commit, err)
	}
	return found, nil
}

// prepareSnapshot reads what was found that the snapshot of a commit has and s, which it
// follows, has not. finish makes the snapshot of it, and cannot fail, once the
// history holds the commit; touched are paths whose last change may be another one
// than in s. What the files say is read later, if it has a place in the index or
// there are many of them.
func (r *Repo) prepareSnapshot(ctx context.Context, s *Snapshot, found *entryDiff, at *recordIndex) (finish func(touched []string) *Snapshot, err error) {
	tables := s.tables()
	for _, e := range found.removed {
		tables[e.Collection] = tables[e.Collection].remove(e.Slug)
	}
	inParts(found.added, func(part []*Entry) {
		for _, e := range part {
			e.blob = r.newCachedBlob(e.Collection, e.Revision)
			if known := at.find(e.blob.key()); known != nil {
				e.blob.pos.Store(known)
			}
		}
	})
	var unread []*Entry
	for _, e := range found.added {
		if e.blob.pos.Load() == nil {
			unread = append(unread, e)
		}
	}
	if err := r.readSources(ctx, unread); err != nil {
		return nil, err
	}
	putAll(tables, found.added)
	return func(touched []string) *Snapshot {
		inParts(found.added, func(part []*Entry) {
			last := r.history.latest()
			for _, e := range part {
				e.latest = last.of(e)
			}
		})
		last := r.history.latest()
		for _, path := range touched {
			e, ok := r.entryAt(path)
			if !ok {
				continue
			}
			if e, ok = tables[e.Collection].get(e.Slug); ok {
				if r.history.last(path, e.Revision) != e.Updated() {
					tables[e.Collection] = tables[e.Collection].put(e.withLatest(last.of(e)))
				}
			}
		}
		return s.next(found.commit, found.tree, found.date, tables)
	}, nil
}

// entryAt is an entry without content for the file at path, if that can be one.
func (r *Repo) entryAt(path string) (*Entry, bool) {
	p, err := content.ParsePath(path)
	if err != nil {
		return nil, false
	}
	c, slug, ok := r.collections.owner(p)
	if !ok {
		return nil, false
	}
	return &Entry{Collection: c.Name, Slug: slug, Path: p}, true
}

// inParts calls do for all entries: for those of a large repository in parts, on
// all cores.
func inParts(entries []*Entry, do func(part []*Entry)) {
	var wg sync.WaitGroup
	for part := range slices.Chunk(entries, max(warmThreshold, len(entries)/runtime.GOMAXPROCS(0)+1)) {
		wg.Go(func() { do(part) })
	}
	wg.Wait()
}

// readSources reads and parses entries, unless there are so many that it is left
// to warm.
func (r *Repo) readSources(ctx context.Context, entries []*Entry) error {
	if len(entries) >= warmThreshold {
		r.warmDue = true
		return nil
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		src, err := e.blob.load(r.store)
		if err != nil {
			return fmt.Errorf("read %s: %w", e.Path, err)
		}
		r.unindexed = append(r.unindexed, e.blob.toRecord(e.blob.parse(src)))
	}
	return nil
}

// putAll adds entries, which differ in their slugs, to their tables.
func putAll(tables map[string]table, entries []*Entry) {
	for name, t := range tables {
		of := slices.Collect(func(yield func(*Entry) bool) {
			for _, e := range entries {
				if e.Collection == name && !yield(e) {
					return
				}
			}
		})
		if t.size == 0 {
			tables[name] = newTable(of)
			continue
		}
		for _, e := range of {
			t = t.put(e)
		}
		tables[name] = t
	}
}
