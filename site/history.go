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
	Depth    int    // of the commit, as [repo.Repo.Depth] has it; 0 where it is not told
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
	Total int    // of all commits that are told; 0 where it would cost too much to know
	Next  string // the cursor of the next page, which is the last commit of this one; "" at the end
}

// History is the commits that touched an entry, newest first, through renames: limit
// of them at most, and fewer where more would cost too much, behind the commit
// after, or from the newest on. It outlives the entry: what was deleted can still be
// told, and one that went to another collection is deleted here. Who does not see
// every entry of the collection with every field gets the commits whose outcome they
// see. What commits say of themselves may be about anything, and is for those alone
// who see everything in every collection.
func (s *Site) History(ctx context.Context, pr *auth.Principal, ref Ref, after string, limit int) (*HistoryPage, error) {
	p, err := s.past(ctx, pr, ref)
	if err != nil {
		return nil, err
	}
	defer p.sight.effort.done()
	from, err := p.behind(after)
	if err != nil {
		return nil, err
	}
	messages := s.seesAll(pr)
	page := &HistoryPage{}
	for i := from; i < len(p.of); i++ {
		c, err := p.told(i)
		if len(page.Items) > 0 && refusedForNow(err) || c != nil && len(page.Items) == limit {
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
			told.Message = subject(c.Action, p.sight.Name, ref.Slug.String())
		}
		page.Items = append(page.Items, told)
	}
	if after == "" && len(page.Items) == 0 {
		return nil, noEntry()
	}
	page.Total = p.count(s.effort(ctx, pr, maxCounting))
	return page, nil
}

// subject is what those are told of a commit who do not see everything.
func subject(a repo.Action, of, name string) string {
	verbs := map[repo.Action]string{repo.Created: "Create", repo.Updated: "Update", repo.Deleted: "Delete", repo.Moved: "Move"}
	return verbs[a] + " " + of + "/" + name
}

// A past is the commits that touched an entry, newest first, as one caller sees
// them. What the entry was after one is read when it is asked for.
type past struct {
	sight *sight
	ctx   context.Context
	of    []version
}

// version is a commit that touched an entry, and what a caller sees of it.
type version struct {
	repo.Change
	gone    bool   // the entry is not there after it: deleted, or moved to Path
	read    bool   // whether what follows is so
	visible bool   // never where the commit deleted the entry
	known   string // the revision that the caller knows the entry by after it; "" where it is not visible
}

// past is that of an entry which pr may read, if it is still there.
func (s *Site) past(ctx context.Context, pr *auth.Principal, ref Ref) (*past, error) {
	v, err := s.sight(pr, ref.Collection, auth.Read)
	if err != nil {
		return nil, err
	}
	v.effort = s.effort(ctx, pr, maxEffort)
	if now, ok := s.repo.View().Entry(ref.Collection, ref.Slug); ok && !v.sees(now) {
		return nil, noEntry()
	}
	return s.versions(ctx, v, ref.Slug)
}

// versions are the commits that touched the entry slug, newest first, through
// renames: to the one with which it came from another collection, whose rights
// are others.
func (s *Site) versions(ctx context.Context, v *sight, slug content.Slug) (*past, error) {
	path, err := v.Path(slug)
	if err != nil {
		return nil, noEntry()
	}
	found, err := s.repo.History(ctx, path)
	if err != nil {
		return nil, refusal(err)
	}
	p := &past{v, ctx, make([]version, len(found))}
	for i, c := range found {
		moved := c.Action == repo.Moved
		if _, own := v.Slug(c.Path); moved && !own {
			moved, c.Action, c.Path, c.Revision = false, repo.Deleted, path, repo.Hash{}
		}
		p.of[i] = version{Change: c, gone: c.Action == repo.Deleted || moved && c.Path != path}
		if moved && !p.of[i].gone {
			path = c.From // where it is told of from here on
			if _, own := v.Slug(path); !own {
				p.of = p.of[:i+1]
				break
			}
		}
	}
	return p, nil
}

// at is the i-th version, read; one that is nothing beyond the first commit.
func (p *past) at(i int) (*version, error) {
	if i >= len(p.of) {
		return &version{}, nil
	}
	c := &p.of[i]
	if c.read {
		return c, nil
	}
	known, err := p.sight.known(p.ctx, c.Revision)
	if err != nil {
		return nil, err
	}
	c.read, c.known, c.visible = true, known, known != ""
	return c, nil
}

// told is the i-th version if the caller is told of its commit, else nil.
func (p *past) told(i int) (*version, error) {
	c, err := p.at(i)
	if err != nil || p.sight.whole {
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

// behind is the number of the version after the one of a commit that was told; 0
// when none is named.
func (p *past) behind(commit string) (int, error) {
	if commit == "" {
		return 0, nil
	}
	i := slices.IndexFunc(p.of, func(c version) bool { return c.Commit.String() == commit })
	if i >= 0 {
		c, err := p.told(i)
		if err != nil || c != nil {
			return i + 1, err
		}
	}
	return 0, &Error{Code: Malformed, Detail: "The cursor is not one that this history gave. Leave it out to start from the newest commit."}
}

// count is how many commits are told, 0 when that takes more than an effort.
func (p *past) count(e *effort) int {
	if p.sight.whole {
		return len(p.of)
	}
	defer e.done()
	p.sight.effort = e
	total := 0
	for i := range p.of {
		c, err := p.told(i)
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
func (s *Site) base(ctx context.Context, v *sight, slug content.Slug, revision string) (*content.Document, error) {
	p, err := s.versions(ctx, v, slug)
	if err != nil {
		return nil, err
	}
	found := slices.IndexFunc(p.of, func(c version) bool {
		if v.whole {
			return c.Revision.String() == revision && !c.Revision.IsZero()
		}
		name, ok := v.named(c.Revision)
		return ok && name == revision && name != ""
	})
	for i := 0; found < 0 && i < len(p.of) && !v.whole; i++ {
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
	d, err := s.parsed(ctx, v.effort, p.of[found].Revision)
	if err != nil {
		return nil, there(err)
	}
	return v.shown(d)
}

// lastState is the last state of the entry that can be read, nil if there is none among
// those that are looked at.
func (p *past) lastState() (*content.Document, error) {
	var blobs []repo.Hash
	for _, c := range p.of[:min(len(p.of), maxLooked)] {
		blobs = append(blobs, c.Revision)
	}
	return p.sight.site.lastReadable(p.ctx, p.sight.effort, blobs)
}

// lastReadable is the first of the documents, whose blobs are called so, that can be
// read; nil if there is none. A blob that is zero is of no document.
func (s *Site) lastReadable(ctx context.Context, cost *effort, blobs []repo.Hash) (*content.Document, error) {
	for _, blob := range blobs {
		if blob.IsZero() {
			continue
		}
		if d, err := s.parsed(ctx, cost, blob); err != nil || d.Err() == nil {
			return d, err
		}
	}
	return nil, nil
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
	p, err := s.past(ctx, pr, ref)
	if err != nil {
		return nil, err
	}
	defer p.sight.effort.done()
	if first, err := p.find("to", "", 0, p.sight.whole); err != nil {
		return nil, err
	} else if first == len(p.of) {
		return nil, noEntry() // as of one that is out of sight, whatever is asked about it
	}
	newer, err := p.find("to", to, 0, p.sight.whole)
	if err != nil {
		return nil, err
	}
	older, err := p.find("from", from, newer+1, p.sight.whole)
	if err != nil {
		return nil, err
	}
	d := &Difference{}
	var before, after *content.Document
	if d.To, after, err = p.state(newer); err != nil {
		return nil, err
	}
	if older < len(p.of) {
		if d.From, before, err = p.state(older); err != nil {
			return nil, err
		}
	}
	if err := p.sight.effort.spend(parseCost * (sizeOf(before) + sizeOf(after))); err != nil {
		return nil, err
	}
	d.DocumentDiff = p.sight.diff(before, after, p.of[newer].Path.String())
	return d, nil
}

func sizeOf(d *content.Document) int {
	if d == nil {
		return 0
	}
	return len(d.Source())
}

// state is the entry as the i-th commit left it; the document is nil when it was gone.
func (p *past) state(i int) (*State, *content.Document, error) {
	c, err := p.at(i)
	if err != nil {
		return nil, nil, err
	}
	at := &State{Commit: c.Commit.String(), Path: c.Path}
	if c.gone {
		return at, nil, nil
	}
	at.Revision = c.known
	d, err := p.sight.site.parsed(p.ctx, p.sight.effort, c.Revision)
	return at, d, err
}

// find is the newest version that name is the commit or the revision of or, when
// name is empty, the first one from absent on; gone says whether it may be one
// after which the entry was not there. The parameter is what the caller calls it.
func (p *past) find(parameter, name string, absent int, gone bool) (int, error) {
	if name == "" {
		for ; absent < len(p.of); absent++ {
			c, err := p.at(absent)
			if err != nil || c.visible || gone && c.gone {
				return absent, err
			}
		}
		return absent, nil
	}
	for i := range p.of { // by its commit it is found without reading the others
		if p.of[i].Commit.String() != name {
			continue
		}
		c, err := p.at(i)
		if err != nil || c.visible || gone && c.gone {
			return i, err
		}
	}
	for i := range p.of {
		c, err := p.at(i)
		if err != nil || !c.gone && c.visible && c.known == name {
			return i, err
		}
	}
	return 0, &Error{Code: Malformed, Detail: fmt.Sprintf("What %q names is no commit or revision of this entry. Its history lists them.", parameter)}
}
