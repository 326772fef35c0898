package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cms/api"
)

// TestMediaOfABatchIsTold: an image and the entry that shows it are one commit, of which
// the stream and the webhooks tell the same.
func TestMediaOfABatchIsTold(t *testing.T) {
	t.Parallel()
	s, _ := newServerWithHooks(t, bytes.NewBuffer(nil))
	in := newInbox(t)
	s.operate("POST", "/v1/webhooks", `{"name": "tout", "url": "`+in.URL+`"}`, http.StatusCreated, nil)
	const drawing, other = `<svg xmlns="http://www.w3.org/2000/svg"/>`, `<svg xmlns="http://www.w3.org/2000/svg" width="1"/>`
	for name, content := range map[string]string{"ancien.svg": drawing, "change.svg": drawing, "parti.svg": drawing} {
		if res := s.upload(name, content+"<!--"+name+"-->", "", "If-None-Match", "*"); res.status != 201 {
			t.Fatalf("got %d %s", res.status, res.body)
		}
	}
	w := s.watch(s.token, "")
	in64 := func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) }
	res := s.do(request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"message": "Montre", "operations": [
		{"op": "create", "collection": "media", "slug": "photos/neuf.svg", "content": "` + in64(drawing) + `"},
		{"op": "put", "collection": "media", "slug": "change.svg", "content": "` + in64(other) + `", "if_match": "*"},
		{"op": "move", "collection": "media", "slug": "ancien.svg", "to": "photos/ancien.svg", "if_match": "*"},
		{"op": "delete", "collection": "media", "slug": "parti.svg", "if_match": "*"},
		{"op": "create", "collection": "consultations", "slug": "plan", "fields": {"title": "Plan"}, "body": "![](/img/photos/neuf.svg)\n"}]}`})
	var made api.BatchResult
	if err := json.Unmarshal(res.body, &made); err != nil || res.status != http.StatusOK || made.Commit == "" {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	want := []string{
		"entry.created consultations/plan _consultations/plan.md ", "media.created media/photos/neuf.svg img/photos/neuf.svg ", "media.deleted media/parti.svg img/parti.svg ",
		"media.moved media/photos/ancien.svg img/photos/ancien.svg img/ancien.svg", "media.updated media/change.svg img/change.svg ",
	}

	// What one told of an event: its kind and what it is about, then the rest as JSON.
	told := func(kind, subject string, data map[string]any) (string, string) {
		text := func(key string) string { v, _ := data[key].(string); return v }
		about := strings.Join([]string{kind, subject, text("path"), text("from")}, " ")
		if data["commit"] != made.Commit || (text("revision") == "") != (data["action"] == "deleted") || data["changed"] == nil {
			t.Errorf("%s: got %v", about, data)
		}
		delete(data, "sequence") // of the envelope, in a webhook
		return about, string(mustJSON(t, data))
	}
	streamed := map[string]string{}
	for len(streamed) < len(want) {
		m := w.next()
		var data map[string]any
		if err := json.Unmarshal([]byte(m.data), &data); err != nil {
			t.Fatal(err)
		}
		subject := "media/" + m.event.Media
		if m.event.Media == "" {
			subject = m.event.Collection + "/" + m.event.Slug
		}
		about, rest := told(m.name, subject, data)
		streamed[about] = rest
	}
	posted := map[string]string{}
	s.until("the webhooks of the batch", func() bool {
		in.mu.Lock()
		defer in.mu.Unlock()
		for _, p := range in.got {
			var e struct {
				Type, Subject string
				Data          map[string]any
			}
			if err := json.Unmarshal(p.body, &e); err != nil {
				t.Fatal(err)
			}
			if e.Data["commit"] == made.Commit {
				about, rest := told(e.Type, e.Subject, e.Data)
				posted[about] = rest
			}
		}
		in.got = nil
		return len(posted) >= len(want)
	})
	for _, about := range want {
		if streamed[about] == "" || streamed[about] != posted[about] {
			t.Errorf("%s: the stream tells %q, the webhook %q", about, streamed[about], posted[about])
		}
	}
	if len(streamed) != len(want) || len(posted) != len(want) {
		t.Errorf("the stream tells of %q, the webhooks of %q", keysOf(streamed), keysOf(posted))
	}
}

func keysOf(m map[string]string) (all []string) {
	for key := range m {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}
