package main

import (
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cms/config"
)

// TestDoctorLooksAtAddresses: certificates that nobody trusts or that end soon, clocks that
// differ, and what answers something else.
func TestDoctorLooksAtAddresses(t *testing.T) {
	t.Parallel()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		if r.URL.Path != "/keys" {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	plain, secure := httptest.NewServer(answer), httptest.NewUnstartedServer(answer)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	for name, c := range map[string]struct {
		at   address
		want []string // the parts of what is to be done, and what is said
	}{
		"a certificate":      {address{"endpoint", "webhook site", secure.URL, false}, []string{"certificate: webhook site"}},
		"another clock":      {address{"identity", "issuer", plain.URL + "/keys", true}, []string{"clock: The clock of issuer differs from this one by 1h0m"}},
		"another answer":     {address{"address", "public_url", plain.URL, true}, []string{"address: public_url answers 502", "clock: "}},
		"nothing is asked":   {address{"endpoint", "webhook site", plain.URL, false}, nil},
		"nobody is there":    {address{"endpoint", "webhook site", "http://127.0.0.1:1", false}, []string{"endpoint: webhook site (127.0.0.1:1) cannot be reached"}},
		"what is no address": {address{"endpoint", "webhook site", "http:", false}, nil},
	} {
		d := &doctor{config: &config.Config{}, now: time.Now()}
		d.look(t.Context(), c.at)
		var got []string
		for _, s := range d.findings {
			if s.Action != "" {
				got = append(got, s.Part+": "+s.Detail)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) {
				t.Errorf("%s: got %q, want %q", name, got[i], c.want[i])
			}
		}
	}
	now := time.Now()
	for days, want := range map[int]int{-1: 1, 13: 1, 15: 0} {
		d := &doctor{now: now}
		d.certificate(address{name: "webhook site"}, &x509.Certificate{NotAfter: now.Add(time.Duration(days) * 24 * time.Hour)})
		if len(d.findings) != want {
			t.Errorf("one that ends in %d days: got %+v", days, d.findings)
		}
	}
}

// TestDoctorTriesToPush: who may read at the Git host alone is told so before the first edit
// is, unless nothing is pushed.
func TestDoctorTriesToPush(t *testing.T) {
	t.Parallel()
	h := newGitHost(t, 1)
	for _, c := range []struct {
		push    string
		refuses bool
		todo    string
	}{
		{"async", true, "It lets nothing be pushed: "},
		{"sync", true, "It lets nothing be pushed: "},
		{"off", true, ""},
		{"async", false, ""},
	} {
		h.readOnly.Store(c.refuses)
		d := &doctor{config: &config.Config{Repository: config.Repository{Branch: "main", Remote: &config.Remote{URL: h.URL, Push: c.push}}}, now: time.Now()}
		d.remote(t.Context(), nil)
		if len(d.findings) != 1 {
			t.Fatalf("%+v: got %+v, want one finding", c, d.findings)
		}
		if f := d.findings[0]; (f.Action != "") != (c.todo != "") || !strings.HasPrefix(f.Detail, c.todo) || c.todo != "" && !strings.Contains(f.Detail, "403") {
			t.Errorf("%+v: got %+v", c, f)
		}
	}
}
