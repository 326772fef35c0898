package site

import (
	"context"
	"slices"

	"cms/content"
	"cms/repo"
	"cms/say"
)

// readable refuses a document that cannot be read.
func readable(d *content.Document) error {
	if d.Err() != nil {
		return &Error{Code: Invalid, Detail: say.New("The front matter cannot be read. Nothing was saved."), Problems: d.Problems(), Err: d.Err()}
	}
	return nil
}

// validate refuses a document that breaks a rule which the one before it kept. It
// reports all problems at once, except those of fields that the principal does not see.
func (e *edit) validate(in entries, before, after *content.Document) error {
	problems := faults(after.Problems())
	if before != nil {
		problems = content.NewProblems(before.Fields(), after.Fields(), before.Problems(), problems)
	}
	if e.access.Schema.Defined {
		unsure := false
		problems = append(problems, faults(e.schemaProblems(in, before, after, &unsure))...)
		if unsure {
			return errUnreadable()
		}
	}
	if len(problems) == 0 {
		return nil
	}
	err := &Error{Code: Invalid, Detail: say.New("The entry is not valid. Nothing was saved."),
		Problems: visibleProblems(e.access.hidden(after.Fields()), problems)}
	if len(err.Problems) == 0 {
		err.Detail = say.New("A field that your roles do not show is not valid. Nothing was saved. Ask someone who sees the field.")
	}
	return err
}

// schemaProblems are the rules of the collection that after breaks and before
// did not. They are unsure when other entries, or earlier states, which they depend on,
// cannot be read.
func (e *edit) schemaProblems(in entries, before, after *content.Document, unsure *bool) []content.Problem {
	schema := &e.access.Schema
	l := lookup{entries: in, unique: &e.site.unique, canRead: e.access.canReadOther, uncertain: unsure}.forEntry(e.ref)
	if before == nil {
		return append(schema.Validate(after.Fields(), l), e.readOnlyProblems(e.restored, after)...)
	}
	l.before = before.Fields()
	problems := schema.Validate(after.Fields(), l)
	if before.Err() != nil {
		last, err := e.lastReadable()
		*unsure = *unsure || err != nil
		return append(problems, e.readOnlyProblems(last, after)...)
	}
	problems = content.NewProblems(before.Fields(), after.Fields(), schema.Validate(before.Fields(), l), problems)
	return append(problems, e.readOnlyProblems(before, after)...)
}

// readOnlyProblems are the read-only fields that after has otherwise than was, or
// writes otherwise; nil is of a new entry, which has the defaults or what it
// inherits.
func (e *edit) readOnlyProblems(was, after *content.Document) []content.Problem {
	schema := &e.access.Schema
	blank := e.inherited
	switch {
	case was != nil:
		blank = was.Fields()
	case blank == nil:
		blank = schema.WithDefaults(nil)
	}
	if problems := schema.CheckWrite(blank, after.Fields()); len(problems) > 0 {
		return problems
	}
	return schema.CheckSpelling(was, after)
}

// lastReadable is the last state of the entry, which cannot be read now, in which it
// could be; nil if there is none that is not long ago. What it holds now is
// unknown.
func (e *edit) lastReadable() (*content.Document, error) {
	path, err := e.access.Path(e.ref.Slug)
	if err != nil {
		return nil, err
	}
	var blobs []repo.Hash
	for _, c := range e.site.repo.Recent(path, maxHistorySearch) {
		blobs = append(blobs, c.Revision)
	}
	return e.site.lastReadable(context.Background(), nil, e.access.Collection, blobs)
}

// faults are the problems with a file for which it is not saved. Hints are none, nor
// that fields share an anchor: the file means what it says, it is only hard to edit.
func faults(problems []content.Problem) []content.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p content.Problem) bool { return p.Hint() || p.Rule == content.RuleSharedAnchor })
}
