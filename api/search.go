package api

import (
	"context"
	"net/http"

	"cms/site"
	"cms/web"
)

// Hits is a page of what a search found.
type Hits struct {
	Items      []Hit   `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"Of the next page; null at the end."`
	Total      int     `json:"total" doc:"The number of entries found."`
	Commit     string  `json:"commit" doc:"The commit that was searched: the newest one."`
}

// Hit is an entry that a search found.
type Hit struct {
	Entry      Entry       `json:"entry"`
	Highlights []Highlight `json:"highlights" doc:"Where the words are."`
}

// Highlight is the part of a field where a word was found.
type Highlight struct {
	Field string `json:"field" doc:"A field, or body." example:"title"`
	HTML  string `json:"html" doc:"Escaped text, with the words in <mark>." example:"Plan <mark>vélo</mark>"`
}

type searchInput struct {
	Q          string `query:"q" required:"true" maxLength:"1000" doc:"At most 32 words, which must all be in the entry. Endings, accents and case are ignored, and so are articles." example:"plan vélo"`
	Prefix     bool   `query:"prefix" doc:"Whether the last word may be incomplete."`
	Collection string `query:"collection" doc:"Only entries of this collection."`
	Limit      int    `query:"limit" minimum:"1" maximum:"1000" default:"20" doc:"How many to answer with; fewer where they are large or take much work."`
	Cursor     string `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, of the same question."`
}

var searchDoc = doc{
	ID: "search", Tag: "Search",
	Summary:   "Find entries by their words",
	Text:      "In the fields and bodies of all collections, as far as you see them: the best first. Where nothing is found, one typing error in words of five letters and more is forgiven.",
	Responses: map[int]any{200: Hits{}},
	Problems:  []int{400, 404},
}

func (a *API) search(ctx context.Context, in *searchInput) (*reply, error) {
	found, err := a.site.Search(ctx, web.Principal(ctx), site.Search{Text: in.Q, Collection: in.Collection, Limit: in.Limit, Cursor: in.Cursor, Prefix: in.Prefix})
	if err != nil {
		return nil, err
	}
	hits := Hits{Items: make([]Hit, len(found.Items)), Total: found.Total, Commit: found.Commit}
	for i, h := range found.Items {
		hit := Hit{Entry: entryOf(h.Entry), Highlights: make([]Highlight, len(h.Highlights))}
		for j, l := range h.Highlights {
			hit.Highlights[j] = Highlight(l)
		}
		hits.Items[i] = hit
	}
	if found.Next != "" {
		hits.NextCursor = &found.Next
	}
	return answer(http.StatusOK, hits)
}
