// The bot's job, with a client made by oapi-codegen.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"log"
	"net/http"
	"os"

	"bot/cms"
)

func check[T comparable](what string, got, want T) {
	if got != want {
		log.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	ctx := context.Background()
	authorize := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+os.Getenv("CMS_TOKEN"))
		return nil
	}
	c := must(cms.NewClientWithResponses(os.Getenv("CMS_URL"), cms.WithRequestEditorFn(authorize)))
	const collection, slug = "consultations", "donnees-sante"

	list := must(c.ListEntriesWithResponse(ctx, collection, &cms.ListEntriesParams{
		Where: &[]string{"ordre:gte:0", "title:exists:true"}, Sort: new("-ordre"), Limit: new(int64(5)),
	}))
	check("the list", list.StatusCode(), http.StatusOK)
	check("entries listed", len(list.JSON200.Items), 5)

	read := must(c.GetEntryWithResponse(ctx, collection, slug, nil))
	etag := read.HTTPResponse.Header.Get("ETag")

	patch := func(ordre int) *cms.PatchEntryResponse {
		return must(c.PatchEntryWithResponse(ctx, collection, slug, &cms.PatchEntryParams{IfMatch: &etag},
			cms.PatchEntryJSONRequestBody{Fields: &map[string]any{"ordre": ordre}}))
	}
	check("the edit", patch(41).StatusCode(), http.StatusOK)
	late := patch(42)
	check("the late edit", late.StatusCode(), http.StatusPreconditionFailed)

	created := must(c.CreateEntryWithResponse(ctx, collection, nil, cms.CreateEntryJSONRequestBody{
		Fields: &map[string]any{"title": "Un client", "ordre": 1}, Body: new("Corps.\n"),
	}))
	check("the creation", created.StatusCode(), http.StatusCreated)

	batch := must(c.BatchWithResponse(ctx, nil, cms.BatchJSONRequestBody{
		Message: new("Deux à la fois"),
		Operations: []cms.Operation{
			{Op: "create", Collection: collection, Slug: new("un-lot"), Fields: &map[string]any{"title": "Un lot"}},
			{Op: "patch", Collection: collection, Slug: new("un-client"), IfMatch: new("*"), Fields: &map[string]any{"ordre": 2}},
		},
	}))
	check("the batch", batch.StatusCode(), http.StatusOK)
	check("its results", len(batch.JSON200.Items), 2)

	history := must(c.EntryHistoryWithResponse(ctx, collection, slug, nil))
	check("versions", len(history.JSON200.Items), 2)

	reverted := must(c.RevertEntryWithResponse(ctx, collection, slug, &cms.RevertEntryParams{IfMatch: new("*")},
		cms.RevertEntryJSONRequestBody{To: history.JSON200.Items[1].Commit}))
	check("the revert", reverted.StatusCode(), http.StatusOK)

	image := must(base64.StdEncoding.DecodeString(os.Getenv("CMS_IMAGE")))
	uploaded := must(c.PutMediaWithBodyWithResponse(ctx, "client.png", &cms.PutMediaParams{IfNoneMatch: new("*")}, "image/png", bytes.NewReader(image)))
	check("the upload", uploaded.StatusCode(), http.StatusCreated)
}
