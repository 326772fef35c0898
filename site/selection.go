package site

import (
	"bytes"
	"context"
	"crypto/sha256"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"cms/content"
	"cms/repo"
	"cms/search"
)

// selectionCache holds, for each query and what its caller sees, the entries that it
// finds, in its order. Each selection is brought from one edition of its collection to
// another by their differences, so that after an edit a list costs what was edited.
// They are derived and may be dropped; the zero value is ready.
type selectionCache struct {
	mu           sync.Mutex
	byCollection map[string]map[selectionKey]*selection // by collection
	clock        int64                                  // counts the lists that were asked for
	passFrom     int                                    // see passFrom; 0 stands for that
	gate         gate                                   // keeps the background waiting while a selection is made or an entry written
}

// selectionKey identifies a selection, see [list.key].
type selectionKey [sha256.Size]byte

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

	gate *gate         // of all selections
	lock chan struct{} // held by whoever uses what follows

	made    bool
	at      repo.Edition
	order   *order
	pending *build // what was begun by somebody who could not wait for its end
	passing *build // the same of a pass, see [selectionCache.page]
	passed  bool   // whether there has been one
}

// build is a selection that is being made.
type build struct {
	at     repo.Edition
	rest   []*repo.Entry // still to be looked at
	sorted bool          // rest is in the order of the list
	runs   [][]match     // what was found, each run in the order of the list

	keyBytes int // of what was found in a chunk, at most

	pass *pass // where one page is looked for alone
}

// match is an entry and its key.
type match struct {
	position
	entry *repo.Entry
}

// find is what l finds in the newest edition of its collection. While its entries are
// read for the first time it waits, but not for long where the time of ctx is bounded.
func (s *Site) find(ctx context.Context, l *list) (*order, error) {
	found, err := s.selected(ctx, l)
	return found.order, err
}

// selected is what l finds, and in which edition.
type selected struct {
	order *order
	at    repo.Edition
	sure  bool // whether all could be read
}

// selected is [Site.find] with the edition that was looked at.
func (s *Site) selected(ctx context.Context, l *list) (selected, error) {
	if err := s.awaitFields(ctx, l); err != nil {
		return selected{}, err
	}
	return s.selections.find(ctx, s.repo.View, l)
}

// findPage is the page of l behind where it begins, of n entries at most.
func (s *Site) findPage(ctx context.Context, l *list, n int) (foundPage, error) {
	if err := s.awaitFields(ctx, l); err != nil {
		return foundPage{}, err
	}
	return s.selections.page(ctx, s.repo.View, l, n)
}

// awaitFields waits until what l looks into is read.
func (s *Site) awaitFields(ctx context.Context, l *list) error {
	if !l.needsFields() {
		return nil
	}
	if _, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, firstReadWait)
		defer cancel()
	}
	if err := s.repo.AwaitWarm(ctx, l.access.Name); err != nil {
		return firstReadError(err)
	}
	return nil
}

// firstReadWait is how long a list waits for entries that are read for the first time.
const firstReadWait = 5 * time.Second

// find is what l finds in the newest edition that view shows.
func (all *selectionCache) find(ctx context.Context, view func() *repo.Snapshot, l *list) (selected, error) {
	newest := func() repo.Edition { return view().Edition(l.access.Name) }
	s := all.get(l.access.Name, l.key())
	found, err := s.follow(ctx, newest, l, func() (*order, repo.Edition, bool) { return all.unfiltered(ctx, newest, l) })
	all.trim(l.access.Name, s, view().Len(l.access.Name))
	return found, err
}

// get is the selection of a key, marked as used.
func (all *selectionCache) get(collection string, name selectionKey) *selection {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.byCollection == nil {
		all.byCollection = map[string]map[selectionKey]*selection{}
	}
	of := all.byCollection[collection]
	if of == nil {
		of = map[selectionKey]*selection{}
		all.byCollection[collection] = of
	}
	s := of[name]
	if s == nil {
		s = &selection{lock: make(chan struct{}, 1), gate: &all.gate}
		of[name] = s
	}
	all.clock++
	s.used = all.clock
	return s
}

// trim drops the least recently used selections, but for s, until the rest is within
// the bounds of a collection of so many entries.
func (all *selectionCache) trim(collection string, s *selection, entries int) {
	all.mu.Lock()
	defer all.mu.Unlock()
	of := all.byCollection[collection]
	for {
		var held int64
		var oldest selectionKey
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

// unfiltered is every entry of the collection in the order of l, if that is cached.
func (all *selectionCache) unfiltered(ctx context.Context, newest func() repo.Edition, l *list) (*order, repo.Edition, bool) {
	if l.hasOwn("") {
		return nil, repo.Edition{}, false
	}
	base := &list{access: &access{Collection: l.access.Collection, full: true}, sort: l.sort}
	name := base.key()
	if name == l.key() {
		return nil, repo.Edition{}, false
	}
	all.mu.Lock()
	s := all.byCollection[l.access.Name][name]
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
func (s *selection) follow(ctx context.Context, newest func() repo.Edition, l *list, whole func() (*order, repo.Edition, bool)) (selected, error) {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return selected{}, ctx.Err()
	}
	r := l.reader()
	if s.made && s.step(newest(), r) {
		return selected{s.order, s.at, true}, nil
	}
	s.made, s.order, s.passing = false, nil, nil
	budget := l.access.budget
	if s.pending == nil {
		all, at, ok := whole()
		if err := budget.acquireSlot(); err != nil {
			return selected{}, err
		}
		defer budget.release()
		s.pending = &build{}
		if ok {
			*s.pending = build{at: at, rest: slices.AppendSeq(make([]*repo.Entry, 0, all.len()), all.behind(nil, nil)), sorted: true}
		} else {
			at = newest()
			*s.pending = build{at: at, rest: entriesOf(at), sorted: len(l.sort) == 0}
		}
	} else {
		if err := budget.acquireSlot(); err != nil {
			return selected{}, err
		}
		defer budget.release()
	}
	defer s.count()
	defer s.gate.enterList()()
	failed, err := s.pending.work(ctx, l)
	if err != nil {
		return selected{}, err
	}
	at, found := s.pending.at, s.pending.order(r)
	s.pending = nil
	if failed || r.unread { // by now; the next list may have more luck
		return selected{found, at, false}, nil
	}
	s.made, s.at, s.order = true, at, found
	if s.step(newest(), r) {
		return selected{s.order, s.at, true}, nil
	}
	s.made, s.order = false, nil
	return selected{found, at, true}, nil
}

// count notes how many entries the selection holds.
func (s *selection) count() {
	n := s.order.len()
	for _, m := range []*build{s.pending, s.passing} {
		if m == nil {
			continue
		}
		n += len(m.rest)
		for _, run := range m.runs {
			n += len(run)
		}
	}
	s.held.Store(int64(n))
}

// minRebuild is how many changes are always made one by one. Beyond it, a selection is
// made anew when more than an eighth of it changes.
const minRebuild = 1000

// step makes the selection that of another edition. It is false, and nothing is
// done, when that is too much, or cannot be done now.
func (s *selection) step(to repo.Edition, r *reader) bool {
	next, changes := s.order, 0
	for e, gone := range to.Since(s.at) {
		if changes++; changes > max(minRebuild, s.order.len()/8) {
			return false
		}
		fields, there := r.finds(e)
		switch {
		case r.unread, r.looked > maxChunkBytes:
			return false
		case !there:
		case !gone:
			next = next.put(r.position(fields, e), e, r.key)
		default:
			if next, there = next.remove(r.position(fields, e), r.key); !there {
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

// A chunk of the entries is looked at by one goroutine: so many of them, or fewer when
// they are so large together.
const (
	chunkSize     = 4096
	maxChunkBytes = 8 << 20 // bytes
)

// A chunkResult is what was found in one.
type chunkResult struct {
	found  []match
	total  int // how many were found, if found has those of a page alone
	done   int // how many of its entries were looked at
	looked int // how many bytes
	unread bool

	keyBytes int // of what was found
}

// work looks at the entries that are left, in as many goroutines as there are
// processors, and merges what was found. It says whether some could not be read.
// What was done when it ends with an error is kept.
func (m *build) work(ctx context.Context, l *list) (unread bool, err error) {
	for len(m.rest) > 0 {
		if err := ctx.Err(); err != nil {
			return unread, err
		}
		next := m.rest[:min(len(m.rest), chunkSize*runtime.GOMAXPROCS(0))]
		chunks := slices.Collect(slices.Chunk(next, chunkSize))
		parts := make([]chunkResult, len(chunks))
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
			m.keyBytes = max(m.keyBytes, p.keyBytes)
		}
		for i, p := range parts { // what follows one that is not at its end is looked at again, so that all stays in order
			m.rest, m.runs = m.rest[p.done:], append(m.runs, p.found)
			unread = unread || p.unread
			if m.pass != nil {
				m.pass.total += p.total
				m.runs = [][]match{m.pass.best(merge(m.runs))}
			}
			if p.done < len(chunks[i]) {
				break
			}
		}
		if err := l.access.budget.spend(looked); err != nil {
			return unread, err
		}
	}
	for len(m.runs) > 1 && !m.sorted {
		if err := ctx.Err(); err != nil {
			return unread, err
		}
		var longer [][]match
		for pair := range slices.Chunk(m.runs, 2) {
			longer = append(longer, merge(pair))
		}
		m.runs = longer
	}
	return unread, nil
}

// look is what l finds among some entries, in its order, as far as it gets.
func (m *build) look(ctx context.Context, entries []*repo.Entry, l *list) (p chunkResult) {
	r, most := l.reader(), l.access.budget.share(maxChunkBytes)
	if m.pass != nil {
		return m.pass.look(ctx, entries, r, most, m.runs)
	}
	var keys strings.Builder
	var ends []int
	if !m.sorted {
		keys.Grow(m.keyBytes)
	}
	for _, e := range entries {
		if isDone(ctx) || r.looked > most {
			break
		}
		p.done++
		fields, there := r.finds(e)
		if !there {
			continue
		}
		p.found = append(p.found, match{position{slug: e.Slug.String()}, e})
		if !m.sorted {
			r.buffer = r.appendKey(r.buffer[:0], fields)
			keys.Write(r.buffer)
			ends = append(ends, keys.Len())
		}
	}
	p.looked, p.unread = r.looked, r.unread
	if m.sorted {
		return p
	}
	p.keyBytes = keys.Len()
	all, from := keys.String(), 0
	for i, to := range ends {
		p.found[i].key, from = all[from:to], to
	}
	slices.SortFunc(p.found, func(a, b match) int { return a.compare(b.position) })
	return p
}

// isDone says whether ctx has ended. Unlike ctx.Err it takes no lock.
func isDone(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// merge makes one run of one or two.
func merge(runs [][]match) []match {
	if len(runs) == 1 {
		return runs[0]
	}
	a, b := runs[0], runs[1]
	out := make([]match, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].compare(b[0].position) < 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// order is what was found in the end.
func (m *build) order(r *reader) *order {
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
	own    bool // asks for what is the entries' own
	cells  cells
	unread bool // an entry could not be read now
	passes bool // looks at each entry once, and has nothing kept of it in memory
	record repo.Passing
	looked int // bytes
	buffer []byte
	folded []byte
}

// entriesOf are the entries of an edition, in the order of their slugs.
func entriesOf(at repo.Edition) []*repo.Entry {
	entries := make([]*repo.Entry, 0, at.Len())
	for e := range at.Since(repo.Edition{}) {
		entries = append(entries, e)
	}
	return entries
}

func (l *list) reader() *reader { return &reader{list: l, sort: l.typed(), own: l.hasOwn("")} }

// glimpse is the fields of an entry for filters and sorts alone. What only cannot be
// read now is noted.
func (r *reader) glimpse(e *repo.Entry) values {
	fieldsOf := (*repo.Entry).CachedFields
	if r.passes {
		fieldsOf = r.record.Fields
	}
	if g, ok := fieldsOf(e); ok {
		return r.with(e, g)
	}
	fields, _ := r.read(e)
	return r.with(e, fields)
}

// with is fields with what is e's own, if the list asks for it.
func (r *reader) with(e *repo.Entry, fields values) values {
	if !r.own {
		return fields
	}
	return ownValues{fields, e, r}
}

// read is the fields of an entry and the problems with its file. What only cannot
// be read now is noted.
func (r *reader) read(e *repo.Entry) (*content.Object, []content.Problem) {
	fields := e.Fields()
	if fields.Len() > 0 && r.list.access.full {
		return fields, nil
	}
	problems := e.Problems()
	r.unread = r.unread || storageFailed(problems)
	return e.Fields(), problems
}

// storageFailed says whether a file could not be read now, whatever it holds.
func storageFailed(problems []content.Problem) bool {
	return slices.ContainsFunc(problems, func(p content.Problem) bool { return p.Rule == "storage" })
}

// needsFields says whether the list looks into its entries.
func (l *list) needsFields() bool {
	return !l.access.full || len(l.filters) > 0 || len(l.words) > 0 || len(l.sort) > 0
}

// finds says whether the list has e, and gives its fields.
func (r *reader) finds(e *repo.Entry) (values, bool) {
	l := r.list
	if !l.needsFields() {
		return (*content.Object)(nil), true
	}
	if l.access.full && len(l.words) == 0 {
		r.looked += lookCost + e.Weight()/8 // little of it is decoded
		fields := r.glimpse(e)
		return fields, !slices.ContainsFunc(l.filters, func(f filter) bool { return !f.matches(fields, &r.cells) })
	}
	fields, problems := r.read(e)
	r.looked += lookCost + e.Weight()
	if !l.access.canReadFields(fields, problems) {
		return fields, false
	}
	all := r.with(e, fields)
	for i := range l.filters {
		if !l.filters[i].matches(all, &r.cells) {
			return all, false
		}
	}
	return all, len(l.words) == 0 || r.mentions(e, fields)
}

// key is what e is sorted by.
func (r *reader) key(e *repo.Entry) string {
	if len(r.sort) == 0 {
		return ""
	}
	r.buffer = r.appendKey(r.buffer[:0], r.glimpse(e))
	return string(r.buffer)
}

func (r *reader) position(fields values, e *repo.Entry) position {
	r.buffer = r.appendKey(r.buffer[:0], fields)
	return position{string(r.buffer), e.Slug.String()}
}

func (r *reader) appendKey(b []byte, fields values) []byte {
	for _, k := range r.sort {
		b = r.appendCell(b, fields, k)
	}
	return b
}

func (r *reader) appendCell(b []byte, fields values, k sortKey) []byte {
	c := r.cells.at(fields, k.typedPath, false)
	return c.appendTo(b, &r.cells.keys, k.descending)
}

// mentions says whether each word of the list is in e.
func (r *reader) mentions(e *repo.Entry, fields *content.Object) bool {
	l := r.list
	r.folded = r.folded[:0]
	for _, m := range fields.Members {
		if !l.access.hides(m.Key) {
			eachText(m.Value, func(s string) { r.folded = append(search.AppendFold(r.folded, s), '\n') })
		}
	}
	if src, err := e.Source(); err == nil {
		r.folded = search.AppendFold(r.folded, content.Body(src))
	} else { // only the fields are searched
		r.unread = true
	}
	r.looked += len(r.folded)
	found := !slices.ContainsFunc(l.words, func(w string) bool { return !bytes.Contains(r.folded, []byte(w)) })
	if cap(r.folded) > maxChunkBytes/8 {
		r.folded = nil // which one large entry has made so
	}
	return found
}
