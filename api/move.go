package api

import (
	"context"
	"encoding/json"

	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/web"
)

// Renaming is the body that moves an entry.
type Renaming struct {
	To         string  `json:"to" doc:"The new slug." example:"2026/plan-velo"`
	Collection string  `json:"collection,omitempty" doc:"The collection to move to, if it is another one." example:"archives"`
	Message    string  `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person `json:"on_behalf_of,omitempty" doc:"The co-author."`
}

var moveEntryDoc = doc{
	ID: "move-entry", Tag: "Entries",
	Summary:   "Rename an entry",
	Text:      "Its history goes with it. In another collection it must keep the rules of that one. If-Match, or any revision of the entry as base, says which entry is meant.",
	Requests:  map[string]any{mediaJSON: Renaming{}},
	Example:   json.RawMessage(`{"to": "2026/plan-velo"}`),
	Responses: map[int]any{200: edited()},
	Headers:   map[int][]string{200: {"ETag", "Location"}},
	Problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
	Body:      smallBody,
}

type moveInput struct {
	Editing
	References string `query:"references" enum:"refuse,update,clear" doc:"What becomes of references to the entry: refuse to move it (409), update or clear them. Without it they stay."`
}

// Admit refuses who may neither rename the entry nor take it to another collection.
func (in *moveInput) Admit(ctx context.Context, a *API) error {
	return in.admitTo(ctx, a, auth.Update, auth.Delete)
}

// admitTo refuses who may do none of actions in the collection, and what is no JSON.
func (in *Editing) admitTo(ctx context.Context, a *API, actions ...auth.Action) error {
	if err := a.site.MayEdit(web.Principal(ctx), in.Collection, actions...); err != nil {
		return err
	}
	_, _, _, err := in.edit("", mediaJSON)
	return err
}

func (a *API) moveEntry(ctx context.Context, in *moveInput) (*reply, error) {
	ref, w, _, err := in.edit("", mediaJSON)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.Content(), "to", "collection", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	to := b.target(ref)
	b.write(&w)
	if err := b.Problem(); err != nil {
		return nil, err
	}
	op := site.Following(site.Moving(ref, to, w.Precondition), site.References(in.References))
	out, err := a.site.Make(ctx, web.Principal(ctx), op, w)
	r, err := outcome(out, err)
	if err == nil {
		locate(r, out)
	}
	return r, err
}

// locate tells where a write has left its entry.
func locate(r *reply, out *site.Outcome) {
	if out.Entry != nil {
		r.Location = entryURL(out.Entry.Ref)
	}
}

// target is where the members say that the entry ref is to be moved.
func (b body) target(ref site.Ref) site.Ref {
	b.Require(say.New("To move an entry, name its new slug."), "to")
	to := site.Ref{Collection: ref.Collection, Slug: b.Slug("to")}
	if b.Given("collection") {
		to.Collection = b.Text("collection")
	}
	return to
}
