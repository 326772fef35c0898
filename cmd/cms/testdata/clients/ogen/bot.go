// The bot's job, with a client made by ogen.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"os"

	"github.com/go-faster/jx"
	"github.com/ogen-go/ogen/ogenerrors"

	"bot/cms"
)

// token authorizes requests.
type token string

func (t token) Bearer(context.Context, cms.OperationName) (cms.Bearer, error) {
	return cms.Bearer{Token: string(t)}, nil
}

func (t token) Session(context.Context, cms.OperationName) (cms.Session, error) {
	return cms.Session{}, ogenerrors.ErrSkipClientSecurity
}

// must gives an answer that has to be a T.
func must[T, R any](answer R, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	v, ok := any(answer).(T)
	if !ok {
		log.Fatalf("got %#v, want %T", answer, v)
	}
	return v
}

func check[T comparable](what string, got, want T) {
	if got != want {
		log.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func main() {
	ctx := context.Background()
	c, err := cms.NewClient(os.Getenv("CMS_URL"), token(os.Getenv("CMS_TOKEN")))
	if err != nil {
		log.Fatal(err)
	}
	const collection, slug = "consultations", "donnees-sante"
	whatever := cms.NewOptString("*")

	list := must[*cms.Entries](c.ListEntries(ctx, cms.ListEntriesParams{
		Collection: collection, Where: []string{"ordre:gte:0", "title:exists:true"}, Sort: cms.NewOptString("-ordre"), Limit: cms.NewOptInt64(5),
	}))
	check("entries listed", len(list.Items), 5)

	read := must[*cms.GetEntryOKApplicationJSONHeaders](c.GetEntry(ctx, cms.GetEntryParams{Collection: collection, Slug: slug}))
	patch := func(ordre int) (cms.PatchEntryRes, error) {
		fields := cms.NewOptMergePatchFields(cms.MergePatchFields{"ordre": jx.Raw(fmt.Sprint(ordre))})
		return c.PatchEntry(ctx, &cms.PatchEntryApplicationJSON{Fields: fields}, cms.PatchEntryParams{Collection: collection, Slug: slug, IfMatch: read.ETag})
	}
	edited := must[*cms.PatchEntryOKHeaders](patch(41))
	check("the ETag has changed", edited.ETag != read.ETag, true)
	late := must[*cms.Error412Headers](patch(42))
	check("the code of the late edit", fmt.Sprint(late.Response.Code), "precondition_failed")

	created := must[*cms.EntryHeaders](c.CreateEntry(ctx, &cms.Draft{
		Fields: cms.NewOptDraftFields(cms.DraftFields{"title": jx.Raw(`"Un client"`), "ordre": jx.Raw("1")}), Body: cms.NewOptString("Corps.\n"),
	}, cms.CreateEntryParams{Collection: collection}))
	check("the new slug", created.Response.Slug, "un-client")

	batch := must[*cms.BatchResultHeaders](c.Batch(ctx, &cms.Batch{
		Message: cms.NewOptString("Deux à la fois"),
		Operations: []cms.Operation{
			{Op: cms.OperationOpCreate, Collection: collection, Slug: cms.NewOptString("un-lot"), Fields: cms.NewOptOperationFields(cms.OperationFields{"title": jx.Raw(`"Un lot"`)})},
			{Op: cms.OperationOpPatch, Collection: collection, Slug: cms.NewOptString("un-client"), IfMatch: whatever, Fields: cms.NewOptOperationFields(cms.OperationFields{"ordre": jx.Raw("2")})},
		},
	}, cms.BatchParams{}))
	check("results of the batch", len(batch.Response.Items), 2)

	history := must[*cms.Changes](c.EntryHistory(ctx, cms.EntryHistoryParams{Collection: collection, Slug: slug}))
	check("versions", len(history.Items), 2)

	must[*cms.RevertEntryOKHeaders](c.RevertEntry(ctx, &cms.Reversion{To: history.Items[1].Commit}, cms.RevertEntryParams{Collection: collection, Slug: slug, IfMatch: whatever}))

	image, err := base64.StdEncoding.DecodeString(os.Getenv("CMS_IMAGE"))
	if err != nil {
		log.Fatal(err)
	}
	uploaded := must[*cms.MediaFileHeaders](c.PutMedia(ctx, &cms.PutMediaReqApplicationOctetStream{Data: bytes.NewReader(image)}, cms.PutMediaParams{Path: "client.png", IfNoneMatch: whatever}))
	check("the file", uploaded.Response.Path, "client.png")
}
