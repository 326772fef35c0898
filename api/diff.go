package api

import (
	"context"
	"net/http"

	"cms/content"
	"cms/site"
	"cms/web"
)

// State is an entry as a commit left it.
type State struct {
	Commit   string `json:"commit"`
	Revision string `json:"revision,omitempty" doc:"Absent where the entry was gone."`
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
	ID: "entry-diff", Tag: "Entries",
	Summary:   "What changed between two states of an entry",
	Text:      "The fields that differ with their old and new values, and a unified diff of the file; through renames.",
	Responses: map[int]any{200: Difference{}},
	Problems:  []int{400, 404},
}

func (a *API) entryDiff(ctx context.Context, in *diffInput) (*reply, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	d, err := a.site.Diff(ctx, web.Principal(ctx), ref, in.From, in.To)
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
