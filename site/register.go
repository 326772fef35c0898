package site

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"cms/content"
	"cms/repo"
)

// registers say which slugs and unique values are taken, without a look at every
// entry. There is one for each collection that was asked about. They are derived
// from the entries; the zero value is ready.
type registers struct {
	mu sync.Mutex
	of map[string]*register // by collection

	reading func(collection string) bool // whether entries are being read for the first time; nil is never
}

// A register is of one edition of a collection at a time, and goes from there to
// the one that it is asked about: forward with the edits of a group, and back
// when it failed or somebody rehearses on what readers see. A step costs what the
// two differ in. Nothing is taken out by reading an entry again.
type register struct {
	mu      sync.Mutex
	at      repo.Edition
	slugs   map[string]int     // how many entries have a folded slug
	numbers map[string]int     // of a slug that was taken, a number below which, from 2 on, none is free
	owners  map[string]*owners // of the unique fields that were asked about
}

// mostUnread is how many files are read to go on to another edition.
const mostUnread = 500

// owners are the entries that have a value of a field, by its key.
type owners struct {
	slugs map[string][]content.Slug
	keys  map[content.Slug]string
}

// twin says whether an entry but self has the slug of ref, or one that differs
// in case or in the Unicode normal form alone.
func (all *registers) twin(in entries, ref, self Ref) bool {
	r := all.open(in, ref.Collection)
	defer r.mu.Unlock()
	name := folded(ref.Slug.String())
	others := r.slugs[name]
	if self.Collection == ref.Collection && folded(self.Slug.String()) == name {
		others--
	}
	return others > 0
}

// free is base or, if it is taken, base with the first number from 2 on that is
// not. A slug that no file may have is taken; one that differs in upper and lower
// case alone is, too.
func (all *registers) free(in entries, collection string, base content.Slug) content.Slug {
	r := all.open(in, collection)
	defer r.mu.Unlock()
	name := folded(base.String())
	if r.slugs[name] == 0 && base.Portable() == nil {
		return base
	}
	for n := max(2, r.numbers[name]); ; n++ {
		numbered := fmt.Sprintf("%s-%d", base, n)
		if r.slugs[folded(numbered)] == 0 {
			r.numbers[name] = n
			slug, _ := content.ParseSlug(numbered) // a slug of a title leaves room for a number
			return slug
		}
	}
}

// taken says whether an entry but self has the value v in a field; not sure when some
// could not be read.
func (all *registers) taken(in entries, self Ref, field string, v content.Value) (taken, sure bool) {
	r := all.open(in, self.Collection)
	defer r.mu.Unlock()
	o, sure := r.owners[field], true
	if o == nil && all.reading != nil && all.reading(self.Collection) {
		return false, false
	}
	if o == nil {
		o = &owners{slugs: map[string][]content.Slug{}, keys: map[content.Slug]string{}}
		for e := range r.at.Since(repo.Edition{}) {
			sure = o.add(e, field) && sure
		}
		if sure {
			r.owners[field] = o
		}
	}
	return slices.ContainsFunc(o.slugs[content.Key(v)], func(owner content.Slug) bool { return owner != self.Slug }), sure
}

// open is the register of a collection, locked, at its edition in in.
func (all *registers) open(in entries, collection string) *register {
	all.mu.Lock()
	r := all.of[collection]
	if r == nil {
		r = &register{slugs: map[string]int{}, numbers: map[string]int{}, owners: map[string]*owners{}}
		if all.of == nil {
			all.of = map[string]*register{}
		}
		all.of[collection] = r
	}
	all.mu.Unlock()
	r.mu.Lock()
	r.follow(in.Edition(collection))
	return r
}

// follow makes the register that of the edition to.
func (r *register) follow(to repo.Edition) {
	unread := 0
	for e, gone := range to.Since(r.at) {
		if !gone && !e.Cached() {
			if unread++; unread == mostUnread {
				clear(r.owners) // they are made anew when the entries were read
			}
		}
		name := folded(e.Slug.String())
		if gone {
			r.release(name)
		} else {
			r.slugs[name]++
		}
		for field, o := range r.owners {
			if gone {
				o.remove(e.Slug)
			} else if !o.add(e, field) {
				delete(r.owners, field)
			}
		}
	}
	r.at = to
}

// release notes that one entry less has a folded slug.
func (r *register) release(name string) {
	if r.slugs[name]--; r.slugs[name] > 0 {
		return
	}
	delete(r.slugs, name)
	delete(r.numbers, name)
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if n, err := strconv.Atoi(name[i+1:]); err == nil && n < r.numbers[name[:i]] {
			r.numbers[name[:i]] = n
		}
	}
}

// add is false when the entry could not be read now.
func (o *owners) add(e *repo.Entry, field string) bool {
	g, known := e.CachedFields()
	v, ok := g.Get(field)
	if !known {
		v, ok = e.Fields().Get(field)
	}
	if !ok {
		return known || !unread(e.Problems())
	}
	k := content.Key(v)
	o.keys[e.Slug] = k
	o.slugs[k] = append(o.slugs[k], e.Slug)
	return true
}

func (o *owners) remove(slug content.Slug) {
	k, ok := o.keys[slug]
	if !ok {
		return
	}
	delete(o.keys, slug)
	left := slices.DeleteFunc(o.slugs[k], func(s content.Slug) bool { return s == slug })
	if len(left) == 0 {
		delete(o.slugs, k)
	} else {
		o.slugs[k] = left
	}
}

// folded is equal for names that are one on some system: those of which
// [strings.EqualFold] says so, in whatever normal form of Unicode.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if 'A' <= least && least <= 'Z' {
			return least - 'A' + 'a' // so that most slugs stay as they are
		}
		return least
	}, norm.NFD.String(s))
}
