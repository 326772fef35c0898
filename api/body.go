package api

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"cms/content"
	"cms/web"
)

// The JSON bodies of writes, for the OpenAPI document. They are decoded by hand,
// in the order of their members, because the order of new fields is the order
// that they get in the file.

// Draft is the body that creates an entry.
type Draft struct {
	Slug       string          `json:"slug,omitempty" doc:"Made of the title when left out." example:"plan-velo"`
	Fields     *content.Object `json:"fields,omitempty" doc:"The front matter."`
	Body       string          `json:"body,omitempty" doc:"What follows the front matter."`
	Message    string          `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person         `json:"on_behalf_of,omitempty" doc:"Named as co-author in the commit."`
}

// Replacement is the body that replaces an entry.
type Replacement struct {
	Fields     *content.Object `json:"fields" doc:"The whole front matter: fields that are left out are removed."`
	Body       string          `json:"body" doc:"The whole body."`
	Message    string          `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person         `json:"on_behalf_of,omitempty" doc:"Named as co-author in the commit."`
}

// MergePatch is a JSON Merge Patch (RFC 7396) of an entry.
type MergePatch struct {
	Fields     *content.Object `json:"fields,omitempty" doc:"The fields to change; null removes a field."`
	Body       string          `json:"body,omitempty" doc:"The whole new body."`
	Message    string          `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person         `json:"on_behalf_of,omitempty" doc:"Named as co-author in the commit."`
}

// PatchOperation is one operation of a JSON Patch (RFC 6902) of an entry.
type PatchOperation struct {
	Op    string `json:"op" enum:"add,remove,replace,move,copy,test"`
	Path  string `json:"path" doc:"A JSON Pointer into {fields, body}." example:"/fields/in_progress"`
	From  string `json:"from,omitempty"`
	Value any    `json:"value,omitempty"`
}

// body is the JSON object of a request, and what was found wrong with it.
type body struct {
	members *content.Object
	found   content.Findings
}

// decodeBody reads a JSON object that has no other members than those known.
func decodeBody(raw []byte, known ...string) (*body, error) {
	v, err := content.ParseJSON(raw)
	if err != nil {
		return nil, notJSON(err)
	}
	members, ok := v.(*content.Object)
	if !ok {
		return nil, web.NewProblem(http.StatusUnprocessableEntity, "The body must be a JSON object with the members "+strings.Join(known, ", ")+".")
	}
	b := &body{members: members}
	b.only(known)
	return b, nil
}

// notJSON is what a body that cannot be read is answered with.
func notJSON(err error) *web.Problem {
	if at := (*content.SyntaxError)(nil); errors.As(err, &at) && at.TooLarge {
		p := web.NewProblem(http.StatusRequestEntityTooLarge, "The body has more than a JSON body may have.")
		p.Errors = []web.Fault{{Detail: err.Error(), Rule: content.RuleTooLarge}}
		return p
	}
	p := web.NewProblem(http.StatusBadRequest, "The body is not valid JSON.")
	p.Errors = []web.Fault{{Detail: err.Error(), Rule: "json"}}
	return p
}

// only refuses members that are not known.
func (b *body) only(known []string) {
	detail := "There is no such member here. Fields of the entry go into fields; the members are " + strings.Join(known, ", ") + "."
	for _, m := range b.members.Members {
		if !slices.Contains(known, m.Key) {
			b.wrong(m.Key, "unknown_member", detail)
		}
	}
}

func (b *body) wrong(member, rule, detail string) {
	p := content.Problem{Rule: rule, Detail: detail}
	if !b.found.Full() {
		p.Pointer = content.FieldPath{member}.Pointer()
	}
	b.found.Add(p)
}

// problem is what was found wrong, or nil.
func (b *body) problem() error {
	if b.found.Len() == 0 {
		return nil
	}
	p := web.NewProblem(http.StatusUnprocessableEntity, "The body is not as it should be. Nothing was saved.")
	p.Errors = faultsOf(b.found.Told(), "")
	return p
}

// require asks for members, for a reason.
func (b *body) require(why string, members ...string) {
	for _, m := range members {
		if _, ok := b.members.Get(m); !ok {
			b.wrong(m, "required", why)
		}
	}
}

// object is a member that must be an object where it is present; empty if not.
func (b *body) object(member string) *content.Object {
	v, ok := b.members.Get(member)
	if !ok {
		return &content.Object{}
	}
	o, ok := v.(*content.Object)
	if !ok {
		b.wrong(member, "type", "This must be a JSON object.")
		return &content.Object{}
	}
	return o
}

// text is a member that must be a string where it is present; empty if not.
func (b *body) text(member string) string {
	v, ok := b.members.Get(member)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		b.wrong(member, "type", "This must be a string.")
	}
	return s
}

// given says whether a member that may be left out is there. Null leaves it out.
func (b *body) given(member string) bool {
	v, _ := b.members.Get(member)
	return v != nil
}

// slug is a member that names an entry, zero if it is left out.
func (b *body) slug(member string) content.Slug {
	if !b.given(member) {
		return content.Slug{}
	}
	before := b.found.Len()
	s, err := content.ParseSlug(b.text(member))
	if err != nil && b.found.Len() == before {
		b.wrong(member, "slug", "The "+err.Error()+".")
	}
	return s
}

// without is the object without some members.
func (b *body) without(members ...string) *content.Object {
	o := &content.Object{}
	for _, m := range b.members.Members {
		if !slices.Contains(members, m.Key) {
			o.Members = append(o.Members, m)
		}
	}
	return o
}

// checkJSONPatch makes sure that a JSON Patch is one in form.
func checkJSONPatch(raw []byte) error {
	v, err := content.ParseJSON(raw)
	if err != nil {
		return notJSON(err)
	}
	if _, ok := v.([]content.Value); !ok {
		return web.NewProblem(http.StatusUnprocessableEntity, "A JSON Patch is an array of operations (RFC 6902).")
	}
	return nil
}

// mediaType is which of the accepted media types a request's body is in. A 415
// names the accepted ones, also in the header that is given, if any.
func mediaType(contentType, header string, accepted ...string) (string, error) {
	media, params, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(params["charset"])
	if err == nil && slices.Contains(accepted, media) && (charset == "" || charset == "utf-8") {
		return media, nil
	}
	p := web.NewProblem(http.StatusUnsupportedMediaType, "The Content-Type must be "+strings.Join(accepted, " or ")+", in UTF-8.")
	if header != "" {
		p = p.With(header, strings.Join(accepted, ", "))
	}
	return "", p
}

// time is a member that must be a date-time.
func (b *body) time(member string) time.Time {
	before := b.found.Len()
	t, err := time.Parse(time.RFC3339, b.text(member))
	if err != nil && b.found.Len() == before {
		b.wrong(member, "datetime", "This must be a date-time of RFC 3339, such as 2026-05-04T08:00:00Z.")
	}
	return t
}

// texts is a member that must be a list of strings; null is an empty one.
func (b *body) texts(member string) []string {
	v, _ := b.members.Get(member)
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
		b.wrong(member, "type", "This must be a list of strings.")
	}
	return all
}

// optional is a member that must be a string or null.
func (b *body) optional(member string) string {
	if !b.given(member) {
		return ""
	}
	return b.text(member)
}

// duration is a member that must be a text such as 30s, or null.
func (b *body) duration(member string) time.Duration {
	if !b.given(member) {
		return 0
	}
	before := b.found.Len()
	d, err := time.ParseDuration(b.text(member))
	if err != nil && b.found.Len() == before {
		b.wrong(member, "duration", "This must be a duration such as 30s, 5m or 24h.")
	}
	return d
}
