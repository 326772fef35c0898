package api

import (
	"mime"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"cms/content"
	"cms/site"
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
	errors  []Fault
}

// decodeBody reads a JSON object that has no other members than those known.
func decodeBody(raw []byte, known ...string) (*body, error) {
	v, err := content.ParseJSON(raw)
	if err != nil {
		p := newProblem(http.StatusBadRequest, "The body is not valid JSON.")
		p.Errors = []Fault{{Detail: err.Error(), Rule: "json"}}
		return nil, p
	}
	members, ok := v.(*content.Object)
	if !ok {
		return nil, newProblem(http.StatusUnprocessableEntity, "The body must be a JSON object with the members "+strings.Join(known, ", ")+".")
	}
	b := &body{members: members}
	for _, m := range members.Members {
		if !slices.Contains(known, m.Key) {
			b.wrong(m.Key, "unknown_member", "There is no such member here. Fields of the entry go into fields; the members are "+strings.Join(known, ", ")+".")
		}
	}
	return b, nil
}

func (b *body) wrong(member, rule, detail string) {
	pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(member)
	b.errors = append(b.errors, Fault{Pointer: pointer, Rule: rule, Detail: detail})
}

// problem is what was found wrong, or else err.
func (b *body) problem(err error) error {
	if len(b.errors) == 0 {
		return err
	}
	p := newProblem(http.StatusUnprocessableEntity, "The body is not as it should be. Nothing was saved.")
	p.Errors = b.errors
	return p
}

func (b *body) require(members ...string) {
	for _, m := range members {
		if _, ok := b.members.Get(m); !ok {
			b.wrong(m, "required", "PUT replaces the whole entry, so this member is required. To change parts of an entry, use PATCH.")
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

// write adds to w what the members of every write say.
func (b *body) write(w *site.Write) {
	if m := b.text("message"); m != "" {
		if w.Message != "" && w.Message != m {
			b.wrong("message", "message", "The query has another message. Give one.")
		}
		w.Message = m
	}
	if _, ok := b.members.Get("on_behalf_of"); ok {
		who := body{members: b.object("on_behalf_of")}
		name, email := who.text("name"), who.text("email")
		if addr, err := mail.ParseAddress(email); err != nil || addr.Address != email || name == "" || len(who.errors) > 0 {
			b.wrong("on_behalf_of", "type", "This must be an object with a name and an email address.")
		}
		w.OnBehalfOf = &site.Person{Name: name, Email: email}
	}
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
		p := newProblem(http.StatusBadRequest, "The body is not valid JSON.")
		p.Errors = []Fault{{Detail: err.Error(), Rule: "json"}}
		return p
	}
	if _, ok := v.([]content.Value); !ok {
		return newProblem(http.StatusUnprocessableEntity, "A JSON Patch is an array of operations (RFC 6902).")
	}
	return nil
}

// Preconditions are the headers of a conditional write.
type Preconditions struct {
	IfMatch     string `header:"If-Match" doc:"The ETag of the revision that the edit is for, or * for whatever is there."`
	IfNoneMatch string `header:"If-None-Match" doc:"* to create an entry that is not there."`
}

// parse joins the headers with the base of a merge.
func (c Preconditions) parse(base string) (site.Precondition, error) {
	pre := site.Precondition{Base: base}
	if c.IfNoneMatch != "" {
		if strings.TrimSpace(c.IfNoneMatch) != "*" {
			return pre, newProblem(http.StatusBadRequest, "On a write, If-None-Match can only be *: create what is not there.")
		}
		pre.Absent = true
	}
	if c.IfMatch != "" {
		t, p := parseTags("If-Match", c.IfMatch)
		if p != nil {
			return pre, p
		}
		pre.Any, pre.Revisions = t.any, t.strong()
	}
	if given := btoi(pre.Absent) + btoi(c.IfMatch != "") + btoi(base != ""); given > 1 {
		return pre, newProblem(http.StatusBadRequest, "If-Match, If-None-Match and base exclude each other. Give one.")
	}
	return pre, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mediaType is which of the accepted media types a request's body is in. A 415
// names the accepted ones, also in the header that is given, if any.
func mediaType(contentType, header string, accepted ...string) (string, error) {
	media, params, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(params["charset"])
	if err == nil && slices.Contains(accepted, media) && (charset == "" || charset == "utf-8") {
		return media, nil
	}
	p := newProblem(http.StatusUnsupportedMediaType, "The Content-Type must be "+strings.Join(accepted, " or ")+", in UTF-8.")
	if header != "" {
		p = p.with(header, strings.Join(accepted, ", "))
	}
	return "", p
}

func tooLarge(limit int64) *Problem {
	return newProblem(http.StatusRequestEntityTooLarge, "The body is larger than the "+strconv.FormatInt(limit, 10)+" bytes that are accepted.")
}
