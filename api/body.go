package api

import (
	"cms/api/jsonbody"
	"cms/content"
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
	OnBehalfOf *Person         `json:"on_behalf_of,omitempty" doc:"The co-author."`
}

// Replacement is the body that replaces an entry.
type Replacement struct {
	Fields     *content.Object `json:"fields" doc:"The whole front matter: fields that are left out are removed."`
	Body       string          `json:"body" doc:"The whole body."`
	Message    string          `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person         `json:"on_behalf_of,omitempty" doc:"The co-author."`
}

// MergePatch is a JSON Merge Patch (RFC 7396) of an entry.
type MergePatch struct {
	Fields     *content.Object `json:"fields,omitempty" doc:"The fields to change; null removes a field."`
	Body       string          `json:"body,omitempty" doc:"The whole new body."`
	Message    string          `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person         `json:"on_behalf_of,omitempty" doc:"The co-author."`
}

// PatchOperation is one operation of a JSON Patch (RFC 6902) of an entry.
type PatchOperation struct {
	Op    string `json:"op" enum:"add,remove,replace,move,copy,test"`
	Path  string `json:"path" doc:"A JSON Pointer into {fields, body}." example:"/fields/in_progress"`
	From  string `json:"from,omitempty"`
	Value any    `json:"value,omitempty"`
}

// body is the JSON object of a request that writes.
type body struct{ *jsonbody.Reader }

// decodeBody reads a JSON object that has no other members than those known.
func decodeBody(raw []byte, known ...string) (body, error) {
	b, err := jsonbody.Decode(raw, known...)
	return body{b}, err
}
