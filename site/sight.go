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
)

// sight is a collection as one caller sees it and may change it. Every entry
// goes out through [sight.view], and every edit comes in through
// [sight.restore] and [sight.permit], whichever door it uses.
//
// What a caller may not see does not exist for them. To those who do not see
// all fields of an entry, its revision is a digest of those that they see: the
// name of the blob would let them try out values for the others.
type sight struct {
	*content.Collection
	grants []auth.Grant      // of the caller's roles, at least one
	whole  bool              // to see every entry with every field
	site   *Site             // nil where whole is all that counts
	effort *effort           // of the question that it is for
	digest [sha256.Size]byte // see readsHash
}

// sight is the collection called name as pr sees it, if pr may do each of the
// actions there, for some entries at least. To those who may do nothing in a
// collection, it does not exist.
func (s *Site) sight(pr *auth.Principal, name string, actions ...auth.Action) (*sight, error) {
	if !s.policy.Knows(pr) {
		return nil, noRole()
	}
	grants := s.policy.Grants(pr, name)
	if s.byName[name] == nil || len(grants) == 0 {
		return nil, &Error{Code: NotFound, Detail: "There is no such collection. GET /v1/collections lists those that you can use."}
	}
	v := &sight{Collection: s.byName[name], grants: grants, site: s}
	for _, a := range actions {
		if !terms(grants).allow(a) {
			return nil, &Error{Code: Forbidden, Detail: fmt.Sprintf("Your roles do not allow you to %s entries of %s.", a, name)}
		}
	}
	v.whole = slices.ContainsFunc(grants, func(g auth.Grant) bool { return g.Allows(auth.Read) && g.Whole() })
	return v, nil
}

// seesAll says whether pr sees every entry of every collection with every field.
func (s *Site) seesAll(pr *auth.Principal) bool {
	return !slices.ContainsFunc(s.collections, func(c *content.Collection) bool {
		v, err := s.sight(pr, c.Name, auth.Read)
		return err != nil || !v.whole
	})
}

// terms are the grants that are for one entry.
type terms []auth.Grant

func (t terms) allow(a auth.Action) bool {
	return slices.ContainsFunc(t, func(g auth.Grant) bool { return g.Allows(a) })
}

// hidden are the fields that no grant to read shows.
func (t terms) hidden() []string {
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

// set says whether one of the grants to do a lets a field be set.
func (t terms) set(a auth.Action, field string) bool {
	return slices.ContainsFunc(t, func(g auth.Grant) bool {
		return g.Allows(a) && !slices.Contains(g.Hide, field) && !slices.Contains(g.ReadOnly, field)
	})
}

// guarded are the fields that no grant to do a lets be set; publish are those that
// publish an entry.
func (t terms) guarded(a auth.Action, publish []string) []string {
	var fields []string
	if !t.allow(auth.Publish) {
		fields = slices.Clone(publish)
	}
	for _, g := range t {
		for _, f := range slices.Concat(g.Hide, g.ReadOnly) {
			if !t.set(a, f) {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// bind says whether a grant to do a is for entries with certain values of field.
func (t terms) bind(a auth.Action, field string) bool {
	return slices.ContainsFunc(t, func(g auth.Grant) bool {
		return g.Allows(a) && slices.ContainsFunc(g.Where, func(c auth.Condition) bool { return c.Field == field })
	})
}

// terms are the grants for entries that have each of these fields.
func (v *sight) terms(of ...*content.Object) terms {
	return slices.DeleteFunc(slices.Clone(v.grants), func(g auth.Grant) bool {
		return slices.ContainsFunc(of, func(fields *content.Object) bool { return !g.Covers(fields) })
	})
}

// sees says whether the caller may read e.
func (v *sight) sees(e *repo.Entry) bool {
	return v.whole || v.shows(e.Fields(), e.Problems())
}

// shows says whether the caller may read an entry of which this was read. Of
// one that cannot be read nobody can tell what it holds, so that only those who
// see everything see it.
func (v *sight) shows(fields *content.Object, problems []content.Problem) bool {
	return v.whole || !unreadable(problems) && slices.ContainsFunc(v.grants, func(g auth.Grant) bool {
		return g.Allows(auth.Read) && g.Covers(fields)
	})
}

// reads tells which entries and fields the caller sees: those of whom it tells the
// same see the same.
func (v *sight) reads() string {
	if v.whole {
		return ""
	}
	var b strings.Builder
	for _, g := range v.grants {
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
func (v *sight) hidden(fields *content.Object) []string {
	if v.whole {
		return nil
	}
	return v.terms(fields).hidden()
}

// view is e as the caller sees it.
func (v *sight) view(e *repo.Entry) (*Entry, error) {
	revision, err := v.revision(e)
	out := Entry{Ref: Ref{e.Collection, e.Slug}, Path: e.Path, Revision: revision, Updated: change(e.Updated()), source: e.Source}
	if err == nil && len(v.hidden(e.Fields())) > 0 {
		out.Updated, err = v.updated(e)
	}
	return v.show(out, e.Fields(), e.Problems()), err
}

// viewOf is [sight.view] of an entry whose document is at hand: nothing is read that
// it could fail for. When the last change that the caller sees cannot be told, there
// is none.
func (v *sight) viewOf(e *repo.Entry, d *content.Document) *Entry {
	out := Entry{Ref: Ref{e.Collection, e.Slug}, Path: e.Path, Revision: v.revisionOf(d, e.Revision), Updated: change(e.Updated()),
		source: func() ([]byte, error) { return d.Source(), nil }}
	if len(v.hidden(d.Fields())) > 0 {
		out.Updated, _ = v.updated(e)
	}
	return v.show(out, d.Fields(), d.Problems())
}

// show is an entry of which this was read, as the caller sees it: out with what is
// in the fields.
func (v *sight) show(out Entry, fields *content.Object, problems []content.Problem) *Entry {
	if v.Schema.Defined && !unreadable(problems) {
		problems = append(problems[:len(problems):len(problems)], v.Schema.Validate(fields, nil)...)
	}
	out.Fields, out.Problems = fields, problems
	if hidden := v.hidden(fields); len(hidden) > 0 {
		out.Fields, out.Problems, out.partial = without(fields, hidden), tellable(hidden, problems), true
	}
	return &out
}

// revision is what the caller knows the revision of e by.
func (v *sight) revision(e *repo.Entry) (string, error) {
	hidden := v.hidden(e.Fields())
	if len(hidden) == 0 {
		return e.Revision.String(), nil
	}
	if name, ok := v.named(e.Revision); ok && name != "" {
		return name, nil
	}
	src, err := e.Source()
	if err != nil {
		return "", err
	}
	if err := v.effort.spend(len(src)); err != nil {
		return "", err
	}
	if unread(e.Problems()) { // the fields were not, but the file is there again
		return v.revisionOf(content.Parse(src), e.Revision), nil
	}
	name := digest(without(e.Fields(), hidden), content.Body(src))
	if v.sees(e) {
		v.name(e.Revision, name)
	}
	return name, nil
}

// revisionOf is [sight.revision] of a document, which is the blob called hash.
func (v *sight) revisionOf(d *content.Document, hash repo.Hash) string {
	if hidden := v.hidden(d.Fields()); len(hidden) > 0 {
		return digest(without(d.Fields(), hidden), d.Body())
	}
	return hash.String()
}

// digest is the revision of what someone sees who does not see everything.
func digest(fields *content.Object, body string) string {
	h := sha256.New()
	b, _ := json.Marshal(fields) // of values that came from a document
	h.Write(b)
	h.Write([]byte{0})
	h.Write([]byte(body))
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// tellable are the problems that do not concern hidden fields, without their
// places if there are such fields: a line tells how many there are before it.
func tellable(hidden []string, problems []content.Problem) []content.Problem {
	told := slices.DeleteFunc(slices.Clone(problems), func(p content.Problem) bool {
		return slices.Contains(hidden, root(p)) || len(hidden) > 0 && p.Stands()
	})
	if len(hidden) > 0 {
		told = unplaced(told)
	}
	return told
}

// unplaced are problems that do not tell where they are in the file.
func unplaced(problems []content.Problem) []content.Problem {
	told := slices.Clone(problems)
	for i := range told {
		told[i].Line, told[i].Column = 0, 0
	}
	return told
}

// hides says whether there are fields, in whatever entries, that pr does not see.
func (s *Site) hides(pr *auth.Principal) bool {
	return slices.ContainsFunc(s.collections, func(c *content.Collection) bool {
		v, err := s.sight(pr, c.Name, auth.Read)
		return err == nil && !v.whole && slices.ContainsFunc(v.grants, func(g auth.Grant) bool { return len(g.Hide) > 0 })
	})
}

// root is the top-level field that a problem concerns.
func root(p content.Problem) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(p.Pointer, "/"), "/")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
}

// without is an object without some keys.
func without(o *content.Object, keys []string) *content.Object {
	return &content.Object{Members: slices.DeleteFunc(slices.Clone(o.Members), func(m content.Member) bool { return slices.Contains(keys, m.Key) })}
}

// diff is [content.Diff], as far as the caller sees it. The unified one is empty for those who do not see all fields of both.
func (v *sight) diff(before, after *content.Document, name string) content.DocumentDiff {
	d := content.Diff(before, after, name)
	var hidden []string
	for _, of := range []*content.Document{before, after} {
		if of != nil {
			hidden = append(hidden, v.hidden(of.Fields())...)
		}
	}
	if len(hidden) > 0 {
		d.Unified = ""
		d.Changed = slices.DeleteFunc(d.Changed, func(c content.FieldChange) bool { return slices.Contains(hidden, c.Field) })
	}
	return d
}

// shown is the document that the caller edits: d itself, or one of what they
// see of it.
func (v *sight) shown(d *content.Document) (*content.Document, error) {
	hidden := v.hidden(d.Fields())
	if len(hidden) == 0 {
		return d, nil
	}
	return content.New(without(d.Fields(), hidden), d.Body(), nil)
}

// restore is the edit of what the caller sees of before, made on before itself:
// what they do not see stays as it is. It is refused if it sets a hidden field,
// whatever the value, so that no answer depends on the one that is there.
func (v *sight) restore(ctx context.Context, before, shown, edited *content.Document) (*content.Document, error) {
	if shown == before {
		return edited, nil
	}
	if err := readable(edited); err != nil {
		return nil, err
	}
	if err := unset(edited, v.hidden(before.Fields())); err != nil {
		return nil, err
	}
	after, err := content.Merge(ctx, shown, before, edited) // before differs from shown in other fields only: nothing clashes
	if err != nil {
		return nil, err
	}
	return after.Document, nil
}

// unset refuses a document that has one of the fields.
func unset(d *content.Document, fields []string) error {
	return keepOff(slices.DeleteFunc(d.Fields().Keys(), func(f string) bool { return !slices.Contains(fields, f) }))
}

// keepOff refuses to set fields, if there are any.
func keepOff(fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	e := &Error{Code: Forbidden, Detail: "Your roles do not let you set all of these fields. Nothing was saved."}
	for _, f := range fields {
		at := content.FieldPath{f}
		e.Problems = append(e.Problems, content.Problem{Field: at.String(), Pointer: at.Pointer(), Rule: "forbidden",
			Detail: "Your roles do not let you set this field. Leave it as it is."})
	}
	return e
}

// permit says whether the caller may make after of before, by the action a.
// Before is nil for a new entry, after for one that goes. The fields kept are not
// theirs: they come back with an entry that is restored.
func (v *sight) permit(a auth.Action, before, after *content.Document, kept ...string) error {
	var both []*content.Object
	for _, d := range []*content.Document{before, after} {
		if d != nil {
			both = append(both, d.Fields())
		}
	}
	t := v.terms(both...)
	switch {
	case !t.allow(a) && (before == nil || v.terms(before.Fields()).allow(a)):
		return v.outOfReach(a)
	case !t.allow(a):
		return &Error{Code: Forbidden, Detail: fmt.Sprintf("Your roles do not allow you to %s this entry.", a)}
	case after == nil:
		return nil
	}
	var off []string
	for _, f := range v.touched(before, after) {
		publishes := slices.Contains(v.Publish, f) && !t.allow(auth.Publish)
		bound := before == nil && t.bind(a, f)
		if slices.Contains(kept, f) {
			if publishes {
				return &Error{Code: Forbidden, Detail: "What publishes the entry is hidden from your roles. Someone who may publish can restore it."}
			}
			continue
		}
		if publishes || !bound && !t.set(a, f) {
			off = append(off, f)
		}
	}
	if err := keepOff(off); err != nil {
		return err
	}
	return v.faithful(a, t, before, after, kept)
}

// faithful refuses an edit by someone who may not set every field after which
// another reader than this one could find other values in those fields: where
// what they hold cannot be told, where they are written otherwise than before, or
// where the edit brings what readers disagree on.
func (v *sight) faithful(a auth.Action, t terms, before, after *content.Document, kept []string) error {
	guarded := t.guarded(a, v.Publish)
	bound := !slices.ContainsFunc(t, func(g auth.Grant) bool { return g.Allows(a) && len(g.Where) == 0 })
	if before == after || len(guarded) == 0 && !bound {
		return nil
	}
	if before != nil && before.Err() != nil {
		return &Error{Code: Forbidden, Detail: "The file that is there cannot be read, so that nobody can tell what fields it has which your roles do not let you set. Someone who may set every field can mend it."}
	}
	guarded = slices.DeleteFunc(guarded, func(f string) bool { return slices.Contains(kept, f) })
	respelled := content.Respelled(before, after, func(f string) bool { return slices.Contains(guarded, f) })
	if err := keepOff(respelled); err != nil {
		return err
	}
	if problems := content.Disputed(before, after); len(problems) > 0 {
		return &Error{Code: Forbidden, Problems: problems,
			Detail: "Your roles do not let you set every field, so that you can only write what every reader of front matter takes for the same. Nothing was saved."}
	}
	return nil
}

// touched are the fields that after sets otherwise than before or, in a new
// entry, otherwise than the schema does.
func (v *sight) touched(before, after *content.Document) []string {
	var names []string
	if before != nil {
		for _, c := range content.Changes(before, after) {
			names = append(names, c.Field)
		}
		return names
	}
	defaults := v.Schema.WithDefaults(nil)
	for _, m := range after.Fields().Members {
		if def, ok := defaults.Get(m.Key); !ok || !content.Equal(def, m.Value) {
			names = append(names, m.Key)
		}
	}
	return names
}

// outOfReach refuses what would leave an entry beyond the caller's reach.
func (v *sight) outOfReach(a auth.Action) error {
	e := &Error{Code: Forbidden, Detail: "Your roles are for entries with certain values of some fields only, and the entry would not have them. Nothing was saved."}
	for _, g := range v.grants {
		for _, c := range g.Where {
			at := content.FieldPath{c.Field}
			known := slices.ContainsFunc(e.Problems, func(p content.Problem) bool { return p.Field == at.String() })
			if g.Allows(a) && !known {
				e.Problems = append(e.Problems, content.Problem{Field: at.String(), Pointer: at.Pointer(), Rule: "forbidden",
					Detail: "Give this field a value that your roles are for."})
			}
		}
	}
	return e
}

// bound is a new document with the values that the caller's roles ask for, where
// there is one value only and the document has none.
func (v *sight) bound(d *content.Document) (*content.Document, error) {
	var edits []content.Edit
	for _, g := range v.grants {
		if len(v.grants) > 1 || !g.Allows(auth.Create) {
			break // which of several roles is meant cannot be told
		}
		for _, c := range g.Where {
			if _, ok := d.Fields().Get(c.Field); !ok && len(c.Values) == 1 {
				edits = append(edits, content.Set(content.FieldPath{c.Field}, c.Values[0]))
			}
		}
	}
	return d.Apply(edits...)
}

// described is the collection without the fields that the caller never sees,
// and with those read-only that the caller, who sets others, may not set.
func (v *sight) described() *content.Collection {
	c := *v.Collection
	all := terms(v.grants)
	hidden := all.hidden()
	c.Schema.Fields = nil
	for _, f := range v.Schema.Fields {
		if !v.whole && slices.Contains(hidden, f.Name) {
			continue
		}
		sets := all.set(auth.Create, f.Name) || all.set(auth.Update, f.Name)
		publishes := !slices.Contains(v.Publish, f.Name) || all.allow(auth.Publish)
		if all.allow(auth.Create) || all.allow(auth.Update) {
			f.ReadOnly = f.ReadOnly || !sets || !publishes
		}
		c.Schema.Fields = append(c.Schema.Fields, f)
	}
	return &c
}
