package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"cms/api/openapi"
	"cms/content"
	"cms/site"
	"cms/web"
	"cms/web/once"
)

// Writing are the parameters that every write takes.
type Writing struct {
	Message string `query:"message" doc:"The subject of the commit, one line of at most 200 characters. A member of the same name in the body does the same."`
	DryRun  bool   `query:"dry_run" doc:"Answer with what would change, and commit nothing."`
	Key     string `header:"Idempotency-Key" doc:"Makes it safe to repeat the request: a text in double quotes, such as a UUID, that no other write had. A repetition within 24 hours is answered with what the first one did."`

	request *http.Request
	how     once.Attempt
}

// Resolve implements [huma.Resolver].
func (in *Writing) Resolve(ctx huma.Context) []error {
	in.request, _ = humamux.Unwrap(ctx)
	return nil
}

// From implements [operation.Keyed].
func (in *Writing) From() *http.Request { return in.request }

// Attempt implements [operation.Keyed].
func (in *Writing) Attempt(how once.Attempt) { in.how = how }

// write is what the parameters say.
func (in Writing) write() site.Write {
	return attempted(site.Write{Message: in.Message, DryRun: in.DryRun}, in.how)
}

// attempted is w as it is made by an attempt.
func attempted(w site.Write, how once.Attempt) site.Write {
	w.Key, w.DryRun = how.Key, w.DryRun || how.Dry
	return w
}

// Diff is what a write would change.
type Diff struct {
	content.DocumentDiff
	Slug       string      `json:"slug,omitempty" doc:"The slug that a new entry would get."`
	References []Reference `json:"references,omitempty" doc:"Those that would be changed in the same commit."`
}

// edited is how an edit is answered: with the entry or, after a dry run, with
// what would change.
func edited() openapi.Either { return openapi.Either{Entry{}, Diff{}} }

// targetOf is what a write did, for the audit log.
func targetOf(out *site.Outcome) web.Target {
	return web.Target{Collection: out.Collection, Name: out.Slug.String(), Commit: out.Commit, Unchanged: !out.Changed}
}

// targetsOf is what a write did to its entry and to those that referred to it.
func targetsOf(out *site.Outcome) []web.Target {
	all := []web.Target{targetOf(out)}
	for _, ref := range out.Followed {
		all = append(all, web.Target{Collection: ref.Collection, Name: ref.Slug.String(), Commit: out.Commit})
	}
	return all
}

// rehearsed is the answer to a dry run.
func rehearsed(r *reply, err error) (*reply, error) {
	if err == nil {
		r.Rehearsed()
	}
	return r, err
}

// outcome answers a write.
func outcome(out *site.Outcome, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	if out.Diff != nil {
		r, err := answer(http.StatusOK, Diff{*out.Diff, out.Slug.String(), referencesOf(out.References)})
		return rehearsed(r, err)
	}
	r := &reply{Status: http.StatusNoContent}
	switch {
	case out.Created:
		if r, err = answerEntry(http.StatusCreated, out.Entry, nil); err == nil {
			r.Location = entryURL(out.Entry.Ref)
		}
	case out.Media != nil:
		r, err = answerFile(http.StatusOK, out.Media)
	case out.Entry != nil:
		r, err = answerEntry(http.StatusOK, out.Entry, nil)
	}
	if err != nil {
		return nil, err
	}
	r.Wrote(targetsOf(out)...)
	r.Keep(madeOf(out))
	return r, nil
}
