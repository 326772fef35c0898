package site

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
	"cms/search"
)

// Search asks for entries by their words.
type Search struct {
	Text       string
	Collection string // "" for all that the caller may read
	Limit      int    // 1 to [MaxLimit]
	Cursor     string // [Hits.Next] of the page before, or ""
	Prefix     bool   // the last word may be incomplete: for searches while somebody types
}

// Hits are a page of the entries that have every word of a search, the best
// first: those that are called so, then those that have the words in title or slug, then
// the others. Where there are none, one typing error in long words is forgiven.
type Hits struct {
	Items  []Hit
	Total  int
	Next   string // the cursor of the next page; "" at the end
	Commit string // the one that was searched, in hexadecimal: the newest, or one that came meanwhile
}

// Hit is an entry that was found, and where.
type Hit struct {
	Entry      *Entry
	Highlights []Highlight
}

// Highlight is a part of a field, or of the "body", as HTML: escaped text, with
// what was found in <mark>.
type Highlight struct {
	Field string
	HTML  string
}

// indexWait is how long a search waits for the index.
const indexWait = 10 * time.Second

// Search finds entries by the words of their fields and bodies, as far as pr
// sees them. A page can end before it has as many as it may.
func (s *Site) Search(ctx context.Context, pr *auth.Principal, q Search) (*Hits, error) {
	query, start, err := q.parse(s.languages)
	if err != nil {
		return nil, err
	}
	budget := s.budget(ctx, pr, pageBudget)
	defer budget.release()
	sights, err := s.searchable(pr, q.Collection, budget)
	if err != nil {
		return nil, err
	}
	for _, acc := range sights {
		if !acc.full { // whose entries are read while the index is held
			if err := budget.acquireSlot(); err != nil {
				return nil, err
			}
		}
	}
	waiting, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	found, total, commit, err := s.words.find(waiting, s.repo.View, query, start+q.Limit, visibleIn(sights))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, &Error{Code: Unavailable, Detail: say.New("The search index is still being built. Try again in a moment."), Err: err}
	} else if err != nil {
		return nil, firstReadError(err)
	}
	hits := &Hits{Items: []Hit{}, Total: total, Commit: commit}
	found = found[min(start, len(found)):]
	size := 0
	for _, e := range found {
		hit, err := sights[e.Collection].hit(query, e)
		if len(hits.Items) > 0 && isUnavailable(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		hits.Items = append(hits.Items, hit)
		if size += hit.Entry.size(); size > maxPage {
			break
		}
	}
	if shown := start + len(hits.Items); total > shown && len(hits.Items) > 0 {
		hits.Next = q.cursor(shown)
	}
	return hits, nil
}

// visibleIn says what the caller sees of an entry, for the index, which asks once of each.
func visibleIn(sights map[string]*access) search.Visible[*repo.Entry] {
	var ( // of the entry before, as most entries are of the same
		collection string
		acc        *access
	)
	return func(e *repo.Entry) ([]string, bool, error) {
		if e.Collection != collection {
			collection, acc = e.Collection, sights[e.Collection]
		}
		if acc == nil || acc.full {
			return nil, acc != nil, nil
		}
		if err := acc.budget.spend(e.Weight()); err != nil {
			return nil, false, err
		}
		if !acc.canRead(e) {
			return nil, false, nil
		}
		return acc.hidden(e.Fields()), true, nil
	}
}

// hit shows e and where the words of a query are in it.
func (acc *access) hit(query *search.Query, e *repo.Entry) (Hit, error) {
	entry, err := acc.view(e)
	if err != nil {
		return Hit{}, err
	}
	texts := textsOf(entry.Fields, e)
	size := 0
	for _, t := range texts {
		size += len(t.Text)
	}
	if err := acc.budget.spend(stemCost * size); err != nil {
		return Hit{}, err
	}
	return Hit{acc.crossCheck(entry, acc.site.repo.View()), highlights(query, texts, languageOf(acc.Collection))}, nil
}

// stemCost is how much more it costs to find the words of a text than to look at it.
const stemCost = 4

// searchable is what pr may read, of one collection or of all.
func (s *Site) searchable(pr *auth.Principal, only string, budget *budget) (map[string]*access, error) {
	if only != "" {
		acc, err := s.access(pr, only, auth.Read)
		if err != nil {
			return nil, err
		}
		acc.budget = budget
		return map[string]*access{only: acc}, nil
	}
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	sights := map[string]*access{}
	for _, c := range s.collections {
		if acc, err := s.access(pr, c.Name, auth.Read); err == nil { // otherwise it does not exist for them
			acc.budget = budget
			sights[c.Name] = acc
		}
	}
	return sights, nil
}

// hitsCursor is where a page of hits begins, and the id of its search.
type hitsCursor struct {
	Search string `json:"q"`
	Start  int    `json:"n"`
}

func (q Search) parse(languages []string) (*search.Query, int, error) {
	if q.Limit < 1 || q.Limit > MaxLimit {
		return nil, 0, &Error{Code: Malformed, Detail: say.New("The limit must be between 1 and %d.", MaxLimit)}
	}
	if len(q.Text) > MaxQueryText {
		return nil, 0, &Error{Code: Malformed, Detail: say.New("Look for at most %d bytes of text.", MaxQueryText)}
	}
	query, ok := search.ParseQuery(q.Text, languages...)
	if !ok {
		return nil, 0, &Error{Code: Malformed, Detail: say.New("Give 1 to %d words to look for.", search.MaxTerms)}
	}
	if q.Prefix {
		query.Complete()
	}
	if q.Cursor == "" {
		return query, 0, nil
	}
	var r hitsCursor
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil || r.Search != q.id() || r.Start < 0 || r.Start > math.MaxInt32 {
		return nil, 0, &Error{Code: Malformed, Detail: say.New("The cursor is not from this search. Leave it out to start from the beginning.")}
	}
	return query, r.Start, nil
}

func (q Search) cursor(start int) string {
	b, _ := json.Marshal(hitsCursor{q.id(), start}) // of a text and a number
	return base64.RawURLEncoding.EncodeToString(b)
}

// id names a search, but for its page.
func (q Search) id() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %t", q.Collection, q.Text, q.Prefix))
	return base64.RawURLEncoding.EncodeToString(h[:9])
}

// textsOf is what an entry is found by: its fields and its body.
func textsOf(fields *content.Object, e *repo.Entry) []search.Text {
	var texts []search.Text
	for _, m := range fields.Members {
		var b strings.Builder
		eachText(m.Value, func(s string) {
			b.WriteString(s)
			b.WriteByte('\n')
		})
		if b.Len() == 0 {
			continue
		}
		weight := 2.0
		if m.Key == titleField {
			weight = 5
		}
		texts = append(texts, search.Text{Field: m.Key, Text: b.String(), Weight: weight})
	}
	if src, err := e.Source(); err == nil { // otherwise only the fields are searched
		texts = append(texts, search.Text{Field: bodyField, Text: withoutMarkup(content.Body(src)), Weight: 1})
	}
	return texts
}

// named is the text by which an entry is called beside its title.
func named(e *repo.Entry) search.Text {
	return search.Text{Field: slugField, Text: e.Slug.String(), Weight: 3}
}

// bodyField and slugField stand for the body and the slug among fields. No key of a front
// matter that is shown to people is so.
const (
	bodyField  = ""
	slugField  = "\x00"
	titleField = "title"
)

// newness is how young an entry is, from 0, before the year 2000, to 1: by its date, as dateOf gives it, that in
// its slug, or when it was last changed. What is hidden counts for nothing: not a hidden date,
// nor a change where any field is hidden, as it may have been of that.
func newness(e *repo.Entry, date int64, hidden []string) float64 {
	if date == search.Undated || slices.Contains(hidden, "date") {
		name := e.Slug.String()
		name = name[strings.LastIndexByte(name, '/')+1:]
		at, _ := time.Parse(time.DateOnly, name[:min(len(name), len(time.DateOnly))])
		if at.IsZero() && len(hidden) == 0 {
			at = e.Updated().At
		}
		date = at.Unix()
	}
	const year = 365.25 * 24 * float64(time.Hour/time.Second)
	return min(1, max(0, (float64(date)/year-30)/50))
}

// dateOf is the date in the front matter, in Unix seconds, or [search.Undated].
func dateOf(fields *content.Object) int64 {
	var at time.Time
	switch v, _ := fields.Get("date"); v := v.(type) {
	case content.Time:
		at = v.Time
	case string:
		t, _ := content.ParseTime(v)
		at = t.Time
	}
	if at.IsZero() {
		return search.Undated
	}
	return at.Unix()
}

// markup is what is no text in a body: tags, and addresses of links.
var markup = regexp.MustCompile(`<[^<>]*>|\]\([^()\s]*\)`)

// withoutMarkup is the text of a body.
func withoutMarkup(body string) string {
	if !strings.Contains(body, "<") && !strings.Contains(body, "](") {
		return body
	}
	return markup.ReplaceAllString(body, " ")
}

// languageOf is the language of the entries of a collection.
func languageOf(c *content.Collection) string { return cmp.Or(c.Language, search.DefaultLanguage) }

func highlights(q *search.Query, texts []search.Text, language string) []Highlight {
	found := []Highlight{}
	for _, t := range texts {
		if html := q.Snippet(t.Text, language); html != "" {
			field := t.Field
			if field == bodyField {
				field = "body"
			}
			found = append(found, Highlight{field, html})
		}
	}
	return found
}

// wordIndex is the index of a site's entries. It follows the snapshots: whoever
// searches brings it to theirs, and KeepIndexed does so before anyone asks.
type wordIndex struct {
	lock        *semaphore.Weighted // readers take 1, writers maxReaders
	collections []*content.Collection
	awaitWarm   func(context.Context) error // as [Site.awaitWarm]
	gate        *gate                       // of those whom it keeps waiting

	// Guarded by lock.
	index *search.Index[*repo.Entry]
	holds *repo.Snapshot // what the index was made of; nil at first
}

const maxReaders = 1 << 20

func newWordIndex(collections []*content.Collection, awaitWarm func(context.Context) error, gate *gate) *wordIndex {
	return &wordIndex{lock: semaphore.NewWeighted(maxReaders), collections: collections, awaitWarm: awaitWarm, gate: gate, index: emptyIndex()}
}

func emptyIndex() *search.Index[*repo.Entry] { return search.New[*repo.Entry](titleField, slugField) }

// indexPause is how long commits gather before the index takes them in, unless
// somebody searches.
const indexPause = time.Second

// KeepIndexed brings the index for searches to new commits, until ctx ends. The writer
// must run.
func (s *Site) KeepIndexed(ctx context.Context) error {
	select {
	case <-s.repo.Started():
	case <-ctx.Done():
		return nil
	}
	for {
		snap := s.repo.View()
		if err := s.words.follow(ctx, s.repo.View); err != nil {
			return nil //nolint:nilerr // only the end of ctx keeps it from following
		}
		select {
		case <-snap.Superseded():
		case <-ctx.Done():
			return nil
		}
		select {
		case <-time.After(indexPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// find searches what view shows, or what came after it, for the n best, and says
// how many there are and of which commit.
func (x *wordIndex) find(ctx context.Context, view func() *repo.Snapshot, q *search.Query, n int, see search.Visible[*repo.Entry]) ([]*repo.Entry, int, string, error) {
	if err := x.follow(ctx, view); err != nil {
		return nil, 0, "", err
	}
	if err := x.lock.Acquire(ctx, 1); err != nil {
		return nil, 0, "", err
	}
	defer x.lock.Release(1)
	less := func(a, b *repo.Entry) int { return strings.Compare(a.Path.String(), b.Path.String()) }
	best, total, err := x.index.Find(ctx, q, see, newness, less, n)
	return best, total, hexOrEmpty(x.holds.Commit()), err
}

// follow makes the index that of the newest snapshot. Entries that are read for the first
// time are waited for, as they are read far quicker in their order on disk. When ctx ends
// before the first index is made, nothing is kept of it.
func (x *wordIndex) follow(ctx context.Context, view func() *repo.Snapshot) error {
	if err := x.lock.Acquire(ctx, 1); err != nil {
		return err
	}
	there := x.holds != nil && x.holds.Commit() == view().Commit()
	x.lock.Release(1)
	if there {
		return nil
	}
	if err := x.lock.Acquire(ctx, maxReaders); err != nil {
		return err
	}
	defer x.lock.Release(maxReaders)
	if err := x.awaitWarm(ctx); err != nil {
		return err
	}
	snap := view() // never older than what the index was made of
	n, shift := 0, x.gate.shift()
	for _, c := range x.collections {
		for e, gone := range snap.Since(x.holds, c.Name) {
			runtime.Gosched() // whoever waits for an answer goes first
			if n++; x.holds == nil && n%gateEntries == 0 {
				if err := shift.pass(ctx); err != nil {
					x.index = emptyIndex()
					return err
				}
			}
			if gone {
				x.index.Remove(e)
			} else {
				fields := e.Fields()
				x.index.Put(e, languageOf(c), append(textsOf(fields, e), named(e)), dateOf(fields))
			}
		}
	}
	x.holds = snap
	return nil
}
