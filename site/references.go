package site

import (
	"context"
	"errors"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
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

// EveryReferences are those that can be asked for.
func EveryReferences() []References {
	return []References{RefuseReferences, UpdateReferences, ClearReferences}
}

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

// A seek says what is looked for in entries: references to one entry, or uses of one
// file.
type seek struct {
	collections []string // where it could be
	index       *mentionIndexes
	key         string // in the index
	places      func(in entries, c *content.Collection, e *repo.Entry, budget *budget) ([]content.FieldPath, error)
}

// referencesTo looks for those to an entry.
func (s *Site) referencesTo(target Ref) seek {
	return seek{s.referring(target.Collection), &s.mentions, referenceKey(target.Collection, target.Slug.String()),
		func(_ entries, c *content.Collection, e *repo.Entry, _ *budget) ([]content.FieldPath, error) {
			return pointing(&c.Schema, e.Fields(), target), nil
		}}
}

// each visits the entries that refer to what is sought, as pr sees them, in the order of
// collections and slugs, behind the entry after. Of those of which pr sees no reference
// it gives nil, and of all whether some are out of sight.
func (s *Site) each(in entries, pr *auth.Principal, sought seek, after Ref, budget *budget, visit func(r *referrer, hidden bool) (more bool)) error {
	for _, name := range sought.collections {
		if after.Collection != "" && after.Collection != name {
			continue
		}
		slugs, err := sought.index.mentioning(in, name, sought.key, budget)
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
			if err := budget.spend(e.Weight()); err != nil {
				return err
			}
			all, err := sought.places(in, s.byName[name], e, budget)
			switch {
			case err != nil:
				return err
			case storageFailed(e.Problems()):
				return errUnreadable()
			case len(all) == 0:
				continue
			}
			var seen *referrer
			if denied == nil && acc.canRead(e) {
				off := acc.hidden(e.Fields())
				visible := slices.DeleteFunc(slices.Clone(all), func(at content.FieldPath) bool { return at != nil && slices.Contains(off, at[0].(string)) })
				if len(visible) > 0 {
					seen = &referrer{e, acc, visible}
				}
			}
			if !visit(seen, seen == nil || len(seen.at) < len(all)) {
				return nil
			}
		}
		after = Ref{}
	}
	return nil
}

// References are those to an entry that pr may see, in the order of the collections and
// the slugs that they stand in, behind the entry after; a page ends with an entry, once
// it has limit of them.
func (s *Site) References(ctx context.Context, pr *auth.Principal, ref Ref, after string, limit int) (*ReferencePage, error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
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
	return s.referencePage(ctx, pr, snap, s.referencesTo(ref), after, limit)
}

func (s *Site) referencePage(ctx context.Context, pr *auth.Principal, snap *repo.Snapshot, sought seek, after string, limit int) (*ReferencePage, error) {
	begin, err := s.parseAfter(after)
	if err != nil {
		return nil, err
	}
	if err := s.awaitRead(ctx, sought.collections); err != nil {
		return nil, err
	}
	budget := s.budget(ctx, pr, scanBudget)
	if err := budget.acquireSlot(); err != nil {
		return nil, err
	}
	defer budget.release()
	page := &ReferencePage{Items: []Reference{}}
	err = s.each(snap, pr, sought, begin, budget, func(r *referrer, _ bool) bool {
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

func checkLimit(limit int) error {
	if limit < 1 || limit > MaxLimit {
		return &Error{Code: Malformed, Detail: say.New("The limit must be between 1 and %d.", MaxLimit)}
	}
	return nil
}

// parseAfter is the entry of a page's Next; zero for "".
func (s *Site) parseAfter(after string) (Ref, error) {
	if after == "" {
		return Ref{}, nil
	}
	collection, name, _ := strings.Cut(after, "/")
	slug, err := content.ParseSlug(name)
	if err != nil || s.byName[collection] == nil {
		return Ref{}, &Error{Code: Malformed, Detail: say.New("The cursor is not one that this list gave. Leave it out to start from the beginning.")}
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
func (e *edit) follow(ctx context.Context, tx *repo.Tx, target Ref, how References) error {
	sought := e.site.referencesTo(target)
	if how == UpdateReferences && e.ref.Collection != target.Collection {
		seen, hidden, err := e.inTheWay(tx, sought, maxTold)
		if err == nil && (hidden || len(seen) > 0) {
			err = referred(seen, say.New("References to the entry are for entries of its collection, so they cannot lead to another one. Use references=clear, or leave them to lead nowhere."))
		}
		return err
	}
	to := e.ref.Slug.String()
	return e.followAll(ctx, tx, sought, how, func(_ Ref, d *content.Document, schema *content.Schema) (*content.Document, error) {
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
}

// inTheWay are the references that pr sees, of more than most entries not all, and whether
// there are others.
func (e *edit) inTheWay(tx *repo.Tx, sought seek, most int) (seen []*referrer, hidden bool, err error) {
	err = e.site.each(tx, e.principal, sought, Ref{}, e.budget, func(r *referrer, off bool) bool {
		hidden = hidden || off
		if r != nil {
			seen = append(seen, r)
		}
		return len(seen) <= most
	})
	return seen, hidden, err
}

// followAll refuses what is sought, or changes it with revise, in the same commit. What pr
// does not see is not left behind either: that it is there can be noticed, as that a slug
// is taken, where it stands cannot.
func (e *edit) followAll(ctx context.Context, tx *repo.Tx, sought seek, how References, revise func(Ref, *content.Document, *content.Schema) (*content.Document, error)) error {
	most := MaxBatch
	if how == RefuseReferences {
		most = maxTold
	}
	seen, hidden, err := e.inTheWay(tx, sought, most)
	switch {
	case err != nil:
		return err
	case len(seen) == 0 && !hidden:
		return nil
	case how == RefuseReferences:
		return referred(seen, say.New("Other entries refer to it. Change them first, or choose something else for references than refuse."))
	case hidden:
		return referred(nil, say.New("Entries or fields that your roles do not show refer to it, so the references cannot all be changed. Ask someone who sees them."))
	case len(seen) > MaxBatch:
		return errTooManyEdits()
	}
	for _, r := range seen {
		ref := Ref{r.entry.Collection, r.entry.Slug}
		err := e.followIn(ctx, tx, ref, func(_ context.Context, d *content.Document, schema *content.Schema) (*content.Document, error) {
			return revise(ref, d, schema)
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
func referred(seen []*referrer, detail say.Text) error {
	err := &Error{Code: Conflict, Detail: say.Join(detail, say.New("Nothing was changed."))}
	for _, r := range seen {
		err.References = append(err.References, r.references()...)
	}
	if more := len(err.References) - maxTold; more > 0 {
		err.References = err.References[:maxTold]
		err.Detail = say.Join(err.Detail, say.New("Only the first %d references are listed.", maxTold))
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
	refused.Detail = say.Join(say.New("Nothing was changed: an entry that refers to it cannot be."), told.Detail)
	for _, p := range told.Problems {
		refused.Detail = say.Join(refused.Detail, inField(p))
		break
	}
	refused.Problems, refused.References = nil, in[:min(len(in), maxTold)]
	return &refused
}

// inField is what is wrong with a field, as a sentence.
func inField(p content.Problem) say.Text {
	if strings.HasSuffix(p.Detail.String(), ".") {
		return say.New("The field %s %s", p.Field, p.Detail)
	}
	return say.New("The field %s %s.", p.Field, p.Detail)
}

func errTooManyEdits() error {
	return &Error{Code: TooLarge, Detail: say.New("One commit changes %d entries at most, those with references included. Nothing was changed.", MaxBatch)}
}
