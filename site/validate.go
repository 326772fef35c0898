package site

import (
	"slices"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// readable refuses a document that cannot be read.
func readable(d *content.Document) error {
	if d.Err() != nil {
		return &Error{Code: Invalid, Detail: "The front matter cannot be read. Nothing was saved.", Problems: d.Problems(), Err: d.Err()}
	}
	return nil
}

// validate refuses a document that breaks a rule which the one before it kept,
// and tells everything that is wrong at once, but for fields that the principal
// does not see.
func (e *edit) validate(tx *repo.Tx, before, after *content.Document) error {
	problems := faults(after.Problems())
	if before != nil {
		problems = content.NewProblems(before.Fields(), after.Fields(), before.Problems(), problems)
	}
	if e.collection.Schema.Defined {
		unsure := false
		problems = append(problems, e.schemaProblems(tx, before, after, &unsure)...)
		if unsure {
			return unreadNow()
		}
	}
	if len(problems) == 0 {
		return nil
	}
	err := &Error{Code: Invalid, Detail: "The entry breaks rules of its collection or of front matter. Nothing was saved.",
		Problems: tellable(e.collection.hidden(after.Fields()), problems)}
	if len(err.Problems) == 0 {
		err.Detail = "The entry breaks a rule for a field that your roles do not show. Nothing was saved; ask someone who sees it."
	}
	return err
}

// schemaProblems are the rules of the collection that after breaks and before
// did not. They are unsure when other entries, which they depend on, cannot be read.
func (e *edit) schemaProblems(tx *repo.Tx, before, after *content.Document, unsure *bool) []content.Problem {
	schema := &e.collection.Schema
	l := lookup{entries: tx, registers: &e.site.registers, sees: e.sees, unsure: unsure}.of(e.ref)
	if before == nil {
		blank := e.inherited
		if blank == nil {
			blank = schema.WithDefaults(nil)
		}
		return append(schema.Validate(after.Fields(), l), e.readOnlyProblems(blank, nil, after)...)
	}
	l.before = before.Fields()
	problems := schema.Validate(after.Fields(), l)
	if before.Err() != nil {
		return problems
	}
	problems = content.NewProblems(before.Fields(), after.Fields(), schema.Validate(before.Fields(), l), problems)
	return append(problems, e.readOnlyProblems(before.Fields(), before, after)...)
}

// readOnlyProblems are the read-only fields that after has otherwise than was: by
// their values, or by how before wrote them.
func (e *edit) readOnlyProblems(was *content.Object, before, after *content.Document) []content.Problem {
	if e.known {
		return nil
	}
	schema := &e.collection.Schema
	if problems := schema.CheckWrite(was, after.Fields()); len(problems) > 0 {
		return problems
	}
	return schema.CheckSpelling(before, after)
}

// sees says whether the principal may read an entry, of any collection.
func (e *edit) sees(other *repo.Entry) bool {
	v := e.collection
	if other.Collection != v.Name {
		var err error
		if v, err = e.site.sight(e.principal, other.Collection, auth.Read); err != nil {
			return false
		}
	}
	return v.sees(other)
}

// faults are the problems with a file for which it is not saved. That fields
// share an anchor is none: the file means what it says, it is only hard to edit.
func faults(problems []content.Problem) []content.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p content.Problem) bool { return p.Rule == content.RuleSharedAnchor })
}
