package site

import (
	"slices"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Rules that concern other entries too.
const (
	ruleUnique    = "unique"
	ruleReference = "reference"
)

// crossRules is the part of a schema that concerns other entries; nil where there is
// none.
func crossRules(s *content.Schema) *content.Schema {
	rules := &content.Schema{Defined: true}
	for _, f := range s.Fields {
		if f.Unique || refers(&f) {
			rules.Fields = append(rules.Fields, f)
		}
	}
	if !s.Defined || len(rules.Fields) == 0 {
		return nil
	}
	return rules
}

// refers says whether a field has references to other entries.
func refers(f *content.Field) bool {
	return f.Type == content.TypeReference || f.Of != nil && refers(f.Of) ||
		slices.ContainsFunc(f.Fields, func(member content.Field) bool { return refers(&member) })
}

// crossProblems are the problems that an entry with these fields has with other
// entries: values that are not unique, and references that lead nowhere. What cannot be
// read now is no problem.
func (s *Site) crossProblems(l lookup, ref Ref, fields *content.Object) []content.Problem {
	rules := s.crossRules[ref.Collection]
	if rules == nil {
		return nil
	}
	l.unique = &s.unique
	l.uncertain = new(bool)
	return slices.DeleteFunc(rules.Validate(fields, l.forEntry(ref)), func(p content.Problem) bool {
		return p.Rule != ruleUnique && p.Rule != ruleReference
	})
}

// crossCheck is e with the problems that it has with other entries, as the caller sees
// them. To callers who may not read a collection, references to it are no problem.
func (acc *access) crossCheck(e *Entry, in entries) *Entry {
	if acc.site.crossRules[e.Collection] == nil || unreadable(e.Problems) || storageFailed(e.Problems) {
		return e
	}
	l := lookup{entries: in, canRead: acc.canReadOther, ignores: acc.cannotRead}
	problems := acc.site.crossProblems(l, e.Ref, e.Fields)
	if e.partial {
		problems = visibleProblems(acc.hidden(e.Fields), problems)
	}
	if len(problems) == 0 {
		return e
	}
	checked := *e
	checked.Problems = append(e.Problems[:len(e.Problems):len(e.Problems)], problems...)
	checked.Crossed = true
	checked.encoded, checked.weight = nil, 0 // it is shared no more
	return &checked
}

// canReadOther says whether the caller may read an entry of any collection.
func (acc *access) canReadOther(e *repo.Entry) bool {
	if e.Collection == acc.Name {
		return acc.canRead(e)
	}
	other, err := acc.site.access(acc.principal, e.Collection, auth.Read)
	return err == nil && other.canRead(e)
}

// cannotRead says whether the caller may read no entry of a collection.
func (acc *access) cannotRead(collection string) bool {
	_, err := acc.site.access(acc.principal, collection, auth.Read)
	return err != nil
}
