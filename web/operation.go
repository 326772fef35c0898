package web

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"cms/auth"
)

// Operation is what a door does for one kind of request.
type Operation struct {
	Name   string                                       // in the audit log; "" for what is no operation of a client, such as a page
	Route  string                                       // the template of its path, in metrics
	Caller func(*http.Request) (*auth.Principal, error) // says whom a request is of; [Floor.Caller] when nil

	Public     bool     // it answers the same to everyone, which caches may share
	Repeatable []string // the parameters of its query that may be given several times; of others each means one thing
	Form       bool     // a form of a page asks, which sends what is empty, and all that was ticked

	// What a request may take. The server has bounds of its own, for headers, for
	// connections at rest and for what has none here.
	Time      time.Duration // until it is answered, the arrival of its body included; [Options.Timeout] when 0
	Unlimited bool          // as long as it likes, instead
	Body      int64         // bytes; 0 where the handler bounds what it reads, if it reads a body
	Stream    bool          // its answer has no end: it is not compressed, and its time says nothing
}

// answerTime is how much longer there is to send an answer, or that the time is over.
const answerTime = 30 * time.Second

// Anyone is the Caller of an operation that asks nobody who they are.
func Anyone(*http.Request) (*auth.Principal, error) { return nil, nil }

// Timeout is how long op may take; 0 for as long as it likes.
func (f *Floor) Timeout(op Operation) time.Duration {
	if op.Unlimited {
		return 0
	}
	return cmp.Or(op.Time, f.time)
}

// Handle makes a handler of an operation: it holds a request to its bounds, finds out
// whom it is of, and counts it for them. What of the body is too much or too late is an
// error to who reads it, and the request's context ends with its time. An error that h
// gives, having answered nothing, is told by the door's Refuse.
func (f *Floor) Handle(op Operation, h func(http.ResponseWriter, *http.Request) error) http.Handler {
	who := op.Caller
	if who == nil {
		who = f.Caller
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := recordOf(r.Context())
		c.Operation = op
		if op.Public {
			w.Header().Set("Cache-Control", "no-cache")
		}
		if c.body != nil {
			c.body.limit = op.Body
		}
		if limit := f.Timeout(op); limit > 0 {
			within(w, c.body, limit)
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			defer cancel()
			r = r.WithContext(ctx)
		}
		err := checkParameters(r, &op)
		if err == nil {
			err = f.admit(w, r, c, who)
		}
		if err == nil && c.Principal != nil {
			err = f.await(r, c)
		}
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			f.refuse(w, r, err)
		}
	})
}

// admit finds out whom a request is of, and counts it for them.
func (f *Floor) admit(w http.ResponseWriter, r *http.Request, c *record, who func(*http.Request) (*auth.Principal, error)) (err error) {
	if c.Principal, err = who(r); err != nil || c.Principal == nil {
		return err
	}
	return f.perCaller.Admit(w.Header(), CallerKey(c.Principal))
}

// CallerKey tells callers apart: subjects are unique for their issuer only.
func CallerKey(pr *auth.Principal) string { return pr.Issuer + "\n" + pr.Subject }

// within sets when the body of a request must have arrived, and when the request must have
// been answered. A server that reads past the end of a request takes a deadline for the end
// of the connection, and the contexts of all later requests with it: so what has arrived
// has as long as its answer. Where no deadline can be set, as in some tests, the server's
// own bounds are left.
func within(w http.ResponseWriter, body *arriving, limit time.Duration) {
	control, now := http.NewResponseController(w), time.Now()
	answered := now.Add(limit + answerTime)
	arrived := func() { _ = control.SetReadDeadline(answered) }
	if body == nil || body.left == 0 {
		arrived()
	} else {
		_ = control.SetReadDeadline(now.Add(limit))
		body.arrived = arrived
	}
	_ = control.SetWriteDeadline(answered)
}
