package api

import (
	"context"
	"encoding/json"

	"cms/auth"
	"cms/say"
	"cms/web"
)

// Reversion is the body that reverts an entry.
type Reversion struct {
	To         string  `json:"to" doc:"A commit or a revision of the entry's history."`
	Message    string  `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person `json:"on_behalf_of,omitempty" doc:"The co-author."`
}

var revertEntryDoc = doc{
	ID: "revert-entry", Tag: "Entries",
	Summary:   "Make an entry what it was",
	Text:      "A new commit with the bytes that the entry had then, but for read-only fields, which stay as they are. An entry that was deleted is restored, without If-Match.",
	Requests:  map[string]any{mediaJSON: Reversion{}},
	Example:   json.RawMessage(`{"to": "3f786850e387550fdab836ed7e6dc881de23001b"}`),
	Responses: map[int]any{200: edited(), 201: Entry{}},
	Headers:   map[int][]string{200: {"ETag"}, 201: {"ETag", "Location"}},
	Problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
	Body:      smallBody,
}

type revertInput struct{ Editing }

// Admit refuses who may neither change the entry nor, where it is gone, restore it.
func (in *revertInput) Admit(ctx context.Context, a *API) error {
	return in.admitTo(ctx, a, auth.Update, auth.Create)
}

func (a *API) revertEntry(ctx context.Context, in *revertInput) (*reply, error) {
	ref, w, _, err := in.edit("", mediaJSON)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.Content(), "to", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	to := b.state()
	b.write(&w)
	if err := b.Problem(); err != nil {
		return nil, err
	}
	return outcome(a.site.Revert(ctx, web.Principal(ctx), ref, to, w))
}

// state is the commit or revision that the member to names.
func (b body) state() string {
	b.Require(say.New("Name the commit or the revision to go back to; the history lists them."), "to")
	to := b.Text("to")
	if to == "" && b.Given("to") {
		b.Wrong("to", "type", say.New("This must be a commit or a revision of the entry's history."))
	}
	return to
}
