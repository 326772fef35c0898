package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	entryFolder, mediaFolder = "_consultations/", "media/"
	mergePatch               = "application/merge-patch+json"
	asJSON                   = "application/json"
	sharedOnes               = 4 // entries and files that all writers write
)

type fields map[string]string

// targetOf is where the service has what stands at a path.
func targetOf(path string) string {
	if name, ok := strings.CutPrefix(path, mediaFolder); ok {
		return "/v1/media/" + name
	}
	return "/v1/collections/consultations/entries/" + slugOf(path)
}

func slugOf(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, entryFolder), ".md")
}

// keyed gives most writes a key.
func (w *writer) keyed(sent write) write {
	if roll(4) > 0 {
		sent.key = `"` + strings.ReplaceAll(sent.subject, " ", "-") + `"`
	}
	return sent
}

// fresh is a path that no entity of this writer had.
func (w *writer) fresh(e *entity) string {
	if e.isFile() {
		return fmt.Sprintf("%s%s/%s-%d.pdf", mediaFolder, w.name, e.id, w.n)
	}
	return fmt.Sprintf("%s%s/%s-%d.md", entryFolder, w.name, e.id, w.n)
}

func document(id, mark, extra string) fields {
	return fields{"title": "Consultation " + id, "date": "2026-03-01T10:00:00Z", "id": id, "mark": mark, "extra": extra}
}

func (w *writer) create(ctx context.Context, e *entity) {
	subject := w.subject("create")
	to := state{w.fresh(e), subject, "none"}
	sent := write{subject: subject, method: http.MethodPost, target: "/v1/collections/consultations/entries", contentType: asJSON,
		body: encode(map[string]any{"slug": slugOf(to.path), "message": subject, "body": "\nTexte.\n", "fields": document(e.id, subject, "none")})}
	if roll(2) == 0 {
		sent.method, sent.target, sent.match = http.MethodPut, targetOf(to.path), "none"
		sent.body = encode(map[string]any{"message": subject, "body": "\nTexte.\n", "fields": document(e.id, subject, "none")})
	}
	w.settle(ctx, e, w.keyed(sent), to)
}

// patch sets a field, under a tag or from a base.
func (w *writer) patch(ctx context.Context, e *entity, field, tag, base string) bool {
	subject := w.subject("patch")
	to := e.known
	if field == "mark" {
		to.mark = subject
	} else {
		to.extra = subject
	}
	sent := write{subject: subject, method: http.MethodPatch, target: targetOf(e.known.path), contentType: mergePatch, match: tag,
		body: encode(map[string]any{"message": subject, "fields": fields{field: subject}})}
	if base != "" {
		sent.target += "?" + url.Values{"base": {strings.Trim(base, `"`)}}.Encode()
	}
	return w.settle(ctx, e, w.keyed(sent), to)
}

// merge makes two edits on one revision: the second is merged.
func (w *writer) merge(ctx context.Context, e *entity) {
	base := e.tag
	if w.patch(ctx, e, "mark", base, "") && e.tag != "" {
		w.patch(ctx, e, "extra", "", base)
		w.count("merged")
	}
}

func (w *writer) put(ctx context.Context, e *entity) {
	subject := w.subject("put")
	to := state{e.known.path, subject, subject}
	sent := write{subject: subject, method: http.MethodPut, target: targetOf(to.path), contentType: asJSON, match: e.tag,
		body: encode(map[string]any{"message": subject, "body": "\nTexte de " + subject + ".\n", "fields": document(e.id, subject, subject)})}
	if roll(2) == 0 {
		sent.contentType, sent.target = "text/markdown", sent.target+"?"+url.Values{"message": {subject}}.Encode()
		sent.body = source(e.id, subject, subject)
	}
	w.settle(ctx, e, w.keyed(sent), to)
}

// source is an entry's file.
func source(id, mark, extra string) []byte {
	return fmt.Appendf(nil, "---\ntitle: Consultation %s\ndate: 2026-03-01 10:00:00 +0000\nid: %s\nmark: %s\nextra: %s\n---\n\nTexte de %s.\n", id, id, mark, extra, mark)
}

func (w *writer) move(ctx context.Context, e *entity) {
	subject := w.subject("move")
	to := e.known
	to.path = w.fresh(e)
	w.settle(ctx, e, w.keyed(write{subject: subject, method: http.MethodPost, target: "/v1/collections/consultations/move/" + slugOf(e.known.path),
		contentType: asJSON, match: e.tag, body: encode(map[string]any{"to": slugOf(to.path), "message": subject})}), to)
}

func (w *writer) remove(ctx context.Context, e *entity) {
	subject := w.subject("delete")
	w.settle(ctx, e, w.keyed(write{subject: subject, method: http.MethodDelete, match: e.tag,
		target: targetOf(e.known.path) + "?" + url.Values{"message": {subject}}.Encode()}), state{})
}

// batch edits all entries that can be edited now, in one commit.
func (w *writer) batch(ctx context.Context) {
	subject := w.subject("batch")
	var some []*entity
	var operations []map[string]any
	for _, e := range w.entities {
		if e.isFile() || e.frozen || e.known.path == "" || !w.observe(ctx, e) || e.known.path == "" {
			continue
		}
		some = append(some, e)
		operations = append(operations, map[string]any{"op": "patch", "collection": "consultations", "slug": slugOf(e.known.path),
			"if_match": strings.Trim(e.tag, `"`), "fields": fields{"mark": subject}})
	}
	if len(some) == 0 {
		return
	}
	o, a, _ := w.perform(ctx, w.client, w.keyed(write{subject: subject, method: http.MethodPost, target: "/v1/batch", contentType: asJSON,
		body: encode(map[string]any{"message": subject, "operations": operations})}))
	for _, e := range some {
		to := e.known
		to.mark = subject
		switch o {
		case acked:
			e.became(to, "")
		case unknown:
			e.mayBecome(to)
			e.tag = ""
		case refused:
			if a.status < http.StatusInternalServerError {
				e.tag = ""
			}
		}
	}
}

// file uploads, replaces or deletes a file of the writer's.
func (w *writer) file(ctx context.Context, e *entity) {
	if e.known.path != "" && roll(4) == 0 {
		w.remove(ctx, e)
		return
	}
	subject := w.subject("upload")
	to := state{e.known.path, subject, ""}
	match := e.tag
	if to.path == "" {
		to.path, match = w.fresh(e), "none"
	}
	src := fmt.Appendf(nil, "%%PDF-1.4\nid: %s\nmark: %s\n%s", e.id, subject, strings.Repeat("x", roll(20_000)))
	if w.settle(ctx, e, w.keyed(write{subject: subject, method: http.MethodPut, match: match, body: src,
		target: targetOf(to.path) + "?" + url.Values{"message": {subject}}.Encode()}), to) && e.tag != "" && e.tag != blobTag(src) {
		w.fail(fmt.Errorf("%s was answered with the ETag %s, and its bytes have %s", subject, e.tag, blobTag(src)))
	}
}

// contend writes what all write, whatever is there: only what each is told can be
// held against history.
func (w *writer) contend(ctx context.Context) {
	n := roll(sharedOnes)
	if roll(2) == 0 {
		subject := w.subject("shared")
		o, a, _ := w.perform(ctx, w.client, w.keyed(write{subject: subject, method: http.MethodPatch, contentType: mergePatch, match: "*",
			target: targetOf(sharedEntry(n)), body: encode(map[string]any{"message": subject, "fields": fields{"mark": subject}})}))
		if mark := a.told().Fields.Mark; o == acked && mark != "" && mark != subject {
			w.fail(fmt.Errorf("%s was answered with the mark %q", subject, mark))
		}
		return
	}
	subject := w.subject("shared file")
	sent := write{subject: subject, method: http.MethodPut, match: "*", target: fmt.Sprintf("/v1/media/shared/%d.pdf?", n) + url.Values{"message": {subject}}.Encode(),
		body: fmt.Appendf(nil, "%%PDF-1.4\nmark: %s\n", subject)}
	switch roll(4) {
	case 0:
		sent.match = "none"
	case 1:
		sent.method, sent.body = http.MethodDelete, nil
	}
	o, a, _ := w.perform(ctx, w.client, w.keyed(sent))
	if tag := a.header.Get("ETag"); o == acked && sent.body != nil && tag != "" && tag != blobTag(sent.body) {
		w.fail(fmt.Errorf("%s was answered with the ETag %s, and its bytes have %s", subject, tag, blobTag(sent.body)))
	}
}

func sharedEntry(n int) string { return fmt.Sprintf("%sshared/s%d.md", entryFolder, n) }
