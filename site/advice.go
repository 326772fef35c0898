package site

import (
	"context"
	"errors"

	lru "github.com/hashicorp/golang-lru/v2"

	"cms/advice"
	"cms/auth"
	"cms/content"
	"cms/preview"
	"cms/repo"
	"cms/say"
)

// TextAdvice is what could be better in one text of an entry: its body, or a field.
type TextAdvice struct {
	Field    content.FieldPath // nil for the body
	Findings []advice.Finding  // at bytes of that text
	Refused  say.Text          // why the text was not looked at; zero when it was
}

// EntryAdvice is what could be better in those of an entry's texts that the caller sees:
// the body, and then the fields in Markdown. Those without findings are left out. It is
// shared, and must not be changed.
type EntryAdvice struct {
	Entry *Entry
	Texts []TextAdvice
}

// AdvicePage is a part of a report on a collection: of the entries that were looked at,
// those for which there is advice.
type AdvicePage struct {
	Items  []EntryAdvice
	Looked int    // how many entries were looked at
	Next   string // the cursor of the next page; "" at the end
}

// What advice costs, in bytes looked at for each byte of text, and how much of it is kept.
const (
	adviceCost    = 32
	maxAdvice     = 4096     // entries at a revision
	maxAdviceKept = 16 << 10 // bytes of one
)

// adviceKey is all that the advice on an entry depends on. A revision is of what the caller
// sees.
type adviceKey struct{ collection, revision string }

// adviceCache keeps advice by revision.
type adviceCache struct {
	kept *lru.Cache[adviceKey, []TextAdvice]
}

func newAdviceCache() adviceCache {
	kept, _ := lru.New[adviceKey, []TextAdvice](maxAdvice) // a positive size is no error
	return adviceCache{kept}
}

// AdviceReport is a page of what could be better in a collection, by the entries that a
// query asks for, in its order. Rules are those that are asked for; all where there are
// none. A page looks at as many entries as its limit, or at fewer where that costs much.
// What was found is kept by revision, so that a retry gets further.
func (s *Site) AdviceReport(ctx context.Context, pr *auth.Principal, collection string, q Query, rules ...advice.Rule) (*AdvicePage, error) {
	l, all, err := s.asked(ctx, pr, collection, q)
	if err != nil {
		return nil, err
	}
	acc := l.access
	defer acc.budget.release()
	r, visible, size, snap := l.reader(), acc.visible(), 0, s.repo.View()
	page := &AdvicePage{}
	var last *repo.Entry
	for e := range all.behind(l.after, r.key) {
		if page.Looked == q.Limit || size > maxPage/4 {
			page.Next = l.cursor(position{r.key(last), last.Slug.String()})
			break
		}
		seen, err := s.views.get(acc, visible, e)
		var texts []TextAdvice
		if err == nil {
			texts, err = acc.advice(ctx, seen)
		}
		if last != nil && isUnavailable(err) {
			page.Next = l.cursor(position{r.key(last), last.Slug.String()})
			break
		}
		if err != nil {
			return nil, err
		}
		if texts = ofRules(texts, rules); len(texts) > 0 {
			seen = acc.crossCheck(seen, snap)
			page.Items = append(page.Items, EntryAdvice{seen, texts})
			size += seen.size() + weighAdvice(texts)
		}
		page.Looked++
		last = e
	}
	return page, nil
}

// ofRules are the texts with findings of some rules, all where there are none.
func ofRules(texts []TextAdvice, rules []advice.Rule) []TextAdvice {
	if len(rules) == 0 {
		return texts
	}
	var few []TextAdvice
	for _, t := range texts {
		found := t.Findings
		t.Findings = nil
		for _, f := range found {
			for _, rule := range rules {
				if f.Rule == rule {
					t.Findings = append(t.Findings, f)
					break
				}
			}
		}
		if len(t.Findings) > 0 {
			few = append(few, t)
		}
	}
	return few
}

// advice is what could be better in an entry, as the caller sees it. A file whose front
// matter cannot be read has its problems told of elsewhere.
func (acc *access) advice(ctx context.Context, e *Entry) ([]TextAdvice, error) {
	if unreadable(e.Problems) {
		return nil, nil
	}
	s, name := acc.site, adviceKey{e.Collection, e.Revision}
	if texts, ok := s.advices.kept.Get(name); ok {
		return texts, nil
	}
	body, err := e.Body()
	if err != nil {
		return nil, errUnreadable()
	}
	type source struct {
		at   content.FieldPath
		text string
	}
	sources := []source{{nil, body}}
	textsUnder(acc.Schema.Fields, e.Fields, func(at content.FieldPath, f *content.Field, text string) {
		if f.Type == content.TypeMarkdown {
			sources = append(sources, source{at, text})
		}
	})
	cost := 0
	for _, from := range sources {
		cost += adviceCost * min(len(from.text), preview.MaxBytes)
	}
	if err := acc.budget.spend(cost); err != nil {
		return nil, err
	}
	if acc.budget.spent() > slotThreshold {
		if err := acc.budget.acquireSlot(); err != nil {
			return nil, err
		}
	}
	var found []TextAdvice
	for _, from := range sources {
		t := TextAdvice{Field: from.at}
		page, err := s.preview.Blocks(ctx, from.text)
		if err = notShown(err); err == nil {
			t.Findings, err = s.Advice(ctx, from.text, page, languageOf(acc.Collection))
		}
		if refused := (*Error)(nil); errors.As(err, &refused) && refused.Code == Invalid {
			t.Refused, err = refused.Detail, nil
		}
		if err != nil {
			return nil, err
		}
		if len(t.Findings) > 0 || !t.Refused.IsZero() {
			found = append(found, t)
		}
	}
	if weighAdvice(found) <= maxAdviceKept {
		s.advices.kept.Add(name, found)
	}
	return found, nil
}

// weighAdvice is about how many bytes advice takes.
func weighAdvice(texts []TextAdvice) int {
	n := 0
	for _, t := range texts {
		n += 200 + len(t.Refused.String())
		for _, f := range t.Findings {
			n += 200
			for name, value := range f.Args {
				n += 50 + len(name) + len(value)
			}
			for _, fix := range f.Fixes {
				n += 100 + len(fix.Text) + len(fix.After)
			}
		}
	}
	return n
}
