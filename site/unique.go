package site

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"cms/content"
	"cms/repo"
)

// uniqueIndexes say which slugs and unique values are taken, without a look at every
// entry: one index for each collection that was asked about. They are derived from
// the entries; the zero value is ready.
type uniqueIndexes struct {
	mu           sync.Mutex
	byCollection map[string]*uniqueIndex

	reading func(collection string) bool // whether entries are being read for the first time; nil is never
}

// A uniqueIndex is of one edition of a collection at a time, and is brought to the
// one that it is asked about: forward with the edits of a group, and back when it
// failed or an edit is rehearsed on what readers see. That costs what the two
// differ in. No entry is read again to be taken out.
type uniqueIndex struct {
	mu        sync.Mutex
	at        repo.Edition
	slugs     map[string]int            // how many entries have a slug, by its caseFold
	folders   map[string]map[string]int // how many are in a folder, by its caseFold and as it is written
	firstFree map[string]int            // of a slug that was taken, a number below which, from 2 on, none is free
	values    map[string]*valueIndex    // of the unique fields that were asked about
}

// maxUnparsed is how many files are parsed to go on to another edition.
const maxUnparsed = 500

// valueIndex is which entries have a value of a field of a type, by [content.Key].
type valueIndex struct {
	typ   content.Type
	slugs map[string][]content.Slug
	keys  map[content.Slug]string
}

// caseConflict says whether an entry but self has the slug of ref, or one that differs
// in case or in the Unicode normal form alone, or whether a folder of the slug would so
// differ from one that is there; or a folder from a file, whose names end in extension.
func (all *uniqueIndexes) caseConflict(in entries, ref, self Ref, extension string) bool {
	x := all.open(in, ref.Collection)
	defer x.mu.Unlock()
	others := func(name string) int {
		if self.Collection == ref.Collection && caseFold(self.Slug.String()) == name {
			return x.slugs[name] - 1
		}
		return x.slugs[name]
	}
	differs := func(folder string) bool {
		written := x.folders[caseFold(folder)]
		return len(written) > 0 && written[folder] == 0
	}
	slug := ref.Slug.String()
	if others(caseFold(slug)) > 0 || differs(slug+extension) {
		return true
	}
	for folder := range folders(slug) {
		if differs(folder) {
			return true
		}
		name, is := strings.CutSuffix(caseFold(folder), caseFold(extension))
		if !is || others(name) < 1 {
			continue
		}
		file, err := content.ParseSlug(strings.TrimSuffix(folder, extension))
		if _, there := in.Entry(ref.Collection, file); err != nil || !there { // otherwise the file itself is in the way
			return true
		}
	}
	return false
}

// twins are the entries whose slugs differ from those of others in case or in the Unicode
// normal form alone, those alike one after the other.
func (all *uniqueIndexes) twins(in entries, collection string) []Ref {
	x := all.open(in, collection)
	var names []string
	for name, n := range x.slugs {
		if n > 1 {
			names = append(names, name)
		}
	}
	x.mu.Unlock()
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	alike := map[string][]Ref{}
	for e := range in.Edition(collection).Since(repo.Edition{}) {
		name := caseFold(e.Slug.String())
		if _, is := slices.BinarySearch(names, name); is {
			alike[name] = append(alike[name], Ref{collection, e.Slug})
		}
	}
	var found []Ref
	for _, name := range names {
		found = append(found, alike[name]...)
	}
	return found
}

// folders yields the folders of a slug, the outermost first.
func folders(slug string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(slug) {
			if slug[i] == '/' && !yield(slug[:i]) {
				return
			}
		}
	}
}

// freeSlug is base or, if it is taken, base with the first number from 2 on that is
// not. A slug that no file may have is taken; one that differs in upper and lower
// case alone is, too.
func (all *uniqueIndexes) freeSlug(in entries, collection string, base content.Slug) content.Slug {
	x := all.open(in, collection)
	defer x.mu.Unlock()
	name := caseFold(base.String())
	if x.slugs[name] == 0 && base.Portable() == nil {
		return base
	}
	for n := max(2, x.firstFree[name]); ; n++ {
		numbered := fmt.Sprintf("%s-%d", base, n)
		if x.slugs[caseFold(numbered)] == 0 {
			x.firstFree[name] = n
			slug, _ := content.ParseSlug(numbered) // a slug of a title leaves room for a number
			return slug
		}
	}
}

// taken says whether an entry but self has the value v in a field; not sure when some
// entries cannot be read now.
func (all *uniqueIndexes) taken(in entries, self Ref, f *content.Field, v content.Value) (taken, sure bool) {
	x := all.open(in, self.Collection)
	defer x.mu.Unlock()
	values, sure := x.values[f.Name], true
	if values == nil && all.reading != nil && all.reading(self.Collection) {
		return false, false
	}
	if values == nil {
		values = &valueIndex{typ: f.Type, slugs: map[string][]content.Slug{}, keys: map[content.Slug]string{}}
		for e := range x.at.Since(repo.Edition{}) {
			sure = values.add(e, f.Name) && sure
		}
		if sure {
			x.values[f.Name] = values
		}
	}
	return slices.ContainsFunc(values.slugs[content.Key(v, values.typ)], func(owner content.Slug) bool { return owner != self.Slug }), sure
}

// open is the index of a collection, locked, at its edition in in.
func (all *uniqueIndexes) open(in entries, collection string) *uniqueIndex {
	all.mu.Lock()
	x := all.byCollection[collection]
	if x == nil {
		x = &uniqueIndex{slugs: map[string]int{}, folders: map[string]map[string]int{}, firstFree: map[string]int{}, values: map[string]*valueIndex{}}
		if all.byCollection == nil {
			all.byCollection = map[string]*uniqueIndex{}
		}
		all.byCollection[collection] = x
	}
	all.mu.Unlock()
	x.mu.Lock()
	x.follow(in.Edition(collection))
	return x
}

// follow brings the index to the edition to.
func (x *uniqueIndex) follow(to repo.Edition) {
	unparsed := 0
	for e, gone := range to.Since(x.at) {
		if !gone && !e.Cached() {
			if unparsed++; unparsed == maxUnparsed {
				clear(x.values) // they are made anew when the entries were read
			}
		}
		name := caseFold(e.Slug.String())
		if gone {
			x.release(name)
		} else {
			x.slugs[name]++
		}
		x.countFolders(e.Slug.String(), gone)
		for field, values := range x.values {
			if gone {
				values.remove(e.Slug)
			} else if !values.add(e, field) {
				delete(x.values, field)
			}
		}
	}
	x.at = to
}

// countFolders notes that an entry has come or gone in the folders of its slug.
func (x *uniqueIndex) countFolders(slug string, gone bool) {
	for folder := range folders(slug) {
		name := caseFold(folder)
		written := x.folders[name]
		switch {
		case !gone && written == nil:
			x.folders[name] = map[string]int{folder: 1}
		case !gone:
			written[folder]++
		case written[folder] > 1:
			written[folder]--
		case len(written) > 1:
			delete(written, folder)
		default:
			delete(x.folders, name)
		}
	}
}

// release notes that one entry less has a slug, given as its caseFold.
func (x *uniqueIndex) release(name string) {
	if x.slugs[name]--; x.slugs[name] > 0 {
		return
	}
	delete(x.slugs, name)
	delete(x.firstFree, name)
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if n, err := strconv.Atoi(name[i+1:]); err == nil && n < x.firstFree[name[:i]] {
			x.firstFree[name[:i]] = n
		}
	}
}

// add is false when the entry cannot be read now.
func (values *valueIndex) add(e *repo.Entry, field string) bool {
	g, known := e.CachedFields()
	v, ok := g.Get(field)
	if !known {
		v, ok = e.Fields().Get(field)
	}
	if !ok {
		return known || !storageFailed(e.Problems())
	}
	k := content.Key(v, values.typ)
	values.keys[e.Slug] = k
	values.slugs[k] = append(values.slugs[k], e.Slug)
	return true
}

func (values *valueIndex) remove(slug content.Slug) {
	k, ok := values.keys[slug]
	if !ok {
		return
	}
	delete(values.keys, slug)
	left := slices.DeleteFunc(values.slugs[k], func(s content.Slug) bool { return s == slug })
	if len(left) == 0 {
		delete(values.slugs, k)
	} else {
		values.slugs[k] = left
	}
}

// caseFold is equal for names that are one on some system: those of which
// [strings.EqualFold] says so, in whatever normal form of Unicode.
func caseFold(s string) string {
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
