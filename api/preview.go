package api

import (
	"context"
	"encoding/json"
	"net/http"

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
	Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *previewInput) admit(ctx context.Context, a *API) error {
	if err := a.site.MayPreview(web.Principal(ctx)); err != nil {
		return err
	}
	_, err := web.MediaType(in.ContentType, "", mediaJSON)
	return err
}

var previewDoc = doc{
	id: "preview", tag: "Preview",
	summary:   "Show Markdown as HTML",
	text:      "Roughly as the site will show it: GitHub's Markdown with the footnotes, attribute lists and heading ids of kramdown. Nothing is stored. A text has 256 KiB at most; one that is too intricate to be shown with little work is refused too.",
	requests:  map[string]any{mediaJSON: Text{}},
	example:   json.RawMessage(`{"body": "## L’été à Nîmes"}`),
	responses: map[int]any{200: Preview{}},
	problems:  []int{400, 413, 415},
	body:      4 * site.MaxPreviewBytes, // as much again for what JSON escapes
}

func (a *API) preview(ctx context.Context, in *previewInput) (*reply, error) {
	b, err := decodeBody(in.body, "body")
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
