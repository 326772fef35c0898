package site

import (
	"context"
	"slices"
	"strings"

	"cms/content"
	"cms/repo"
	"cms/say"
)

// ownNames are what lists can filter and sort by beside the fields of entries, and
// their types. With an @ before it each is the entry's own; without, unless there is a
// field of that name.
var ownNames = map[string]content.Type{
	"slug": content.TypeString, "path": content.TypeString, "valid": content.TypeBoolean,
	"updated": content.TypeDatetime, "updated.at": content.TypeDatetime,
	"updated.author": content.TypeString, "updated.author.name": content.TypeString, "updated.author.email": content.TypeString,
}

// named is what a name of a query means: a field, or what is the entry's own. A name
// that neither the schema nor any entry which the caller sees has is Malformed, as one
// that is hidden from them.
func (acc *access) named(ctx context.Context, name string) (typedPath, error) {
	if own, ok := strings.CutPrefix(name, "@"); ok && ownNames[own] != "" {
		return typedPath{name, ownNames[own]}, nil
	}
	found, err := acc.hasField(ctx, name)
	switch {
	case err != nil:
		return typedPath{}, err
	case found:
		return typedPath{name, typeAt(acc.Schema.Fields, name)}, nil
	case ownNames[name] != "":
		return typedPath{"@" + name, ownNames[name]}, nil
	}
	if seen, err := acc.seesAny(ctx); err != nil || !seen { // in nothing, no name is unknown
		return typedPath{name, ""}, err
	}
	return typedPath{}, &Error{Code: Malformed, Detail: say.Join(
		say.New("No entry has a field of one of the names in the query. Beside fields there are %s.", strings.Join(ownList(), ", ")),
		didYouMean(name, acc.names(ctx)))}
}

func ownList() []string {
	var names []string
	for name := range ownNames {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// hasField says whether the schema has a field at a path that the caller may see, or an
// entry that they see has one.
func (acc *access) hasField(ctx context.Context, path string) (bool, error) {
	if acc.alwaysHides(path) {
		return false, nil
	}
	if typeAt(acc.Schema.Fields, path) != "" {
		return true, nil
	}
	exists := filter{op: Exists, typed: typedPath{path, ""}, given: "true", want: true, closed: acc.hides(path)}
	return acc.findsAny(ctx, &list{access: acc, filters: []filter{exists}})
}

// seesAny says whether the caller sees any entry.
func (acc *access) seesAny(ctx context.Context) (bool, error) {
	if acc.full {
		return acc.site.repo.View().Len(acc.Name) > 0, nil
	}
	return acc.findsAny(ctx, &list{access: acc})
}

// sampleSize is how many entries are looked at before all of them are.
const sampleSize = 100

// findsAny says whether a list finds any entry, which it most often does soon.
func (acc *access) findsAny(ctx context.Context, l *list) (bool, error) {
	r, n, there := l.reader(), 0, false
	for e := range acc.site.repo.View().Edition(acc.Name).Since(repo.Edition{}) {
		if n++; n > sampleSize || r.looked > acc.budget.share(maxChunkBytes) {
			break
		}
		if _, there = r.finds(e); there {
			break
		}
	}
	if err := acc.budget.spend(r.looked); err != nil || there {
		return there, err
	}
	found, err := acc.site.find(ctx, l)
	return found.len() > 0, err
}

// crosses says whether entries have rules about other entries.
func (acc *access) crosses() bool { return acc.site != nil && acc.site.crossRules[acc.Name] != nil }

// hasOwn says whether a query asks for what is the entries' own and, with a name, for
// that.
func (l *list) hasOwn(name string) bool {
	is := func(path string) bool {
		own, ok := strings.CutPrefix(path, "@")
		return ok && ownNames[own] != "" && (name == "" || name == own)
	}
	return slices.ContainsFunc(l.filters, func(f filter) bool { return is(f.typed.path) }) || slices.ContainsFunc(l.sort, func(o Order) bool { return is(o.Field) })
}

// ownValues are the fields of an entry, and what is its own behind an @.
type ownValues struct {
	values
	entry  *repo.Entry
	reader *reader
}

// Get is the value of a key.
func (o ownValues) Get(key string) (content.Value, bool) {
	name, ok := strings.CutPrefix(key, "@")
	if !ok || ownNames[name] == "" {
		return o.values.Get(key)
	}
	switch name {
	case "slug":
		return o.entry.Slug.String(), true
	case "path":
		return o.entry.Path.String(), true
	case "valid":
		return o.reader.isValid(o.entry), true
	}
	updated, err := o.reader.updated(o.entry)
	if err != nil {
		o.reader.unread = true
		return nil, false
	}
	switch name {
	case "updated.author":
		return []content.Value{updated.Author.Name, updated.Author.Email}, true
	case "updated.author.name":
		return updated.Author.Name, true
	case "updated.author.email":
		return updated.Author.Email, true
	}
	return content.Time{Time: updated.At}, true
}

// updated is the last change of e that the caller sees.
func (r *reader) updated(e *repo.Entry) (Change, error) {
	acc := r.list.access
	if acc.hidesAny() && len(acc.hidden(e.Fields())) > 0 {
		return acc.lastUpdate(e)
	}
	return change(e.Updated()), nil
}

// isValid says whether e has no problems that the caller sees, at the moment of the
// list.
func (r *reader) isValid(e *repo.Entry) bool {
	acc := r.list.access
	r.looked += lookCost + e.Weight()
	seen := acc.newEntry(Entry{Ref: Ref{e.Collection, e.Slug}}, e.Fields(), e.Problems())
	r.unread = r.unread || storageFailed(e.Problems())
	return len(acc.crossCheck(seen, r.list.snap).Problems) == 0
}
