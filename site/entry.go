package site

import (
	"context"
	"slices"
	"sync/atomic"

	"cms/auth"
	"cms/content"
	"cms/say"
)

// Ref names an entry. The zero Slug is none.
type Ref struct {
	Collection string
	Slug       content.Slug
}

func (r Ref) String() string { return r.Collection + "/" + r.Slug.String() }

// Entry is one document of a collection, as a caller sees it.
type Entry struct {
	Ref
	Path     content.Path
	Revision string // the Git blob's id, in hexadecimal
	Fields   *content.Object
	Problems []content.Problem // of reading the file and of the collection's schema; empty for a valid entry
	Updated  Change            // the last commit that touched it
	Crossed  bool              // some Problems are with other entries: they change without the revision

	partial bool // the caller does not see all fields
	weight  int  // about how many bytes the fields and problems take; 0 when it was not asked for
	source  func() ([]byte, error)
	encoded *atomic.Pointer[[]byte] // for Encoded; nil for an entry that is not shared
}

// Encoded is what encode makes of the entry. It is made once for all lists that
// show the entry to callers who see the same of it, and must not be changed.
func (e *Entry) Encoded(encode func(*Entry) ([]byte, error)) ([]byte, error) {
	if e.encoded != nil {
		if b := e.encoded.Load(); b != nil {
			return *b, nil
		}
	}
	b, err := encode(e)
	if e.encoded != nil && err == nil && len(b) <= maxEncoded {
		e.encoded.Store(&b)
	}
	return b, err
}

// size is about how many bytes it takes to show the entry.
func (e *Entry) size() int {
	if e.weight == 0 {
		e.weight = 64 + weigh(e.Fields)
		for i := range e.Problems {
			p := &e.Problems[i]
			e.weight += 64 + len(p.Field) + len(p.Pointer) + p.Detail.Len()
		}
	}
	return e.weight
}

// weigh is about how many bytes v takes as JSON.
func weigh(v content.Value) int {
	n := 8
	switch v := v.(type) {
	case string:
		n += len(v)
	case content.Number:
		n += len(v)
	case content.Time:
		n += 32
	case []content.Value:
		for _, item := range v {
			n += weigh(item)
		}
	case *content.Object:
		for _, m := range v.Members {
			n += len(m.Key) + weigh(m.Value)
		}
	}
	return n
}

// only is e with those of its fields alone that have these keys.
func (e *Entry) only(keys map[string]bool) *Entry {
	few := *e
	few.encoded, few.weight = nil, 0
	few.Fields = &content.Object{Members: slices.DeleteFunc(slices.Clone(e.Fields.Members), func(m content.Member) bool { return !keys[m.Key] })}
	return &few
}

// Source is the bytes of the file, which must not be changed. It is Forbidden to
// those who do not see all fields.
func (e *Entry) Source() ([]byte, error) {
	if e.partial {
		return nil, &Error{Code: Forbidden, Detail: say.New("Your roles do not show every field of the file, so you cannot read its source. Ask for application/json instead.")}
	}
	return e.source()
}

// Body is what follows the front matter, byte for byte.
func (e *Entry) Body() (string, error) {
	src, err := e.source()
	return content.Body(src), err
}

// Entry reads one entry.
func (s *Site) Entry(ctx context.Context, pr *auth.Principal, ref Ref) (*Entry, error) {
	acc, err := s.access(pr, ref.Collection, auth.Read)
	if err != nil {
		return nil, err
	}
	acc.budget = s.budget(ctx, pr, pageBudget)
	defer acc.budget.release()
	snap := s.repo.View()
	e, ok := snap.Entry(ref.Collection, ref.Slug)
	if !ok {
		return nil, errNoEntry()
	}
	fields, problems := e.Fields(), e.Problems()
	switch {
	case storageFailed(problems):
		return nil, errUnreadable()
	case !acc.canReadFields(fields, problems):
		return nil, errNoEntry()
	}
	seen, err := acc.view(e)
	if err != nil {
		return nil, err
	}
	return acc.tellAside(acc.crossCheck(seen, snap)), nil
}

// tellAside is e with what was set aside of it, for those who see everything, as
// [Site.SetAside] has it. It is a hint: the entry itself is as good as it is.
func (acc *access) tellAside(e *Entry) *Entry {
	ids := acc.site.repo.AsideOf(e.Path)
	if len(ids) == 0 || !acc.full {
		return e
	}
	told := *e
	told.Problems = e.Problems[:len(e.Problems):len(e.Problems)]
	for _, id := range ids {
		told.Problems = append(told.Problems, content.Problem{Rule: content.RuleSetAside,
			Detail: say.New("another version was set aside, as the entry was changed at the Git host too: conflict %s", id)})
	}
	told.Crossed = true
	told.encoded, told.weight = nil, 0 // it is shared no more
	return &told
}

// unreadable says whether a file could not be read for its fields, so that to
// validate them would only list every required one as missing.
func unreadable(problems []content.Problem) bool {
	for _, p := range problems {
		if p.Rule == content.RuleSyntax || p.Rule == content.RuleTooLarge || p.Rule == content.RulePointer {
			return true
		}
	}
	return false
}

// Check validates every entry of every collection, for the operator, and
// yields those that have problems. Unlike the entries of a list they are
// checked against each other too.
func (s *Site) Check(ctx context.Context) ([]*Entry, int, error) {
	if err := s.awaitWarm(ctx); err != nil {
		return nil, 0, err
	}
	snap := s.repo.View()
	var broken []*Entry
	total := 0
	shift := s.selections.gate.shift()
	for _, c := range s.collections {
		for _, e := range snap.Entries(c.Name) {
			if total%gateEntries == 0 {
				if err := shift.pass(ctx); err != nil {
					return nil, 0, err
				}
			}
			total++
			shown, err := (&access{Collection: c, full: true}).view(e)
			if err != nil {
				return nil, 0, err
			}
			if !unreadable(shown.Problems) {
				shown.Problems = append(shown.Problems[:len(shown.Problems):len(shown.Problems)], s.crossProblems(lookup{entries: snap}, shown.Ref, shown.Fields)...)
			}
			if len(shown.Problems) > 0 {
				broken = append(broken, shown)
			}
		}
	}
	return broken, total, nil
}
