package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Precondition is what a writer believes to be there (RFC 9110, section 13).
// An edit of an entry needs one of Any, Revisions and Base.
type Precondition struct {
	Any       bool     // whatever is there (If-Match: *)
	Revisions []string // one of these revisions (If-Match); nil when not asked, empty when none can match
	Absent    bool     // nothing (If-None-Match: *)
	Base      string   // the revision that the edit was made on: merge when the entry has moved on
}

// Write is what every write has beside its content.
type Write struct {
	Precondition
	Message    string  // the commit's subject; "" for one that tells the change
	OnBehalfOf *Person // named as co-author
	DryRun     bool    // say what would change, commit nothing
}

// Outcome is what a write led to.
type Outcome struct {
	Slug    content.Slug
	Entry   *Entry // as it is now; nil after a deletion and a dry run
	Created bool
	Changed bool                  // false when nothing differed, so that there is no commit
	Commit  string                // in hexadecimal; "" without one
	Diff    *content.DocumentDiff // for a dry run
}

// Draft is a new entry.
type Draft struct {
	Slug   content.Slug // made of the title when zero
	Fields *content.Object
	Body   string
}

// Create adds an entry to a collection. Fields that the draft leaves out take
// the defaults of the schema. A slug that was given and is taken is a Conflict;
// one made of the title gets a number instead.
func (s *Site) Create(ctx context.Context, pr *auth.Principal, collection string, d Draft, w Write) (*Outcome, error) {
	c, err := s.collection(pr, collection, auth.Create)
	if err != nil {
		return nil, err
	}
	base := d.Slug
	if base.IsZero() {
		if base, err = slugFromTitle(d.Fields); err != nil {
			return nil, err
		}
	}
	fields := c.Schema.WithDefaults(c.Schema.Coerce(d.Fields))
	doc, err := content.New(fields, d.Body, c.Schema.Order())
	if err != nil {
		return nil, refusal(err)
	}
	e := edit{site: s, principal: pr, collection: c, write: w}
	return e.run(ctx, func(tx *repo.Tx) error {
		e.slug = base
		for n := 2; d.Slug.IsZero(); n++ {
			if _, taken := tx.Entry(c.Name, e.slug); !taken {
				break
			}
			if e.slug, err = content.ParseSlug(fmt.Sprintf("%s-%d", base, n)); err != nil {
				return &Error{Code: Malformed, Detail: "The title is too long to make a slug of. Give a slug."}
			}
		}
		return e.create(tx, doc)
	})
}

// CreateSource is Create of a whole file.
func (s *Site) CreateSource(ctx context.Context, pr *auth.Principal, ref Ref, src []byte, w Write) (*Outcome, error) {
	c, err := s.collection(pr, ref.Collection, auth.Create)
	if err != nil {
		return nil, err
	}
	e := edit{site: s, principal: pr, collection: c, slug: ref.Slug, write: w}
	return e.run(ctx, func(tx *repo.Tx) error { return e.create(tx, content.Parse(src)) })
}

// Revise is an edit: it gives the document that the one there becomes, or the
// same one when there is nothing to change. It must not keep state: it may run
// again, on another document.
type Revise func(*content.Document) (*content.Document, error)

// Replace is the whole entry, given as fields and body. What is equal to what
// is there keeps its bytes.
func (s *Site) Replace(collection string, fields *content.Object, body string) Revise {
	schema := s.schema(collection)
	fields = schema.Coerce(fields)
	return func(d *content.Document) (*content.Document, error) {
		return d.Replace(fields, body, schema.Order())
	}
}

// ReplaceSource is the whole entry, given as a file. What is equal to what is
// there keeps its bytes, unless exact asks for the bytes of src as they are, or
// the file that is there is of a kind whose fields cannot be edited.
func (s *Site) ReplaceSource(collection string, src []byte, exact bool) Revise {
	schema := s.schema(collection)
	given := content.Parse(src)
	return func(d *content.Document) (*content.Document, error) {
		if exact || len(faults(given.Problems())) > 0 { // which validation then tells
			return given, nil
		}
		after, err := d.ReplaceSource(src, schema.Order())
		if refused := (*content.EditError)(nil); errors.As(err, &refused) {
			return given, nil
		}
		return after, err
	}
}

// MergePatch is an edit by RFC 7396 on {"fields": …, "body": …}.
func (s *Site) MergePatch(collection string, patch *content.Object) Revise {
	schema := s.schema(collection)
	coerced := &content.Object{}
	for _, m := range patch.Members {
		if fields, ok := m.Value.(*content.Object); ok && m.Key == "fields" {
			m.Value = schema.Coerce(fields)
		}
		coerced.Members = append(coerced.Members, m)
	}
	return func(d *content.Document) (*content.Document, error) {
		return d.MergePatch(coerced, schema.Order())
	}
}

// JSONPatch is an edit by RFC 6902 on {"fields": …, "body": …}.
func (s *Site) JSONPatch(collection string, patch []byte) Revise {
	schema := s.schema(collection)
	return func(d *content.Document) (*content.Document, error) {
		fields, body, err := d.Patched(patch)
		if err != nil {
			return nil, err
		}
		return d.Replace(schema.Coerce(fields), body, schema.Order())
	}
}

func (s *Site) schema(collection string) *content.Schema {
	if c := s.byName[collection]; c != nil {
		return &c.Schema
	}
	return &content.Schema{}
}

// Update edits an entry that is there.
func (s *Site) Update(ctx context.Context, pr *auth.Principal, ref Ref, revise Revise, w Write) (*Outcome, error) {
	c, err := s.collection(pr, ref.Collection, auth.Update)
	if err != nil {
		return nil, err
	}
	if err := s.checkBase(ctx, c, ref, w.Precondition); err != nil {
		return nil, err
	}
	e := edit{site: s, principal: pr, collection: c, slug: ref.Slug, write: w}
	return e.run(ctx, func(tx *repo.Tx) error { return e.update(ctx, tx, revise) })
}

// Delete removes an entry.
func (s *Site) Delete(ctx context.Context, pr *auth.Principal, ref Ref, w Write) (*Outcome, error) {
	c, err := s.collection(pr, ref.Collection, auth.Delete)
	if err != nil {
		return nil, err
	}
	e := edit{site: s, principal: pr, collection: c, slug: ref.Slug, write: w}
	return e.run(ctx, e.delete)
}

// edit is one write on its way: its functions run on the writer, once or, when
// the branch moved meanwhile, again.
type edit struct {
	site       *Site
	principal  *auth.Principal
	collection *content.Collection
	slug       content.Slug
	write      Write

	created bool
	diff    content.DocumentDiff
}

// errDryRun ends a function that did all but commit.
var errDryRun = errors.New("dry run")

// run commits what fn does, in the principal's name.
func (e *edit) run(ctx context.Context, fn func(*repo.Tx) error) (*Outcome, error) {
	meta, err := e.meta()
	if err != nil {
		return nil, err
	}
	res, err := e.site.repo.Update(ctx, meta, func(tx *repo.Tx) error {
		e.created, e.diff = false, content.DocumentDiff{}
		if err := fn(tx); err != nil {
			return err
		}
		if e.write.DryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		return &Outcome{Slug: e.slug, Diff: &e.diff, Created: e.created, Changed: e.diff.Unified != ""}, nil
	}
	if err != nil {
		return nil, refusal(err)
	}
	out := &Outcome{Slug: e.slug, Created: e.created, Changed: res.Changed, Commit: hexOrEmpty(res.Commit)}
	if now, ok := res.Snapshot.Entry(e.collection.Name, e.slug); ok {
		out.Entry = view(e.collection, now)
	}
	return out, nil
}

func (e *edit) create(tx *repo.Tx, doc *content.Document) error {
	if now, taken := tx.Entry(e.collection.Name, e.slug); taken {
		if e.write.Absent {
			return stale(now)
		}
		return &Error{Code: Conflict, Detail: "An entry of that slug exists already. Choose another slug, or edit the entry."}
	}
	if err := e.slug.Portable(); err != nil {
		return &Error{Code: Malformed, Detail: "The " + err.Error() + ", so that it could not be checked out on every system. Choose another slug."}
	}
	e.created = true
	return e.put(tx, nil, doc)
}

func (e *edit) update(ctx context.Context, tx *repo.Tx, revise Revise) error {
	now, ok := tx.Entry(e.collection.Name, e.slug)
	if !ok {
		return &Error{Code: NotFound, Detail: "There is no such entry. To create it, send If-None-Match: * instead."}
	}
	before, err := now.Document()
	if err != nil {
		return err
	}
	rev := now.Revision.String()
	if base := e.write.Base; base != "" && base != rev {
		after, err := e.merge(ctx, base, before, revise)
		if err != nil {
			return err
		}
		return e.put(tx, before, after)
	}
	if err := e.matches(now); err != nil {
		return err
	}
	after, err := revise(before)
	if err != nil {
		return err
	}
	return e.put(tx, before, after)
}

func (e *edit) delete(tx *repo.Tx) error {
	now, ok := tx.Entry(e.collection.Name, e.slug)
	if !ok {
		return noEntry()
	}
	if err := e.matches(now); err != nil {
		return err
	}
	before, err := now.Document()
	if err != nil {
		return err
	}
	e.diff = content.Diff(before, content.Parse(nil), now.Path.String())
	tx.SetMessage(e.subject("Delete", nil))
	return tx.Delete(e.collection.Name, e.slug)
}

// matches holds the precondition against the entry that is there.
func (e *edit) matches(now *repo.Entry) error {
	p, rev := e.write.Precondition, now.Revision.String()
	switch {
	case p.Any, p.Base == rev:
		return nil
	case p.Revisions == nil && p.Base == "":
		return &Error{Code: PreconditionRequired, Detail: "Say which revision the edit is for: send its ETag as If-Match, or * for whatever is there."}
	}
	for _, r := range p.Revisions {
		if r == rev {
			return nil
		}
	}
	return stale(now)
}

func stale(now *repo.Entry) error {
	return &Error{
		Code:     PreconditionFailed,
		Detail:   "The entry is not at the revision that the request expects. Read it again and repeat the edit on what is there.",
		Revision: now.Revision.String(),
	}
}

// merge is the edit made on an older revision of the entry, joined with what
// happened since.
func (e *edit) merge(ctx context.Context, base string, ours *content.Document, revise Revise) (*content.Document, error) {
	src, err := e.site.repo.Blob(ctx, repo.NewHash(base))
	if err != nil {
		return nil, err
	}
	old := content.Parse(src)
	theirs, err := revise(old)
	if err != nil {
		return nil, err
	}
	merged, clashes, err := content.Merge(old, ours, theirs)
	switch {
	case err != nil:
		return nil, err
	case len(clashes) > 0:
		return nil, &Error{Code: Conflict, Clashes: clashes,
			Detail: "Others have changed the same parts since the base revision. Resolve each clash and send the edit again, on the current revision."}
	}
	return merged, nil
}

// checkBase makes sure that the base of a merge is a revision of the entry, so
// that no clash shows what another entry holds.
func (s *Site) checkBase(ctx context.Context, c *content.Collection, ref Ref, p Precondition) error {
	if p.Base == "" {
		return nil
	}
	path, err := c.Path(ref.Slug)
	if err != nil {
		return noEntry()
	}
	changes, err := s.repo.History(ctx, path)
	if err != nil {
		return err
	}
	for _, ch := range changes {
		if ch.Revision.String() == p.Base {
			return nil
		}
	}
	return &Error{Code: Malformed, Detail: "The base is not a revision of this entry. Give the revision that the edit was made on."}
}

// put validates after and writes it in the place of before, which is nil for a
// new entry.
func (e *edit) put(tx *repo.Tx, before, after *content.Document) error {
	if err := e.validate(tx, before, after); err != nil {
		return err
	}
	path, err := e.collection.Path(e.slug)
	if err != nil {
		return &Error{Code: Malformed, Detail: "The slug is too long."}
	}
	verb, old := "Update", before
	if before == nil {
		verb, old = "Create", content.Parse(nil)
	}
	if e.write.DryRun {
		e.diff = content.Diff(old, after, path.String())
	}
	if before != nil {
		tx.SetMessage(e.subject(verb, changed(before, after)))
	} else {
		tx.SetMessage(e.subject(verb, nil))
	}
	_, err = tx.Put(e.collection.Name, e.slug, after)
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

// validate refuses a document that cannot be read, or that breaks a rule which
// the one before it kept.
func (e *edit) validate(tx *repo.Tx, before, after *content.Document) error {
	if after.Err() != nil {
		return &Error{Code: Invalid, Detail: "The front matter cannot be read. Nothing was saved.", Problems: after.Problems(), Err: after.Err()}
	}
	var ambiguous []content.Problem
	if before == nil {
		ambiguous = faults(after.Problems())
	} else {
		ambiguous = content.NewProblems(before.Fields(), after.Fields(), before.Problems(), faults(after.Problems()))
	}
	if len(ambiguous) > 0 {
		return &Error{Code: Invalid, Detail: "The front matter has keys that stand there more than once. Nothing was saved.", Problems: ambiguous}
	}
	schema := &e.collection.Schema
	if !schema.Defined {
		return nil
	}
	l := newLookup(tx).of(Ref{e.collection.Name, e.slug})
	if before != nil {
		l.before = before.Fields()
	}
	problems := schema.Validate(after.Fields(), l)
	switch {
	case before == nil:
		problems = append(problems, schema.CheckWrite(schema.WithDefaults(nil), after.Fields())...)
	case before.Err() == nil:
		problems = content.NewProblems(before.Fields(), after.Fields(), schema.Validate(before.Fields(), l), problems)
		problems = append(problems, schema.CheckWrite(before.Fields(), after.Fields())...)
	}
	if len(problems) > 0 {
		return &Error{Code: Invalid, Detail: "The entry breaks rules of its collection. Nothing was saved.", Problems: problems}
	}
	return nil
}

// faults are the problems with a file for which it is not saved. That fields
// share an anchor is none: the file means what it says, it is only hard to edit.
func faults(problems []content.Problem) []content.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p content.Problem) bool { return p.Rule == content.RuleSharedAnchor })
}

// maxSubject bounds the subject of a commit, in characters.
const maxSubject = 200

// meta is who commits, and what they say of it.
func (e *edit) meta() (repo.Meta, error) {
	m := repo.Meta{Author: person(e.principal)}
	if p := e.write.OnBehalfOf; p != nil {
		m.CoAuthors = []repo.Person{*p}
	}
	m.Message = strings.TrimSpace(e.write.Message)
	if strings.ContainsFunc(m.Message, unicode.IsControl) || utf8.RuneCountInString(m.Message) > maxSubject {
		return m, &Error{Code: Malformed, Detail: fmt.Sprintf("The message must be one line of at most %d characters.", maxSubject)}
	}
	return m, nil
}

func person(pr *auth.Principal) repo.Person {
	name, email := pr.Person()
	return repo.Person{Name: name, Email: email}
}

// subject is the caller's message, or one that tells what was done.
func (e *edit) subject(verb string, fields []string) string {
	if m := strings.TrimSpace(e.write.Message); m != "" {
		return m
	}
	s := fmt.Sprintf("%s %s/%s", verb, e.collection.Name, e.slug)
	if len(fields) == 0 {
		return s
	}
	if list := strings.Join(fields, ", "); utf8.RuneCountInString(s)+len(list) < maxSubject {
		return s + ": " + list
	}
	return fmt.Sprintf("%s: %d fields", s, len(fields))
}
