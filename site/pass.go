package site

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"cms/repo"
)

// A pass finds one page of a list by looking at each entry once, and keeps no more than
// the page. It costs a fraction of a selection, which has the keys of all entries for as
// long as it is made.
type pass struct {
	after *position
	most  int // entries of the page
	total int // that were found
}

// passFrom is how many entries a collection has whose first list of a kind is a pass. The
// second one of that kind makes the selection: what is asked for twice may be asked for
// often.
const passFrom = 200_000

// foundPage is a page of what was found.
type foundPage struct {
	entries []*repo.Entry
	total   int // of all pages
}

// page is the page of l of n entries at most.
func (all *selectionCache) page(ctx context.Context, view func() *repo.Snapshot, l *list, n int) (foundPage, error) {
	if len(l.sort) > 0 && view().Len(l.access.Name) >= cmp.Or(all.passFrom, passFrom) {
		s := all.get(l.access.Name, l.key())
		p, ok, err := s.pass(ctx, func() repo.Edition { return view().Edition(l.access.Name) }, l, n)
		if err != nil || ok {
			all.trim(l.access.Name, s, view().Len(l.access.Name))
			return p, err
		}
	}
	found, err := all.find(ctx, view, l)
	if err != nil {
		return foundPage{}, err
	}
	p := foundPage{make([]*repo.Entry, 0, min(n, found.order.len())), found.order.len()}
	for e := range found.order.behind(l.after, l.reader().key) {
		if p.entries = append(p.entries, e); len(p.entries) == n {
			break
		}
	}
	return p, nil
}

// pass finds a page by a pass, if there has been none. Of one that somebody could not wait
// for, who asks for the same page has the rest. It is not ok where the selection is to be
// made.
func (s *selection) pass(ctx context.Context, newest func() repo.Edition, l *list, n int) (p foundPage, ok bool, err error) {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return p, false, ctx.Err()
	}
	if s.made || s.passed || s.pending != nil {
		return p, false, nil
	}
	if s.passing != nil && !s.passing.pass.is(l.after, n) {
		s.passing, s.passed = nil, true
		return p, false, nil
	}
	if err := l.access.budget.acquireSlot(); err != nil {
		return p, false, err
	}
	defer l.access.budget.release()
	begun := s.passing != nil
	if !begun {
		at := newest()
		s.passing = &build{at: at, rest: entriesOf(at), pass: &pass{after: l.after, most: n}}
	}
	defer s.count()
	defer s.gate.enterList()()
	unread, err := s.passing.work(ctx, l)
	if err != nil {
		return p, false, err
	}
	m := s.passing
	s.passing, s.passed = nil, !unread
	if begun && !same(newest(), m.at) { // which may be an edit of who asks again
		return p, false, nil
	}
	for _, run := range m.runs {
		for _, c := range run {
			p.entries = append(p.entries, c.entry)
		}
	}
	p.total = m.pass.total
	return p, true, nil
}

func same(a, b repo.Edition) bool {
	for range a.Since(b) {
		return false
	}
	return true
}

// is says whether the pass looks for a page of n behind a position.
func (p *pass) is(after *position, n int) bool {
	return p.most == n && (p.after == nil) == (after == nil) && (after == nil || *after == *p.after)
}

// best is as much of a run as the page has room for.
func (p *pass) best(run []match) []match { return run[:min(len(run), p.most)] }

// look is what a list finds among some entries for the page, beside the runs that there are.
func (p *pass) look(ctx context.Context, entries []*repo.Entry, r *reader, mostBytes int, runs [][]match) (out chunkResult) {
	r.passes = true
	worst := position{} // that has a place on the page
	full := len(runs) > 0 && len(runs[0]) == p.most
	if full {
		worst = runs[0][p.most-1].position
	}
	for _, e := range entries {
		if isDone(ctx) || r.looked > mostBytes {
			break
		}
		out.done++
		fields, there := r.finds(e)
		if !there {
			continue
		}
		out.total++
		slug := e.Slug.String()
		if !p.leads(r, fields, slug, full, worst) {
			continue
		}
		at, there := slices.BinarySearchFunc(out.found, slug, func(m match, slug string) int {
			return cmp.Or(strings.Compare(m.key, string(r.buffer)), strings.Compare(m.slug, slug))
		})
		if there {
			continue // no two entries are at one position
		}
		out.found = p.best(slices.Insert(out.found, at, match{position{string(r.buffer), slug}, e}))
		if last := len(out.found) - 1; len(out.found) == p.most && (!full || out.found[last].compare(worst) < 0) {
			full, worst = true, out.found[last].position
		}
	}
	out.looked, out.unread = r.looked, r.unread
	return out
}

// leads makes the key of an entry, as far as it takes to see that it has no place on the
// page; else it is in the reader's buffer.
func (p *pass) leads(r *reader, fields values, slug string, full bool, worst position) bool {
	r.buffer = r.buffer[:0]
	for _, k := range r.sort {
		r.buffer = r.appendCell(r.buffer, fields, k)
		if full && string(r.buffer) > worst.key[:min(len(worst.key), len(r.buffer))] { // without a copy
			return false
		}
	}
	behind := func(at position) int {
		return cmp.Or(strings.Compare(string(r.buffer), at.key), strings.Compare(slug, at.slug))
	}
	return (p.after == nil || behind(*p.after) > 0) && (!full || behind(worst) < 0)
}
