package site

import (
	"context"
	"time"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
)

// An Operation is one write: it makes the edit that pr asks for, if pr may. It
// is made by Creating, Updating and their like.
type Operation func(ctx context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error)

// Draft is a new entry.
type Draft struct {
	Slug   content.Slug // made by the pattern of the collection when zero
	Fields *content.Object
	Body   string
}

// Creating adds an entry to a collection. Fields that the draft leaves out take
// the defaults of the schema. A slug that was given and is taken is a Conflict;
// one that is made here gets a number instead.
func Creating(collection string, d Draft, p Precondition) Operation {
	return func(_ context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, err := s.edit(pr, budget, Ref{Collection: collection, Slug: d.Slug}, p, auth.Create)
		if err != nil {
			return nil, err
		}
		base := d.Slug
		if base.IsZero() {
			if base, err = e.access.newSlug(d.Fields, time.Now()); err != nil {
				return nil, err
			}
		}
		schema := &e.access.Schema
		doc, err := content.NewAs(e.access.YAML, schema.WithDefaults(schema.Coerce(d.Fields)), d.Body, schema.Order())
		if err != nil {
			return nil, err
		}
		e.do = func(tx *repo.Tx) error {
			e.ref.Slug = base
			if d.Slug.IsZero() {
				e.ref.Slug = s.unique.freeSlug(tx, collection, base)
			}
			return e.create(tx, doc)
		}
		return e, nil
	}
}

// CreatingSource is Creating of a whole file.
func CreatingSource(ref Ref, src []byte, p Precondition) Operation {
	return func(_ context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, err := s.edit(pr, budget, ref, p, auth.Create)
		if err != nil {
			return nil, err
		}
		doc := e.access.Parse(src)
		e.do = func(tx *repo.Tx) error { return e.create(tx, doc) }
		return e, nil
	}
}

// Updating edits an entry that is there.
func Updating(ref Ref, revise Revise, p Precondition) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, err := s.edit(pr, budget, ref, p, auth.Update)
		if err != nil {
			return nil, err
		}
		if err := e.checkBase(ctx); err != nil {
			return nil, err
		}
		onBase := e.onBase(revise)
		e.do = func(tx *repo.Tx) error { return e.update(ctx, tx, onBase) }
		return e, nil
	}
}

// Deleting removes an entry.
func Deleting(ref Ref, p Precondition) Operation {
	return func(_ context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, err := s.edit(pr, budget, ref, p, auth.Delete)
		if err != nil {
			return nil, err
		}
		e.do = e.delete
		return e, nil
	}
}

// Moving renames an entry, within its collection or to another one. Its history
// goes with it. Any revision of the entry will do as the base.
func Moving(ref, to Ref, p Precondition) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		action := auth.Update
		if to.Collection != ref.Collection {
			action = auth.Delete
		}
		e, err := s.edit(pr, budget, ref, p, action)
		if err != nil {
			return nil, err
		}
		from, target := e.access, e.access
		if to.Collection != ref.Collection {
			if target, err = s.access(pr, to.Collection, auth.Create); err != nil {
				return nil, err
			}
		}
		if err := e.checkBase(ctx); err != nil {
			return nil, err
		}
		e.do = func(tx *repo.Tx) error {
			e.ref, e.access = ref, from
			return e.move(tx, to, target)
		}
		return e, nil
	}
}

// Reverting makes an entry what it was after a commit of its history, or at a
// revision of it: the same bytes, in a new commit, but for fields that the
// principal does not see and those that the schema has read-only, which stay. An
// entry that is gone is created again, with those fields as it had them last; no
// precondition is needed then.
func Reverting(ref Ref, to string, p Precondition) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, err := s.edit(pr, budget, ref, p, auth.Read)
		if err != nil {
			return nil, err
		}
		found, err := s.versions(ctx, e.access, ref.Slug)
		if err != nil {
			return nil, err
		}
		at, err := found.find("to", to, 0, true)
		if err != nil {
			return nil, err
		}
		if at == len(found.versions) {
			return nil, errNoEntry()
		}
		if found.versions[at].gone {
			return nil, &Error{Code: Malformed, Detail: say.New("The entry did not exist after that commit. Give another commit, or delete the entry.")}
		}
		old, err := s.parsed(ctx, budget, e.access.Collection, found.versions[at].Revision)
		if err != nil {
			return nil, err
		}
		if err := e.checkBase(ctx); err != nil {
			return nil, err
		}
		last, err := found.lastState()
		if err != nil {
			return nil, err
		}
		e.do = func(tx *repo.Tx) error { return e.revert(ctx, tx, old, last) }
		return e, nil
	}
}

// edit begins an edit that pr may make if they may do action in its collection.
func (s *Site) edit(pr *auth.Principal, budget *budget, ref Ref, p Precondition, action auth.Action) (*edit, error) {
	acc, err := s.access(pr, ref.Collection, action)
	if err != nil {
		return nil, err
	}
	acc.budget = budget
	return &edit{site: s, principal: pr, access: acc, ref: ref, pre: p}, nil
}

// checkBase finds the base of a merge, which has to be a revision of the entry, so
// that no conflict shows what another entry holds.
func (e *edit) checkBase(ctx context.Context) (err error) {
	if e.pre.Base != "" {
		e.base, err = e.site.base(ctx, e.access, e.ref.Slug, e.pre.Base)
	}
	return err
}
