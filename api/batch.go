package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"cms/api/jsonbody"
	"cms/api/operation"
	"cms/auth"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/web"
)

// Batch is the body that makes several writes in one commit.
type Batch struct {
	Message    string      `json:"message,omitempty" doc:"The subject of the commit."`
	OnBehalfOf *Person     `json:"on_behalf_of,omitempty" doc:"The co-author."`
	Operations []Operation `json:"operations" minItems:"1" maxItems:"500" doc:"Made in order, each on what those before it left; all or none."`
}

// Operation is one write of a batch.
type Operation struct {
	Op         string          `json:"op" enum:"create,put,patch,delete,move,revert" example:"patch"`
	Collection string          `json:"collection" doc:"Or media, for a file: create, put, delete or move." example:"consultations"`
	Slug       string          `json:"slug,omitempty" doc:"May be left out of create: it is made then, by the collection's pattern. Of a file, its path below the media folder." example:"plan-velo"`
	IfMatch    string          `json:"if_match,omitempty" doc:"The revision of the entry, or * for whatever is there. Needed for all but create, and revert of an entry that is gone." example:"*"`
	Fields     *content.Object `json:"fields,omitempty" doc:"For create, put and patch, as in the requests of those names."`
	Body       string          `json:"body,omitempty" doc:"For create, put and patch."`
	Content    string          `json:"content,omitempty" doc:"Of a file, for create and put, in base64."`
	References string          `json:"references,omitempty" doc:"For delete and move: as in the requests of those names."`
	To         string          `json:"to,omitempty" doc:"For move, the new slug; for revert, a commit or a revision of the entry's history."`
}

// BatchResult is what a batch did.
type BatchResult struct {
	Commit string            `json:"commit" doc:"The newest one if nothing changed; empty after a dry run."`
	Items  []OperationResult `json:"items" doc:"One for each operation, in their order."`
}

// OperationResult is what one operation of a batch did.
type OperationResult struct {
	Collection string                `json:"collection" doc:"media for a file." example:"consultations"`
	Slug       string                `json:"slug" doc:"After the operation." example:"plan-velo"`
	Revision   string                `json:"revision,omitempty" doc:"After the operation; absent where the entry was deleted, and after a dry run."`
	Changed    bool                  `json:"changed" doc:"Whether the operation changed anything."`
	Diff       *content.DocumentDiff `json:"diff,omitempty" doc:"After a dry run, what would change."`
	References []Reference           `json:"references,omitempty" doc:"After a dry run, those that would be changed."`
}

type batchInput struct {
	Writing
	Preconditions
	operation.Payload
	ContentType string `header:"Content-Type" hidden:"true"`
}

// Admit refuses who may write nowhere: what is to be written stands in the body.
func (in *batchInput) Admit(ctx context.Context, a *API) error {
	if err := a.site.MayWrite(web.Principal(ctx)); err != nil {
		return err
	}
	_, err := web.MediaType(in.ContentType, "", mediaJSON)
	return err
}

var batchDoc = doc{
	ID: "batch", Tag: "Entries",
	Summary:   "Make several writes in one commit, or none of them",
	Text:      "A refusal names the operation by its index, from 0, as operation and in the pointers.",
	Requests:  map[string]any{mediaJSON: Batch{}},
	Example:   json.RawMessage(`{"message": "Ouvre le plan", "operations": [{"op": "patch", "collection": "consultations", "slug": "plan-velo", "if_match": "*", "fields": {"in_progress": true}}]}`),
	Responses: map[int]any{200: BatchResult{}},
	Problems:  []int{400, 404, 409, 412, 413, 415, 428, 503, 504, 507},
	Time:      2 * web.DefaultTimeout, // 500 writes
}

func (a *API) batch(ctx context.Context, in *batchInput) (*reply, error) {
	if err := in.ofCollection(); err != nil {
		return nil, err
	}
	b, err := decodeBody(in.Content(), "message", "on_behalf_of", "operations")
	if err != nil {
		return nil, err
	}
	w := in.write()
	b.write(&w)
	ops, asked := b.operations()
	if err := b.Problem(); err != nil {
		return nil, operation.Refused(err, asked)
	}
	outcomes, err := a.site.Batch(ctx, web.Principal(ctx), ops, w)
	if err != nil {
		return nil, operation.Refused(err, asked)
	}
	return batchOutcome(outcomes)
}

// batchOutcome answers a batch.
func batchOutcome(outcomes []*site.Outcome) (*reply, error) {
	res := BatchResult{Items: make([]OperationResult, len(outcomes))}
	var changed []web.Target
	dryRun := false
	for i, out := range outcomes {
		res.Commit = out.Commit
		res.Items[i] = OperationResult{Collection: out.Collection, Slug: out.Slug.String(), Changed: out.Changed, Diff: out.Diff, References: referencesOf(out.References)}
		if out.Entry != nil {
			res.Items[i].Revision = out.Entry.Revision
		} else if out.Media != nil {
			res.Items[i].Revision = out.Media.Revision
		}
		changed, dryRun = append(changed, targetsOf(out)...), out.Diff != nil
	}
	r, err := answer(http.StatusOK, res)
	if dryRun {
		return rehearsed(r, err)
	}
	if err == nil {
		r.Wrote(changed...)
		r.Keep(madeOf(outcomes...))
	}
	return r, err
}

// operations are those of a batch, and what they are asked to change. All that is
// wrong with any of them is told.
func (b body) operations() ([]site.Operation, []web.Target) {
	v, _ := b.Members.Get("operations")
	list, ok := v.([]content.Value)
	if !ok || len(list) == 0 || len(list) > site.MaxBatch {
		b.Wrong("operations", "type", say.New("This must be an array of 1 to %d operations.", site.MaxBatch))
		return nil, nil
	}
	ops, asked := make([]site.Operation, len(list)), make([]web.Target, len(list))
	for i, v := range list {
		at := fmt.Sprintf("/operations/%d", i)
		members, ok := v.(*content.Object)
		if !ok {
			b.Add(content.Problem{Pointer: at, Rule: "type", Detail: say.New("An operation is a JSON object.")})
			continue
		}
		one := body{jsonbody.Of(members)}
		var ref site.Ref
		ops[i], ref = one.operation()
		asked[i] = web.Target{Collection: ref.Collection, Name: ref.Slug.String()}
		b.Join(one.Reader, at)
	}
	return ops, asked
}

// operationMembers are what each operation has beside op and collection.
var operationMembers = map[string][]string{
	"create": {"slug", "fields", "body"},
	"put":    {"slug", "if_match", "fields", "body"},
	"patch":  {"slug", "if_match", "fields", "body"},
	"delete": {"slug", "if_match", "references"},
	"move":   {"slug", "if_match", "to", "references"},
	"revert": {"slug", "if_match", "to"},
}

// operation is the one that the members say, and the entry that it is about.
func (b body) operation() (site.Operation, site.Ref) {
	op := b.Text("op")
	members, ok := operationMembers[op]
	if !ok {
		b.Wrong("op", "options", say.New("This must be create, put, patch, delete, move or revert."))
		return nil, site.Ref{}
	}
	b.Require(say.New("Name the collection."), "collection")
	if b.Text("collection") == auth.Media {
		return b.fileOperation(op)
	}
	b.Only(append([]string{"op", "collection"}, members...)...)
	ref := site.Ref{Collection: b.Text("collection"), Slug: b.Slug("slug")}
	if op != "create" {
		b.Require(say.New("Name the entry."), "slug")
	}
	pre := b.precondition()
	switch op {
	case "create":
		return site.Creating(ref.Collection, site.Draft{Slug: ref.Slug, Fields: b.Object("fields"), Body: b.Text("body")}, pre), ref
	case "put":
		b.Require(say.New("put replaces the whole entry, so this member is required. To change parts of an entry, use patch."), "fields", "body")
		return site.Updating(ref, site.Replace(b.Object("fields"), b.Text("body")), pre), ref
	case "patch":
		b.Object("fields")
		b.Text("body")
		return site.Updating(ref, site.MergePatch(b.Without("op", "collection", "slug", "if_match")), pre), ref
	case "delete":
		return site.Following(site.Deleting(ref, pre), b.references(site.RefuseReferences, site.ClearReferences)), ref
	case "move":
		op := site.Moving(ref, b.target(ref), pre)
		return site.Following(op, b.references(site.RefuseReferences, site.UpdateReferences, site.ClearReferences)), ref
	}
	return site.Reverting(ref, b.state(), pre), ref
}

// fileMembers are what each operation on a file has beside op, collection and slug.
var fileMembers = map[string][]string{
	"create": {"content"},
	"put":    {"if_match", "content"},
	"delete": {"if_match", "references"},
	"move":   {"if_match", "to", "references"},
}

// fileOperation is the one on a file that the members say.
func (b body) fileOperation(op string) (site.Operation, site.Ref) {
	ref := site.Ref{Collection: auth.Media, Slug: b.Slug("slug")}
	members, ok := fileMembers[op]
	if !ok {
		b.Wrong("op", "options", say.New("Of a file this must be create, put, delete or move."))
		return nil, ref
	}
	b.Only(append([]string{"op", "collection", "slug"}, members...)...)
	b.Require(say.New("Name the file by its path below the media folder."), "slug")
	name, pre := ref.Slug.String(), b.precondition()
	switch op {
	case "delete":
		return site.DeletingMedia(name, b.references(site.RefuseReferences), pre), ref
	case "move":
		b.Require(say.New("To move a file, name its new path."), "to")
		to := b.Slug("to").String()
		return site.MovingMedia(name, to, b.references(site.RefuseReferences, site.UpdateReferences), pre), ref
	case "create":
		pre = site.Precondition{Absent: true}
	}
	b.Require(say.New("Give the content of the file."), "content")
	content, err := base64.StdEncoding.DecodeString(b.Text("content"))
	if err != nil {
		b.Wrong("content", "base64", say.New("This must be the content of the file in base64."))
	}
	return site.PuttingMedia(name, content, pre), ref
}

// precondition is what the member if_match says: *, a revision, or entity tags.
func (b body) precondition() site.Precondition {
	s := b.Text("if_match")
	if s != "" && s != "*" && !strings.Contains(s, `"`) {
		return site.Precondition{Revisions: []string{s}}
	}
	pre, err := Preconditions{IfMatch: s}.parse("")
	if err != nil {
		b.Wrong("if_match", "type", say.New("This must be a revision, or * for whatever is there."))
	}
	return pre
}
