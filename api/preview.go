package api

import (
	"context"
	"encoding/json"
	"net/http"

	"cms/api/operation"
	"cms/say"
	"cms/site"
	"cms/web"
)

// Text is the body that asks for a preview.
type Text struct {
	Body string `json:"body" doc:"Markdown, without front matter." example:"## L’été à Nîmes"`
}

// Preview is a text as HTML.
type Preview struct {
	HTML string `json:"html" doc:"Without scripts, event handlers and frames, but for players of Dailymotion and YouTube (youtube-nocookie.com)." example:"<h2 id=\"lété-à-nîmes\">L’été à Nîmes</h2>\n"`
}

type previewInput struct {
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *previewInput) Admit(ctx context.Context, a *API) error {
	if err := a.site.MayPreview(web.Principal(ctx)); err != nil {
		return err
	}
	_, err := web.MediaType(in.ContentType, "", mediaJSON)
	return err
}

var previewDoc = doc{
	ID: "preview", Tag: "Preview",
	Summary:   "Show Markdown as HTML",
	Text:      "Roughly as the site will show it: GitHub's Markdown with the footnotes, attribute lists and heading ids of kramdown. A text has 256 KiB at most; one that is too intricate is refused too.",
	Requests:  map[string]any{mediaJSON: Text{}},
	Example:   json.RawMessage(`{"body": "## L’été à Nîmes"}`),
	Responses: map[int]any{200: Preview{}},
	Problems:  []int{400, 413, 415},
	Body:      4 * site.MaxPreviewBytes, // as much again for what JSON escapes
}

func (a *API) preview(ctx context.Context, in *previewInput) (*reply, error) {
	b, err := decodeBody(in.Content(), "body")
	if err != nil {
		return nil, err
	}
	b.Require(say.New("Give the text to show."), "body")
	text := b.Text("body")
	if err := b.Problem(); err != nil {
		return nil, err
	}
	html, err := a.site.Preview(ctx, web.Principal(ctx), text)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, Preview{html})
}
