package repo

import (
	"cmp"
	"slices"
	"sync"

	"cms/content"
)

// A Deletion is what became of an entry that is not there any more.
type Deletion struct {
	Collection string
	Slug       content.Slug
	Path       content.Path
	Change          // the commit that deleted it, or moved it out of its collection
	Previous   Hash // the blob before it; zero where nobody can tell
}

// A DeletedAt is a place in the list of deletions: that of a path by a commit.
type DeletedAt struct {
	Commit Hash
	Path   string
}

// A deletion is the end of a path, in the log of the history.
type deletion struct {
	commit int32
	path   string
}

func (d deletion) compare(e deletion) int {
	return cmp.Or(cmp.Compare(d.commit, e.commit), cmp.Compare(d.path, e.path))
}

// deletionLists are the deletions of the history by collection, each once, so that a page
// of them costs what it shows. They follow the log of the history. The zero value is ready.
type deletionLists struct {
	mu   sync.Mutex
	turn int                   // of the history, when they were read
	read int                   // how much of its log was
	of   map[string][]deletion // by collection, the oldest first
}

// list is the deletions of a collection. It must not be changed. The history's lock is held.
func (l *deletionLists) list(h *history, cs collections, collection string) []deletion {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil || l.turn != h.dropped {
		l.turn, l.read, l.of = h.dropped, 0, make(map[string][]deletion)
	}
	grown := make(map[string]bool)
	for _, d := range h.log[l.read:] {
		if c, _, ok := cs.owner(asPath(d.path)); ok {
			l.of[c.Name] = append(l.of[c.Name], d)
			grown[c.Name] = true
		}
	}
	l.read = len(h.log)
	for name := range grown {
		if of := l.of[name]; !slices.IsSortedFunc(of, deletion.compare) { // as a saved history tells them
			l.of[name] = slices.Clone(of)
			slices.SortFunc(l.of[name], deletion.compare)
		}
	}
	return l.of[collection]
}

// Deletions lists the entries of a collection that the history has and the snapshot has
// not, those that went last first: most of them, behind a place in that list, which is
// zero for its beginning. A file that was moved within its collection is not among them.
// ErrUnknownCommit when the branch does not have the commit of that place.
func (r *Repo) Deletions(snap *Snapshot, collection string, behind DeletedAt, most int) ([]Deletion, error) {
	h := r.history
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := h.ended.list(h, r.collections, collection)
	if !behind.Commit.IsZero() {
		n, _, ok := h.resolve(behind.Commit)
		if !ok {
			return nil, ErrUnknownCommit
		}
		at, _ := slices.BinarySearchFunc(list, deletion{n, behind.Path}, deletion.compare)
		list = list[:at]
	}
	var found []Deletion
	for _, d := range slices.Backward(list) {
		if len(found) == most {
			break
		}
		if end, ok := r.ended(snap, collection, d); ok {
			found = append(found, end)
		}
	}
	return found, nil
}

// ended is a deletion if it is the last one of its path and nothing has come there since.
func (r *Repo) ended(snap *Snapshot, collection string, d deletion) (Deletion, bool) {
	h, p := r.history, asPath(d.path)
	_, slug, ok := r.collections.owner(p)
	if _, there := snap.Entry(collection, slug); !ok || there {
		return Deletion{}, false
	}
	list := h.touches[d.path]
	last := -1
	for i, t := range list {
		if (t.kind == deleted || t.kind == movedAway) && (last < 0 || t.commit >= list[last].commit) {
			last = i
		}
	}
	if last < 0 || list[last].commit != d.commit {
		return Deletion{}, false
	}
	end := Deletion{Collection: collection, Slug: slug, Path: p}
	if last > 0 {
		end.Previous = list[last-1].blob
	}
	if list[last].kind == movedAway {
		to := h.ends[moveEnd(d)]
		if c, _, own := r.collections.owner(asPath(to)); own && c.Name == collection {
			return Deletion{}, false
		}
	}
	end.Change = h.commits.at(d.commit).change(diffEntry{path: d.path, action: Deleted})
	return end, true
}
