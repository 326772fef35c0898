package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cms/auth"
	"cms/content"
	"cms/site"
	"cms/web"
)

// Collection is a folder of entries and what is expected of them.
type Collection struct {
	Name    string            `json:"name" example:"consultations"`
	Label   map[string]string `json:"label,omitempty" doc:"What to call it, by language."`
	Folder  string            `json:"folder" doc:"In the repository." example:"_consultations"`
	Strict  bool              `json:"strict" doc:"Whether fields that are not listed are refused."`
	Fields  []Field           `json:"fields"`
	Total   int               `json:"total" doc:"The number of entries."`
	Actions []auth.Action     `json:"actions" doc:"What you may do there."`
	YAML    content.Version   `json:"yaml" doc:"The version of YAML by which the site reads front matter."`
}

// Collections is the list of them.
type Collections struct {
	Items []Collection `json:"items"`
}

// Field is what is expected of a field of the front matter.
type Field struct {
	Name       string            `json:"name,omitempty"`
	Type       string            `json:"type" example:"string"`
	Of         *Field            `json:"of,omitempty" doc:"What the items of a list are."`
	Fields     []Field           `json:"fields,omitempty" doc:"The members of an object."`
	Collection string            `json:"collection,omitempty" doc:"Where a reference leads."`
	Required   bool              `json:"required,omitempty"`
	Unique     bool              `json:"unique,omitempty"`
	ReadOnly   bool              `json:"read_only,omitempty"`
	Hidden     bool              `json:"hidden,omitempty"`
	Default    any               `json:"default,omitempty"`
	Min        bound             `json:"min,omitempty" doc:"The least value, length or number of items."`
	Max        bound             `json:"max,omitempty" doc:"The greatest value, length or number of items."`
	Pattern    string            `json:"pattern,omitempty" doc:"An RE2 pattern for the whole value."`
	Options    []any             `json:"options,omitempty"`
	Label      map[string]string `json:"label,omitempty"`
	Hint       map[string]string `json:"hint,omitempty"`
}

// bound is a number with all of its digits, "" for none.
type bound content.Number

// MarshalJSON writes what a float64 has room for as it writes those.
func (b bound) MarshalJSON() ([]byte, error) {
	if f, exact := content.Float(content.Number(b)); exact {
		return json.Marshal(f)
	}
	return []byte(b), nil
}

// Schema implements [huma.SchemaProvider].
func (bound) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Format: "double"}
}

func fieldOf(f *content.Field) Field {
	out := Field{
		Name: f.Name, Type: string(f.Type), Fields: fieldsOf(f.Fields), Collection: f.Collection,
		Required: f.Required, Unique: f.Unique, ReadOnly: f.ReadOnly, Hidden: f.Hidden,
		Default: f.Default, Min: bound(f.Min), Max: bound(f.Max), Pattern: f.Pattern, Options: f.Options,
		Label: f.Label, Hint: f.Hint,
	}
	if f.Of != nil {
		of := fieldOf(f.Of)
		out.Of = &of
	}
	return out
}

func fieldsOf(fields []content.Field) []Field {
	var out []Field
	for i := range fields {
		out = append(out, fieldOf(&fields[i]))
	}
	return out
}

func collectionOf(c site.Collection) Collection {
	fields := fieldsOf(c.Schema.Fields)
	if fields == nil {
		fields = []Field{}
	}
	return Collection{c.Name, c.Label, c.Folder, c.Schema.Strict, fields, c.Total, c.Actions, cmp.Or(c.YAML, content.YAML11)}
}

var listCollectionsDoc = doc{
	ID: "list-collections", Tag: "Collections",
	Summary:   "List the collections that you can use, with their fields",
	Text:      "Those in which you may do something, in the order of the configuration.",
	Responses: map[int]any{200: Collections{}},
}

func (a *API) listCollections(ctx context.Context, _ *struct{}) (*reply, error) {
	cs, err := a.site.Collections(ctx, web.Principal(ctx))
	if err != nil {
		return nil, err
	}
	list := Collections{Items: make([]Collection, len(cs))}
	for i, c := range cs {
		list.Items[i] = collectionOf(c)
	}
	return answer(http.StatusOK, list)
}

var getCollectionDoc = doc{
	ID: "get-collection", Tag: "Collections",
	Summary:   "One collection with its fields",
	Text:      "What a form has to know.",
	Responses: map[int]any{200: Collection{}},
	Problems:  []int{404},
}

func (a *API) getCollection(ctx context.Context, in *InCollection) (*reply, error) {
	c, err := a.site.Collection(ctx, web.Principal(ctx), in.Collection)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, collectionOf(c))
}

// Me is the caller.
type Me struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`
	Name    string   `json:"name" doc:"As in the commits that the caller makes."`
	Email   string   `json:"email"`
	Roles   []string `json:"roles"`

	Permissions map[string][]auth.Action `json:"permissions" doc:"What you may do in each collection, with media and with webhooks; for some entries at least."`
}

var meDoc = doc{
	ID: "me", Tag: "Caller",
	Summary:   "Who you are here, and what you may do",
	Text:      "As your token or your session says, with the permissions of your roles.",
	Responses: map[int]any{200: Me{}},
}

func (a *API) me(ctx context.Context, _ *struct{}) (*reply, error) {
	return answer(http.StatusOK, a.meOf(web.Principal(ctx)))
}

func (a *API) meOf(pr *auth.Principal) Me {
	name, email := pr.Person()
	roles := pr.Roles
	if roles == nil {
		roles = []string{}
	}
	return Me{pr.Issuer, pr.Subject, name, email, roles, a.site.Permissions(pr)}
}
