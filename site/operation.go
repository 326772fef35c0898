package site

import (
	"context"
	"fmt"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// An Operation is one write: it makes the edit that pr asks for, if pr may. It
// is made by Creating, Updating and their like.
type Operation func(ctx context.Context, s *Site, pr *auth.Principal) (*edit, error)

// Draft is a new entry.
type Draft struct {
	Slug   content.Slug // made of the title when zero
	Fields *content.Object
	Body   string
}

// Creating adds an entry to a collection. Fields that the draft leaves out take
// the defaults of the schema. A slug that was given and is taken is a Conflict;
// one made of the title gets a number instead.
func Creating(collection string, d Draft, p Precondition) Operation {
	return func(_ context.Context, s *Site, pr *auth.Principal) (*edit, error) {
		e, err := s.edit(pr, Ref{Collection: collection, Slug: d.Slug}, p, auth.Create)
		if err != nil {
			return nil, err
		}
		base := d.Slug
		if base.IsZero() {
			if base, err = slugFromTitle(d.Fields); err != nil {
				return nil, err
			}
		}
		schema := &e.collection.Schema
		doc, err := content.New(schema.WithDefaults(schema.Coerce(d.Fields)), d.Body, schema.Order())
		if err != nil {
			return nil, err
		}
		e.do = func(tx *repo.Tx) error {
			e.ref.Slug = base
			for n := 2; d.Slug.IsZero(); n++ {
				if _, taken := tx.Entry(collection, e.ref.Slug); !taken {
					break
				}
				if e.ref.Slug, err = content.ParseSlug(fmt.Sprintf("%s-%d", base, n)); err != nil {
					return &Error{Code: Malformed, Detail: "The title is too long to make a slug of. Give a slug."}
				}
			}
			return e.create(tx, doc)
		}
		return e, nil
	}
}

// CreatingSource is Creating of a whole file.
func CreatingSource(ref Ref, src []byte, p Precondition) Operation {
	return func(_ context.Context, s *Site, pr *auth.Principal) (*edit, error) {
		e, err := s.edit(pr, ref, p, auth.Create)
		if err != nil {
			return nil, err
		}
		doc := content.Parse(src)
		e.do = func(tx *repo.Tx) error { return e.create(tx, doc) }
		return e, nil
	}
}

// Updating edits an entry that is there.
func Updating(ref Ref, revise Revise, p Precondition) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal) (*edit, error) {
		e, err := s.edit(pr, ref, p, auth.Update)
		if err != nil {
			return nil, err
		}
		if err := s.checkBase(ctx, e.collection, ref, p); err != nil {
			return nil, err
		}
		e.do = func(tx *repo.Tx) error { return e.update(ctx, tx, revise) }
		return e, nil
	}
}

// Deleting removes an entry.
func Deleting(ref Ref, p Precondition) Operation {
	return func(_ context.Context, s *Site, pr *auth.Principal) (*edit, error) {
		e, err := s.edit(pr, ref, p, auth.Delete)
		if err != nil {
			return nil, err
		}
		e.do = e.delete
		return e, nil
	}
}

// edit begins an edit that pr may make if they may do action in its collection.
func (s *Site) edit(pr *auth.Principal, ref Ref, p Precondition, action auth.Action) (*edit, error) {
	v, err := s.sight(pr, ref.Collection, action)
	if err != nil {
		return nil, err
	}
	return &edit{site: s, principal: pr, collection: v, ref: ref, pre: p}, nil
}

// checkBase makes sure that the base of a merge is a revision of the entry, so
// that no clash shows what another entry holds.
func (s *Site) checkBase(ctx context.Context, v *sight, ref Ref, p Precondition) error {
	if p.Base == "" {
		return nil
	}
	_, err := s.past(ctx, v, ref.Slug, p.Base)
	return err
}
