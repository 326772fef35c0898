package repo

import (
	"slices"
	"sync"
)

// leftPaths are the files that merges leave out. Those of branches that began before many
// files were moved leave out the same ones, so that each path is kept once.
type leftPaths struct {
	by [][]leftPath // the commits of an extension

	mu      sync.Mutex
	numbers map[string]int32
	paths   []string
}

// A leftPath is a leftOut.
type leftPath struct{ path, parent int32 }

// add notes what the commit i of the extension leaves out. Others may do so at once, of
// other commits.
func (l *leftPaths) add(i int, left []leftOut) {
	if len(left) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by[i] = make([]leftPath, 0, len(left))
	for _, f := range left {
		n, known := l.numbers[f.path]
		if !known {
			n = int32(len(l.paths))
			l.paths, l.numbers[f.path] = append(l.paths, f.path), n
		}
		l.by[i] = append(l.by[i], leftPath{n, int32(f.parent)})
	}
}

// dropLeftOut notes the files that the merge n, the commit i of the extension, itself has
// deleted, by leaving them out: a file that no commit has deleted, or moved away, which leads
// to n and not to the parent that has the file. It says which they are, and costs what n
// brings to such parents.
func (h *history) dropLeftOut(n int32, parents []int32, left *leftPaths, i int) (dropped []string) {
	brought := make(map[int32]map[int32]bool) // by parent, what leads to n and not to it
	deletes := func(t touch, parent int32) bool {
		if t.kind != deleted && t.kind != movedAway {
			return false
		}
		by, known := brought[parent]
		if !known {
			by = make(map[int32]bool)
			for _, c := range h.lostFrom(n, parents[parent:parent+1]) {
				by[c] = true
			}
			brought[parent] = by
		}
		return by[t.commit]
	}
	for _, l := range left.by[i] {
		path := left.paths[l.path]
		if !slices.ContainsFunc(h.touches[path], func(t touch) bool { return deletes(t, l.parent) }) {
			h.touch(path, touch{commit: n, kind: deleted}, "")
			dropped = append(dropped, path)
		}
	}
	return dropped
}
