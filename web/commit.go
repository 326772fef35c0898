package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"cms/say"
)

// CommitHeader has, in the answer to a write, the commit that holds it. In a request it names
// a commit that must be in the history before the request is answered, so that whoever has
// written reads that from any replica.
const CommitHeader = "Cms-Commit"

// seenCookie does for pages what the header does for programs: it has the commit of the
// last write, for as long as a replica may be behind.
const (
	seenCookie = "cms_seen"
	seenTime   = 5 * time.Minute
)

// awaitTime is how long a request waits for a commit, and awaitRetry when it may come again,
// in seconds.
const (
	awaitTime  = time.Second
	awaitRetry = "1"
)

// ErrNoCommit is the error of [Options.Await] for a commit that will not come.
var ErrNoCommit = errors.New("there is no such commit, and none will come")

// Codes of requests that name a commit which is not here, and comes or does not.
const (
	codeBehind        = "behind"
	CodeUnknownCommit = "unknown_commit"
)

var commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)

// await has a request wait for the commit that it names. A program is refused where that
// does not come in time; a page shows what there is, as reads go on while nothing can be
// fetched.
func (f *Floor) await(r *http.Request, c *record) error {
	if given := r.Header.Values(CommitHeader); len(given) > 0 {
		if len(given) > 1 || !commitName.MatchString(given[0]) {
			return NewProblem(http.StatusBadRequest, say.New("Cms-Commit must be the name of one commit: 40 hexadecimal digits, in lower case."))
		}
		return f.AwaitCommit(r.Context(), given[0])
	}
	if c.Operation.Form && !c.Operation.Stream {
		if seen := f.cookies.Of(r, seenCookie); commitName.MatchString(seen) {
			_ = f.AwaitCommit(r.Context(), seen)
		}
	}
	return nil
}

// AwaitCommit waits for a moment for a commit that another replica may have made. The error is
// a Problem: with [CodeUnknownCommit] where none will come.
func (f *Floor) AwaitCommit(ctx context.Context, commit string) error {
	if f.awaits == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, awaitTime)
	defer cancel()
	switch err := f.awaits(ctx, commit); {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoCommit):
		p := NewProblem(http.StatusPreconditionFailed, say.New("The branch has no commit of the name that Cms-Commit gives, and none will come. Repeat the request without Cms-Commit."))
		p.Code = CodeUnknownCommit
		return p
	default:
		p := NewProblem(http.StatusServiceUnavailable, say.New("The commit that Cms-Commit names has not come here yet. Try again in a moment.")).With("Retry-After", awaitRetry)
		p.Code = codeBehind
		return p
	}
}

// tellCommit says in the headers of an answer which commit holds what the request has
// written.
func (f *Floor) tellCommit(h http.Header, c *record, status int) {
	commit := ""
	for _, t := range c.targets { // the last one contains those before
		if t.Commit != "" {
			commit = t.Commit
		}
	}
	if commit == "" || c.dry || status >= http.StatusBadRequest {
		return
	}
	h.Set(CommitHeader, commit)
	if c.Operation.Form && f.awaits != nil {
		cookie := f.cookies.Set(seenCookie, commit, time.Now().Add(seenTime))
		h.Add("Set-Cookie", cookie.String())
	}
}
