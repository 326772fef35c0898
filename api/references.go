package api

import (
	"context"
	"net/http"

	"cms/site"
	"cms/web"
)

// Reference is a place in an entry that names another entry or a file.
type Reference struct {
	Collection string `json:"collection" doc:"The collection of the entry that contains it."`
	Slug       string `json:"slug"`
	Title      string `json:"title,omitempty"`
	Field      string `json:"field" doc:"Where in the entry." example:"etapes[1].consultation"`
	Pointer    string `json:"pointer" doc:"The same as a JSON Pointer." example:"/fields/etapes/1/consultation"`
}

func referencesOf(refs []site.Reference) []Reference {
	var all []Reference
	for _, r := range refs {
		one := Reference{r.Collection, r.Slug.String(), r.Title, "body", "/body"}
		if r.At != nil {
			one.Field, one.Pointer = r.At.String(), "/fields"+r.At.Pointer()
		}
		all = append(all, one)
	}
	return all
}

// References is a page of them.
type References struct {
	Items      []Reference `json:"items"`
	NextCursor *string     `json:"next_cursor" doc:"Of the next page; null at the end."`
}

// PageOfReferences are the parameters of a page of them.
type PageOfReferences struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to answer with; fewer where they are large or take much work."`
	Cursor string `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, of the same question."`
}

func answerReferences(page *site.ReferencePage, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	list := References{Items: referencesOf(page.Items), NextCursor: cursorTo(page.Next)}
	if list.Items == nil {
		list.Items = []Reference{}
	}
	return answer(http.StatusOK, list)
}

type referencesInput struct {
	AtEntry
	PageOfReferences
}

var entryReferencesDoc = doc{
	ID: "entry-references", Tag: "Entries",
	Summary:   "What refers to an entry",
	Text:      "Fields of type reference that name it, of those that you may see.",
	Responses: map[int]any{200: References{}},
	Problems:  []int{400, 404},
}

func (a *API) entryReferences(ctx context.Context, in *referencesInput) (*reply, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	after, err := behind(in.Cursor)
	if err != nil {
		return nil, err
	}
	return answerReferences(a.site.References(ctx, web.Principal(ctx), ref, after, in.Limit))
}

// references is a member that says what becomes of references, one of those given.
func (b body) references(may ...site.References) site.References {
	options := make([]string, len(may))
	for i, how := range may {
		options[i] = string(how)
	}
	return site.References(b.OneOf("references", options...)) // "" keeps them
}
