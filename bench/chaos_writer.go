package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	entriesOf, filesOf = 10, 3                  // entities of each writer
	leaseTime          = 125 * time.Second      // until the key of a write that was cut off is free again
	writerPause        = 100 * time.Millisecond // between two writes of one writer, on average
)

// writer is one client that writes entries and files of its own, and some that
// all write.
type writer struct {
	*chaos
	client   *http.Client
	name     string
	n        int
	entities []*entity
	frozen   map[*entity]retry
}

// retry is a write that waits for its key, to be sent again.
type retry struct {
	write
	to  state
	due time.Time
}

func (c *chaos) newWriter(i int) *writer {
	w := &writer{chaos: c, client: &http.Client{Transport: &http.Transport{}}, name: fmt.Sprintf("w%02d", i), frozen: make(map[*entity]retry)}
	for k := range entriesOf {
		w.entities = append(w.entities, &entity{id: fmt.Sprintf("%s-e%d", w.name, k)})
	}
	for k := range filesOf {
		w.entities = append(w.entities, &entity{id: fmt.Sprintf("%s-f%d", w.name, k)})
	}
	return w
}

func (e *entity) isFile() bool { return strings.Contains(e.id, "-f") }

// run writes until ctx ends. It lets those go first who need a moment without
// writes.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.gate.RLock()
		w.turn(context.WithoutCancel(ctx)) // to its end, so that what came of it is known
		w.gate.RUnlock()
		rest(ctx, upTo(2*writerPause))
	}
}

func (w *writer) subject(what string) string {
	w.n++
	return fmt.Sprintf("%s-%06d %s", w.name, w.n, what)
}

// turn makes one write.
func (w *writer) turn(ctx context.Context) {
	for e, p := range w.frozen {
		if time.Now().After(p.due) {
			delete(w.frozen, e)
			e.frozen = false
			w.count("sent again after the lease")
			w.settle(ctx, e, p.write, p.to)
			return
		}
	}
	if roll(8) == 0 && w.with("contention") {
		w.contend(ctx)
		return
	}
	e := w.entities[roll(len(w.entities))]
	if e.frozen || !w.observe(ctx, e) {
		return
	}
	if e.isFile() {
		w.file(ctx, e)
		return
	}
	if e.known.path == "" {
		w.create(ctx, e)
		return
	}
	switch roll(12) {
	case 0:
		w.move(ctx, e)
	case 1:
		w.remove(ctx, e)
	case 2:
		w.batch(ctx)
	case 3, 4:
		w.merge(ctx, e)
	case 5, 6:
		w.put(ctx, e)
	default:
		w.patch(ctx, e, "mark", e.tag, "")
	}
}

// settle sends a write that makes the entity to, and notes what came of it.
func (w *writer) settle(ctx context.Context, e *entity, sent write, to state) bool {
	o, a, late := w.perform(ctx, w.client, sent)
	before := e.known
	switch o {
	case acked:
		told := a.told()
		if mark := told.Fields.Mark; told.Code != "already_made" && mark != "" && mark != to.mark {
			if !w.ledger.isDropped(to.mark) { // as by a force push, before this was sent again
				w.fail(fmt.Errorf("%s was answered with the mark %q, want %q", sent.subject, mark, to.mark))
			}
			to.mark = mark
		}
		e.became(to, a.header.Get("ETag"))
		if told.Code == "already_made" {
			e.tag = ""
		}
		if sent.key != "" && roll(8) == 0 {
			w.repeat(ctx, sent, a)
		}
	case unknown:
		e.mayBecome(to)
		e.tag = ""
		if late && roll(3) == 0 && !e.isFile() {
			e.frozen, w.frozen[e] = true, retry{sent, to, time.Now().Add(leaseTime)}
		}
	case refused:
		if sent.key != "" { // then no attempt before was made either
			e.became(before, e.tag)
		}
		if a.status != 0 && a.status < http.StatusInternalServerError {
			tag := e.tag
			if e.tag = ""; w.observe(ctx, e) && e.known == before && tag != "" && e.tag == tag {
				w.fail(fmt.Errorf("%s (%s %s, If-Match %s) was refused though nothing had changed: %d %s", sent.subject, sent.method, sent.target, sent.match, a.status, a.body))
			}
		}
	}
	return o == acked
}

// repeat sends a write again that was acknowledged: the answer is the same, and
// comes from its key.
func (w *writer) repeat(ctx context.Context, sent write, first answer) {
	a, err := w.request(ctx, w.client, sent)
	if err != nil || a.status >= http.StatusInternalServerError {
		return
	}
	w.count("repeated")
	if code := a.told().Code; first.told().Code == "already_made" || code == "already_made" || code == "idempotency_key_in_use" {
		return // its answer could not be kept
	}
	if a.status != first.status || a.header.Get("Idempotency-Replayed") != "true" {
		w.fail(fmt.Errorf("%s was sent again under its key and answered %d %s, not with its first answer %d", sent.subject, a.status, a.body, first.status))
	}
}

// observe makes sure that the state and the tag of an entity are known, and is
// false when the service cannot tell now.
func (w *writer) observe(ctx context.Context, e *entity) bool {
	if e.tag != "" || e.known.path == "" && len(e.possible) == 0 {
		return true
	}
	var now state
	tag, asked := "", make(map[string]bool)
	for _, s := range e.states() {
		if s.path == "" || asked[s.path] {
			continue
		}
		asked[s.path] = true
		a, err := w.request(ctx, w.client, write{subject: "read " + e.id, method: http.MethodGet, target: targetOf(s.path)})
		switch {
		case err != nil || a.status != http.StatusOK && a.status != http.StatusNotFound:
			return false
		case a.status == http.StatusOK:
			found, ok := readState(s.path, a)
			if !ok || found.id != e.id {
				continue
			}
			if now.path != "" {
				w.fail(fmt.Errorf("%s is there twice: %s and %s", e.id, now.path, s.path))
			}
			now, tag = found.state, a.header.Get("ETag")
		}
	}
	if _, wrong := checkStates([]*entity{e}, []found{{e.id, now}}); len(wrong) > 0 {
		w.fail(fmt.Errorf("the service tells: %w", wrong[0]))
	}
	e.became(now, tag)
	return true
}

// readState is what an answer shows of an entity.
func readState(path string, a answer) (found, bool) {
	if strings.HasPrefix(path, mediaFolder) {
		return parseFound(path, a.body)
	}
	f := a.told().Fields
	return found{f.ID, state{path, f.Mark, f.Extra}}, f.ID != ""
}

// parseFound reads an entry's or a media file's bytes.
func parseFound(path string, src []byte) (f found, ok bool) {
	f.path = path
	for line := range strings.Lines(string(src)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		value = strings.Trim(value, `"'`)
		switch name {
		case "id":
			f.id = value
		case "mark":
			f.mark = value
		case "extra":
			f.extra = value
		}
	}
	return f, f.id != ""
}

// blobTag is the ETag of a file with these bytes.
func blobTag(src []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(src))
	h.Write(src)
	return `"` + hex.EncodeToString(h.Sum(nil)) + `"`
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts
	}
	return raw
}
