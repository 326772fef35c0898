package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"

	"cms/api/openapi"
	"cms/auth"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/web"
	"cms/web/once"
)

// MediaFiles is a page of the list of files.
type MediaFiles struct {
	Items      []MediaFile `json:"items"`
	NextCursor *string     `json:"next_cursor" doc:"Of the next page; null at the end."`
	Total      int         `json:"total" doc:"The number of files in the whole list."`
}

type listMediaInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to answer with; fewer where they are large or take much work."`
	Cursor string `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, of the same question."`
	Prefix string `query:"prefix" doc:"Only files whose paths begin with it." example:"photos/"`
}

var listMediaDoc = doc{
	ID: "list-media", Tag: "Media",
	Summary:   "List images and other files",
	Text:      "In the order of their paths.",
	Responses: map[int]any{200: MediaFiles{}},
	Problems:  []int{400, 404},
}

func (a *API) listMedia(ctx context.Context, in *listMediaInput) (*reply, error) {
	after, err := behind(in.Cursor)
	if err != nil {
		return nil, err
	}
	page, err := a.site.MediaList(ctx, web.Principal(ctx), in.Prefix, after, in.Limit)
	if err != nil {
		return nil, err
	}
	list := MediaFiles{Items: make([]MediaFile, len(page.Items)), NextCursor: cursorTo(page.Next), Total: page.Total}
	for i, f := range page.Items {
		list.Items[i] = mediaFileOf(f)
	}
	return answer(http.StatusOK, list)
}

// mediaRoutes serves files beside huma, which would hold each in memory, and
// describes that in the OpenAPI document.
func (a *API) mediaRoutes() {
	const route = mediaRoute + "{path}"
	read := web.Operation{Name: "get-media", Route: route, Time: transferTime}
	write := web.Operation{Name: "put-media", Route: route, Time: transferTime} // of the body the site reads what it takes
	remove := web.Operation{Name: "delete-media", Route: route}
	for _, at := range []struct {
		op      web.Operation
		methods []string
		handle  func(http.ResponseWriter, *http.Request) error
	}{
		{read, []string{http.MethodGet, http.MethodHead}, a.getMedia},
		{write, []string{http.MethodPut}, a.putMedia},
		{remove, []string{http.MethodDelete}, a.deleteMedia},
	} {
		a.router.Handle(mediaRoute+"{path:.+}", a.web.Handle(at.op, at.handle)).Methods(at.methods...)
	}
	str := &huma.Schema{Type: huma.TypeString}
	bytes := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	param := func(in, name, text string) *huma.Param {
		return &huma.Param{In: in, Name: name, Description: text, Schema: str}
	}
	path := &huma.Param{In: "path", Name: "path", Required: true, Schema: str, Example: "photos/atelier.jpg", Description: "Of the file, below the media folder; may hold slashes."}
	ifMatch := param("header", "If-Match", "The ETag of the revision that is expected, or * for whatever is there.")
	ifMatch.Schema = &huma.Schema{Type: huma.TypeString, Examples: []any{"*"}}
	key := param("header", once.Header, "Makes it safe to repeat the request: a text in double quotes, such as a UUID, that no other write had. A repetition within 24 hours is answered with what the first one did.")
	dryRun := &huma.Param{In: "query", Name: "dry_run", Description: "Answer with what would change, and commit nothing.", Schema: &huma.Schema{Type: huma.TypeBoolean}}
	message := param("query", "message", "The subject of the commit, one line of at most 200 characters.")
	describe := func(method string, held web.Operation, summary, text string, body bool, responses map[int]any, problems []int, params ...*huma.Param) {
		op := &huma.Operation{
			OperationID: held.Name, Method: method, Path: route, Summary: summary, Description: text, Tags: []string{"Media"},
			Parameters: append([]*huma.Param{path}, params...),
			Responses:  a.document.Responses(responses, map[int][]string{200: {"ETag"}, 201: {"ETag", "Location"}, 206: {"ETag", "Content-Range"}, 304: {"ETag"}}, problems...),
		}
		if method == http.MethodGet {
			whole := map[string]*huma.MediaType{"*/*": bytes} // the type is that of the extension
			op.Responses["200"].Content, op.Responses["206"].Content = whole, whole
		}
		if body {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": bytes}}
			for _, accepted := range a.site.MediaTypes() {
				if !strings.HasSuffix(accepted, "json") { // for which clients would encode what they send
					op.RequestBody.Content[accepted] = bytes
				}
			}
			held.Body = a.site.MediaLimit()
		}
		a.operations.Hold(op, held)
		a.document.Add(op)
	}
	describe(http.MethodGet, read, "Read a file", "Ranges (RFC 9110) are answered. SVG and what a browser might run are sent as attachments, in a sandbox.", false,
		map[int]any{200: nil, 206: nil, 304: nil}, []int{400, 404, 409, 412, 416, 503},
		param("query", "revision", "The file as it was at that revision, also when it is gone: 404 when it never was. The answer may be cached for good."),
		param("header", "Range", "The part to answer with."), param("header", "If-Match", "412 unless the file is at one of these ETags."), param("header", "If-None-Match", "304 when the file is at one of these ETags."))
	describe(http.MethodPut, write, "Upload a file", "The content must be what the extension says. JPEG, PNG, WebP, AVIF and HEIC lose their metadata, but for orientation and colours.", true,
		map[int]any{200: openapi.Either{MediaFile{}, Diff{}}, 201: MediaFile{}}, []int{400, 404, 408, 409, 412, 413, 428, 503, 504, 507},
		ifMatch, param("header", "If-None-Match", "* to create a file that is not there."), message, dryRun, key)
	references := param("query", "references", referencesOfMedia)
	references.Schema = &huma.Schema{Type: huma.TypeString, Enum: []any{string(site.RefuseReferences)}}
	describe(http.MethodDelete, remove, "Delete a file", "Its history stays, and its revisions can be read.", false, map[int]any{204: nil, 200: Diff{}}, []int{400, 404, 409, 412, 428, 503, 504, 507}, ifMatch, message, dryRun, references, key)
}

// writeMedia answers a request that writes a file, once where it has a key.
func (a *API) writeMedia(w http.ResponseWriter, r *http.Request, limit time.Duration, write func(context.Context, once.Attempt) (*reply, error)) error {
	// The body is a stream: its length tells it apart, and its digest where there is one.
	body := once.Digest(strconv.FormatInt(r.ContentLength, 10), r.Header.Get("Content-Digest"), r.Header.Get("Repr-Digest"))
	made, err := a.once(r.Context(), r, []byte(body), limit, write)
	if err != nil {
		return err
	}
	made.Tell(r.Context())
	send(w, made)
	return nil
}

// send answers outside of huma.
func send(w http.ResponseWriter, r *reply) {
	h := w.Header()
	for name, value := range map[string]string{
		"Content-Type": r.ContentType, "ETag": r.ETag, "Location": r.Location, replayedHeader: r.Replayed,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	w.WriteHeader(r.Status)
	w.Write(r.Body) //nolint:gosec // in the media type that the header names, which browsers hold to
}

// mediaPath is the path that a request names, and its query, which may have the
// given parameters.
func mediaPath(r *http.Request, known ...string) (string, url.Values, error) {
	path, err := url.PathUnescape(mux.Vars(r)["path"])
	if err != nil {
		return "", nil, web.NewProblem(http.StatusBadRequest, say.New("The path cannot be decoded. Percent-encode what is not a letter or a digit."))
	}
	query := r.URL.Query()
	rest := r.URL.Query()
	for _, name := range known {
		rest.Del(name)
	}
	for name := range rest {
		return "", nil, wrongParameter(name, "unknown_parameter", say.New("There is no such parameter here."))
	}
	return path, query, nil
}

func wrongParameter(name, rule string, detail say.Text) error {
	p := web.NewProblem(http.StatusUnprocessableEntity, say.New("The request has parameters that are unknown or wrong."))
	p.Errors = []web.Fault{{Pointer: "query." + name, Rule: rule, Detail: detail}}
	return p
}

func (a *API) getMedia(w http.ResponseWriter, r *http.Request) error {
	path, query, err := mediaPath(r, "revision")
	if err != nil {
		return err
	}
	h := w.Header()
	var f *site.MediaFile
	revision := query.Get("revision")
	if revision == "" {
		f, err = a.site.Media(web.Principal(r.Context()), path)
	} else {
		f, err = a.site.MediaAt(r.Context(), web.Principal(r.Context()), path, revision)
	}
	if err != nil {
		return err
	}
	file, err := f.Open(r.Context())
	if err != nil {
		return err
	}
	defer file.Close()
	if revision != "" {
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	h.Set("Content-Type", f.Type)
	if !f.Inline {
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		h.Set("Content-Disposition", "attachment")
	}
	web.ServeRevision(w, r, f.Revision, file)
	return nil
}

func (a *API) putMedia(w http.ResponseWriter, r *http.Request) error {
	path, write, err := mediaWrite(r)
	if err != nil {
		return err
	}
	action := auth.Update
	if write.Absent {
		action = auth.Create
	}
	if err := a.site.MayMedia(web.Principal(r.Context()), path, action); err != nil {
		return err
	}
	if limit := a.site.MediaLimit(); r.ContentLength > limit {
		return web.TooLarge(limit)
	}
	return a.writeMedia(w, r, transferTime, func(ctx context.Context, how once.Attempt) (*reply, error) {
		write := attempted(write, how)
		out, err := a.site.PutMedia(ctx, web.Principal(ctx), path, r.Body, write)
		return mediaAnswer(path, out, write.DryRun, err)
	})
}

// mediaOutcome answers a write of a file.
func mediaOutcome(path string, out *site.MediaOutcome) (*reply, error) {
	r := &reply{Status: http.StatusNoContent}
	m := &site.MediaMade{Path: path, Created: out.Created, Changed: out.Changed}
	if out.File != nil {
		var err error
		if r, err = answer(http.StatusOK, mediaFileOf(out.File)); err != nil {
			return nil, err
		}
		m.Blob, r.ETag = out.File.Revision, web.ETag(out.File.Revision)
	}
	if out.Created {
		r.Status, r.Location = http.StatusCreated, mediaURL(path)
	}
	r.Wrote(web.Target{Collection: auth.Media, Name: path, Commit: out.Commit, Unchanged: !out.Changed})
	r.Keep(&made{Commit: out.Commit, Media: m})
	return r, nil
}

func (a *API) deleteMedia(w http.ResponseWriter, r *http.Request) error {
	path, write, err := mediaWrite(r, "references")
	if err != nil {
		return err
	}
	if err := a.site.MayMedia(web.Principal(r.Context()), path, auth.Delete); err != nil {
		return err
	}
	how := r.URL.Query().Get("references")
	if how != "" && how != string(site.RefuseReferences) {
		return wrongParameter("references", "options", say.New("This must be refuse."))
	}
	return a.writeMedia(w, r, onceTime, func(ctx context.Context, attempt once.Attempt) (*reply, error) {
		write := attempted(write, attempt)
		if how != "" {
			return a.deleteUnused(ctx, path, write)
		}
		out, err := a.site.DeleteMedia(ctx, web.Principal(ctx), path, write)
		return mediaAnswer(path, out, write.DryRun, err)
	})
}

const referencesOfMedia = "Refuse to delete it while entries use it (409)."

// deleteUnused deletes a file unless entries use it.
func (a *API) deleteUnused(ctx context.Context, path string, w site.Write) (*reply, error) {
	return outcome(a.site.Make(ctx, web.Principal(ctx), site.DeletingMedia(path, site.RefuseReferences, w.Precondition), w))
}

// mediaAnswer answers a write of a file or, after a dry run, whether it would change
// the file, which has no fields.
func mediaAnswer(path string, out *site.MediaOutcome, dryRun bool, err error) (*reply, error) {
	switch {
	case err != nil:
		return nil, err
	case dryRun:
		return rehearsed(answer(http.StatusOK, Diff{DocumentDiff: content.DocumentDiff{Changed: []content.FieldChange{}, BodyChanged: out.Changed}}))
	}
	return mediaOutcome(path, out)
}

// mediaWrite is what a request to write a file says beside its content. It may have more
// parameters of some names.
func mediaWrite(r *http.Request, more ...string) (string, site.Write, error) {
	path, query, err := mediaPath(r, append(more, "message", "dry_run")...)
	if err != nil {
		return "", site.Write{}, err
	}
	dryRun := query.Get("dry_run")
	if dryRun != "" && dryRun != "true" && dryRun != "false" {
		return "", site.Write{}, wrongParameter("dry_run", "type", say.New("This must be true or false."))
	}
	pre, err := Preconditions{
		IfMatch:     strings.Join(r.Header.Values("If-Match"), ", "),
		IfNoneMatch: strings.Join(r.Header.Values("If-None-Match"), ", "),
	}.parse("")
	return path, site.Write{Precondition: pre, Message: query.Get("message"), DryRun: dryRun == "true"}, err
}
