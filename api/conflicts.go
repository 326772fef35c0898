package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"cms/api/operation"
	"cms/say"
	"cms/site"
	"cms/web"
)

// Conflicts are versions of entries that were set aside.
type Conflicts struct {
	Items []SetAside `json:"items"`
}

// SetAside is a version of an entry that was set aside, because the entry was changed in the
// same places at the Git host.
type SetAside struct {
	ID         string    `json:"id" example:"3f786850e387"`
	Collection string    `json:"collection" example:"consultations"`
	Slug       string    `json:"slug" example:"plan-velo"`
	Base       string    `json:"base,omitempty" doc:"What both sides began with."`
	Aside      string    `json:"aside,omitempty" doc:"What was set aside; absent for a deletion."`
	Branch     string    `json:"branch,omitempty" doc:"What stayed; absent for a deletion."`
	Commit     string    `json:"commit" doc:"The commit that made the version that was set aside."`
	Author     Person    `json:"author"`
	At         time.Time `json:"at"`
}

var listConflictsDoc = doc{
	ID: "list-conflicts", Tag: "Entries",
	Summary:   "What was set aside",
	Text:      "Of collections that the caller sees whole.",
	Responses: map[int]any{200: Conflicts{}},
}

func (a *API) listConflicts(ctx context.Context, _ *struct{}) (*reply, error) {
	list, err := a.site.SetAside(ctx, web.Principal(ctx))
	if err != nil {
		return nil, err
	}
	all := Conflicts{Items: make([]SetAside, 0, len(list))}
	for _, c := range list {
		all.Items = append(all.Items, SetAside{
			ID: c.ID, Collection: c.Collection, Slug: c.Slug.String(), Base: c.Base, Aside: c.Ours, Branch: c.Theirs,
			Commit: c.Commit, Author: Person(c.Author), At: c.At,
		})
	}
	return answer(http.StatusOK, all)
}

// Resolution is the body that resolves a conflict.
type Resolution struct {
	Take    string `json:"take" enum:"branch,aside" doc:"As on the branch, or with what was set aside."`
	Message string `json:"message,omitempty" doc:"The subject of the commit."`
}

var resolveConflictDoc = doc{
	ID: "resolve-conflict", Tag: "Entries",
	Summary:   "Resolve a conflict",
	Text:      "With aside, its fields take the place of those that clash with them; the others stay.",
	Requests:  map[string]any{mediaJSON: Resolution{}},
	Example:   json.RawMessage(`{"take": "aside"}`),
	Responses: map[int]any{204: nil},
	Headers:   map[int][]string{204: {web.CommitHeader}},
	Problems:  []int{400, 404, 409, 413, 415, 503, 504, 507},
	Body:      smallBody,
}

type resolveInput struct {
	Conflict string `path:"conflict" doc:"The id."`
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

// Admit refuses who does not see the conflict, or may not change its entry.
func (in *resolveInput) Admit(ctx context.Context, a *API) error {
	if _, err := a.site.Conflict(web.Principal(ctx), in.Conflict); err != nil {
		return err
	}
	_, err := web.MediaType(in.ContentType, "", mediaJSON)
	return err
}

func (a *API) resolveConflict(ctx context.Context, in *resolveInput) (*reply, error) {
	b, err := decodeBody(in.Content(), "take", "message")
	if err != nil {
		return nil, err
	}
	b.Require(say.New("Say what the entry is to be: branch or aside."), "take")
	take, w := b.Text("take"), site.Write{Message: b.Text("message")}
	if take != "branch" && take != "aside" && b.Given("take") {
		b.Wrong("take", "enum", say.New("This must be branch or aside."))
	}
	if err := b.Problem(); err != nil {
		return nil, err
	}
	out, err := a.site.Resolve(ctx, web.Principal(ctx), in.Conflict, take == "aside", w)
	if err != nil {
		return nil, err
	}
	r := &reply{Status: http.StatusNoContent}
	r.Wrote(web.Target{Collection: out.Collection, Name: out.Slug.String(), Commit: out.Commit, Unchanged: !out.Changed})
	return r, nil
}
