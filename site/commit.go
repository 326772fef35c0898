package site

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"cms/auth"
	"cms/repo"
	"cms/say"
	"cms/trace"
)

// A transaction is the edits of one commit on their way: all are made or none.
type transaction struct {
	site      *Site
	principal *auth.Principal
	write     Write
	edits     []*edit
	budget    *budget // of the first run; nil on the writer, which repeats work that was counted
}

// maxBatchBytes bounds the files that a batch reads and writes, together.
const maxBatchBytes = 64 << 20

// run first makes the edits on the snapshot that readers see, so that refusals and
// costly work do not occupy the writer. A dry run ends here. Then the writer runs them
// again; a new document is only computed again if its entry has changed meanwhile.
func (t *transaction) run(ctx context.Context) ([]*Outcome, error) {
	meta, err := t.meta()
	if err != nil {
		return nil, err
	}
	snap := t.site.repo.View()
	t.budget = t.site.budget(ctx, t.principal, maxBatchBytes)
	if err := t.site.repo.DryRun(snap, t.write.DryRun, t.perform); err != nil {
		return nil, asError(err)
	}
	if t.write.DryRun {
		return t.outcomes(ctx, repo.Result{Snapshot: snap})
	}
	t.budget = nil
	for _, e := range t.edits {
		e.budget.release()
		if e.budget = nil; e.access != nil {
			e.access.budget = nil
		}
	}
	for i, e := range t.edits {
		if e.prepare == nil {
			continue
		}
		if err := e.prepare(ctx); err != nil {
			return nil, &OperationError{i, err}
		}
	}
	res, err := t.site.commit(ctx, meta, t.perform)
	if err != nil {
		return nil, asError(err)
	}
	return t.outcomes(context.WithoutCancel(ctx), res)
}

// maxTraced is of how many commits the trace is remembered; what asks for it comes at once.
const maxTraced = 4096

// commit has the writer run fn, as a span of the request's trace, which what comes of the
// commit continues.
func (s *Site) commit(ctx context.Context, m repo.Meta, fn func(*repo.Tx) error) (repo.Result, error) {
	ctx, span := trace.Start(ctx, "commit")
	defer span.End()
	if at := trace.Of(ctx); at.Valid() {
		m.Made = func(commit repo.Hash) { s.traces.Add(commit, at) }
	}
	defer s.selections.gate.enterWrite()()
	res, err := s.repo.Update(ctx, m, fn)
	switch {
	case errors.Is(err, repo.ErrStorage), errors.Is(err, repo.ErrUnsure):
		span.Fail("the storage failed")
	case err == nil && res.Changed:
		span.Set("cms.commit", res.Commit.String())
	}
	return res, err
}

// close gives back what the edits hold.
func (t *transaction) close() {
	for _, e := range t.edits {
		if e.close == nil {
			continue
		}
		if err := e.close(); err != nil {
			t.site.log.Error("an upload is left over", "error", err)
		}
	}
}

// perform makes the edits, each on what those before it left.
func (t *transaction) perform(tx *repo.Tx) error {
	made := 0
	for i, e := range t.edits {
		e.result = result{}
		if err := e.do(tx); err != nil {
			return &OperationError{i, asError(err)}
		}
		size := sizeOf(e.before) + sizeOf(e.after) + int(e.file.size)
		for _, f := range e.followed {
			size += sizeOf(f.before) + sizeOf(f.after)
		}
		if made += 1 + len(e.followed); made > MaxBatch {
			return &OperationError{i, errTooManyEdits()}
		}
		if err := t.budget.spend(size); isUnavailable(err) {
			return &Error{Code: TooLarge, Detail: say.New("The files that this request reads and writes have more than %d bytes in total. Split it into several requests.", maxBatchBytes)}
		} else if err != nil {
			return err
		}
	}
	if len(t.edits) == 1 && t.write.Message == "" {
		tx.SetMessage(t.edits[0].subject())
	}
	return nil
}

// outcomes are those of the edits themselves, whatever later edits did. What was saved
// cannot fail: what cannot be read is left out. A dry run ends with ctx.
func (t *transaction) outcomes(ctx context.Context, res repo.Result) ([]*Outcome, error) {
	budget := t.site.budget(ctx, t.principal, pageBudget)
	defer budget.release()
	all := make([]*Outcome, len(t.edits))
	for i, e := range t.edits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out := &Outcome{}
		if e.access != nil {
			e.access.budget = budget
		}
		switch {
		case e.isMedia():
			out = e.fileOutcome(t.write.DryRun)
		case t.write.DryRun:
			diff := e.access.diff(e.before, e.after, e.path.String())
			out.Diff = &diff
		case e.now != nil && e.access.canReadFields(e.after.Fields(), e.after.Problems()):
			now := e.now
			if now.Updated().Commit.IsZero() { // not what the batch left in the end
				if s, ok := res.Snapshot.Entry(e.ref.Collection, e.ref.Slug); ok && s.Revision == now.Revision {
					now = s
				}
			}
			out.Entry = e.access.crossCheck(e.access.viewDocument(now, e.after), res.Snapshot)
		}
		out.Ref, out.Created, out.Changed, out.Commit = e.ref, e.created, e.changed(), hexOrEmpty(res.Commit)
		if t.write.DryRun {
			out.References = e.references
		} else {
			out.Made = e.record()
			for _, f := range e.followed {
				out.Followed = append(out.Followed, f.ref)
			}
		}
		all[i] = out
	}
	return all, nil
}

// maxSubject bounds the subject of a commit, in characters.
const maxSubject = 200

// meta is who commits, and what they say of it.
func (t *transaction) meta() (repo.Meta, error) {
	m := repo.Meta{Author: person(t.principal), Message: strings.TrimSpace(t.write.Message), Key: t.write.Key}
	if p := t.write.OnBehalfOf; p != nil {
		m.CoAuthors = []repo.Person{*p}
	}
	if strings.ContainsFunc(m.Message, unicode.IsControl) || utf8.RuneCountInString(m.Message) > maxSubject {
		return m, &Error{Code: Malformed, Detail: say.New("The message must be one line of at most %d characters.", maxSubject)}
	}
	return m, nil
}

func person(pr *auth.Principal) repo.Person {
	name, email := pr.Person()
	return repo.Person{Name: name, Email: email}
}
