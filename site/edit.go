package site

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// An edit is an operation on its way: authorized, and prepared as far as it can
// be without the entry. It is not used by two goroutines at once.
type edit struct {
	site       *Site
	principal  *auth.Principal
	collection *sight // where the entry is in the end, as the principal sees it
	pre        Precondition
	do         func(*repo.Tx) error // may run again, on another tip

	ref Ref // of the entry in the end
	result
	revised *revised // what revise made last
}

// result is what a run of an edit came to.
type result struct {
	verb          string            // for the subject
	path          content.Path      // of the file in the end
	before, after *content.Document // nil when there is none
	now           *repo.Entry       // as the edit left it; nil after a deletion
	created       bool
}

func (e *edit) changed() bool {
	return e.before == nil || e.after == nil || !bytes.Equal(e.before.Source(), e.after.Source())
}

// subject tells what the edit did, for the commit.
func (e *edit) subject() string {
	s := fmt.Sprintf("%s %s/%s", e.verb, e.ref.Collection, e.ref.Slug)
	if e.before == nil || e.after == nil {
		return s
	}
	fields := changed(e.before, e.after)
	if len(fields) == 0 {
		return s
	}
	if list := strings.Join(fields, ", "); utf8.RuneCountInString(s)+len(list) < maxSubject {
		return s + ": " + list
	}
	return fmt.Sprintf("%s: %d fields", s, len(fields))
}

// find is the entry that the edit is about, if the preconditions hold for it.
func (e *edit) find(tx *repo.Tx, absent error) (*repo.Entry, error) {
	now, ok := tx.Entry(e.ref.Collection, e.ref.Slug)
	if !ok || !e.collection.sees(now) {
		return nil, absent
	}
	revision, err := e.collection.revision(now)
	if err != nil {
		return nil, err
	}
	return now, e.pre.holds(revision)
}

// create puts doc where nothing is yet.
func (e *edit) create(tx *repo.Tx, doc *content.Document) error {
	if now, taken := tx.Entry(e.ref.Collection, e.ref.Slug); taken {
		if e.pre.Absent && e.collection.sees(now) {
			revision, err := e.collection.revision(now)
			if err != nil {
				return err
			}
			return stale(revision)
		}
		return &Error{Code: Conflict, Detail: "An entry of that slug exists already. Choose another slug, or edit the entry."}
	}
	if err := e.ref.Slug.Portable(); err != nil {
		return &Error{Code: Malformed, Detail: "The " + err.Error() + ", so that it could not be checked out on every system. Choose another slug."}
	}
	doc, err := e.collection.bound(doc)
	if err != nil {
		return err
	}
	e.created, e.verb = true, "Create"
	return e.put(tx, nil, doc)
}

// update puts what revise makes of the entry in its place.
func (e *edit) update(ctx context.Context, tx *repo.Tx, revise Revise) error {
	now, err := e.find(tx, &Error{Code: NotFound, Detail: "There is no such entry. To create it, send If-None-Match: * instead."})
	if err != nil {
		return err
	}
	r, err := e.revise(ctx, now, revise)
	if err != nil {
		return err
	}
	e.verb = "Update"
	return e.put(tx, r.before, r.after)
}

func (e *edit) delete(tx *repo.Tx) error {
	now, err := e.find(tx, noEntry())
	if err != nil {
		return err
	}
	if e.before, err = now.Document(); err != nil {
		return err
	}
	if err := e.collection.permit(auth.Delete, e.before, nil); err != nil {
		return err
	}
	e.verb, e.path = "Delete", now.Path
	return tx.Delete(e.ref.Collection, e.ref.Slug)
}

// put writes after in the place of before, which is nil for a new entry, if it
// is valid and the principal may.
func (e *edit) put(tx *repo.Tx, before, after *content.Document) (err error) {
	action := auth.Update
	if before == nil {
		action = auth.Create
	}
	if err := readable(after); err != nil {
		return err
	}
	if err := e.collection.permit(action, before, after); err != nil {
		return err
	}
	if err := e.validate(tx, before, after); err != nil {
		return err
	}
	if e.path, err = e.collection.Path(e.ref.Slug); err != nil {
		return &Error{Code: Malformed, Detail: "The slug is too long."}
	}
	e.before, e.after = before, after
	e.now, err = tx.Put(e.ref.Collection, e.ref.Slug, after)
	return err
}

// changed names the fields that differ, and the body as "body".
func changed(before, after *content.Document) []string {
	var names []string
	for _, c := range content.Changes(before, after) {
		names = append(names, c.Field)
	}
	if before.Body() != after.Body() {
		names = append(names, "body")
	}
	return names
}
