package editor

import (
	"slices"
	"strings"
	"sync"
	"time"

	"cms/auth"
	"cms/site"
	"cms/web"
)

// presence knows who has which entry open. It is a courtesy: nobody is locked out, and
// nothing of it outlives the service.
type presence struct {
	mu   sync.Mutex
	seen map[site.Ref]map[string]looked
	news chan struct{} // is closed when somebody comes or goes
}

// looked is who looks at an entry, and when they were last heard of.
type looked struct {
	name string
	at   time.Time
}

// awayAfter is how long somebody is there after the last word of their browser, and
// maxPresent how many entries are remembered.
const (
	awayAfter  = 90 * time.Second
	maxPresent = 10_000
)

func newPresence() *presence {
	return &presence{seen: map[site.Ref]map[string]looked{}, news: make(chan struct{})}
}

// look notes that somebody looks at an entry, and tells who else does.
func (p *presence) look(pr *auth.Principal, ref site.Ref, now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	me := web.CallerKey(pr)
	there := p.seen[ref]
	if there == nil {
		if len(p.seen) >= maxPresent {
			p.sweep(now)
		}
		if len(p.seen) >= maxPresent {
			return nil
		}
		there = map[string]looked{}
		p.seen[ref] = there
	}
	if last, ok := there[me]; !ok || now.Sub(last.at) > awayAfter {
		p.tell()
	}
	there[me] = looked{pr.Name, now}
	var others []string
	for key, who := range there {
		switch {
		case now.Sub(who.at) > awayAfter:
			delete(there, key)
		case key != me:
			others = append(others, who.name)
		}
	}
	slices.SortFunc(others, strings.Compare)
	return slices.Compact(others)
}

// leave notes that somebody has closed an entry.
func (p *presence) leave(pr *auth.Principal, ref site.Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if there := p.seen[ref]; there != nil {
		if delete(there, web.CallerKey(pr)); len(there) == 0 {
			delete(p.seen, ref)
		}
		p.tell()
	}
}

// tell wakes who waits for somebody to come or go.
func (p *presence) tell() {
	close(p.news)
	p.news = make(chan struct{})
}

// changed is closed when somebody comes or goes.
func (p *presence) changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.news
}

// sweep forgets who is away.
func (p *presence) sweep(now time.Time) {
	for ref, there := range p.seen {
		for key, who := range there {
			if now.Sub(who.at) > awayAfter {
				delete(there, key)
			}
		}
		if len(there) == 0 {
			delete(p.seen, ref)
		}
	}
}
