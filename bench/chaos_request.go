package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	answerTime = 90 * time.Second // within which each request is answered, however busy the machine is
	retryTime  = 15 * time.Second // for how long a client tries again
)

// write is one request that changes something, with the subject that its commit
// bears.
type write struct {
	subject, method, target string
	contentType, match      string // match is If-Match, or "none" for If-None-Match: *
	key                     string // "" for none
	body                    []byte
}

// answer is what a client was told.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// told is the members of an answer that a client looks at.
func (a answer) told() (t struct {
	Code, Commit, Revision, Slug string
	Fields                       struct{ ID, Mark, Extra string }
	Updated                      struct{ Commit string }
}) {
	_ = json.Unmarshal(a.body, &t) // what is missing fails where it is compared
	return t
}

// request sends one request to the service as it runs now. An error is that the
// connection was cut, or with ECONNREFUSED that nothing was sent.
func (c *chaos) request(ctx context.Context, client *http.Client, w write) (answer, error) {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	svc, epoch := c.service.Load(), c.epoch.Load()
	req, err := http.NewRequestWithContext(limited, w.method, svc.url+w.target, bytes.NewReader(w.body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+svc.token)
	for name, value := range map[string]string{"Content-Type": w.contentType, "If-Match": w.match, "Idempotency-Key": w.key} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if w.match == "none" {
		req.Header.Del("If-Match")
		req.Header.Set("If-None-Match", "*")
	}
	a, err := answerTo(client, req)
	if limited.Err() != nil && ctx.Err() == nil {
		c.fail(fmt.Errorf("%s %s (%s): no answer within %s", w.method, w.target, w.subject, answerTime))
	}
	disturbed := epoch%2 == 1 || c.epoch.Load() != epoch
	switch {
	case err != nil && !disturbed && ctx.Err() == nil:
		c.fail(fmt.Errorf("%s %s (%s), while nothing disturbed the service: %w", w.method, w.target, w.subject, err))
	case err == nil && a.status == http.StatusInternalServerError: // whatever is wrong with the machine is told otherwise
		c.fail(fmt.Errorf("%s %s (%s): %d %s", w.method, w.target, w.subject, a.status, a.body))
	}
	if err == nil {
		c.count(fmt.Sprint("status ", a.status))
	}
	return a, err
}

func answerTo(client *http.Client, req *http.Request) (answer, error) {
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, body}, err
}

// perform makes a write as a careful client does, who sends it again under its key
// until they know what came of it, and tells the ledger. Without a key a write is
// sent again only as long as nothing of it can have arrived. late says that the key
// is still in use by an attempt that was cut off.
func (c *chaos) perform(ctx context.Context, client *http.Client, w write) (o outcome, a answer, late bool) {
	_, again := c.ledger.told(w.subject)
	if !again {
		c.ledger.begin(w.subject)
	}
	if w.key != "" && roll(8) == 0 {
		o, a, late = c.twice(ctx, client, w, again)
	} else {
		o, a, late = c.attempts(ctx, client, w, again)
	}
	commit := ""
	if t := a.told(); o == acked {
		commit = t.Commit
		if commit == "" {
			commit = t.Updated.Commit
		}
	}
	c.ledger.settle(w.subject, o, commit, fmt.Sprintf("%d %s", a.status, a.body))
	return o, a, late
}

// twice sends a write a second time while the first is under way.
func (c *chaos) twice(ctx context.Context, client *http.Client, w write, again bool) (o outcome, a answer, late bool) {
	var (
		wg     sync.WaitGroup
		second answer
		err    error
	)
	wg.Go(func() {
		second, err = c.request(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, w)
	})
	o, a, late = c.attempts(ctx, client, w, again)
	wg.Wait()
	c.count("sent twice at once")
	switch {
	case o == acked:
	case err == nil && second.status < http.StatusBadRequest:
		return acked, second, false
	case err != nil && !errors.Is(err, syscall.ECONNREFUSED), second.status == http.StatusInternalServerError, second.status == http.StatusGatewayTimeout:
		return unknown, a, late
	}
	return o, a, late
}

// attempts sends a write until it is known what came of it, or too long. again says that it
// was sent before all of them, and that nobody knows what came of that: an answer that
// this request saved nothing says nothing of that one.
func (c *chaos) attempts(ctx context.Context, client *http.Client, w write, again bool) (o outcome, a answer, late bool) {
	cut := again // an attempt may have arrived, of which nothing is known
	for began := time.Now(); ; {
		a, err := c.request(ctx, client, w)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
		case err != nil:
			cut = true
		case a.status < http.StatusBadRequest:
			return acked, a, false
		case a.status == http.StatusConflict && a.told().Code == "already_made":
			c.count("already made")
			return acked, a, false
		case a.status == http.StatusConflict && a.told().Code == "idempotency_key_in_use":
			cut, late = true, true
		case a.status == http.StatusServiceUnavailable, a.status == http.StatusInsufficientStorage:
			if !cut {
				return refused, a, false
			}
		case a.status >= http.StatusInternalServerError:
			cut = true
		default: // refused for what it is, so no attempt before it was made
			return refused, a, false
		}
		if cut && w.key == "" || ctx.Err() != nil || late || time.Since(began) > retryTime {
			if !cut {
				return refused, a, false
			}
			return unknown, a, late
		}
		c.count("sent again")
		rest(ctx, time.Duration(20+roll(200))*time.Millisecond)
	}
}

// rest waits for d, or for the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
