package site

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
)

// An edit is an operation on its way: authorized, and prepared as far as it can
// be without the entry. It is not used by two goroutines at once.
type edit struct {
	site         *Site
	principal    *auth.Principal
	budget       *budget // of what is looked for in other entries; nil on the writer
	access       *access // where the entry is in the end, as the principal sees it
	pre          Precondition
	base         *content.Document    // of a merge, as the principal sees it; nil when none is asked for
	do           func(*repo.Tx) error // may run again, on another tip
	hiddenFields []string             // the fields of a restored entry that the principal does not see
	restored     *content.Document    // the last state of an entry that is restored, whose read-only fields it keeps; otherwise nil
	inherited    *content.Object      // the fields that an entry from another collection may have, though they are read-only

	close     func() error                    // gives back what it holds beside the repository; nil for nothing
	prepare   func(ctx context.Context) error // what has to be done before it is committed, beside the repository; nil for nothing
	referrers map[Ref]*edit                   // of entries that refer to it, which the writer makes again

	ref Ref // of the entry in the end
	result
	revised *revised // what revise made last
}

// result is that of a run of an edit.
type result struct {
	verb          say.Text          // for the subject
	path          content.Path      // of the file in the end
	before, after *content.Document // nil when there is none
	now           *repo.Entry       // as the edit left it; nil after a deletion
	created       bool
	from          Ref         // of an entry that was moved
	gone          repo.Hash   // the blob of an entry that was deleted
	file          fileResult  // where it is about a file, and no entry
	followed      []*edit     // of the entries that referred to it
	references    []Reference // that were changed there
}

func (e *edit) changed() bool {
	if e.isMedia() {
		return e.file.changed
	}
	return e.from != Ref{} || e.before == nil || e.after == nil || !bytes.Equal(e.before.Source(), e.after.Source())
}

// isMedia says whether it is about a file of the media folder.
func (e *edit) isMedia() bool { return e.ref.Collection == auth.Media }

// subject describes the edit, for the commit.
func (e *edit) subject() string { return e.told().In(e.site.language) }

// told is what the edit did.
func (e *edit) told() say.Text {
	s := say.New("%s %s", e.verb, e.ref)
	switch {
	case e.isMedia() && e.file.moved != "":
		s = say.New("%s %s to %s", e.verb, e.site.media.Folder.String()+"/"+e.file.moved, e.file.path)
	case e.isMedia():
		s = say.New("%s %s", e.verb, e.file.path)
	case e.from != Ref{}:
		s = say.New("%s %s to %s", e.verb, e.from, e.ref)
	}
	switch n := len(e.references); {
	case n == 1:
		return say.New("%s with 1 reference", s)
	case n > 1:
		return say.New("%s with %d references", s, n)
	case e.from != Ref{}, e.isMedia():
		return s
	}
	var fields []string
	if e.before != nil && e.after != nil {
		fields = changed(e.before, e.after)
	}
	if len(fields) == 0 {
		return s
	}
	if list := strings.Join(fields, ", "); utf8.RuneCountInString(s.In(e.site.language))+len(list) < maxSubject {
		return say.New("%s: %s", s, list)
	}
	return say.New("%s: %d fields", s, len(fields))
}

// find is the entry that the edit is about, if the preconditions hold for it.
func (e *edit) find(tx *repo.Tx, absent error) (*repo.Entry, error) {
	now, ok := tx.Entry(e.ref.Collection, e.ref.Slug)
	if !ok || !e.access.canRead(now) {
		return nil, absent
	}
	revision, err := e.access.revision(now)
	if err != nil {
		return nil, err
	}
	return now, e.pre.holds(revision)
}

// create puts doc where nothing is yet.
func (e *edit) create(tx *repo.Tx, doc *content.Document) error {
	doc, err := e.access.withConditions(doc)
	if err != nil {
		return err
	}
	if now, taken := tx.Entry(e.ref.Collection, e.ref.Slug); taken {
		if err := e.access.authorize(auth.Create, nil, doc, e.hiddenFields...); err != nil && doc.Err() == nil {
			return err // not that the name is in use
		}
		if e.pre.Absent && e.access.canRead(now) {
			revision, err := e.access.revision(now)
			if err != nil {
				return err
			}
			return preconditionFailed(revision)
		}
		return &Error{Code: Conflict, Detail: say.New("An entry with that slug already exists. Choose another slug, or edit the entry.")}
	}
	if err := e.site.checkNew(tx, e.ref, Ref{}); err != nil {
		return err
	}
	e.created, e.verb = true, cmp.Or(e.verb, say.New("Create"))
	return e.put(tx, nil, doc)
}

// update puts what revise makes of the entry in its place.
func (e *edit) update(ctx context.Context, tx *repo.Tx, revise Revise) error {
	now, err := e.find(tx, errNothingToUpdate())
	if err != nil {
		return err
	}
	r, err := e.revise(ctx, now, revise)
	if err != nil {
		return err
	}
	e.verb = say.New("Update")
	return e.put(tx, r.before, r.after)
}

func (e *edit) delete(tx *repo.Tx) error {
	now, err := e.find(tx, errNoEntry())
	if err != nil {
		return err
	}
	if e.before, err = now.Document(); err != nil {
		return err
	}
	if err := e.access.authorize(auth.Delete, e.before, nil); err != nil {
		return err
	}
	e.verb, e.path, e.gone = say.New("Delete"), now.Path, now.Revision
	return tx.Delete(e.ref.Collection, e.ref.Slug)
}

// move gives the entry another name. Its file stays as it is; in another
// collection it has to keep the rules of that one.
func (e *edit) move(tx *repo.Tx, to Ref, target *access) error {
	now, err := e.find(tx, errNoEntry())
	if err != nil {
		return err
	}
	doc, err := now.Document()
	if err != nil {
		return err
	}
	e.verb, e.before, e.after, e.now, e.path = say.New("Move"), doc, doc, now, now.Path
	if to == e.ref {
		return nil
	}
	moved := doc.As(target.YAML)
	if err := e.mayMove(doc, moved, target); err != nil {
		return err
	}
	if _, taken := tx.Entry(to.Collection, to.Slug); taken {
		return &Error{Code: Conflict, Detail: say.New("An entry with the new slug already exists. Choose another slug.")}
	}
	if err := e.site.checkNew(tx, to, e.ref); err != nil {
		return err
	}
	source := e.access
	e.from, e.ref, e.access = e.ref, to, target
	if to.Collection != e.from.Collection {
		if err := readable(moved); err != nil {
			return err
		}
		e.after = moved
		e.inherited = inherited(doc.Fields(), source, target)
		if err := e.validate(tx, nil, moved); err != nil {
			return err
		}
	}
	path, err := target.Path(to.Slug)
	if err != nil {
		return errSlugTooLong()
	}
	if err := checkStored(tx, path, isPointer(doc)); err != nil {
		return err
	}
	if err := tx.Move(e.from.Collection, e.from.Slug, to.Collection, to.Slug); err != nil {
		return err
	}
	e.now, _ = tx.Entry(to.Collection, to.Slug)
	e.path = e.now.Path
	return nil
}

// inherited are the fields that an entry brings from one collection to another
// and that are read-only in both: nobody but the site has set them.
func inherited(fields *content.Object, from, to *access) *content.Object {
	kept := to.Schema.WithDefaults(nil)
	for _, f := range from.Schema.Fields {
		if v, ok := fields.Get(f.Name); ok && f.ReadOnly {
			kept = without(kept, []string{f.Name})
			kept.Members = append(kept.Members, content.Member{Key: f.Name, Value: v})
		}
	}
	return kept
}

// mayMove says whether the principal may move doc from one collection to
// another, which reads it as moved, or within one. What is hidden from them in one could be seen in the
// other: that is refused.
func (e *edit) mayMove(doc, moved *content.Document, target *access) error {
	if target == e.access {
		return e.access.authorize(auth.Update, doc, doc)
	}
	if len(e.access.hidden(doc.Fields())) > 0 {
		return &Error{Code: Forbidden, Detail: say.New("The entry has fields that your roles do not show. Ask someone who sees all of them to move it.")}
	}
	if err := e.access.authorize(auth.Delete, doc, nil); err != nil {
		return err
	}
	return target.authorize(auth.Create, nil, moved)
}

// revert puts old in the place of the entry, or where it was. The fields that the
// principal does not see, now or in old, and those that the schema has read-only
// stay as they are; in an entry that is gone, as last has them, its last state.
func (e *edit) revert(ctx context.Context, tx *repo.Tx, old, last *content.Document) error {
	schema := &e.access.Schema
	hidden := e.access.hidden(old.Fields())
	if now, ok := tx.Entry(e.ref.Collection, e.ref.Slug); ok {
		if err := e.may(auth.Update); err != nil {
			return err
		}
		hidden = append(hidden, e.access.hidden(now.Fields())...)
		err := e.update(ctx, tx, func(_ context.Context, now *content.Document, _ *content.Schema) (*content.Document, error) {
			if now.Err() != nil {
				now = last
			}
			return reverted(old, now, hidden, schema)
		})
		e.verb = say.New("Revert")
		return err
	}
	if e.pre.asked() {
		return &Error{Code: Conflict, Detail: say.New("The entry was deleted, so it has no revision. To restore it, leave out If-Match and base.")}
	}
	if err := e.may(auth.Create); err != nil {
		return err
	}
	if last != nil {
		hidden = append(hidden, e.access.hidden(last.Fields())...)
	}
	restored, err := reverted(old, last, hidden, schema)
	if err != nil {
		return err
	}
	e.verb, e.hiddenFields, e.restored = say.New("Restore"), hidden, last
	return e.create(tx, restored)
}

// reverted is old but for the fields that are hidden or read-only, which are as in
// now; nil is of an entry that has none.
func reverted(old, now *content.Document, hidden []string, schema *content.Schema) (*content.Document, error) {
	if old.Err() != nil {
		return old, nil // which cannot be saved
	}
	if now == nil {
		now = old.Reread(nil)
	}
	fields := without(old.Fields(), hidden)
	for _, m := range now.Fields().Members {
		if slices.Contains(hidden, m.Key) {
			fields.Members = append(fields.Members, m)
		}
	}
	fields = schema.Retain(now.Fields(), fields)
	if content.Equal(fields, old.Fields()) && len(schema.CheckSpelling(now, old)) == 0 {
		return old, nil
	}
	return now.Replace(fields, old.Body(), schema.Order())
}

// may says whether the principal may do action in the collection.
func (e *edit) may(action auth.Action) error {
	_, err := e.site.access(e.principal, e.ref.Collection, action)
	return err
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
	if err := e.access.authorize(action, before, after, e.hiddenFields...); err != nil {
		return err
	}
	if err := e.validate(tx, before, after); err != nil {
		return err
	}
	if e.path, err = e.access.Path(e.ref.Slug); err != nil {
		return errSlugTooLong()
	}
	if before == nil || !bytes.Equal(before.Source(), after.Source()) {
		if err := checkStored(tx, e.path, false); err != nil {
			return err
		}
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
