package repo

// A latest is the last change of an entry, in few bytes, as there may be a million
// of them: commits are shared, and what the entry tells itself is left out.
type latest struct {
	by   *commit // nil when there is none yet
	kind touchKind
	full *Change // what is not of that form, such as a move
}

// change is that of e, whose latest it is.
func (l latest) change(e *Entry) Change {
	switch {
	case l.full != nil:
		return *l.full
	case l.by == nil:
		return Change{}
	}
	c := l.by.change(diffEntry{action: l.kind.action(), after: file{hash: e.Revision}})
	c.Path = e.Path
	return c
}

// latestOf is the latest of e that c made, by the change f.
func (c *commit) latestOf(e *Entry, f diffEntry) latest {
	if f.path == e.Path.String() && f.from == "" && f.after.hash == e.Revision {
		return latest{by: c, kind: touchKinds[f.action]}
	}
	odd := c.change(f)
	return latest{full: &odd}
}

// A lastChanges looks up the latest of many entries.
type lastChanges struct {
	history *history
	commits map[int32]*commit // copies, as the history may change
}

func (h *history) latest() *lastChanges { return &lastChanges{h, make(map[int32]*commit)} }

// of is the latest of e.
func (l *lastChanges) of(e *Entry) latest {
	h := l.history
	h.mu.RLock()
	defer h.mu.RUnlock()
	path := e.Path.String()
	t, ok := h.lastTouch(path, e.Revision)
	switch {
	case !ok:
		return latest{}
	case t.kind >= moved || t.blob != e.Revision:
		odd := h.change(path, t)
		return latest{full: &odd}
	}
	c := l.commits[t.commit]
	if c == nil {
		copied := *h.commits.at(t.commit)
		c = &copied
		l.commits[t.commit] = c
	}
	return latest{by: c, kind: t.kind}
}
