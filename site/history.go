package site

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cms/auth"
	"cms/content"
	"cms/repo"
)

// Person is someone as commits name them.
type Person = repo.Person

// Change is a commit that touched an entry.
type Change struct {
	Commit   string // in hexadecimal
	At       time.Time
	Author   Person
	Message  string // the subject
	Action   string // created, updated, deleted or moved
	Path     content.Path
	Revision string // the entry's after it; "" when it was deleted
	Depth    int    // of the commit, as [repo.Repo.Depth] has it; 0 where it is unknown
}

func change(c repo.Change) Change {
	return Change{
		Commit:   hexOrEmpty(c.Commit),
		At:       c.At,
		Author:   c.Author,
		Message:  c.Message,
		Action:   string(c.Action),
		Path:     c.Path,
		Revision: hexOrEmpty(c.Revision),
	}
}

// HistoryPage is a page of the commits that touched an entry.
type HistoryPage struct {
	Items []Change
	Total int    // of all commits that the caller may see; 0 where it would cost too much to count
	Next  string // the cursor of the next page, which is the last commit of this one; "" at the end
}

// History is the commits that touched an entry, newest first, through renames: limit
// of them at most, and fewer where more would cost too much, behind the commit
// after, or from the newest on. It outlives the entry: a deleted one still has it, and
// one that was moved to another collection is deleted here. Callers who do not see
// every entry of the collection with every field get the commits whose outcome they
// see. Commit messages may be about anything, so only callers who see everything in
// every collection get them.
func (s *Site) History(ctx context.Context, pr *auth.Principal, ref Ref, after string, limit int) (*HistoryPage, error) {
	p, err := s.timeline(ctx, pr, ref)
	if err != nil {
		return nil, err
	}
	defer p.access.budget.release()
	from, err := p.after(after)
	if err != nil {
		return nil, err
	}
	messages := s.seesAll(pr)
	page := &HistoryPage{}
	for i := from; i < len(p.versions); i++ {
		c, err := p.visible(i)
		if len(page.Items) > 0 && isUnavailable(err) || c != nil && len(page.Items) == limit {
			page.Next = page.Items[len(page.Items)-1].Commit
			break
		}
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		told := change(c.Change)
		if told.Revision = c.known; !messages {
			told.Message = subject(c.Action, p.access.Name, ref.Slug.String())
		}
		page.Items = append(page.Items, told)
	}
	if after == "" && len(page.Items) == 0 {
		return nil, errNoEntry()
	}
	page.Total = p.count(s.budget(ctx, pr, countBudget))
	return page, nil
}

// subject stands for the message of a commit for callers who do not see everything.
func subject(a repo.Action, of, name string) string {
	verbs := map[repo.Action]string{repo.Created: "Create", repo.Updated: "Update", repo.Deleted: "Delete", repo.Moved: "Move"}
	return verbs[a] + " " + of + "/" + name
}

// A timeline is the commits that touched an entry, newest first, as one caller sees
// them. What the entry was after each is read on demand.
type timeline struct {
	access   *access
	ctx      context.Context
	versions []version
}

// version is a commit that touched an entry, and what a caller sees of it.
type version struct {
	repo.Change
	gone    bool   // the entry is not there after it: deleted, or moved to Path
	read    bool   // whether what follows is so
	visible bool   // never where the commit deleted the entry
	known   string // the revision that the caller knows the entry by after it; "" where it is not visible
}

// timeline is that of an entry which pr may read, if it is still there.
func (s *Site) timeline(ctx context.Context, pr *auth.Principal, ref Ref) (*timeline, error) {
	acc, err := s.access(pr, ref.Collection, auth.Read)
	if err != nil {
		return nil, err
	}
	acc.budget = s.budget(ctx, pr, pageBudget)
	if now, ok := s.repo.View().Entry(ref.Collection, ref.Slug); ok && !acc.canRead(now) {
		return nil, errNoEntry()
	}
	return s.versions(ctx, acc, ref.Slug)
}

// versions are the commits that touched the entry slug, newest first, through
// renames: to the one with which it came from another collection, whose rights
// are others.
func (s *Site) versions(ctx context.Context, acc *access, slug content.Slug) (*timeline, error) {
	path, err := acc.Path(slug)
	if err != nil {
		return nil, errNoEntry()
	}
	found, err := s.repo.History(ctx, path)
	if err != nil {
		return nil, asError(err)
	}
	p := &timeline{acc, ctx, make([]version, len(found))}
	for i, c := range found {
		moved := c.Action == repo.Moved
		if _, own := acc.Slug(c.Path); moved && !own {
			moved, c.Action, c.Path, c.Revision = false, repo.Deleted, path, repo.Hash{}
		}
		p.versions[i] = version{Change: c, gone: c.Action == repo.Deleted || moved && c.Path != path}
		if moved && !p.versions[i].gone {
			path = c.From // the older commits are about this path
			if _, own := acc.Slug(path); !own {
				p.versions = p.versions[:i+1]
				break
			}
		}
	}
	return p, nil
}

// at is the i-th version, read; one that is nothing beyond the first commit.
func (p *timeline) at(i int) (*version, error) {
	if i >= len(p.versions) {
		return &version{}, nil
	}
	c := &p.versions[i]
	if c.read {
		return c, nil
	}
	known, err := p.access.visibleRevision(p.ctx, c.Revision)
	if err != nil {
		return nil, err
	}
	c.read, c.known, c.visible = true, known, known != ""
	return c, nil
}

// visible is the i-th version if the caller may see its commit, otherwise nil.
func (p *timeline) visible(i int) (*version, error) {
	c, err := p.at(i)
	if err != nil || p.access.full {
		return c, err
	}
	gone := c.Revision.IsZero()
	if !gone && !c.visible {
		return nil, nil
	}
	if gone || c.Action == repo.Updated {
		older, err := p.at(i + 1)
		if err != nil || gone && !older.visible || !gone && c.known == older.known {
			return nil, err
		}
	}
	return c, nil
}

// after is the number of the version behind that of a visible commit; 0 when commit is
// empty.
func (p *timeline) after(commit string) (int, error) {
	if commit == "" {
		return 0, nil
	}
	i := slices.IndexFunc(p.versions, func(c version) bool { return c.Commit.String() == commit })
	if i >= 0 {
		c, err := p.visible(i)
		if err != nil || c != nil {
			return i + 1, err
		}
	}
	return 0, &Error{Code: Malformed, Detail: "The cursor is not from this history. Leave it out to start from the newest commit."}
}

// count is how many commits are visible, 0 when that exceeds the budget.
func (p *timeline) count(e *budget) int {
	if p.access.full {
		return len(p.versions)
	}
	defer e.release()
	p.access.budget = e
	total := 0
	for i := range p.versions {
		c, err := p.visible(i)
		if err != nil {
			return 0
		}
		if c != nil {
			total++
		}
	}
	return total
}

// base is the entry slug as the caller sees it at the revision that they know
// by that name, the newest one if there are several. What was read before is not
// read to find it.
func (s *Site) base(ctx context.Context, acc *access, slug content.Slug, revision string) (*content.Document, error) {
	p, err := s.versions(ctx, acc, slug)
	if err != nil {
		return nil, err
	}
	found := slices.IndexFunc(p.versions, func(c version) bool {
		if acc.full {
			return c.Revision.String() == revision && !c.Revision.IsZero()
		}
		name, ok := acc.cachedRevision(c.Revision)
		return ok && name == revision && name != ""
	})
	for i := 0; found < 0 && i < len(p.versions) && !acc.full; i++ {
		c, err := p.at(i)
		if err != nil {
			return nil, err
		}
		if c.visible && c.known == revision {
			found = i
		}
	}
	if found < 0 {
		return nil, &Error{Code: Malformed, Detail: "The base is not a revision of this entry. Give the revision that the edit was made on."}
	}
	d, err := s.parsed(ctx, acc.budget, acc.Collection, p.versions[found].Revision)
	if err != nil {
		return nil, mustExist(err)
	}
	return acc.visibleDocument(d)
}

// lastState is the last state of the entry that can be read, nil if there is none among
// those that are looked at.
func (p *timeline) lastState() (*content.Document, error) {
	var blobs []repo.Hash
	for _, c := range p.versions[:min(len(p.versions), maxHistorySearch)] {
		blobs = append(blobs, c.Revision)
	}
	return p.access.site.lastReadable(p.ctx, p.access.budget, p.access.Collection, blobs)
}

// lastReadable is the first of the documents of a collection, whose blobs are called so, that can be
// read; nil if there is none. A blob that is zero is of no document.
func (s *Site) lastReadable(ctx context.Context, budget *budget, c *content.Collection, blobs []repo.Hash) (*content.Document, error) {
	for _, blob := range blobs {
		if blob.IsZero() {
			continue
		}
		if d, err := s.parsed(ctx, budget, c, blob); err != nil || d.Err() == nil {
			return d, err
		}
	}
	return nil, nil
}

// EntryAt is an entry as it was: at one of its revisions, or at a commit of the branch. Its
// problems are those with the rules of today, but for those about other entries. It is also
// that of an entry which was deleted since, or had another name. NotFound when the entry was
// not there then, as far as pr sees.
func (s *Site) EntryAt(ctx context.Context, pr *auth.Principal, ref Ref, at string) (*Entry, error) {
	p, err := s.timeline(ctx, pr, ref)
	if err != nil {
		return nil, err
	}
	defer p.access.budget.release()
	if first, err := p.find("at", "", 0, p.access.full); err != nil {
		return nil, err
	} else if first == len(p.versions) {
		return nil, errNoEntry() // whatever is asked about it
	}
	i, err := p.moment(at)
	if err != nil {
		return nil, err
	}
	c, err := p.at(i)
	if err != nil {
		return nil, err
	}
	if c.gone || !c.visible {
		return nil, &Error{Code: NotFound, Detail: "There was no such entry at that commit."}
	}
	d, err := s.parsed(ctx, p.access.budget, p.access.Collection, c.Revision)
	if err != nil {
		return nil, err
	}
	changes := make([]repo.Change, 0, maxHistorySearch+1)
	for _, v := range p.versions[i:min(i+maxHistorySearch+1, len(p.versions))] {
		changes = append(changes, v.Change)
	}
	last := c.Change
	if len(p.access.hidden(d.Fields())) > 0 {
		if last, err = p.access.lastVisible(ctx, changes); err != nil {
			return nil, err
		}
	}
	return p.access.newEntry(Entry{Ref: ref, Path: c.Path, Revision: c.known, Updated: change(last),
		source: func() ([]byte, error) { return d.Source(), nil }}, d.Fields(), d.Problems()), nil
}

// moment is the number of the version that was there at a commit of the branch, or that
// has a revision; that of none before the first one.
func (p *timeline) moment(at string) (int, error) {
	until, ok := p.access.site.Position(at)
	if !ok {
		return p.find("at", at, 0, p.access.full)
	}
	for i := range p.versions {
		if n, known := p.access.site.repo.Position(p.versions[i].Commit); known && n <= until {
			return i, nil
		}
	}
	return len(p.versions), nil
}

// Difference is what lies between two states of an entry.
type Difference struct {
	content.DocumentDiff
	From, To *State // From is nil for nothing, before the entry was created
}

// State is an entry as a commit left it.
type State struct {
	Commit   string // in hexadecimal
	Revision string // "" when the entry was gone
	Path     content.Path
}

// Diff compares two states of an entry, each named by its commit or revision. An
// empty to is the newest state, an empty from the one before to.
func (s *Site) Diff(ctx context.Context, pr *auth.Principal, ref Ref, from, to string) (*Difference, error) {
	p, err := s.timeline(ctx, pr, ref)
	if err != nil {
		return nil, err
	}
	defer p.access.budget.release()
	if first, err := p.find("to", "", 0, p.access.full); err != nil {
		return nil, err
	} else if first == len(p.versions) {
		return nil, errNoEntry() // as for an entry that the caller may not see, whatever is asked about it
	}
	newer, err := p.find("to", to, 0, p.access.full)
	if err != nil {
		return nil, err
	}
	older, err := p.find("from", from, newer+1, p.access.full)
	if err != nil {
		return nil, err
	}
	d := &Difference{}
	var before, after *content.Document
	if d.To, after, err = p.state(newer); err != nil {
		return nil, err
	}
	if older < len(p.versions) {
		if d.From, before, err = p.state(older); err != nil {
			return nil, err
		}
	}
	if err := p.access.budget.spend(parseCost * (sizeOf(before) + sizeOf(after))); err != nil {
		return nil, err
	}
	d.DocumentDiff = p.access.diff(before, after, p.versions[newer].Path.String())
	return d, nil
}

func sizeOf(d *content.Document) int {
	if d == nil {
		return 0
	}
	return len(d.Source())
}

// state is the entry as the i-th commit left it; the document is nil when it was gone.
func (p *timeline) state(i int) (*State, *content.Document, error) {
	c, err := p.at(i)
	if err != nil {
		return nil, nil, err
	}
	at := &State{Commit: c.Commit.String(), Path: c.Path}
	if c.gone {
		return at, nil, nil
	}
	at.Revision = c.known
	d, err := p.access.site.parsed(p.ctx, p.access.budget, p.access.Collection, c.Revision)
	return at, d, err
}

// find is the newest version that name is the commit or the revision of or, when
// name is empty, the first one from absent on; gone says whether it may be one
// after which the entry was not there. The parameter is what the caller calls it.
func (p *timeline) find(parameter, name string, absent int, gone bool) (int, error) {
	if name == "" {
		for ; absent < len(p.versions); absent++ {
			c, err := p.at(absent)
			if err != nil || c.visible || gone && c.gone {
				return absent, err
			}
		}
		return absent, nil
	}
	for i := range p.versions { // by its commit it is found without reading the others
		if p.versions[i].Commit.String() != name {
			continue
		}
		c, err := p.at(i)
		if err != nil || c.visible || gone && c.gone {
			return i, err
		}
	}
	for i := range p.versions {
		c, err := p.at(i)
		if err != nil || !c.gone && c.visible && c.known == name {
			return i, err
		}
	}
	return 0, &Error{Code: Malformed, Detail: fmt.Sprintf("The parameter %q is not a commit or revision of this entry. The history lists them.", parameter)}
}
