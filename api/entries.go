package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cms/api/jsonbody"
	"cms/api/openapi"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/web"
)

// Entry is a document of a collection as clients see it.
type Entry struct {
	Collection string          `json:"collection" example:"consultations"`
	Slug       string          `json:"slug" doc:"Names the entry in its collection; may hold slashes." example:"plan-velo"`
	Path       string          `json:"path" doc:"The file in the repository." example:"_consultations/plan-velo.md"`
	Revision   string          `json:"revision" doc:"The Git blob's id; in double quotes, the ETag." example:"3f786850e387550fdab836ed7e6dc881de23001b"`
	Fields     *content.Object `json:"fields" doc:"The front matter, in the order of the file. A date-time is RFC 3339 here and keeps the file's layout on disk."`
	Body       *string         `json:"body,omitempty" doc:"What follows the front matter, byte for byte. Lists leave it out."`
	Valid      bool            `json:"valid" doc:"Whether the file can be read and keeps the rules of its collection, those about other entries (unique values, references) too."`
	Problems   []web.Fault     `json:"problems" doc:"What is wrong with the file."`
	Updated    Updated         `json:"updated" doc:"The last commit that touched the entry."`
	Deployment *Deployment     `json:"deployment,omitempty" doc:"Whether that commit is on the public site; absent where no build was ever reported, in lists and in answers to writes. It may change without the ETag: to follow it, ask for the deployment by itself."`
}

// Updated is a commit, in short.
type Updated struct {
	Commit string    `json:"commit" example:"8843d7f92416211de9ebb963ff4ce28125932878"`
	At     time.Time `json:"at" doc:"When it was authored, RFC 3339."`
	Author Person    `json:"author"`
}

// Person is someone in a commit.
type Person struct {
	Name  string `json:"name" example:"Ann Éditrice"`
	Email string `json:"email" example:"ann@example.org"`
}

func entryOf(e *site.Entry) Entry {
	return Entry{
		Collection: e.Collection,
		Slug:       e.Slug.String(),
		Path:       e.Path.String(),
		Revision:   e.Revision,
		Fields:     e.Fields,
		Valid:      content.Valid(e.Problems),
		Problems:   jsonbody.Faults(content.Told(e.Problems), "/fields"),
		Updated:    Updated{e.Updated.Commit, e.Updated.At, Person(e.Updated.Author)},
	}
}

// answerEntry is a whole entry with its ETag.
func answerEntry(status int, e *site.Entry, d *Deployment) (*reply, error) {
	body, err := e.Body()
	if err != nil {
		return nil, err
	}
	whole := entryOf(e)
	whole.Body, whole.Deployment = &body, d
	r, err := answer(status, whole)
	if err != nil {
		return nil, err
	}
	r.ETag, r.Vary = web.ETag(e.Revision), []string{"Accept"}
	return r, nil
}

// InCollection is the path parameter that names a collection.
type InCollection struct {
	Collection string `path:"collection" doc:"The collection's name." example:"consultations"`
}

// AtEntry is the path parameters that name an entry.
type AtEntry struct {
	InCollection
	Slug string `path:"slug" doc:"The entry's slug; may hold slashes, encoded or not." example:"plan-velo"`
}

func (p AtEntry) ref() (site.Ref, error) {
	slug, err := parseSlug(p.Slug)
	return site.Ref{Collection: p.Collection, Slug: slug}, err
}

func parseSlug(s string) (content.Slug, error) {
	slug, err := content.ParseSlug(s)
	if err != nil {
		p := web.NewProblem(http.StatusBadRequest, say.New("The slug cannot name a file of the collection."))
		p.Errors = []web.Fault{{Pointer: "slug", Rule: "slug", Detail: say.New("The %s.", err)}}
		return slug, p
	}
	return slug, nil
}

type getInput struct {
	AtEntry
	Accept      string `header:"Accept" hidden:"true"`
	IfMatch     string `header:"If-Match" doc:"Answer 412 unless the entry is at one of these ETags."`
	IfNoneMatch string `header:"If-None-Match" doc:"Answer 304 if the entry is still at one of these ETags."`
}

var getEntryDoc = doc{
	id: "get-entry", tag: "Entries",
	summary:   "Read an entry",
	text:      "As JSON or, with Accept: text/markdown, as the bytes of its file.",
	responses: map[int]any{200: map[string]any{mediaJSON: Entry{}, mediaMarkdown: openapi.File{}}, 304: nil},
	headers:   map[int][]string{200: {"ETag", "Vary"}, 304: {"ETag"}},
	problems:  []int{400, 404, 406, 412},
}

func (a *API) getEntry(ctx context.Context, in *getInput) (*reply, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	media, err := web.Negotiate(in.Accept, mediaJSON, mediaMarkdown)
	if err != nil {
		return nil, err
	}
	e, err := a.site.Entry(ctx, web.Principal(ctx), ref)
	if err != nil {
		return nil, err
	}
	if in.IfMatch != "" {
		t, err := web.ParseTags("If-Match", in.IfMatch)
		if err != nil {
			return nil, err
		}
		if _, ok := t.Match(e.Revision); !ok {
			return nil, &site.Error{Code: site.PreconditionFailed, Detail: say.New("The entry is not at the revision that If-Match names."), Revision: e.Revision}
		}
	}
	if in.IfNoneMatch != "" {
		t, err := web.ParseTags("If-None-Match", in.IfNoneMatch)
		if err != nil {
			return nil, err
		}
		if matched, ok := t.Match(e.Revision); ok && !(e.Crossed && media == mediaJSON) {
			return &reply{Status: http.StatusNotModified, ETag: matched, Vary: []string{"Accept"}}, nil
		}
	}
	if media == mediaJSON {
		deployment := a.deployment(ctx, e.Updated.Commit)
		r, err := answerEntry(http.StatusOK, e, deployment)
		if (deployment != nil || e.Crossed) && err == nil {
			r.CacheControl = "no-store" // the ETag does not cover it
		}
		return r, err
	}
	src, err := e.Source()
	if err != nil {
		return nil, err
	}
	return &reply{Status: http.StatusOK, ContentType: "text/markdown; charset=utf-8", ETag: web.ETag(e.Revision), Vary: []string{"Accept"}, Body: src}, nil
}

func entryURL(ref site.Ref) string {
	segments := strings.Split(ref.Slug.String(), "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return fmt.Sprintf("/v1/collections/%s/entries/%s", url.PathEscape(ref.Collection), strings.Join(segments, "/"))
}

// Change is a commit that touched an entry.
type Change struct {
	Commit   string    `json:"commit"`
	At       time.Time `json:"at" doc:"When it was authored, RFC 3339."`
	Author   Person    `json:"author"`
	Message  string    `json:"message" doc:"The commit's subject."`
	Action   string    `json:"action" enum:"created,updated,deleted,moved"`
	Path     string    `json:"path" doc:"Where the file was after it."`
	Revision string    `json:"revision,omitempty" doc:"The entry's revision after it; absent where it was deleted."`
}

// Changes is a page of a history.
type Changes struct {
	Items      []Change `json:"items"`
	NextCursor *string  `json:"next_cursor" doc:"Give it as cursor to get the next page; null at the end."`
	Total      int      `json:"total,omitempty" doc:"The number of commits in the whole history. Absent where your roles do not show everything and it would take reading more of a long history than one request may."`
}

type historyInput struct {
	AtEntry
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The greatest number of commits to answer with; fewer where more would take too much work."`
	Cursor string `query:"cursor" doc:"The next_cursor of the page before: the last commit that it showed."`
}

var entryHistoryDoc = doc{
	id: "entry-history", tag: "Entries",
	summary:   "The commits that touched an entry",
	text:      "Newest first, through renames; also of an entry that was deleted.",
	responses: map[int]any{200: Changes{}},
	problems:  []int{400, 404},
}

func (a *API) entryHistory(ctx context.Context, in *historyInput) (*reply, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	history, err := a.site.History(ctx, web.Principal(ctx), ref, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	page := Changes{Items: []Change{}, Total: history.Total}
	for _, c := range history.Items {
		page.Items = append(page.Items, Change{c.Commit, c.At, Person(c.Author), c.Message, c.Action, c.Path.String(), c.Revision})
	}
	if history.Next != "" {
		page.NextCursor = &history.Next
	}
	return answer(http.StatusOK, page)
}
