package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// read reads entries, files and their histories until ctx ends, and wants none of
// what is shown to be a write that was told as not saved, or nobody's.
func (c *chaos) read(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{}}
	for ctx.Err() == nil {
		rest(ctx, upTo(60*time.Millisecond))
		a, ok := c.get(ctx, client, targetOf(sharedEntry(roll(sharedOnes))))
		if !ok {
			continue
		}
		if f := a.told().Fields; f.ID != "" {
			c.checkMark(f.Mark, "an entry")
		}
		a, ok = c.get(ctx, client, "/v1/collections/consultations/history/"+slugOf(sharedEntry(roll(sharedOnes)))+"?limit=20")
		if ok {
			c.noteTold(a, "a history")
		}
	}
}

// list asks for lists, searches and changes until ctx ends.
func (c *chaos) list(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{}}
	for ctx.Err() == nil {
		rest(ctx, upTo(300*time.Millisecond))
		a, ok := c.get(ctx, client, "/v1/collections/consultations/entries?filter[mark][exists]=true&sort=-date,mark&limit=500")
		var page struct {
			Items []struct{ Fields struct{ Mark string } }
		}
		if ok && json.Unmarshal(a.body, &page) == nil {
			for _, i := range page.Items {
				c.checkMark(i.Fields.Mark, "a list")
			}
		}
		c.get(ctx, client, "/v1/search?q=consultation&limit=20")
		c.get(ctx, client, "/v1/media?limit=100")
		if a, ok = c.get(ctx, client, "/v1/changes?limit=50&since="+c.checkedAt()); ok {
			c.noteTold(a, "the changes")
		}
	}
}

// get makes a request that changes nothing, and is false when there is nothing to
// look at in its answer.
func (c *chaos) get(ctx context.Context, client *http.Client, target string) (answer, bool) {
	a, err := c.request(ctx, client, write{subject: "read", method: http.MethodGet, target: target})
	c.count("read")
	switch {
	case err != nil:
		return a, false
	case a.status == http.StatusOK:
		return a, true
	case a.status != http.StatusNotFound && a.status < http.StatusInternalServerError:
		c.fail(fmt.Errorf("GET %s: %d %s", target, a.status, a.body))
	}
	return a, false
}

// checkMark is for when a reader was shown the mark of a write.
func (c *chaos) checkMark(mark, where string) {
	if mark == "" || mark == startMark {
		return
	}
	if told, known := c.ledger.told(mark); !known || told == refused {
		c.fail(fmt.Errorf("%s shows the mark %q, which was %s (known: %t)", where, mark, told, known))
	}
}

// noteTold is that a reader was told of commits: the next check asks whether they are
// there.
func (c *chaos) noteTold(a answer, where string) {
	var page struct{ Items []struct{ Commit string } }
	if err := json.Unmarshal(a.body, &page); err != nil {
		c.fail(fmt.Errorf("%s cannot be read: %w", where, err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range page.Items {
		c.toldTo[i.Commit] = where
	}
}

// takeTold is what readers were told since it was asked last, and where.
func (c *chaos) takeTold() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.toldTo
	c.toldTo = make(map[string]string)
	return told
}
