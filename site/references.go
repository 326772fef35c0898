package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// References says what becomes of the references to an entry or a file that is moved or
// deleted.
type References string

// What may become of them.
const (
	KeepReferences   References = ""       // they stay, and lead nowhere
	RefuseReferences References = "refuse" // nothing is done while there are any
	UpdateReferences References = "update" // they lead to where it was moved
	ClearReferences  References = "clear"  // they are removed
)

// A Reference is a place in an entry that names another entry or a file.
type Reference struct {
	Ref
	Title string            // of the entry that it stands in, if the caller sees one
	At    content.FieldPath // nil is in the body
}

// ReferencePage is a part of the references to something.
type ReferencePage struct {
	Items []Reference
	Next  string // the entry to go on after, as [Ref.String] has it; "" at the end
}

// A referrer is an entry that refers to something, as a caller sees it.
type referrer struct {
	entry  *repo.Entry
	access *access
	at     []content.FieldPath // the references that the caller sees
}

// references are those of the entry.
func (r *referrer) references() []Reference {
	fields := r.entry.Fields()
	title := ""
	if !slices.Contains(r.access.hidden(fields), "title") {
		v, _ := fields.Get("title")
		title, _ = v.(string)
	}
	var all []Reference
	for _, at := range r.at {
		all = append(all, Reference{Ref{r.entry.Collection, r.entry.Slug}, title, at})
	}
	return all
}

// referenceKey names an entry in the index of references.
func referenceKey(collection, slug string) string { return collection + "\x00" + slug }

// referenceKeys are what an entry refers to.
func (s *Site) referenceKeys(e *repo.Entry) (keys []string, cost int, ok bool) {
	rules := s.crossRules[e.Collection]
	if rules == nil {
		return nil, 0, true
	}
	var in values
	if g, known := e.CachedFields(); known {
		in = g
	} else if in = e.Fields(); storageFailed(e.Problems()) {
		return nil, 0, false
	}
	textsUnder(rules.Fields, in, func(_ content.FieldPath, f *content.Field, text string) {
		if f.Type == content.TypeReference {
			keys = append(keys, referenceKey(f.Collection, text))
		}
	})
	return keys, e.Weight() / 8, true // little of it is decoded
}

// referring are the collections with fields that refer to a collection.
func (s *Site) referring(to string) []string {
	var names []string
	for _, c := range s.collections {
		if rules := s.crossRules[c.Name]; rules != nil && slices.ContainsFunc(rules.Fields, func(f content.Field) bool { return refersTo(&f, to) }) {
			names = append(names, c.Name)
		}
	}
	return names
}

// refersTo says whether a field has references to a collection.
func refersTo(f *content.Field, collection string) bool {
	return f.Type == content.TypeReference && f.Collection == collection || f.Of != nil && refersTo(f.Of, collection) ||
		slices.ContainsFunc(f.Fields, func(member content.Field) bool { return refersTo(&member, collection) })
}

// pointing are the places in fields that name target.
func pointing(schema *content.Schema, fields *content.Object, target Ref) []content.FieldPath {
	var all []content.FieldPath
	slug := target.Slug.String()
	textsUnder(schema.Fields, fields, func(at content.FieldPath, f *content.Field, text string) {
		if f.Type == content.TypeReference && f.Collection == target.Collection && text == slug {
			all = append(all, at)
		}
	})
	return all
}

// awaitRead waits until collections whose entries are being read for the first time
// were read, but not for long.
func (s *Site) awaitRead(ctx context.Context, collections []string) error {
	ctx, cancel := context.WithTimeout(ctx, firstReadWait)
	defer cancel()
	for _, name := range collections {
		if err := s.repo.AwaitWarm(ctx, name); err != nil {
			return firstReadError(err)
		}
	}
	return nil
}

// eachReferrer visits the entries that refer to target, as pr sees them, in the order of
// collections and slugs, behind the entry after. Of those of which pr sees no reference
// it gives nil, and of all whether some are out of sight.
func (s *Site) eachReferrer(in entries, pr *auth.Principal, target Ref, after Ref, budget *budget, visit func(r *referrer, hidden bool) (more bool)) error {
	for _, name := range s.referring(target.Collection) {
		if after.Collection != "" && after.Collection != name {
			continue
		}
		slugs, err := s.mentions.mentioning(in, name, referenceKey(target.Collection, target.Slug.String()), budget)
		if err != nil {
			return err
		}
		acc, denied := s.access(pr, name, auth.Read)
		for _, slug := range slugs {
			if after.Collection != "" && strings.Compare(slug.String(), after.Slug.String()) <= 0 {
				continue
			}
			e, ok := in.Entry(name, slug)
			if !ok {
				continue
			}
			var seen *referrer
			hidden := true
			if denied == nil {
				if err := budget.spend(e.Weight()); err != nil {
					return err
				}
				if seen, hidden = acc.referrer(e, target); storageFailed(e.Problems()) {
					return errUnreadable()
				}
			}
			if (seen != nil || hidden) && !visit(seen, hidden) {
				return nil
			}
		}
		after = Ref{}
	}
	return nil
}

// referrer is e with the references to target that the caller sees, nil for none, and
// whether there are others.
func (acc *access) referrer(e *repo.Entry, target Ref) (seen *referrer, hidden bool) {
	if !acc.canRead(e) {
		return nil, true
	}
	fields := e.Fields()
	all := pointing(&acc.Schema, fields, target)
	off := acc.hidden(fields)
	visible := slices.DeleteFunc(slices.Clone(all), func(at content.FieldPath) bool { return slices.Contains(off, at[0].(string)) })
	if hidden = len(visible) < len(all); len(visible) == 0 {
		return nil, hidden
	}
	return &referrer{e, acc, visible}, hidden
}

// References are those to an entry that pr may see, in the order of the collections and
// the slugs that they stand in, behind the entry after; a page ends with an entry, once
// it has limit of them.
func (s *Site) References(ctx context.Context, pr *auth.Principal, ref Ref, after string, limit int) (*ReferencePage, error) {
	if limit < 1 || limit > MaxLimit {
		return nil, &Error{Code: Malformed, Detail: fmt.Sprintf("The limit must be between 1 and %d.", MaxLimit)}
	}
	acc, err := s.access(pr, ref.Collection, auth.Read)
	if err != nil {
		return nil, err
	}
	snap := s.repo.View()
	switch e, ok := snap.Entry(ref.Collection, ref.Slug); {
	case ok && storageFailed(e.Problems()):
		return nil, errUnreadable()
	case !ok || !acc.canRead(e):
		return nil, errNoEntry()
	}
	begin, err := s.parseAfter(after)
	if err != nil {
		return nil, err
	}
	if err := s.awaitRead(ctx, s.referring(ref.Collection)); err != nil {
		return nil, err
	}
	budget := s.budget(ctx, pr, scanBudget)
	if err := budget.acquireSlot(); err != nil {
		return nil, err
	}
	defer budget.release()
	page := &ReferencePage{Items: []Reference{}}
	err = s.eachReferrer(snap, pr, ref, begin, budget, func(r *referrer, _ bool) bool {
		switch {
		case r == nil:
		case len(page.Items) >= limit:
			page.Next = page.Items[len(page.Items)-1].Ref.String()
			return false
		default:
			page.Items = append(page.Items, r.references()...)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// parseAfter is the entry of a page's Next; zero for "".
func (s *Site) parseAfter(after string) (Ref, error) {
	if after == "" {
		return Ref{}, nil
	}
	collection, name, _ := strings.Cut(after, "/")
	slug, err := content.ParseSlug(name)
	if err != nil || s.byName[collection] == nil {
		return Ref{}, &Error{Code: Malformed, Detail: "The cursor is not one that this list gave. Leave it out to start from the beginning."}
	}
	return Ref{collection, slug}, nil
}

// Following is op, which deletes or moves an entry, and does in the same commit with the
// references to it what how says. Where they are refused, or one of them cannot be
// changed by the principal, nothing is done.
func Following(op Operation, how References) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, err := op(ctx, s, pr, budget)
		if err != nil || how == KeepReferences {
			return e, err
		}
		target := e.ref
		e.budget = budget
		if err := s.awaitRead(ctx, s.referring(target.Collection)); err != nil {
			return nil, err
		}
		if err := budget.acquireSlot(); err != nil {
			return nil, err
		}
		do := e.do
		e.do = func(tx *repo.Tx) error {
			if err := do(tx); err != nil || e.from == (Ref{}) && e.now != nil {
				return err // or it was moved to where it is
			}
			return e.follow(ctx, tx, target, how)
		}
		return e, nil
	}
}

// maxTold is how many references a refusal tells.
const maxTold = 100

// follow does with the references to target, which was moved or deleted, what how says.
// What pr does not see is refused to be left behind, as two of a unique value are: that
// it is there can be noticed, where it stands cannot.
func (e *edit) follow(ctx context.Context, tx *repo.Tx, target Ref, how References) error {
	var seen []*referrer
	hidden, unfit := false, how == UpdateReferences && e.ref.Collection != target.Collection
	refused := how == RefuseReferences || unfit
	err := e.site.eachReferrer(tx, e.principal, target, Ref{}, e.budget, func(r *referrer, off bool) bool {
		hidden = hidden || off
		if r != nil {
			seen = append(seen, r)
		}
		switch {
		case refused:
			return len(seen) <= maxTold
		case hidden:
			return false
		}
		return len(seen) <= MaxBatch
	})
	switch {
	case err != nil:
		return err
	case len(seen) == 0 && !hidden:
		return nil
	case unfit:
		return referred(seen, "References to the entry are for entries of its collection, so they cannot lead to another one. Use references=clear, or leave them to lead nowhere.")
	case refused:
		return referred(seen, "Other entries refer to this one. Change them first, or use references=update or references=clear.")
	case hidden:
		return referred(nil, "Entries or fields that your roles do not show refer to this entry, so its references cannot all be changed. Ask someone who sees them.")
	case len(seen) > MaxBatch:
		return errTooManyEdits()
	}
	to := e.ref.Slug.String()
	for _, r := range seen {
		ref := Ref{r.entry.Collection, r.entry.Slug}
		err := e.followIn(ctx, tx, ref, func(_ context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
			var edits []content.Edit
			for _, at := range slices.Backward(pointing(schema, d.Fields(), target)) { // so that those before stay where they are
				if how == ClearReferences {
					edits = append(edits, content.Remove(at))
				} else {
					edits = append(edits, content.Set(at, to))
				}
			}
			return d.Apply(edits...)
		})
		if err != nil {
			return cannotFollow(r.references(), err)
		}
		e.references = append(e.references, r.references()...)
	}
	return nil
}

// followIn edits an entry that refers to the one of e, in the same commit.
func (e *edit) followIn(ctx context.Context, tx *repo.Tx, ref Ref, revise Revise) error {
	one := e.referrers[ref]
	if one == nil {
		var err error
		if one, err = e.site.edit(e.principal, nil, ref, Precondition{Any: true}, auth.Update); err != nil {
			return err
		}
		if e.referrers == nil {
			e.referrers = map[Ref]*edit{}
		}
		e.referrers[ref] = one
	}
	one.result = result{}
	if err := one.update(ctx, tx, revise); err != nil {
		return err
	}
	e.followed = append(e.followed, one)
	if ref == e.ref { // it refers to itself
		e.now, e.after = one.now, one.after
	}
	return nil
}

// referred refuses what would leave references behind.
func referred(seen []*referrer, detail string) error {
	err := &Error{Code: Conflict, Detail: detail + " Nothing was changed."}
	for _, r := range seen {
		err.References = append(err.References, r.references()...)
	}
	if more := len(err.References) - maxTold; more > 0 {
		err.References = err.References[:maxTold]
		err.Detail += fmt.Sprintf(" The first %d of the references are told.", maxTold)
	}
	return err
}

// cannotFollow says that an entry which refers to another one cannot be changed, as err
// says.
func cannotFollow(in []Reference, err error) error {
	var told *Error
	if err = asError(err); !errors.As(err, &told) {
		return err
	}
	refused := *told
	refused.Detail = "An entry that refers to this one cannot be changed, so nothing was. " + told.Detail
	for _, p := range told.Problems {
		refused.Detail += fmt.Sprintf(" The field %s %s.", p.Field, strings.TrimSuffix(p.Detail, "."))
		break
	}
	refused.Problems, refused.References = nil, in[:min(len(in), maxTold)]
	return &refused
}

func errTooManyEdits() error {
	return &Error{Code: TooLarge, Detail: fmt.Sprintf("One commit changes %d entries at most, those with references included. Nothing was changed.", MaxBatch)}
}
