package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

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
	n := &Snapshot{repo: s.repo, commit: commit, tree: tree, date: date, superseded: make(chan struct{}),
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

// load is the snapshot of commit that follows s: only what differs is read. The
// history must hold the commit. touched are paths whose last change may be
// another one than in s; all says that every path's may be. Files whose size is
// known are not read yet.
func (r *Repo) load(ctx context.Context, s *Snapshot, commit Hash, touched []string, all bool, sizes map[string]sized) (*Snapshot, error) {
	c, err := r.store.commit(commit)
	if err != nil {
		return nil, err
	}
	d := differ{tree: r.store.tree, want: r.collections.within}
	if err := d.diff(s.tree, c.TreeHash, ""); err != nil {
		return nil, fmt.Errorf("read tree of %s: %w", commit, err)
	}
	tables := s.tables()
	var fresh, unread []*Entry
	for _, ch := range d.out {
		e, ok := r.entryAt(ch.path)
		if !ok {
			continue
		}
		if !ch.after.regular() {
			tables[e.Collection] = tables[e.Collection].remove(e.Slug)
			continue
		}
		e.Revision, e.Mode = ch.after.hash, ch.after.mode
		e.updated = r.history.last(ch.path, e.Revision)
		e.text = r.newText(e.Revision)
		if known := sizes[ch.path]; known.blob == e.Revision {
			e.Size = known.size
		} else {
			unread = append(unread, e)
		}
		fresh = append(fresh, e)
	}
	if err := r.readSources(ctx, unread); err != nil {
		return nil, err
	}
	putAll(tables, fresh)
	if all {
		for _, t := range s.listings {
			for e := range t.all() {
				touched = append(touched, e.Path.String())
			}
		}
	}
	for _, path := range touched {
		e, ok := r.entryAt(path)
		if !ok {
			continue
		}
		if e, ok = tables[e.Collection].get(e.Slug); ok {
			if u := r.history.last(path, e.Revision); u != e.updated {
				tables[e.Collection] = tables[e.Collection].put(e.withUpdated(u))
			}
		}
	}
	return s.next(commit, c.TreeHash, c.Committer.When.Unix(), tables), nil
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

// readSources reads the bytes of entries, many of them in parallel.
func (r *Repo) readSources(ctx context.Context, entries []*Entry) error {
	const worthwhile = 500
	read := func(s *store, entries []*Entry) error {
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			src, err := s.blob(e.Revision)
			if err != nil {
				return fmt.Errorf("read %s: %w", e.Path, err)
			}
			e.Size = int64(len(src))
			e.text.keep(src)
		}
		return nil
	}
	if len(entries) < worthwhile {
		return read(r.store, entries)
	}
	var g errgroup.Group
	for part := range slices.Chunk(entries, len(entries)/runtime.GOMAXPROCS(0)+1) {
		g.Go(func() error {
			s := r.store.beside()
			return errors.Join(read(s, part), s.Close())
		})
	}
	return g.Wait()
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
