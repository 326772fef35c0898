package api

import (
	"context"
	"net/http"

	"cms/auth"
	"cms/content"
	"cms/site"
)

// Renaming is the body that moves an entry.
type Renaming struct {
	To         string  `json:"to" doc:"The new slug." example:"2026/plan-velo"`
	Collection string  `json:"collection,omitempty" doc:"The collection to move to, if it is another one." example:"archives"`
	Message    string  `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person `json:"on_behalf_of,omitempty" doc:"Named as co-author in the commit."`
}

var moveEntryDoc = doc{
	id: "move-entry", tag: "Entries",
	summary:   "Rename an entry",
	text:      "Its history goes with it. In another collection it must keep the rules of that one. If-Match, or any revision of the entry as base, says which entry is meant.",
	requests:  map[string]any{mediaJSON: Renaming{}},
	responses: map[int]any{200: edited()},
	headers:   map[int][]string{200: {"ETag", "Location"}},
	problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
	bounds:    bounds{body: smallBody},
}

type moveInput struct{ Editing }

// admit refuses who may neither rename the entry nor take it to another collection.
func (in *moveInput) admit(ctx context.Context, a *API) error {
	return in.admitTo(ctx, a, auth.Update, auth.Delete)
}

// admitTo refuses who may do none of actions in the collection, and what is no JSON.
func (in *Editing) admitTo(ctx context.Context, a *API, actions ...auth.Action) error {
	if err := a.site.MayEdit(principal(ctx), in.Collection, actions...); err != nil {
		return err
	}
	_, _, _, err := in.edit(ctx, "", mediaJSON)
	return err
}

func (a *API) moveEntry(ctx context.Context, in *moveInput) (*reply, error) {
	ref, w, _, err := in.edit(ctx, "", mediaJSON)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.body, "to", "collection", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	to := b.target(ref)
	b.write(&w)
	if err := b.problem(); err != nil {
		return nil, err
	}
	out, err := a.site.Move(ctx, principal(ctx), ref, to, w)
	r, err := outcome(out, err)
	if err == nil {
		r.locate(out)
	}
	return r, err
}

// locate tells where a write has left its entry.
func (r *reply) locate(out *site.Outcome) {
	if out.Entry != nil {
		r.Location = entryURL(out.Entry.Ref)
	}
}

// target is where the members say that the entry ref is to be moved.
func (b *body) target(ref site.Ref) site.Ref {
	b.require("To move an entry, name its new slug.", "to")
	to := site.Ref{Collection: ref.Collection, Slug: b.slug("to")}
	if b.given("collection") {
		to.Collection = b.text("collection")
	}
	return to
}

// Reversion is the body that reverts an entry.
type Reversion struct {
	To         string  `json:"to" doc:"A commit or a revision of the entry's history." example:"3f786850e387550fdab836ed7e6dc881de23001b"`
	Message    string  `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person `json:"on_behalf_of,omitempty" doc:"Named as co-author in the commit."`
}

var revertEntryDoc = doc{
	id: "revert-entry", tag: "Entries",
	summary:   "Make an entry what it was",
	text:      "A new commit with the bytes that the entry had then, but for read-only fields, which stay as they are. An entry that was deleted is restored, without If-Match, with those as it had them last.",
	requests:  map[string]any{mediaJSON: Reversion{}},
	responses: map[int]any{200: edited(), 201: Entry{}},
	headers:   map[int][]string{200: {"ETag"}, 201: {"ETag", "Location"}},
	problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
	bounds:    bounds{body: smallBody},
}

type revertInput struct{ Editing }

// admit refuses who may neither change the entry nor, where it is gone, restore it.
func (in *revertInput) admit(ctx context.Context, a *API) error {
	return in.admitTo(ctx, a, auth.Update, auth.Create)
}

func (a *API) revertEntry(ctx context.Context, in *revertInput) (*reply, error) {
	ref, w, _, err := in.edit(ctx, "", mediaJSON)
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.body, "to", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	to := b.state()
	b.write(&w)
	if err := b.problem(); err != nil {
		return nil, err
	}
	return outcome(a.site.Revert(ctx, principal(ctx), ref, to, w))
}

// state is the commit or revision that the member to names.
func (b *body) state() string {
	b.require("Name the commit or the revision to go back to; the history lists them.", "to")
	to := b.text("to")
	if to == "" && b.given("to") {
		b.wrong("to", "type", "This must be a commit or a revision of the entry's history.")
	}
	return to
}

// State is an entry as a commit left it.
type State struct {
	Commit   string `json:"commit" example:"8843d7f92416211de9ebb963ff4ce28125932878"`
	Revision string `json:"revision,omitempty" doc:"Absent where the entry was gone." example:"3f786850e387550fdab836ed7e6dc881de23001b"`
	Path     string `json:"path" example:"_consultations/plan-velo.md"`
}

// Difference is what lies between two states of an entry.
type Difference struct {
	From *State `json:"from" doc:"Null for nothing, before the entry was created."`
	To   *State `json:"to"`
	content.DocumentDiff
}

type diffInput struct {
	AtEntry
	From string `query:"from" doc:"A commit or a revision of the entry's history; the one before to when left out."`
	To   string `query:"to" doc:"A commit or a revision of the entry's history; the newest when left out."`
}

var entryDiffDoc = doc{
	id: "entry-diff", tag: "Entries",
	summary:   "What changed between two states of an entry",
	text:      "The fields that differ with their old and new values, and a unified diff of the file; through renames.",
	responses: map[int]any{200: Difference{}},
	problems:  []int{400, 404},
}

func (a *API) entryDiff(ctx context.Context, in *diffInput) (*reply, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	d, err := a.site.Diff(ctx, principal(ctx), ref, in.From, in.To)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, Difference{stateOf(d.From), stateOf(d.To), d.DocumentDiff})
}

func stateOf(s *site.State) *State {
	if s == nil {
		return nil
	}
	return &State{s.Commit, s.Revision, s.Path.String()}
}
