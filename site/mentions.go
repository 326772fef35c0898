package site

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"cms/content"
	"cms/repo"
	"cms/say"
)

// A mentionIndex says which entries of a collection mention something, without a look
// at every one: by their references, or by the names of files. It is of one edition at a
// time and is brought to the one that it is asked about, forward and back, as a
// [uniqueIndex] is; that costs what the two differ in. It is derived from the entries.
type mentionIndex struct {
	keysOf func(*repo.Entry) (keys []string, cost int, ok bool) // what an entry mentions; false when it cannot be read now

	lock  chan struct{} // held by whoever uses what follows
	at    repo.Edition
	begun bool
	rest  []*repo.Entry // of the edition, still to be looked at
	slugs map[string]map[content.Slug]struct{}
	keys  map[content.Slug][]string
}

// mentionIndexes are those of each collection that was asked about; the zero value with
// keysOf is ready.
type mentionIndexes struct {
	mu           sync.Mutex
	byCollection map[string]*mentionIndex
	keysOf       func(*repo.Entry) (keys []string, cost int, ok bool)
}

// A section of a collection is looked at while others wait: so many entries, or fewer
// when they are so large together.
const (
	maxSection      = 512
	maxSectionBytes = 4 << 20
)

// maxFollowed is how many changes are followed at once; beyond it, and beyond maxUnparsed
// files that have to be read, an index is made anew, in sections.
const maxFollowed = 5000

// An entry with more mentions is looked at whatever is asked for, so that it takes no more
// room in the index than others: it is there under anything, which is no key.
const (
	maxMentions = 1000
	anything    = "*"
)

// mentioning are the slugs of the entries of a collection, as they are in in, that
// mention key. What has to be looked at for it is spent, and not lost where the budget
// ends. The writer, whose budget is nil, makes no index: it only follows one.
func (all *mentionIndexes) mentioning(in entries, collection, key string, budget *budget) ([]content.Slug, error) {
	x := all.of(collection)
	for {
		if err := x.acquire(budget); err != nil {
			return nil, err
		}
		done, err := x.advance(in.Edition(collection), budget)
		var slugs []content.Slug
		if done {
			slugs = slices.AppendSeq(slices.Collect(maps.Keys(x.slugs[key])), maps.Keys(x.slugs[anything]))
		}
		<-x.lock
		if err != nil {
			return nil, err
		}
		if done {
			slices.SortFunc(slugs, func(a, b content.Slug) int { return strings.Compare(a.String(), b.String()) })
			return slugs, nil
		}
	}
}

func (all *mentionIndexes) of(collection string) *mentionIndex {
	all.mu.Lock()
	defer all.mu.Unlock()
	x := all.byCollection[collection]
	if x == nil {
		x = &mentionIndex{keysOf: all.keysOf, lock: make(chan struct{}, 1)}
		if all.byCollection == nil {
			all.byCollection = map[string]*mentionIndex{}
		}
		all.byCollection[collection] = x
	}
	return x
}

func (x *mentionIndex) acquire(budget *budget) error {
	ctx := context.Background()
	if budget != nil {
		ctx = budget.ctx
	}
	select {
	case x.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// advance brings the index on towards an edition, by a section if it is not made yet. It
// says whether it is there.
func (x *mentionIndex) advance(to repo.Edition, budget *budget) (done bool, err error) {
	switch {
	case x.begun && len(x.rest) == 0:
		return x.follow(to, budget)
	case budget == nil:
		return false, &Error{Code: Unavailable, Detail: say.New("All entries are being searched for references. Nothing was saved. Try again in a moment.")}
	case !x.begun:
		x.begun, x.at, x.rest = true, to, nil
		x.slugs, x.keys = map[string]map[content.Slug]struct{}{}, map[content.Slug][]string{}
		for e := range to.Since(repo.Edition{}) {
			x.rest = append(x.rest, e)
		}
		return false, nil
	}
	spent, most := 0, budget.share(maxSectionBytes)
	for range maxSection {
		if len(x.rest) == 0 || spent > most {
			break
		}
		cost, err := x.add(x.rest[0])
		if err != nil {
			return false, err
		}
		x.rest = x.rest[1:]
		spent += lookCost + cost
	}
	if len(x.rest) == 0 {
		x.rest = nil
	}
	return false, budget.spend(spent)
}

// follow brings an index that is made to another edition. One that cannot be brought
// there at once is to be made anew.
func (x *mentionIndex) follow(to repo.Edition, budget *budget) (bool, error) {
	changes, unparsed := 0, 0
	for e, gone := range to.Since(x.at) {
		changes++
		if !gone && !e.Cached() {
			unparsed++
		}
		if changes > maxFollowed || unparsed > maxUnparsed {
			x.begun = false
			return false, nil
		}
		if gone {
			x.remove(e.Slug)
			continue
		}
		cost, err := x.add(e)
		if err == nil {
			err = budget.spend(cost)
		}
		if err != nil {
			x.begun = false
			return false, err
		}
	}
	x.at = to
	return true, nil
}

func (x *mentionIndex) add(e *repo.Entry) (cost int, err error) {
	keys, cost, ok := x.keysOf(e)
	if !ok {
		return cost, errUnreadable()
	}
	if len(keys) == 0 {
		return cost, nil
	}
	slices.Sort(keys)
	if keys = slices.Clip(slices.Compact(keys)); len(keys) > maxMentions {
		keys = []string{anything}
	}
	x.keys[e.Slug] = keys
	for _, k := range keys {
		if x.slugs[k] == nil {
			x.slugs[k] = map[content.Slug]struct{}{}
		}
		x.slugs[k][e.Slug] = struct{}{}
	}
	return cost, nil
}

func (x *mentionIndex) remove(slug content.Slug) {
	for _, k := range x.keys[slug] {
		delete(x.slugs[k], slug)
		if len(x.slugs[k]) == 0 {
			delete(x.slugs, k)
		}
	}
	delete(x.keys, slug)
}

// textsUnder visits the texts in fields, however deep, and the field of each.
func textsUnder(fields []content.Field, in values, visit func(at content.FieldPath, f *content.Field, text string)) {
	for i := range fields {
		if v, ok := in.Get(fields[i].Name); ok {
			textsAt(&fields[i], v, content.FieldPath{fields[i].Name}, visit)
		}
	}
}

func textsAt(f *content.Field, v content.Value, at content.FieldPath, visit func(at content.FieldPath, f *content.Field, text string)) {
	below := func(step any) content.FieldPath { return append(at[:len(at):len(at)], step) }
	switch v := v.(type) {
	case string:
		visit(at, f, v)
	case []content.Value:
		for i := range v {
			if f.Of != nil {
				textsAt(f.Of, v[i], below(i), visit)
			}
		}
	case *content.Object:
		for i := range f.Fields {
			member := &f.Fields[i]
			if x, ok := v.Get(member.Name); ok {
				textsAt(member, x, below(member.Name), visit)
			}
		}
	}
}
