package site

import (
	"bytes"
	"context"
	"crypto/sha256"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"cms/content"
	"cms/repo"
)

// selections are what lists were answered from: for each query, as one kind of
// caller sees it, the entries that it finds, in its order. Each goes from one
// edition of its collection to another by what the two differ in, so that after
// an edit a list costs what was edited. They are derived and may be dropped; the
// zero value is ready.
type selections struct {
	mu    sync.Mutex
	of    map[string]map[selectionName]*selection // by collection
	clock int64                                   // counts the lists that were asked for
}

// selectionName tells what a selection depends on, beside the entries.
type selectionName [sha256.Size]byte

// Bounds of what is kept of a collection, as queries may ask for anything: the
// selections that were asked for last, and as many entries in all of them as the
// collection has, so many times.
const (
	maxSelections = 64
	maxSelected   = 8
)

// selection is one of them.
type selection struct {
	used int64        // when it was last asked for, by the clock; guarded by selections.mu
	held atomic.Int64 // how many entries it holds, also while it is being made

	lock chan struct{} // held by whoever uses what follows

	made    bool
	at      repo.Edition
	order   *order
	pending *making // what was begun by somebody who could not wait for its end
}

// making is a selection on its way.
type making struct {
	at     repo.Edition
	rest   []*repo.Entry // still to be looked at
	sorted bool          // rest is in the order of the list
	runs   [][]chosen    // what was found, each run in the order of the list
}

// chosen is an entry and its key.
type chosen struct {
	spot
	entry *repo.Entry
}

// find is what l finds in the newest edition of its collection. While its entries are
// read for the first time it waits, but not for long where the time of ctx is bounded.
func (s *Site) find(ctx context.Context, l *list) (*order, error) {
	if l.needsFields() {
		waiting := ctx
		if _, bounded := ctx.Deadline(); bounded {
			var cancel context.CancelFunc
			waiting, cancel = context.WithTimeout(ctx, readingPatience)
			defer cancel()
		}
		if err := s.repo.AwaitWarm(waiting, l.sight.Name); err != nil {
			return nil, readingFirst(err)
		}
	}
	return s.selections.find(ctx, s.repo.View, l)
}

// readingPatience is how long a list waits for entries that are read for the first time.
const readingPatience = 5 * time.Second

// find is what l finds in the newest edition that view shows.
func (all *selections) find(ctx context.Context, view func() *repo.Snapshot, l *list) (*order, error) {
	newest := func() repo.Edition { return view().Edition(l.sight.Name) }
	s := all.named(l.sight.Name, l.name())
	found, err := s.follow(ctx, newest, l, func() (*order, repo.Edition, bool) { return all.whole(ctx, newest, l) })
	all.trim(l.sight.Name, s, view().Len(l.sight.Name))
	return found, err
}

// named is the selection of that name, as somebody asks for it.
func (all *selections) named(collection string, name selectionName) *selection {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of == nil {
		all.of = map[string]map[selectionName]*selection{}
	}
	of := all.of[collection]
	if of == nil {
		of = map[selectionName]*selection{}
		all.of[collection] = of
	}
	s := of[name]
	if s == nil {
		s = &selection{lock: make(chan struct{}, 1)}
		of[name] = s
	}
	all.clock++
	s.used = all.clock
	return s
}

// trim drops what was not asked for for longest, but for s, until the rest is
// within the bounds of a collection of so many entries.
func (all *selections) trim(collection string, s *selection, entries int) {
	all.mu.Lock()
	defer all.mu.Unlock()
	of := all.of[collection]
	for {
		var held int64
		var oldest selectionName
		found := false
		for name, o := range of {
			held += o.held.Load()
			if o != s && (!found || o.used < of[oldest].used) {
				oldest, found = name, true
			}
		}
		if !found || len(of) <= maxSelections && held <= maxSelected*max(int64(entries), s.held.Load()) {
			return
		}
		delete(of, oldest)
	}
}

// whole is every entry of the collection in the order of l, if that is kept.
func (all *selections) whole(ctx context.Context, newest func() repo.Edition, l *list) (*order, repo.Edition, bool) {
	base := &list{sight: &sight{Collection: l.sight.Collection, whole: true}, sort: l.sort}
	name := base.name()
	if name == l.name() {
		return nil, repo.Edition{}, false
	}
	all.mu.Lock()
	s := all.of[l.sight.Name][name]
	all.mu.Unlock()
	if s == nil {
		return nil, repo.Edition{}, false
	}
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return nil, repo.Edition{}, false
	}
	if !s.made || !s.step(newest(), base.reader()) {
		return nil, repo.Edition{}, false
	}
	return s.order, s.at, true
}

// follow makes the selection that of the newest edition. Whoever waits for another
// to do so, or has more to do than ctx leaves time for, gets the error of ctx; what
// was done until then is not lost.
func (s *selection) follow(ctx context.Context, newest func() repo.Edition, l *list, whole func() (*order, repo.Edition, bool)) (*order, error) {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r := l.reader()
	if s.made && s.step(newest(), r) {
		return s.order, nil
	}
	s.made, s.order = false, nil
	cost := l.sight.effort
	if s.pending == nil {
		all, at, ok := whole()
		if err := cost.wait(); err != nil {
			return nil, err
		}
		defer cost.done()
		s.pending = &making{}
		if ok {
			*s.pending = making{at: at, rest: slices.AppendSeq(make([]*repo.Entry, 0, all.len()), all.behind(nil, nil)), sorted: true}
		} else {
			*s.pending = making{at: newest(), sorted: len(l.sort) == 0}
			for e := range s.pending.at.Since(repo.Edition{}) {
				s.pending.rest = append(s.pending.rest, e)
			}
		}
	} else {
		if err := cost.wait(); err != nil {
			return nil, err
		}
		defer cost.done()
	}
	defer s.count()
	failed, err := s.pending.work(ctx, l)
	if err != nil {
		return nil, err
	}
	at, found := s.pending.at, s.pending.order(r)
	s.pending = nil
	if failed || r.unread { // by now; the next list may have more luck
		return found, nil
	}
	s.made, s.at, s.order = true, at, found
	if s.step(newest(), r) {
		return s.order, nil
	}
	s.made, s.order = false, nil
	return found, nil
}

// count notes how many entries the selection holds.
func (s *selection) count() {
	n := s.order.len()
	if s.pending != nil {
		n += len(s.pending.rest)
		for _, run := range s.pending.runs {
			n += len(run)
		}
	}
	s.held.Store(int64(n))
}

// fewChanges is how many changes are always made one by one. Of more than an eighth
// of the selection, it is made anew.
const fewChanges = 1000

// step makes the selection that of another edition. It is false, and nothing is
// done, when that is too much, or cannot be done now.
func (s *selection) step(to repo.Edition, r *reader) bool {
	next, changes := s.order, 0
	for e, gone := range to.Since(s.at) {
		if changes++; changes > max(fewChanges, s.order.len()/8) {
			return false
		}
		fields, there := r.finds(e)
		switch {
		case r.unread, r.looked > maxPart:
			return false
		case !there:
		case !gone:
			next = next.put(r.spot(fields, e), e, r.key)
		default:
			if next, there = next.remove(r.spot(fields, e), r.key); !there {
				return false
			}
		}
		if r.unread {
			return false
		}
	}
	s.at, s.order = to, next
	s.held.Store(int64(next.len()))
	return true
}

// A part of the entries is looked at by one goroutine: so many of them, or fewer
// when they are so large together.
const (
	section = 4096
	maxPart = 8 << 20 // bytes
)

// A part is what was found in one.
type part struct {
	found  []chosen
	done   int // how many of its entries were looked at
	looked int // how many bytes
	unread bool
}

// work looks at the entries that are left, in as many goroutines as there are
// processors, and merges what was found. It says whether some could not be read.
// What was done when it ends with an error is kept.
func (m *making) work(ctx context.Context, l *list) (unread bool, err error) {
	for len(m.rest) > 0 {
		if err := ctx.Err(); err != nil {
			return unread, err
		}
		next := m.rest[:min(len(m.rest), section*runtime.GOMAXPROCS(0))]
		chunks := slices.Collect(slices.Chunk(next, section))
		parts := make([]part, len(chunks))
		var g errgroup.Group
		for i, chunk := range chunks {
			g.Go(func() error {
				parts[i] = m.look(ctx, chunk, l)
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return false, err
		}
		looked := 0
		for _, p := range parts {
			looked += p.looked
		}
		for i, p := range parts { // what follows one that is not at its end is looked at again, so that all stays in order
			m.rest, m.runs = m.rest[p.done:], append(m.runs, p.found)
			unread = unread || p.unread
			if p.done < len(chunks[i]) {
				break
			}
		}
		if err := l.sight.effort.spend(looked); err != nil {
			return unread, err
		}
	}
	for len(m.runs) > 1 && !m.sorted {
		if err := ctx.Err(); err != nil {
			return unread, err
		}
		var longer [][]chosen
		for pair := range slices.Chunk(m.runs, 2) {
			longer = append(longer, merge(pair))
		}
		m.runs = longer
	}
	return unread, nil
}

// look is what l finds among some entries, in its order, as far as it gets.
func (m *making) look(ctx context.Context, entries []*repo.Entry, l *list) (p part) {
	r, most := l.reader(), l.sight.effort.share(maxPart)
	var keys []byte
	var ends []int
	for _, e := range entries {
		if over(ctx) || r.looked > most {
			break
		}
		p.done++
		fields, there := r.finds(e)
		if !there {
			continue
		}
		p.found = append(p.found, chosen{spot{slug: e.Slug.String()}, e})
		if !m.sorted {
			keys = r.appendKey(keys, fields)
			ends = append(ends, len(keys))
		}
	}
	p.looked, p.unread = r.looked, r.unread
	if m.sorted {
		return p
	}
	all, from := string(keys), 0
	for i, to := range ends {
		p.found[i].key, from = all[from:to], to
	}
	slices.SortFunc(p.found, func(a, b chosen) int { return a.compare(b.spot) })
	return p
}

// over says whether ctx has ended, to many goroutines at once.
func over(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// merge makes one run of one or two.
func merge(runs [][]chosen) []chosen {
	if len(runs) == 1 {
		return runs[0]
	}
	a, b := runs[0], runs[1]
	out := make([]chosen, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].compare(b[0].spot) < 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// order is what was found in the end.
func (m *making) order(r *reader) *order {
	var rows []*repo.Entry
	for _, run := range m.runs {
		rows = slices.Grow(rows, len(run))
		for _, c := range run {
			rows = append(rows, c.entry)
		}
	}
	return newOrder(rows, r.key)
}

// reader reads entries for a list. It is not for use by two goroutines at once.
type reader struct {
	list   *list
	sort   []sortKey
	cells  cells
	unread bool // an entry could not be read now
	looked int  // bytes
	buffer []byte
	folded []byte
}

func (l *list) reader() *reader { return &reader{list: l, sort: l.typed()} }

// glimpse is the fields of an entry for filters and sorts alone. What only cannot be
// read now is noted.
func (r *reader) glimpse(e *repo.Entry) values {
	if g, ok := e.CachedFields(); ok {
		return g
	}
	fields, _ := r.read(e)
	return fields
}

// read is the fields of an entry and the problems with its file. What only cannot
// be read now is noted.
func (r *reader) read(e *repo.Entry) (*content.Object, []content.Problem) {
	fields := e.Fields()
	if fields.Len() > 0 && r.list.sight.whole {
		return fields, nil
	}
	problems := e.Problems()
	r.unread = r.unread || unread(problems)
	return e.Fields(), problems
}

// unread says whether a file could not be read now, whatever it holds.
func unread(problems []content.Problem) bool {
	return slices.ContainsFunc(problems, func(p content.Problem) bool { return p.Rule == "storage" })
}

// needsFields says whether the list looks into its entries.
func (l *list) needsFields() bool {
	return !l.sight.whole || len(l.filters) > 0 || len(l.words) > 0 || len(l.sort) > 0
}

// finds says whether the list has e, and gives its fields.
func (r *reader) finds(e *repo.Entry) (values, bool) {
	l := r.list
	if !l.needsFields() {
		return (*content.Object)(nil), true
	}
	if l.sight.whole && len(l.words) == 0 {
		r.looked += lookCost + e.Weight()/8 // little of it is decoded
		fields := r.glimpse(e)
		return fields, !slices.ContainsFunc(l.filters, func(f filter) bool { return !f.matches(fields, &r.cells) })
	}
	fields, problems := r.read(e)
	r.looked += lookCost + e.Weight()
	for i := range l.filters {
		if !l.filters[i].matches(fields, &r.cells) {
			return fields, false
		}
	}
	return fields, l.sight.shows(fields, problems) && (len(l.words) == 0 || r.mentions(e, fields))
}

// key is what e is sorted by.
func (r *reader) key(e *repo.Entry) string {
	if len(r.sort) == 0 {
		return ""
	}
	r.buffer = r.appendKey(r.buffer[:0], r.glimpse(e))
	return string(r.buffer)
}

func (r *reader) spot(fields values, e *repo.Entry) spot {
	r.buffer = r.appendKey(r.buffer[:0], fields)
	return spot{string(r.buffer), e.Slug.String()}
}

func (r *reader) appendKey(b []byte, fields values) []byte {
	for _, k := range r.sort {
		c := r.cells.at(fields, k.typedPath, true)
		b = c.appendTo(b, k.descending)
	}
	return b
}

// mentions says whether each word of the list is in e.
func (r *reader) mentions(e *repo.Entry, fields *content.Object) bool {
	l := r.list
	r.folded = r.folded[:0]
	for _, m := range fields.Members {
		if !l.sight.closed(m.Key) {
			eachText(m.Value, func(s string) { r.folded = append(appendFolded(r.folded, s), '\n') })
		}
	}
	if src, err := e.Source(); err == nil {
		r.folded = appendFolded(r.folded, content.Body(src))
	} else { // the fields alone are searched
		r.unread = true
	}
	r.looked += len(r.folded)
	found := !slices.ContainsFunc(l.words, func(w string) bool { return !bytes.Contains(r.folded, []byte(w)) })
	if cap(r.folded) > maxPart/8 {
		r.folded = nil // which one large entry has made so
	}
	return found
}
