package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/auth"
	"cms/content"
	"cms/lfs"
	"cms/repo"
	"cms/say"
)

// Check says what becomes of a push that breaks a rule of the schema.
type Check string

// The checks of pushes. What roles do not allow is refused by each of them.
const (
	CheckOff    Check = "off"    // nothing is looked for
	CheckWarn   Check = "warn"   // the pusher is told
	CheckRefuse Check = "refuse" // the branch does not go on to it
)

// maxPushedBytes bounds the entries that are looked at for one push, in bytes.
const maxPushedBytes = 64 << 20

// maxToldLines is how many things a pusher is told at once.
const maxToldLines = 20

// GitRef is a branch or a tag.
type GitRef struct{ Name, Commit string }

// GitRefs are those that are there, by name.
func (s *Site) GitRefs() ([]GitRef, error) {
	stored, err := s.repo.References()
	refs := make([]GitRef, len(stored))
	for i, r := range stored {
		refs[i] = GitRef{r.Name, r.New.String()}
	}
	return refs, err
}

// MayFetch refuses who may not have the whole repository, with its history: that takes the
// right to read it, and every entry with every field and every file of media.
func (s *Site) MayFetch(pr *auth.Principal) error {
	if !s.policy.Knows(pr) {
		return errNoRole()
	}
	media := s.media.Folder.IsZero() || s.mayAll(pr, auth.Media, auth.Read)
	if !media || !s.seesAll(pr) || !s.policy.Can(pr, auth.Read, auth.Repository) {
		return &Error{Code: Forbidden, Detail: say.New("A clone has everything, so it takes a role, and a token, that may read repository, every collection with every field, and all of media.")}
	}
	return nil
}

// MayPush refuses who may not fetch, or may change nothing.
func (s *Site) MayPush(pr *auth.Principal) error {
	if err := s.MayFetch(pr); err != nil {
		return err
	}
	if slices.ContainsFunc([]auth.Action{auth.Create, auth.Update, auth.Delete}, func(a auth.Action) bool { return s.policy.Can(pr, a, auth.Repository) }) {
		return nil
	}
	return s.MayWrite(pr)
}

// ExpectPush has edits leave room for a push that is about to come.
func (s *Site) ExpectPush() { s.repo.ExpectPush() }

// A Push is one push of Git on its way in, by somebody who may push. Its objects are put
// into a folder of its own; then each change that it asks for is checked, and then all
// that are right are made.
type Push struct {
	site       *Site
	principal  *auth.Principal
	check      Check
	quarantine *repo.Quarantine
	spent      int64
}

// BeginPush begins a push. It must be closed.
func (s *Site) BeginPush(pr *auth.Principal, check Check) (*Push, error) {
	if err := s.MayPush(pr); err != nil {
		return nil, err
	}
	q, err := s.repo.Quarantine()
	if err != nil {
		return nil, asError(err)
	}
	return &Push{site: s, principal: pr, check: check, quarantine: q}, nil
}

// Objects is the folder of the push's objects.
func (p *Push) Objects() string { return p.quarantine.Objects() }

// Close ends the push.
func (p *Push) Close() error { return p.quarantine.Close() }

// RefChange is what a push asks of a reference. An empty commit stands for none.
type RefChange struct{ Name, Old, New string }

// Verdict is what comes of looking at a change.
type Verdict struct {
	Refused string     // why, in a few words as Git has them; "" where it is not
	Told    []say.Text // to the pusher, line by line
}

func refused(reason string, told ...say.Text) Verdict { return Verdict{reason, told} }

// Check looks at one change. The error is what keeps us from knowing.
func (p *Push) Check(ctx context.Context, c RefChange) (Verdict, error) {
	v, err := p.look(ctx, c)
	switch {
	case errors.Is(err, repo.ErrNotForward):
		return refused("fetch first", say.New("%s has moved on. Fetch, merge or rebase, and push again.", c.Name)), nil
	case errors.Is(err, repo.ErrPushTooLarge):
		return refused("too large", say.New("The push brings more than can be looked at. Push it in parts.")), nil
	case errors.Is(err, repo.ErrNotFound):
		return refused("missing necessary objects"), nil
	}
	return v, err
}

func (p *Push) look(ctx context.Context, c RefChange) (Verdict, error) {
	s := p.site
	name := plumbing.ReferenceName(c.Name)
	branch := name.IsBranch()
	switch {
	case name.Validate() != nil || !branch && !name.IsTag():
		return refused("refused", say.New("Only branches and tags can be pushed.")), nil
	case strings.HasPrefix(name.Short(), "cms/"):
		return refused("refused", say.New("Branches and tags below cms/ belong to the service.")), nil
	case c.Old == "" && c.New == "":
		return refused("refused", say.New("There is no such branch or tag.")), nil
	case branch && c.New != "" && !p.quarantine.IsCommit(repo.NewHash(c.New)):
		return refused("not a commit", say.New("A branch is at a commit.")), nil
	case branch && name.Short() == s.repo.Branch():
		return p.lookAtBranch(ctx, c)
	}
	may := func(a auth.Action) bool { return s.policy.Can(p.principal, a, auth.Repository) }
	forward := c.Old == "" && c.New != ""
	if branch && c.Old != "" && c.New != "" {
		var err error
		if forward, err = p.quarantine.Follows(ctx, repo.NewHash(c.Old), repo.NewHash(c.New)); err != nil {
			return Verdict{}, err
		}
	}
	switch {
	case forward && !may(auth.Create):
		return refused("forbidden", say.New("Your roles do not allow you to push other branches and tags (create of repository).")), nil
	case !forward && !may(auth.Delete):
		return refused("forbidden", say.New("Your roles do not allow you to delete or rewrite other branches and tags (delete of repository).")), nil
	}
	if c.Old == "" {
		return s.checkName(c.Name)
	}
	return Verdict{}, nil
}

// checkName refuses a new reference whose name would be a folder of another one, or has one
// as its folder.
func (s *Site) checkName(name string) (Verdict, error) {
	refs, err := s.GitRefs()
	for _, r := range refs {
		if strings.HasPrefix(r.Name, name+"/") || strings.HasPrefix(name, r.Name+"/") {
			return refused("name conflict", say.New("%s is in the way of that name.", r.Name)), nil
		}
	}
	return Verdict{}, err
}

// lookAtBranch looks at what a push brings to the branch of the site: what of it the pusher
// may do, and whether that keeps the rules.
func (p *Push) lookAtBranch(ctx context.Context, c RefChange) (Verdict, error) {
	if c.New == "" {
		return refused("refused", say.New("This branch is being served, and cannot be deleted.")), nil
	}
	pushed, err := p.quarantine.Compare(ctx, repo.NewHash(c.Old), repo.NewHash(c.New))
	if err != nil {
		return Verdict{}, err
	}
	told := &tellings{}
	if !p.mayAll() {
		// What is undone by a later commit would be in the history all the same.
		for _, commit := range pushed.Commits {
			files, err := pushed.Of(commit)
			if err == nil && len(pushed.Commits) > 1 {
				err = p.authorize(ctx, files, told)
			}
			if err != nil {
				return Verdict{}, err
			}
		}
		if err := p.authorize(ctx, pushed.Files, told); err != nil {
			return Verdict{}, err
		}
		if told.count > 0 {
			return refused("forbidden", told.lines(say.New("Your roles do not allow all of this. Nothing was changed."))...), nil
		}
	}
	if p.check == CheckOff {
		return Verdict{}, nil
	}
	if err := p.validate(ctx, pushed, told); err != nil {
		return Verdict{}, err
	}
	if err := p.checkObjects(ctx, pushed, told); err != nil {
		return Verdict{}, err
	}
	switch {
	case told.count == 0:
		return Verdict{}, nil
	case p.check == CheckWarn:
		return Verdict{Told: told.lines(say.New("This breaks rules of the site. It was taken nevertheless."))}, nil
	}
	return refused("invalid content", told.lines(say.New("This breaks rules of the site. Nothing was changed."))...), nil
}

// mayAll says whether nothing has to be looked at for the pusher's rights.
func (p *Push) mayAll() bool {
	s, pr := p.site, p.principal
	for _, c := range s.collections {
		if !s.mayAll(pr, c.Name, auth.Create, auth.Update, auth.Delete) || len(c.Publish) > 0 && !s.mayAll(pr, c.Name, auth.Publish) {
			return false
		}
	}
	return s.mayAll(pr, auth.Repository, auth.Update) && (s.media.Folder.IsZero() || s.mayAll(pr, auth.Media, auth.Create, auth.Update, auth.Delete))
}

// authorize notes the files that the pusher may not change so.
func (p *Push) authorize(ctx context.Context, files []repo.PushedFile, told *tellings) error {
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := p.mayChange(f)
		refusal := (*Error)(nil)
		if errors.As(err, &refusal) && refusal.Code != Unavailable {
			told.add(f.Path, refusal, nil)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// mayChange refuses a change of one file that the pusher may not make.
func (p *Push) mayChange(f repo.PushedFile) error {
	s := p.site
	action := auth.Update
	switch {
	case f.Before.IsZero():
		action = auth.Create
	case f.After.IsZero():
		action = auth.Delete
	}
	if f.Collection != "" {
		acc, err := s.access(p.principal, f.Collection, action)
		if err != nil {
			return err
		}
		before, after, err := p.documents(acc, f)
		if err != nil {
			return err
		}
		return acc.authorize(action, before, after)
	}
	if name, media := strings.CutPrefix(f.Path, s.media.Folder.String()+"/"); media && f.Plain && !s.media.Folder.IsZero() {
		if s.policy.CanMedia(p.principal, action, name) {
			return nil
		}
		return &Error{Code: Forbidden, Detail: say.New("Your roles do not allow you to %s this file.", action)}
	}
	if s.policy.Can(p.principal, auth.Update, auth.Repository) {
		return nil
	}
	return &Error{Code: Forbidden, Detail: say.New("This is no entry and no media, and your roles do not allow you to change such files (update of repository).")}
}

// documents are the two sides of an entry, nil where there is none.
func (p *Push) documents(acc *access, f repo.PushedFile) (before, after *content.Document, err error) {
	if before, err = p.document(acc, f.Before); err == nil {
		after, err = p.document(acc, f.After)
	}
	return before, after, err
}

func (p *Push) document(acc *access, blob repo.Hash) (*content.Document, error) {
	if blob.IsZero() {
		return nil, nil //nolint:nilnil // there is none
	}
	size, err := p.quarantine.Size(blob)
	if err != nil {
		return nil, asError(err)
	}
	if p.spent += size; p.spent > maxPushedBytes {
		return nil, repo.ErrPushTooLarge
	}
	src, err := p.quarantine.Blob(blob)
	if err != nil {
		return nil, asError(err)
	}
	return acc.Parse(src), nil
}

// validate notes the rules that the push breaks and that were kept before, each entry among
// all others as the push leaves them.
func (p *Push) validate(ctx context.Context, pushed *repo.Pushed, told *tellings) error {
	type entry struct {
		repo.PushedFile
		access        *access
		before, after *content.Document
	}
	var entries []entry
	p.spent = 0
	for _, f := range pushed.Files {
		if f.Collection == "" {
			continue
		}
		acc, err := p.site.access(p.principal, f.Collection)
		if err != nil {
			return err
		}
		e := entry{PushedFile: f, access: acc}
		if e.before, e.after, err = p.documents(acc, f); err != nil {
			return err
		}
		if e.after != nil {
			entries = append(entries, e)
		} else if err := pushed.Put(f, nil); err != nil {
			return err
		}
	}
	for _, e := range entries { // what is gone leaves room for what is new
		refusal := (*Error)(nil)
		if e.before == nil && errors.As(p.site.checkNew(pushed, Ref{e.Collection, e.Slug}, Ref{}), &refusal) {
			told.add(e.Path, refusal, e.after)
		}
		if err := pushed.Put(e.PushedFile, e.after); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		ref := Ref{e.Collection, e.Slug}
		err := readable(e.after)
		if e.before != nil && e.before.Err() != nil && err != nil {
			err = nil // it could not be read before either
		} else if err == nil {
			of := &edit{site: p.site, principal: p.principal, access: e.access, ref: ref}
			err = of.validate(pushed, e.before, e.after)
		}
		refusal := (*Error)(nil)
		if errors.As(err, &refusal) && refusal.Code != Unavailable {
			told.add(e.Path, refusal, e.after)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// checkObjects notes the pointers of Git LFS that the push brings, and whose files nobody has.
// One that the branch had, maybe elsewhere, may stay.
func (p *Push) checkObjects(ctx context.Context, pushed *repo.Pushed, told *tellings) error {
	if !p.site.KeepsObjects() {
		return nil
	}
	had := make(map[repo.Hash]bool)
	for _, f := range pushed.Files {
		had[f.Before] = true
	}
	var all []lfs.Pointer
	var paths []string
	for _, f := range pushed.Files {
		if f.Collection != "" || !f.Plain || f.After.IsZero() || had[f.After] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		pointer, is, err := p.pointer(f.After)
		if err != nil {
			return err
		}
		if is {
			all, paths = append(all, pointer), append(paths, f.Path)
		}
	}
	have, err := p.site.HaveObjects(ctx, p.principal, all)
	if err != nil {
		return err
	}
	for i, path := range paths {
		if !have[i] {
			told.add(path, &Error{Code: Pointer, Detail: say.New("This is a pointer of Git LFS, and neither this service nor its Git host has the file. Bring it first: git lfs push --all.")}, nil)
		}
	}
	return nil
}

// pointer reads a blob of the push that may be a pointer of Git LFS.
func (p *Push) pointer(blob repo.Hash) (pointer lfs.Pointer, is bool, err error) {
	size, err := p.quarantine.Size(blob)
	if err != nil {
		return pointer, false, asError(err)
	}
	if size >= lfs.MaxPointer {
		return pointer, false, nil
	}
	if p.spent += size; p.spent > maxPushedBytes {
		return pointer, false, repo.ErrPushTooLarge
	}
	src, err := p.quarantine.Blob(blob)
	if err != nil {
		return pointer, false, asError(err)
	}
	pointer, is = lfs.ParsePointer(src)
	return pointer, is, nil
}

// Land makes changes that were looked at and found right, all or none. The error is a
// *Error where that can be told to the pusher; a Conflict where a reference has moved on.
func (p *Push) Land(ctx context.Context, changes []RefChange) error {
	list := make([]repo.RefChange, len(changes))
	for i, c := range changes {
		list[i] = repo.RefChange{Name: c.Name, Old: repo.NewHash(c.Old), New: repo.NewHash(c.New)}
	}
	err := p.quarantine.Land(ctx, list)
	if errors.Is(err, repo.ErrNotForward) {
		return &Error{Code: Conflict, Detail: say.New("The branch has moved on. Fetch, merge or rebase, and push again."), Err: err}
	}
	return asError(err)
}

// tellings are what a pusher is told of files, the first of it.
type tellings struct {
	texts []say.Text
	count int
	seen  map[string]bool
}

// add tells why a file is refused: by each of its problems, with the place in the file. The
// document is the file's, nil where there are no places.
func (t *tellings) add(path string, e *Error, d *content.Document) {
	path = strings.ToValidUTF8(fmt.Sprintf("%.240s", path), "?")
	if len(e.Problems) == 0 {
		t.tell(say.New("%s: %s", path, e.Detail))
	}
	for _, pr := range e.Problems {
		at := path
		if line, column := place(d, pr); line > 0 {
			at = fmt.Sprintf("%s:%d:%d", path, line, column)
		}
		if pr.Field != "" {
			at += ": " + pr.Field
		}
		t.tell(say.New("%s: %s (%s)", at, pr.Detail, pr.Rule))
	}
}

// place is where a problem is in a document, zero where it has no place.
func place(d *content.Document, pr content.Problem) (line, column int) {
	if pr.Line > 0 || pr.Pointer == "" || d == nil {
		return pr.Line, pr.Column
	}
	return d.Place(pr.Pointer)
}

func (t *tellings) tell(text say.Text) {
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	if t.seen[text.String()] {
		return
	}
	t.seen[text.String()] = true
	if t.count++; t.count <= maxToldLines {
		t.texts = append(t.texts, text)
	}
}

// lines are all that is told, below a sentence.
func (t *tellings) lines(head say.Text) []say.Text {
	lines := append([]say.Text{head}, t.texts...)
	if more := t.count - len(t.texts); more > 0 {
		lines = append(lines, say.New("%d more of these are not listed", more))
	}
	return lines
}
