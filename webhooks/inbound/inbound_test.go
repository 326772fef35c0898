package inbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The signatures were made by openssl, of these bytes and secrets.
const (
	agreed     = "un secret partagé avec la forge"
	signingKey = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="

	pushBody  = `{"ref":"refs/heads/main","before":"0000000000000000000000000000000000000000","after":"9b2f7f7b1f0f6c1d5a3a1c2b4d5e6f708192a3b4","repository":{"full_name":"ville/consultations"}}`
	pushMAC   = "d624190c844c94776e31b607469ee4e81f34234c3f8550003cf9c0729e14520a"
	cloudBody = `{"push":{"changes":[{"new":{"type":"branch","name":"main"},"old":{"type":"branch","name":"main"}},{"new":{"type":"tag","name":"v1"},"old":null}]},"repository":{"full_name":"ville/consultations"}}`
	cloudMAC  = "ebd511cbea05220f3c8fb1721407123360c756c3096b47eacd38329b3bb530d6"
	dcBody    = `{"eventKey":"repo:refs_changed","changes":[{"ref":{"id":"refs/heads/main"},"refId":"refs/heads/main","type":"UPDATE"}]}`
	dcMAC     = "2d511bb8f2dcb9f1310ee74a2511a26edc2f07506f1b0ae9bf6ec83068966182"

	// Signed at midnight of 2000-01-01, when the clock of synctest starts.
	signedAt  = "946684800"
	signature = "v1,EwQ8Zc1qJVZWobjZFMLdKUfZCyAFkJWTVnT7ESAnBA0="
)

// vector is a request of a provider.
type vector struct {
	name, provider, secret string
	header                 http.Header
	body                   string
	signed                 string // the header that proves it
}

func vectors() []vector {
	h := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Set(pairs[i], pairs[i+1])
		}
		return header
	}
	return []vector{
		{"GitHub", "github", agreed, h("X-GitHub-Event", "push", "X-Hub-Signature-256", "sha256="+pushMAC), pushBody, "X-Hub-Signature-256"},
		{"GitLab, secret token", "gitlab", agreed, h("X-Gitlab-Event", "Push Hook", "X-Gitlab-Token", agreed), pushBody, "X-Gitlab-Token"},
		{"GitLab, signing token", "gitlab", signingKey, h("X-Gitlab-Event", "Push Hook", "webhook-id", "msg_1", "webhook-timestamp", signedAt, "webhook-signature", signature), pushBody, "webhook-signature"},
		{"Gitea", "gitea", agreed, h("X-Gitea-Event", "push", "X-Gitea-Signature", pushMAC), pushBody, "X-Gitea-Signature"},
		{"Forgejo", "forgejo", agreed, h("X-Forgejo-Event", "push", "X-Forgejo-Signature", pushMAC), pushBody, "X-Forgejo-Signature"},
		{"Bitbucket", "bitbucket", agreed, h("X-Event-Key", "repo:push", "X-Hub-Signature", "sha256="+cloudMAC), cloudBody, "X-Hub-Signature"},
		{"Bitbucket Data Center", "bitbucket", agreed, h("X-Event-Key", "repo:refs_changed", "X-Hub-Signature", "sha256="+dcMAC), dcBody, "X-Hub-Signature"},
	}
}

// receiver is one with the hook of one provider. fetched counts.
func receiver(t *testing.T, provider string, fetch func(context.Context) error, secrets ...string) *Receiver {
	t.Helper()
	if fetch == nil {
		fetch = func(context.Context) error { return nil }
	}
	in, err := New(Options{
		Hooks: []Hook{{provider, secrets}}, Branch: "main", Fetch: fetch, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := receiver(t, v.provider, nil, "an older secret of theirs", v.secret)
				push, err := in.Receive(v.provider, v.header, strings.NewReader(v.body))
				if err != nil || !push.Fetch || push.Repeated || !slices.Equal(push.Branches, []string{"main"}) {
					t.Fatalf("got %+v, %v; want a push of main", push, err)
				}
				// The same again, under another delivery's name.
				v.header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
				if push, err = in.Receive(v.provider, v.header, strings.NewReader(v.body)); err != nil || !push.Repeated || push.Fetch {
					t.Errorf("replayed: got %+v, %v; want it told as repeated, and no fetch", push, err)
				}
			})
		})
	}
}

func TestForgeries(t *testing.T) {
	for _, v := range vectors() {
		proof := v.header.Get(v.signed)
		forged := map[string]func(h http.Header, body []byte){
			"no signature": func(h http.Header, _ []byte) { h.Del(v.signed) },
			"empty":        func(h http.Header, _ []byte) { h.Set(v.signed, "") },
			"two signatures": func(h http.Header, _ []byte) {
				h[http.CanonicalHeaderKey(v.signed)] = []string{strings.Repeat("0", len(proof)), proof}
			},
			"one bit of it":   func(h http.Header, _ []byte) { h.Set(v.signed, flip(proof, len(proof)-5)) },
			"cut short":       func(h http.Header, _ []byte) { h.Set(v.signed, proof[:len(proof)-2]) },
			"too long":        func(h http.Header, _ []byte) { h.Set(v.signed, proof+"00") },
			"one bit of body": func(_ http.Header, body []byte) { body[len(body)/2] ^= 1 },
		}
		if v.signed == "X-Gitlab-Token" {
			delete(forged, "one bit of body") // what a bare token cannot tell
		}
		if v.header.Get("webhook-timestamp") != "" {
			forged["stale"] = func(http.Header, []byte) { time.Sleep(6 * time.Minute) }
			forged["another time"] = func(h http.Header, _ []byte) { h.Set("webhook-timestamp", "946684801") }
			forged["another id"] = func(h http.Header, _ []byte) { h.Set("webhook-id", "msg_2") }
			forged["bare token"] = func(h http.Header, _ []byte) { h.Del(v.signed); h.Set("X-Gitlab-Token", v.secret) }
		}
		for name, forge := range forged {
			t.Run(v.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in := receiver(t, v.provider, nil, v.secret)
					header, body := v.header.Clone(), []byte(v.body)
					forge(header, body)
					if push, err := in.Receive(v.provider, header, bytes.NewReader(body)); !errors.Is(err, ErrForged) {
						t.Errorf("got %+v, %v; want %v", push, err, ErrForged)
					}
				})
			})
		}
	}
}

func flip(s string, i int) string {
	b := []byte(s)
	b[i] ^= 1
	return string(b)
}

func TestOther(t *testing.T) {
	in := receiver(t, "gitlab", nil, agreed)
	event := func(kind string) http.Header {
		return http.Header{"X-Gitlab-Token": {agreed}, "X-Gitlab-Event": {kind}}
	}
	for _, tt := range []struct {
		name, provider, kind, body string
		want                       string
	}{
		{"not configured", "github", "Push Hook", pushBody, "{[] false false} " + ErrUnknown.Error()},
		{"unknown", "sourceforge", "Push Hook", pushBody, "{[] false false} " + ErrUnknown.Error()},
		{"no push", "gitlab", "Issue Hook", `{"object_kind":"issue"}`, "{[] false false} <nil>"},
		{"other system event", "gitlab", "System Hook", `{"event_name":"project_create"}`, "{[] false false} <nil>"},
		{"another branch", "gitlab", "Push Hook", `{"ref":"refs/heads/essai"}`, "{[essai] false false} <nil>"},
		{"a tag", "gitlab", "Push Hook", `{"ref":"refs/tags/main"}`, "{[] false false} <nil>"},
		{"a form", "gitlab", "Push Hook", `payload=%7B%7D`, "{[] false false} " + ErrMalformed.Error()},
		{"no ref", "gitlab", "Push Hook", `{}`, "{[] false false} " + ErrMalformed.Error()},
		{"a number", "gitlab", "Push Hook", `{"ref":1}`, "{[] false false} " + ErrMalformed.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			push, err := in.Receive(tt.provider, event(tt.kind), strings.NewReader(tt.body))
			if got := fmt.Sprint(push, " ", err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	for _, hooks := range [][]Hook{
		{{"sourceforge", []string{agreed}}}, {{"github", nil}}, {{"github", []string{"short"}}},
		{{"github", []string{agreed}}, {"github", []string{agreed}}},
	} {
		if _, err := New(Options{Hooks: hooks}); err == nil {
			t.Errorf("%v: got no error", hooks)
		}
	}
}

// A hook that was missed is made up for by a look now and then.
func TestFetchesWithoutHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetches atomic.Int64
		in, err := New(Options{
			Branch: "main", Every: 30 * time.Second, Logger: slog.New(slog.DiscardHandler),
			Fetch: func(context.Context) error { fetches.Add(1); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- in.Run(ctx) }()
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		if got := fetches.Load(); got != 5 {
			t.Errorf("in two minutes: got %d fetches, want 5", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A push during a fetch leads to one more; a fetch that fails is tried again.
func TestFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetches atomic.Int64
		var fails atomic.Bool
		in := receiver(t, "gitlab", func(ctx context.Context) error {
			fetches.Add(1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			if fails.Load() {
				return errors.New("the host is down")
			}
			return nil
		}, agreed)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- in.Run(ctx) }()
		push := func(n int) {
			t.Helper()
			body := fmt.Sprintf(`{"ref":"refs/heads/main","n":%d}`, n)
			header := http.Header{"X-Gitlab-Token": {agreed}, "X-Gitlab-Event": {"Push Hook"}}
			if push, err := in.Receive("gitlab", header, strings.NewReader(body)); err != nil || !push.Fetch {
				t.Fatalf("push %d: got %+v, %v", n, push, err)
			}
		}
		want := func(n int64, when string) {
			t.Helper()
			synctest.Wait()
			if got := fetches.Load(); got != n {
				t.Fatalf("%s: got %d fetches, want %d", when, got, n)
			}
		}
		want(1, "at the start")
		for n := range 20 {
			push(n)
		}
		time.Sleep(time.Minute)
		want(2, "after pushes during a fetch")
		fails.Store(true)
		push(20)
		time.Sleep(4 * time.Second)
		want(4, "while it fails")
		fails.Store(false)
		time.Sleep(time.Minute)
		want(5, "when it works again")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
