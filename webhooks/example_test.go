package webhooks_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"cms/webhooks"
)

const (
	hookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	event      = `{"specversion":"1.0","id":"evt_1","source":"https://cms.example.org","type":"entry.updated",` +
		`"data":{"collection":"consultations","slug":"plan-velo","action":"updated","commit":"c0ffee","changed":["title"]}}`
)

// A receiver verifies the bytes that came, before it reads them, with a library of
// Standard Webhooks.
func Example() {
	hook, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		panic(err)
	}
	seen := map[string]bool{}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		if err := hook.Verify(body, r.Header); err != nil {
			http.Error(w, "the signature is not valid", http.StatusUnauthorized)
			return
		}
		var e webhooks.Event
		if err := json.Unmarshal(body, &e); err != nil {
			http.Error(w, "the body is no event", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent) // anything other than 2xx has it sent again
		if id := r.Header.Get("webhook-id"); !seen[id] {
			seen[id] = true
			fmt.Println(e.Type, e.Data.Collection+"/"+e.Data.Slug, e.Data.Changed)
		}
	}))
	defer receiver.Close()

	site := webhooks.Endpoint{Name: "site", URL: receiver.URL, Secret: hookSecret, AllowPrivate: true}
	for range 2 { // a repeated one has the same id
		if err := webhooks.Send(context.Background(), site, "evt_1", []byte(event)); err != nil {
			fmt.Println(err)
		}
	}
	site.Secret = "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	fmt.Println("with another secret:", webhooks.Send(context.Background(), site, "evt_2", []byte(event)))
	// Output:
	// entry.updated consultations/plan-velo [title]
	// with another secret: the endpoint answered 401 Unauthorized
}

// Without a library it is the HMAC-SHA256 of the id, the time and the body, joined by
// full stops, one of the signatures in the header, and not too old.
func Example_withoutLibrary() {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hookSecret, "whsec_"))
	if err != nil {
		panic(err)
	}
	valid := func(header http.Header, body []byte) bool {
		id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
			return false
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for _, signature := range strings.Fields(header.Get("webhook-signature")) { // two, while a secret is changed
			if hmac.Equal([]byte(signature), []byte(want)) {
				return true
			}
		}
		return false
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		body = append(body, r.URL.RawQuery...)
		fmt.Println(valid(r.Header, body))
	}))
	defer receiver.Close()

	site := webhooks.Endpoint{Name: "site", Secret: "another secret, the new one", OldSecret: hookSecret, AllowPrivate: true}
	for _, site.URL = range []string{receiver.URL, receiver.URL + "?tampered"} {
		if err := webhooks.Send(context.Background(), site, "evt_1", []byte(event)); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// true
	// false
}
