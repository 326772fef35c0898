package api

import (
	"context"
	"encoding/json"

	"cms/api/jsonbody"
	"cms/api/openapi"
	"cms/api/operation"
	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/web"
)

type createInput struct {
	InCollection
	Writing
	Preconditions
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

func (in *createInput) Admit(ctx context.Context, a *API) error {
	if err := a.site.MayEdit(web.Principal(ctx), in.Collection, auth.Create); err != nil {
		return err
	}
	_, err := web.MediaType(in.ContentType, "", mediaJSON)
	return err
}

var createEntryDoc = doc{
	ID: "create-entry", Tag: "Entries",
	Summary:   "Create an entry",
	Text:      "A slug is made of the title, or as the collection says, if none is given. Fields that are left out take their defaults.",
	Requests:  map[string]any{mediaJSON: Draft{}},
	Example:   json.RawMessage(`{"slug": "plan-velo", "fields": {"title": "Plan vélo"}, "body": "Le plan.\n"}`),
	Responses: map[int]any{201: Entry{}, 200: Diff{}},
	Headers:   map[int][]string{201: {"ETag", "Location"}},
	Problems:  []int{400, 404, 409, 412, 413, 415, 503, 504, 507},
}

func (a *API) createEntry(ctx context.Context, in *createInput) (*reply, error) {
	if err := in.ofCollection(); err != nil {
		return nil, err
	}
	b, err := decodeBody(in.Content(), "slug", "fields", "body", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	draft := site.Draft{Slug: b.Slug("slug"), Fields: b.Object("fields"), Body: b.Text("body")}
	w := in.write()
	b.write(&w)
	if err := b.Problem(); err != nil {
		return nil, err
	}
	out, err := a.site.Create(ctx, web.Principal(ctx), in.Collection, draft, w)
	return outcome(out, err)
}

// creates says whether a PUT is to create an entry.
func creates(w site.Write) bool { return w.Absent && !w.Any && w.Revisions == nil }

// Editing is what an edit of an entry that is there takes, whatever its kind.
type Editing struct {
	AtEntry
	Writing
	Preconditions
	Base string `query:"base" doc:"Instead of If-Match: the revision that the edit was made on. It is merged with what happened since."`
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

// admitUpdate refuses who may not change the entry. Of a request with a key, which
// may have been made, nobody asks what has become of the entry since.
func (in *Editing) admitUpdate(ctx context.Context, a *API) error {
	pr := web.Principal(ctx)
	if err := a.site.MayEdit(pr, in.Collection, auth.Update); err != nil {
		return err
	}
	ref, err := in.ref()
	if err != nil || in.Key != "" {
		return err
	}
	return a.site.MayUpdate(pr, ref)
}

// edit is what the parameters say, and the body's media type, one of accepted.
// A refusal of another type names them in header too, if that is given.
func (in *Editing) edit(header string, accepted ...string) (site.Ref, site.Write, string, error) {
	w := in.write()
	ref, err := in.ref()
	if err != nil {
		return ref, w, "", err
	}
	if w.Precondition, err = in.Preconditions.parse(in.Base); err != nil {
		return ref, w, "", err
	}
	media, err := web.MediaType(in.ContentType, header, accepted...)
	return ref, w, media, err
}

type putInput struct {
	Editing
	Exact bool `query:"exact" doc:"With text/markdown: store the bytes as they are, instead of only what differs from the file that is there."`
}

var putEntryDoc = doc{
	ID: "put-entry", Tag: "Entries",
	Summary:   "Replace an entry, or create it",
	Text:      "Give If-Match or base to replace, If-None-Match: * to create. Only what differs is changed in the file.",
	Requests:  map[string]any{mediaJSON: Replacement{}, mediaMarkdown: openapi.File{}},
	Example:   json.RawMessage(`{"fields": {"title": "Plan vélo"}, "body": "Le plan.\n"}`),
	Responses: map[int]any{200: edited(), 201: Entry{}},
	Headers:   map[int][]string{200: {"ETag"}, 201: {"ETag", "Location"}},
	Problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
}

func (in *putInput) Admit(ctx context.Context, a *API) error {
	if err := a.site.MayEdit(web.Principal(ctx), in.Collection, auth.Update, auth.Create); err != nil {
		return err
	}
	_, w, _, err := in.edit("", mediaJSON, mediaMarkdown)
	switch {
	case err != nil:
		return err
	case creates(w):
		return a.site.MayEdit(web.Principal(ctx), in.Collection, auth.Create)
	}
	return in.admitUpdate(ctx, a)
}

func (a *API) putEntry(ctx context.Context, in *putInput) (*reply, error) {
	ref, w, media, err := in.edit("", mediaJSON, mediaMarkdown)
	if err != nil {
		return nil, err
	}
	pr := web.Principal(ctx)
	if media == mediaMarkdown {
		src := in.Content()
		if creates(w) {
			return outcome(a.site.CreateSource(ctx, pr, ref, src, w))
		}
		return outcome(a.site.Update(ctx, pr, ref, site.ReplaceSource(src, in.Exact), w))
	}
	b, err := decodeBody(in.Content(), "fields", "body", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	b.Require(say.New("PUT replaces the whole entry, so this member is required. To change parts of an entry, use PATCH."), "fields", "body")
	fields, body := b.Object("fields"), b.Text("body")
	b.write(&w)
	if err := b.Problem(); err != nil {
		return nil, err
	}
	if creates(w) {
		return outcome(a.site.Create(ctx, pr, in.Collection, site.Draft{Slug: ref.Slug, Fields: fields, Body: body}, w))
	}
	return outcome(a.site.Update(ctx, pr, ref, site.Replace(fields, body), w))
}

var patchEntryDoc = doc{
	ID: "patch-entry", Tag: "Entries",
	Summary:   "Edit parts of an entry",
	Text:      "A JSON Merge Patch (RFC 7396), also as application/json, or a JSON Patch (RFC 6902) of {fields, body}. Only the lines of what changes are touched.",
	Requests:  map[string]any{mediaJSON: MergePatch{}, mediaMergePatch: MergePatch{}, mediaJSONPatch: []PatchOperation{}},
	Example:   json.RawMessage(`{"fields": {"in_progress": true}}`),
	Responses: map[int]any{200: edited()},
	Headers:   map[int][]string{200: {"ETag"}},
	Problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
}

type patchInput struct{ Editing }

func (in *patchInput) Admit(ctx context.Context, a *API) error {
	if err := in.admitUpdate(ctx, a); err != nil {
		return err
	}
	_, _, _, err := in.edit("Accept-Patch", mediaJSON, mediaMergePatch, mediaJSONPatch)
	return err
}

func (a *API) patchEntry(ctx context.Context, in *patchInput) (*reply, error) {
	ref, w, media, err := in.edit("Accept-Patch", mediaJSON, mediaMergePatch, mediaJSONPatch)
	if err != nil {
		return nil, err
	}
	pr := web.Principal(ctx)
	if media == mediaJSONPatch {
		if err := jsonbody.CheckPatch(in.Content()); err != nil {
			return nil, err
		}
		return outcome(a.site.Update(ctx, pr, ref, site.JSONPatch(in.Content()), w))
	}
	b, err := decodeBody(in.Content(), "fields", "body", "message", "on_behalf_of")
	if err != nil {
		return nil, err
	}
	b.Object("fields")
	b.Text("body")
	b.write(&w)
	if err := b.Problem(); err != nil {
		return nil, err
	}
	return outcome(a.site.Update(ctx, pr, ref, site.MergePatch(b.Without("message", "on_behalf_of")), w))
}

type deleteInput struct {
	AtEntry
	Writing
	Preconditions
	References string `query:"references" enum:"refuse,clear" doc:"What becomes of references to the entry: refuse to delete it (409), or clear them. Without it they stay."`
}

var deleteEntryDoc = doc{
	ID: "delete-entry", Tag: "Entries",
	Summary:   "Delete an entry",
	Text:      "Its history stays.",
	Responses: map[int]any{204: nil, 200: Diff{}},
	Problems:  []int{400, 404, 409, 412, 413, 428, 503, 504, 507},
}

func (a *API) deleteEntry(ctx context.Context, in *deleteInput) (*reply, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	pre, err := in.Preconditions.parse("")
	if err != nil {
		return nil, err
	}
	w := in.write()
	w.Precondition = pre
	return outcome(a.site.Make(ctx, web.Principal(ctx), site.Following(site.Deleting(ref, pre), site.References(in.References)), w))
}
