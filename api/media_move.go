package api

import (
	"context"
	"encoding/json"

	"cms/api/openapi"
	"cms/api/operation"
	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/web"
)

type mediaReferencesInput struct {
	AtMedia
	PageOfReferences
}

var mediaReferencesDoc = doc{
	ID: "media-references", Tag: "Media",
	Summary:   "What uses a file",
	Text:      "Fields of the types image and file that name it, and Markdown in which a link or an image leads to it, of what you may see.",
	Responses: map[int]any{200: References{}},
	Problems:  []int{400, 404},
}

func (a *API) mediaReferences(ctx context.Context, in *mediaReferencesInput) (*reply, error) {
	after, err := behind(in.Cursor)
	if err != nil {
		return nil, err
	}
	return answerReferences(a.site.MediaReferences(ctx, web.Principal(ctx), in.Path, after, in.Limit))
}

// MediaRenaming is the body that moves a file.
type MediaRenaming struct {
	To         string  `json:"to" doc:"The new path, with an extension of the same type." example:"photos/2026/atelier.jpg"`
	Message    string  `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person `json:"on_behalf_of,omitempty" doc:"The co-author."`
}

var moveMediaDoc = doc{
	ID: "move-media", Tag: "Media",
	Summary:   "Rename a file",
	Text:      "Needs the rights to delete it, and to create it at its new path.",
	Requests:  map[string]any{mediaJSON: MediaRenaming{}},
	Example:   json.RawMessage(`{"to": "photos/2026/atelier.jpg"}`),
	Responses: map[int]any{200: openapi.Either{MediaFile{}, Diff{}}},
	Headers:   map[int][]string{200: {"ETag", "Location"}},
	Problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
	Body:      smallBody,
}

type moveMediaInput struct {
	AtMedia
	Writing
	Preconditions
	References string `query:"references" enum:"refuse,update" doc:"What becomes of uses of the file: refuse to move it (409), or update them in the same commit."`
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *moveMediaInput) Admit(ctx context.Context, a *API) error {
	if err := a.site.MayMedia(web.Principal(ctx), in.Path, auth.Delete); err != nil {
		return err
	}
	if _, err := in.Preconditions.parse(""); err != nil {
		return err
	}
	_, err := web.MediaType(in.ContentType, "", mediaJSON)
	return err
}

func (a *API) moveMedia(ctx context.Context, in *moveMediaInput) (*reply, error) {
	pre, err := in.Preconditions.parse("")
	if err != nil {
		return nil, err
	}
	b, err := decodeBody(in.Content(), "to", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	b.Require(say.New("To move a file, name its new path."), "to")
	to := b.Slug("to").String()
	w := in.write()
	b.write(&w)
	if err := b.Problem(); err != nil {
		return nil, err
	}
	return outcome(a.site.Make(ctx, web.Principal(ctx), site.MovingMedia(in.Path, to, site.References(in.References), pre), w))
}
