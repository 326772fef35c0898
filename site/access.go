package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
)

// access is what one caller may see and change of a collection. Every entry goes out
// through [access.view], and every edit comes in through [access.keepHidden] and
// [access.authorize], whichever door it uses.
//
// What a caller may not see does not exist for them. To those who do not see
// all fields of an entry, its revision is a digest of those that they see: the
// name of the blob would let them try out values for the others.
type access struct {
	*content.Collection
	grants     []auth.Grant // of the caller's roles, at least one
	full       bool         // to see every entry with every field
	site       *Site        // nil where whole is all that counts
	principal  *auth.Principal
	budget     *budget           // of the question that it is for
	visibility [sha256.Size]byte // see visibleHash
}

// access is pr's access to the collection called name, if pr may do each of the
// actions there, with some entries at least. For those who may do nothing in a
// collection it does not exist.
func (s *Site) access(pr *auth.Principal, name string, actions ...auth.Action) (*access, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	grants := s.policy.Grants(pr, name)
	if s.byName[name] == nil || len(grants) == 0 {
		return nil, &Error{Code: NotFound, Detail: say.New("There is no such collection. GET /v1/collections lists those that you can use.")}
	}
	acc := &access{Collection: s.byName[name], grants: grants, site: s, principal: pr}
	for _, a := range actions {
		if !grantList(grants).allows(a) {
			return nil, &Error{Code: Forbidden, Detail: say.New("Your roles do not allow you to %s entries of %s.", a, name)}
		}
	}
	acc.full = slices.ContainsFunc(grants, func(g auth.Grant) bool { return g.Allows(auth.Read) && g.Whole() })
	return acc, nil
}

// seesAll says whether pr sees every entry of every collection with every field.
func (s *Site) seesAll(pr *auth.Principal) bool {
	return !slices.ContainsFunc(s.collections, func(c *content.Collection) bool {
		acc, err := s.access(pr, c.Name, auth.Read)
		return err != nil || !acc.full
	})
}

// mayAll says whether pr may do each of the actions with all that there is of target, a
// collection or one of [auth.Beside], so that nothing has to be looked at for it.
func (s *Site) mayAll(pr *auth.Principal, target string, actions ...auth.Action) bool {
	grants := s.policy.Grants(pr, target)
	return !slices.ContainsFunc(actions, func(a auth.Action) bool {
		return !slices.ContainsFunc(grants, func(g auth.Grant) bool { return g.Allows(a) && g.Unlimited() })
	})
}

// visibleMedia describes which files of media pr sees, as [access.visible] does of entries.
func (s *Site) visibleMedia(pr *auth.Principal) string {
	var b strings.Builder
	for _, g := range s.policy.Grants(pr, auth.Media) {
		if g.Allows(auth.Read) {
			fmt.Fprintf(&b, "media %q\n", g.Paths)
		}
	}
	return b.String()
}

// grantList is the grants that are for one entry.
type grantList []auth.Grant

func (t grantList) allows(a auth.Action) bool {
	return slices.ContainsFunc(t, func(g auth.Grant) bool { return g.Allows(a) })
}

// hidden are the fields that no grant to read shows.
func (t grantList) hidden() []string {
	var hidden []string
	first := true
	for _, g := range t {
		switch {
		case !g.Allows(auth.Read):
		case first:
			hidden, first = slices.Clone(g.Hide), false
		default:
			hidden = slices.DeleteFunc(hidden, func(f string) bool { return !slices.Contains(g.Hide, f) })
		}
	}
	return hidden
}

// canSet says whether one of the grants to do a lets a field be set.
func (t grantList) canSet(a auth.Action, field string) bool {
	return slices.ContainsFunc(t, func(g auth.Grant) bool {
		return g.Allows(a) && !slices.Contains(g.Hide, field) && !slices.Contains(g.ReadOnly, field)
	})
}

// protected are the fields that no grant to do a lets be set; publish are those that
// publish an entry.
func (t grantList) protected(a auth.Action, publish []string) []string {
	var fields []string
	if !t.allows(auth.Publish) {
		fields = slices.Clone(publish)
	}
	for _, g := range t {
		for _, f := range slices.Concat(g.Hide, g.ReadOnly) {
			if !t.canSet(a, f) {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// hasCondition says whether a grant to do a is for entries with certain values of field.
func (t grantList) hasCondition(a auth.Action, field string) bool {
	return slices.ContainsFunc(t, func(g auth.Grant) bool {
		return g.Allows(a) && slices.Contains(g.ConditionFields(), field)
	})
}

// grantsFor are the grants for entries that have each of these fields.
func (acc *access) grantsFor(of ...*content.Object) grantList {
	return slices.DeleteFunc(slices.Clone(acc.grants), func(g auth.Grant) bool {
		return slices.ContainsFunc(of, func(fields *content.Object) bool { return !g.Covers(fields) })
	})
}

// hasConditions says whether what the caller may do depends on what an entry holds.
func (acc *access) hasConditions() bool {
	return slices.ContainsFunc(acc.grants, func(g auth.Grant) bool { return !g.EveryEntry() })
}

// canRead says whether the caller may read e.
func (acc *access) canRead(e *repo.Entry) bool {
	return acc.full || acc.canReadFields(e.Fields(), e.Problems())
}

// canReadFields is [access.canRead] of an entry with these fields. What a file that
// cannot be parsed holds is unknown: only those who see everything may read it.
func (acc *access) canReadFields(fields *content.Object, problems []content.Problem) bool {
	return acc.full || !unreadable(problems) && slices.ContainsFunc(acc.grants, func(g auth.Grant) bool {
		return g.Allows(auth.Read) && g.Covers(fields)
	})
}

// visible describes which entries and fields the caller sees. It is equal for callers
// who see the same.
func (acc *access) visible() string {
	if acc.full {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "yaml %q\n", acc.YAML) // by which one file may be two entries
	for _, g := range acc.grants {
		if !g.Allows(auth.Read) {
			continue
		}
		fmt.Fprintf(&b, "hide %q", g.Hide)
		for _, c := range g.Where {
			fmt.Fprintf(&b, " where %q", c.Field)
			for _, value := range c.Values {
				fmt.Fprintf(&b, " %T %q", value, fmt.Sprint(value))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// hidden are the fields of an entry, whether it has them or not, that the
// caller does not see.
func (acc *access) hidden(fields *content.Object) []string {
	if acc.full {
		return nil
	}
	return acc.grantsFor(fields).hidden()
}

// hides says whether the field at path is hidden from the caller in some entries.
func (acc *access) hides(path string) bool {
	return !acc.full && slices.ContainsFunc(acc.grants, func(g auth.Grant) bool {
		return g.Allows(auth.Read) && isWithin(path, g.Hide)
	})
}

// alwaysHides says whether the field at path is hidden from the caller in all entries.
func (acc *access) alwaysHides(path string) bool {
	return !acc.full && isWithin(path, grantList(acc.grants).hidden())
}

// isWithin says whether path is one of fields, or of a part of one.
func isWithin(path string, fields []string) bool {
	return slices.ContainsFunc(fields, func(f string) bool { return path == f || strings.HasPrefix(path, f+".") })
}

// hidesAny says whether fields are hidden from the caller in some entries.
func (acc *access) hidesAny() bool {
	return !acc.full && slices.ContainsFunc(acc.grants, func(g auth.Grant) bool { return g.Allows(auth.Read) && len(g.Hide) > 0 })
}

// view is e as the caller sees it.
func (acc *access) view(e *repo.Entry) (*Entry, error) {
	revision, err := acc.revision(e)
	out := Entry{Ref: Ref{e.Collection, e.Slug}, Path: e.Path, Revision: revision, Updated: change(e.Updated()), source: e.Source}
	if err == nil && len(acc.hidden(e.Fields())) > 0 {
		out.Updated, err = acc.lastUpdate(e)
	}
	return acc.newEntry(out, e.Fields(), e.Problems()), err
}

// viewDocument is [access.view] of an entry whose document is at hand, so that it
// cannot fail. Updated is zero when the last change that the caller sees cannot be read.
func (acc *access) viewDocument(e *repo.Entry, d *content.Document) *Entry {
	out := Entry{Ref: Ref{e.Collection, e.Slug}, Path: e.Path, Revision: acc.documentRevision(d, e.Revision), Updated: change(e.Updated()),
		source: func() ([]byte, error) { return d.Source(), nil }}
	if len(acc.hidden(d.Fields())) > 0 {
		out.Updated, _ = acc.lastUpdate(e)
	}
	return acc.newEntry(out, d.Fields(), d.Problems())
}

// newEntry completes out with those of the fields and problems that the caller sees.
func (acc *access) newEntry(out Entry, fields *content.Object, problems []content.Problem) *Entry {
	if acc.Schema.Defined && !unreadable(problems) {
		problems = append(problems[:len(problems):len(problems)], acc.Schema.Validate(fields, nil)...)
	}
	out.Fields, out.Problems = fields, problems
	if hidden := acc.hidden(fields); len(hidden) > 0 {
		out.Fields, out.Problems, out.partial = without(fields, hidden), visibleProblems(hidden, problems), true
	}
	return &out
}

// revision is what the caller knows the revision of e by.
func (acc *access) revision(e *repo.Entry) (string, error) {
	hidden := acc.hidden(e.Fields())
	if len(hidden) == 0 {
		return e.Revision.String(), nil
	}
	if name, ok := acc.cachedRevision(e.Revision); ok && name != "" {
		return name, nil
	}
	src, err := e.Source()
	if err != nil {
		return "", err
	}
	if err := acc.budget.spend(len(src)); err != nil {
		return "", err
	}
	if storageFailed(e.Problems()) { // the fields were not, but the file is there again
		return acc.documentRevision(acc.Parse(src), e.Revision), nil
	}
	name := digest(without(e.Fields(), hidden), content.Body(src))
	if acc.canRead(e) {
		acc.cacheRevision(e.Revision, name)
	}
	return name, nil
}

// documentRevision is [access.revision] of a document, which is the blob called hash.
func (acc *access) documentRevision(d *content.Document, hash repo.Hash) string {
	if hidden := acc.hidden(d.Fields()); len(hidden) > 0 {
		return digest(without(d.Fields(), hidden), d.Body())
	}
	return hash.String()
}

// digest is the revision for callers who do not see every field.
func digest(fields *content.Object, body string) string {
	h := sha256.New()
	b, _ := json.Marshal(fields) // of values that came from a document
	h.Write(b)
	h.Write([]byte{0})
	h.Write([]byte(body))
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// visibleProblems are the problems that do not concern hidden fields. If there are
// such fields, they have no positions: a line number reveals how much is before it.
func visibleProblems(hidden []string, problems []content.Problem) []content.Problem {
	visible := slices.DeleteFunc(slices.Clone(problems), func(p content.Problem) bool {
		return slices.Contains(hidden, topField(p)) || len(hidden) > 0 && p.Stands()
	})
	if len(hidden) > 0 {
		visible = withoutPositions(visible)
	}
	return visible
}

// withoutPositions are the problems without line and column.
func withoutPositions(problems []content.Problem) []content.Problem {
	bare := slices.Clone(problems)
	for i := range bare {
		bare[i].Line, bare[i].Column = 0, 0
	}
	return bare
}

// hidesFields says whether any field of any entry is hidden from pr.
func (s *Site) hidesFields(pr *auth.Principal) bool {
	return slices.ContainsFunc(s.collections, func(c *content.Collection) bool {
		acc, err := s.access(pr, c.Name, auth.Read)
		return err == nil && !acc.full && slices.ContainsFunc(acc.grants, func(g auth.Grant) bool { return len(g.Hide) > 0 })
	})
}

// topField is the top-level field that a problem concerns.
func topField(p content.Problem) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(p.Pointer, "/"), "/")
	return content.UnescapeToken(name)
}

// without is an object without some keys.
func without(o *content.Object, keys []string) *content.Object {
	return &content.Object{Members: slices.DeleteFunc(slices.Clone(o.Members), func(m content.Member) bool { return slices.Contains(keys, m.Key) })}
}

// diff is [content.Diff] of the fields that the caller sees. Unified is empty for
// callers who do not see all fields of both documents.
func (acc *access) diff(before, after *content.Document, name string) content.DocumentDiff {
	d := content.Diff(before, after, name)
	var hidden []string
	for _, of := range []*content.Document{before, after} {
		if of != nil {
			hidden = append(hidden, acc.hidden(of.Fields())...)
		}
	}
	if len(hidden) > 0 {
		d.Unified = ""
		d.Changed = slices.DeleteFunc(d.Changed, func(c content.FieldChange) bool { return slices.Contains(hidden, c.Field) })
	}
	return d
}

// visibleDocument is the document that the caller edits: d, or one without the hidden
// fields.
func (acc *access) visibleDocument(d *content.Document) (*content.Document, error) {
	hidden := acc.hidden(d.Fields())
	if len(hidden) == 0 {
		return d, nil
	}
	return content.NewAs(acc.YAML, without(d.Fields(), hidden), d.Body(), nil)
}

// keepHidden makes the caller's edit from shown to edited on before, so that hidden
// fields stay as they are. An edit that sets a hidden field is refused, whatever the
// value: no answer depends on the value that is there.
func (acc *access) keepHidden(ctx context.Context, before, shown, edited *content.Document) (*content.Document, error) {
	if shown == before {
		return edited, nil
	}
	if err := readable(edited); err != nil {
		return nil, err
	}
	if err := forbidFields(edited, acc.hidden(before.Fields())); err != nil {
		return nil, err
	}
	after, err := content.Merge(ctx, shown, before, edited) // before differs from shown in other fields only: there is no conflict
	if err != nil {
		return nil, err
	}
	return after.Document, nil
}

// forbidFields refuses a document that has one of the fields.
func forbidFields(d *content.Document, fields []string) error {
	return forbidden(slices.DeleteFunc(d.Fields().Keys(), func(f string) bool { return !slices.Contains(fields, f) }))
}

// forbidden refuses to set fields, if there are any.
func forbidden(fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	e := &Error{Code: Forbidden, Detail: say.New("Your roles do not let you set all of these fields. Nothing was saved.")}
	for _, f := range fields {
		at := content.FieldPath{f}
		e.Problems = append(e.Problems, content.Problem{Field: at.String(), Pointer: at.Pointer(), Rule: "forbidden",
			Detail: say.New("Your roles do not let you set this field. Leave it as it is.")})
	}
	return e
}

// authorize refuses the action a, which makes after of before, unless the caller may.
// Before is nil for a new entry, after for a deleted one. The fields kept are not the
// caller's: they come back with an entry that is restored.
func (acc *access) authorize(a auth.Action, before, after *content.Document, kept ...string) error {
	var both []*content.Object
	for _, d := range []*content.Document{before, after} {
		if d != nil {
			both = append(both, d.Fields())
		}
	}
	t := acc.grantsFor(both...)
	switch {
	case !t.allows(a) && (before == nil || acc.grantsFor(before.Fields()).allows(a)):
		return acc.outsideConditions(a)
	case !t.allows(a):
		return &Error{Code: Forbidden, Detail: say.New("Your roles do not allow you to %s this entry.", a)}
	case after == nil:
		return nil
	}
	var off []string
	for _, f := range acc.setFields(before, after) {
		publishes := slices.Contains(acc.Publish, f) && !t.allows(auth.Publish)
		bound := before == nil && t.hasCondition(a, f)
		if slices.Contains(kept, f) {
			if publishes {
				return &Error{Code: Forbidden, Detail: say.New("A field that publishes the entry is hidden from your roles. Ask someone who may publish to restore it.")}
			}
			continue
		}
		if publishes || !bound && !t.canSet(a, f) {
			off = append(off, f)
		}
	}
	if err := forbidden(off); err != nil {
		return err
	}
	return acc.checkReaders(a, t, before, after, kept)
}

// checkReaders refuses an edit, by someone who may not set every field, after which
// another reader of front matter could find other values in protected fields: where
// their values are unknown, where they are written in another way than before, or
// where the edit adds something that readers disagree on.
func (acc *access) checkReaders(a auth.Action, t grantList, before, after *content.Document, kept []string) error {
	protected := t.protected(a, acc.Publish)
	bound := !slices.ContainsFunc(t, func(g auth.Grant) bool { return g.Allows(a) && g.EveryEntry() })
	if before == after || len(protected) == 0 && !bound {
		return nil
	}
	if before != nil && before.Err() != nil {
		return &Error{Code: Forbidden, Detail: say.New("The file that is there cannot be read, so it is unknown whether it has fields that your roles do not let you set. Ask someone who may set every field to repair it.")}
	}
	protected = slices.DeleteFunc(protected, func(f string) bool { return slices.Contains(kept, f) })
	respelled := content.Respelled(before, after, func(f string) bool { return slices.Contains(protected, f) })
	if err := forbidden(respelled); err != nil {
		return err
	}
	if problems := content.Disputed(before, after); len(problems) > 0 {
		return &Error{Code: Forbidden, Problems: problems,
			Detail: say.New("Your roles do not let you set every field. You can only write front matter that all readers understand in the same way. Nothing was saved.")}
	}
	return nil
}

// setFields are the fields that differ between before and after or, in a new entry,
// from the defaults of the schema.
func (acc *access) setFields(before, after *content.Document) []string {
	var names []string
	if before != nil {
		for _, c := range content.Changes(before, after) {
			names = append(names, c.Field)
		}
		return names
	}
	defaults := acc.Schema.WithDefaults(nil)
	for _, m := range after.Fields().Members {
		if def, ok := defaults.Get(m.Key); !ok || !content.Equal(def, m.Value) {
			names = append(names, m.Key)
		}
	}
	return names
}

// outsideConditions refuses what would leave an entry that no grant of the caller is
// for.
func (acc *access) outsideConditions(a auth.Action) error {
	e := &Error{Code: Forbidden, Detail: say.New("Your roles only cover entries with certain values in some fields. The entry would not have these values. Nothing was saved.")}
	for _, g := range acc.grants {
		for _, field := range g.ConditionFields() {
			at := content.FieldPath{field}
			known := slices.ContainsFunc(e.Problems, func(p content.Problem) bool { return p.Field == at.String() })
			if g.Allows(a) && !known {
				e.Problems = append(e.Problems, content.Problem{Field: at.String(), Pointer: at.Pointer(), Rule: "forbidden",
					Detail: say.New("Give this field a value that your roles cover.")})
			}
		}
	}
	return e
}

// withConditions is a new document with the values that the caller's roles require,
// where there is only one and the document has none.
func (acc *access) withConditions(d *content.Document) (*content.Document, error) {
	var edits []content.Edit
	for _, g := range acc.grants {
		if len(acc.grants) > 1 || !g.Allows(auth.Create) {
			break // which of several roles is meant is unknown
		}
		for _, c := range g.Where {
			if _, ok := d.Fields().Get(c.Field); !ok && len(c.Values) == 1 {
				edits = append(edits, content.Set(content.FieldPath{c.Field}, c.Values[0]))
			}
		}
	}
	return d.Apply(edits...)
}

// describe is the collection without the fields that the caller never sees. Fields
// that the caller may not set are read-only.
func (acc *access) describe() *content.Collection {
	c := *acc.Collection
	all := grantList(acc.grants)
	hidden := all.hidden()
	c.Schema.Fields = nil
	for _, f := range acc.Schema.Fields {
		if !acc.full && slices.Contains(hidden, f.Name) {
			continue
		}
		sets := all.canSet(auth.Create, f.Name) || all.canSet(auth.Update, f.Name)
		publishes := !slices.Contains(acc.Publish, f.Name) || all.allows(auth.Publish)
		if all.allows(auth.Create) || all.allows(auth.Update) {
			f.ReadOnly = f.ReadOnly || !sets || !publishes
		}
		c.Schema.Fields = append(c.Schema.Fields, f)
	}
	c.Templates = slices.Clone(acc.Templates)
	for i, t := range c.Templates {
		if t.Fields != nil && !acc.full {
			seen := &content.Object{Members: slices.DeleteFunc(slices.Clone(t.Fields.Members), func(m content.Member) bool { return slices.Contains(hidden, m.Key) })}
			c.Templates[i].Fields = seen
		}
	}
	return &c
}
