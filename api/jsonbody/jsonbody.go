// Package jsonbody reads the JSON bodies of requests: member by member, in their order,
// which new fields get in their file. All that is wrong with a body is told at once.
//
//	b, err := jsonbody.Decode(raw, "title", "until")
//	if err != nil {
//		return err
//	}
//	b.Require(say.New("Give it a title."), "title")
//	title, until := b.Text("title"), b.Time("until")
//	if err := b.Problem(); err != nil {
//		return err
//	}
package jsonbody

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"cms/content"
	"cms/say"
	"cms/web"
)

// Reader reads the members of a JSON object, and keeps what it finds wrong with them.
type Reader struct {
	Members *content.Object
	found   content.Findings
}

// Decode reads a body, which has no other members than those known.
func Decode(raw []byte, known ...string) (*Reader, error) {
	v, err := content.ParseJSON(raw)
	if err != nil {
		return nil, notJSON(err)
	}
	members, ok := v.(*content.Object)
	if !ok {
		return nil, web.NewProblem(http.StatusUnprocessableEntity, say.New("The body must be a JSON object with the members %s.", strings.Join(known, ", ")))
	}
	b := Of(members)
	b.Only(known...)
	return b, nil
}

// Of reads the members of an object within a body.
func Of(members *content.Object) *Reader { return &Reader{Members: members} }

// CheckPatch makes sure that a body is a JSON Patch in form.
func CheckPatch(raw []byte) error {
	v, err := content.ParseJSON(raw)
	if err != nil {
		return notJSON(err)
	}
	if _, ok := v.([]content.Value); !ok {
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("A JSON Patch is an array of operations (RFC 6902)."))
	}
	return nil
}

// notJSON is what a body that cannot be read is answered with.
func notJSON(err error) *web.Problem {
	if at := (*content.SyntaxError)(nil); errors.As(err, &at) && at.TooLarge {
		p := web.NewProblem(http.StatusRequestEntityTooLarge, say.New("The JSON body is beyond a limit; see errors."))
		p.Errors = []web.Fault{{Detail: say.Of(err), Rule: content.RuleTooLarge}}
		return p
	}
	p := web.NewProblem(http.StatusBadRequest, say.New("The body is not valid JSON."))
	p.Errors = []web.Fault{{Detail: say.Of(err), Rule: "json"}}
	return p
}

// Only refuses members that are not known.
func (b *Reader) Only(known ...string) {
	detail := say.New("There is no such member here. Fields of the entry go into fields; the members are %s.", strings.Join(known, ", "))
	for _, m := range b.Members.Members {
		if !slices.Contains(known, m.Key) {
			b.Wrong(m.Key, "unknown_member", detail)
		}
	}
}

// Wrong says what is wrong with a member.
func (b *Reader) Wrong(member, rule string, detail say.Text) {
	p := content.Problem{Rule: rule, Detail: detail}
	if !b.found.Full() {
		p.Pointer = content.FieldPath{member}.Pointer()
	}
	b.found.Add(p)
}

// Add says what is wrong somewhere in the object.
func (b *Reader) Add(p content.Problem) { b.found.Add(p) }

// Join adds what was found wrong with an object that is at a pointer in this one.
func (b *Reader) Join(within *Reader, at string) { b.found.Join(&within.found, at) }

// Found is how many things were found wrong by now.
func (b *Reader) Found() int { return b.found.Len() }

// Problem is what was found wrong, or nil.
func (b *Reader) Problem() error {
	if b.Found() == 0 {
		return nil
	}
	p := web.NewProblem(http.StatusUnprocessableEntity, say.New("The body is not as it should be. Nothing was saved."))
	p.Errors = Faults(b.found.Told(), "")
	return p
}

// Require asks for members, for a reason.
func (b *Reader) Require(why say.Text, members ...string) {
	for _, m := range members {
		if _, ok := b.Members.Get(m); !ok {
			b.Wrong(m, "required", why)
		}
	}
}

// Object is a member that must be an object where it is present; empty if not.
func (b *Reader) Object(member string) *content.Object {
	v, ok := b.Members.Get(member)
	if !ok {
		return &content.Object{}
	}
	o, ok := v.(*content.Object)
	if !ok {
		b.Wrong(member, "type", say.New("This must be a JSON object."))
		return &content.Object{}
	}
	return o
}

// Text is a member that must be a string where it is present; empty if not.
func (b *Reader) Text(member string) string {
	v, ok := b.Members.Get(member)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		b.Wrong(member, "type", say.New("This must be a string."))
	}
	return s
}

// Given says whether a member that may be left out is there. Null leaves it out.
func (b *Reader) Given(member string) bool {
	v, _ := b.Members.Get(member)
	return v != nil
}

// Slug is a member that names an entry, zero if it is left out.
func (b *Reader) Slug(member string) content.Slug {
	if !b.Given(member) {
		return content.Slug{}
	}
	before := b.Found()
	s, err := content.ParseSlug(b.Text(member))
	if err != nil && b.Found() == before {
		b.Wrong(member, "slug", say.New("The %s.", err))
	}
	return s
}

// OneOf is a member that must be one of some texts, "" if it is left out.
func (b *Reader) OneOf(member string, options ...string) string {
	if !b.Given(member) {
		return ""
	}
	before := b.found.Len()
	text := b.Text(member)
	if slices.Contains(options, text) {
		return text
	}
	if b.found.Len() == before {
		b.Wrong(member, "options", say.New("This must be one of: %s.", strings.Join(options, ", ")))
	}
	return ""
}

// Without is the object without some members.
func (b *Reader) Without(members ...string) *content.Object {
	o := &content.Object{}
	for _, m := range b.Members.Members {
		if !slices.Contains(members, m.Key) {
			o.Members = append(o.Members, m)
		}
	}
	return o
}

// Time is a member that must be a date-time.
func (b *Reader) Time(member string) time.Time {
	before := b.Found()
	t, err := time.Parse(time.RFC3339, b.Text(member))
	if err != nil && b.Found() == before {
		b.Wrong(member, "datetime", say.New("This must be a date-time of RFC 3339, such as 2026-05-04T08:00:00Z."))
	}
	return t
}

// Texts is a member that must be a list of strings; null is an empty one.
func (b *Reader) Texts(member string) []string {
	v, _ := b.Members.Get(member)
	list, ok := v.([]content.Value)
	if v == nil {
		return nil
	}
	var all []string
	for _, item := range list {
		s, text := item.(string)
		ok = ok && text
		all = append(all, s)
	}
	if !ok {
		b.Wrong(member, "type", say.New("This must be a list of strings."))
	}
	return all
}

// Optional is a member that must be a string or null.
func (b *Reader) Optional(member string) string {
	if !b.Given(member) {
		return ""
	}
	return b.Text(member)
}

// Duration is a member that must be a text such as 30s, or null.
func (b *Reader) Duration(member string) time.Duration {
	if !b.Given(member) {
		return 0
	}
	before := b.Found()
	d, err := time.ParseDuration(b.Text(member))
	if err != nil && b.Found() == before {
		b.Wrong(member, "duration", say.New("This must be a duration such as 30s, 5m or 24h."))
	}
	return d
}

// Faults tells problems. Their pointers lead into what is at root.
func Faults(problems []content.Problem, root string) []web.Fault {
	faults := make([]web.Fault, len(problems))
	for i, p := range problems {
		faults[i] = web.Fault{Detail: p.Detail, Rule: p.Rule, Field: p.Field, Line: p.Line, Column: p.Column}
		if p.Pointer != "" {
			faults[i].Pointer = root + p.Pointer
		}
	}
	return faults
}
