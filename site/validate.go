package site

import (
	"slices"

	"cms/content"
	"cms/repo"
)

// validate refuses a document that cannot be read, or that breaks a rule which
// the one before it kept, and tells everything that is wrong at once.
func (e *edit) validate(tx *repo.Tx, before, after *content.Document) error {
	if after.Err() != nil {
		return &Error{Code: Invalid, Detail: "The front matter cannot be read. Nothing was saved.", Problems: after.Problems(), Err: after.Err()}
	}
	problems := faults(after.Problems())
	if before != nil {
		problems = content.NewProblems(before.Fields(), after.Fields(), before.Problems(), problems)
	}
	if e.collection.Schema.Defined {
		problems = append(problems, e.schemaProblems(tx, before, after)...)
	}
	if len(problems) > 0 {
		return &Error{Code: Invalid, Detail: "The entry breaks rules of its collection or of front matter. Nothing was saved.", Problems: problems}
	}
	return nil
}

// schemaProblems are the rules of the collection that after breaks and before
// did not.
func (e *edit) schemaProblems(tx *repo.Tx, before, after *content.Document) []content.Problem {
	schema := &e.collection.Schema
	l := newLookup(tx).of(e.ref)
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
	return problems
}

// faults are the problems with a file for which it is not saved. That fields
// share an anchor is none: the file means what it says, it is only hard to edit.
func faults(problems []content.Problem) []content.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p content.Problem) bool { return p.Rule == content.RuleSharedAnchor })
}
