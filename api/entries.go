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
	"cms/auth"
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
	Revision   string          `json:"revision" doc:"The Git blob's id; in double quotes, the ETag."`
	Fields     *content.Object `json:"fields" doc:"The front matter, in the order of the file. A date-time is RFC 3339 here."`
	Body       *string         `json:"body,omitempty" doc:"What follows the front matter, byte for byte. Lists leave it out."`
	Valid      bool            `json:"valid" doc:"Whether the file can be read and keeps the rules of its collection."`
	Problems   []web.Fault     `json:"problems" doc:"What is wrong with the file."`
	Updated    Updated         `json:"updated" doc:"The last commit that touched the entry."`
	Deployment *Deployment     `json:"deployment,omitempty" doc:"Whether that commit is on the public site; absent where no build was ever reported, in lists and in answers to writes. It may change without the ETag."`
}

// Updated is a commit, in short.
type Updated struct {
	Commit string    `json:"commit"`
	At     time.Time `json:"at" doc:"When it was authored."`
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

type getInput struct {
	AtEntry
	At          string `query:"at" pattern:"^[0-9a-f]{40}$" doc:"A commit of the branch, or a revision of the entry: to read it as it was then."`
	Accept      string `header:"Accept" hidden:"true"`
	IfMatch     string `header:"If-Match" doc:"Answer 412 unless the entry is at one of these ETags."`
	IfNoneMatch string `header:"If-None-Match" doc:"Answer 304 if the entry is still at one of these ETags."`
}

var getEntryDoc = doc{
	ID: "get-entry", Tag: "Entries",
	Summary:   "Read an entry",
	Text:      "As JSON or, with Accept: text/markdown, as the bytes of its file.",
	Responses: map[int]any{200: map[string]any{mediaJSON: Entry{}, mediaMarkdown: openapi.File{}}, 304: nil},
	Headers:   map[int][]string{200: {"ETag", "Vary"}, 304: {"ETag"}},
	Problems:  []int{400, 404, 406, 412},
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
	read := a.site.Entry
	if in.At != "" {
		read = func(ctx context.Context, pr *auth.Principal, ref site.Ref) (*site.Entry, error) {
			return a.site.EntryAt(ctx, pr, ref, in.At)
		}
	}
	e, err := read(ctx, web.Principal(ctx), ref)
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
		var deployment *Deployment
		if in.At == "" {
			deployment = a.deployment(ctx, e)
		}
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
	At       time.Time `json:"at" doc:"When it was authored."`
	Author   Person    `json:"author"`
	Message  string    `json:"message" doc:"The commit's subject, of 1,000 bytes at most: a longer one ends with …."`
	Action   string    `json:"action"`
	Path     string    `json:"path" doc:"Where the file was after it, or before it was deleted."`
	Revision string    `json:"revision,omitempty" doc:"The entry's revision after it; absent where it was deleted."`
}

func changeOf(c site.Change) Change {
	return Change{c.Commit, c.At, Person(c.Author), c.Message, c.Action, c.Path.String(), c.Revision}
}

// Changes is a page of a history.
type Changes struct {
	Items      []Change `json:"items"`
	NextCursor *string  `json:"next_cursor" doc:"Of the next page; null at the end."`
	Total      int      `json:"total,omitempty" doc:"The number of commits in the whole history. Absent where it would take too much work to count those that you see."`
}

type historyInput struct {
	AtEntry
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to answer with; fewer where they are large or take much work."`
	Cursor string `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, of the same question."`
}

var entryHistoryDoc = doc{
	ID: "entry-history", Tag: "Entries",
	Summary:   "The commits that touched an entry",
	Text:      "Newest first, through renames; also of an entry that was deleted.",
	Responses: map[int]any{200: Changes{}},
	Problems:  []int{400, 404},
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
		page.Items = append(page.Items, changeOf(c))
	}
	if history.Next != "" {
		page.NextCursor = &history.Next
	}
	return answer(http.StatusOK, page)
}

// DeletedEntry is an entry that is not there any more.
type DeletedEntry struct {
	Slug     string `json:"slug"`
	Title    string `json:"title,omitempty"`
	Revision string `json:"revision" doc:"Its last one: read it with at, restore it with revert."`
	Deleted  Change `json:"deleted"`
}

// DeletedEntries is a page of them.
type DeletedEntries struct {
	Items      []DeletedEntry `json:"items"`
	NextCursor *string        `json:"next_cursor" doc:"Of the next page; null at the end."`
}

type deletedInput struct {
	InCollection
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to answer with; fewer where they are large or take much work."`
	Cursor string `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, of the same question."`
}

var listDeletedDoc = doc{
	ID: "list-deleted", Tag: "Entries",
	Summary:   "The entries that were deleted",
	Text:      "Those that went last come first.",
	Responses: map[int]any{200: DeletedEntries{}},
	Problems:  []int{400, 404},
}

func (a *API) listDeleted(ctx context.Context, in *deletedInput) (*reply, error) {
	after, err := behind(in.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := a.site.Deleted(ctx, web.Principal(ctx), in.Collection, after, in.Limit)
	if err != nil {
		return nil, err
	}
	page := DeletedEntries{Items: []DeletedEntry{}, NextCursor: cursorTo(found.Next)}
	for i := range found.Items {
		d := &found.Items[i]
		page.Items = append(page.Items, DeletedEntry{d.Slug.String(), d.Title, d.Revision, changeOf(d.Change)})
	}
	return answer(http.StatusOK, page)
}
