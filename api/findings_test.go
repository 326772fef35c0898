package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func plainJSON() map[string]string { return map[string]string{"Content-Type": "application/json"} }

// A JSON body of more values than anything here has is refused, whatever else it asks
// for.
func TestBodiesOfTooManyValues(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "velo", sample)
	zeros := "[" + strings.Repeat("0,", 300_000) + "0]"
	for _, r := range []request{
		{method: "POST", path: "/v1/collections/consultations/entries", header: plainJSON(), body: `{"fields": {"title": "Un", "liste": ` + zeros + `}}`},
		{method: "PUT", path: entryPath("plan"), header: map[string]string{"If-None-Match": "*", "Content-Type": "application/json"}, body: zeros},
		{method: "PATCH", path: entryPath("velo"), header: mergePatch("*"), body: `{"fields": ` + zeros + `}`},
		{method: "PATCH", path: entryPath("velo"), header: map[string]string{"If-Match": "*", "Content-Type": "application/json-patch+json"}, body: zeros},
		{method: "POST", path: "/v1/batch", header: plainJSON(), body: `{"operations": ` + zeros + `}`},
	} {
		res := s.do(r)
		if p := s.problem(res); res.status != http.StatusRequestEntityTooLarge || p.Code != "too_large" ||
			len(p.Errors) != 1 || p.Errors[0].Rule != "too_large" || !strings.Contains(p.Errors[0].Detail.String(), "250000") {
			t.Errorf("%s %s: got %d %s", r.method, r.path, res.status, res.body)
		}
	}
}

// Of what is wrong a hundred things are told, and how many more there are.
func TestProblemsTellSome(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	members := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, tt := range map[string]struct {
		request
		more string
	}{
		"unknown members": {request{method: "POST", path: "/v1/collections/consultations/entries", header: plainJSON(),
			body: `{` + members(`"inconnu %d": 1,`, 2000) + `"fields": {"title": "Un"}}`}, "1900 more"},
		"operations": {request{method: "POST", path: "/v1/batch", header: plainJSON(),
			body: `{"operations": [` + strings.Repeat(`{"op": "create", `+members(`"inconnu %d": 1,`, 150)+`"fields": 1},`, 9) + `5]}`}, " more"},
		"duplicate keys": {request{method: "PUT", path: entryPath("plan"), header: map[string]string{"If-None-Match": "*", "Content-Type": "text/markdown"},
			body: "---\ntitle: Un\n" + strings.Repeat("titre: Deux\n", 501) + "---\n"}, "400 more"},
		"long names": {request{method: "PUT", path: entryPath("plan"), header: map[string]string{"If-None-Match": "*", "Content-Type": "text/markdown"},
			body: "---\ntitle: Un\n? " + strings.Repeat("k", 1000) + "\n:\n" + strings.Repeat("  a: b\n", 501) + "---\n"}, " more"},
		"parameters": {request{method: "GET", path: "/v1/collections/consultations/entries?" + strings.TrimSuffix(members("inconnu%d=1&", 64), "&")}, ""},
	} {
		res := s.do(tt.request)
		p := s.problem(res)
		if len(p.Errors) == 0 {
			t.Errorf("%s: got %d %.300s", name, res.status, res.body)
			continue
		}
		last := p.Errors[len(p.Errors)-1]
		if res.status != http.StatusUnprocessableEntity || len(p.Errors) > 102 || len(res.body) > 128<<10 || !strings.Contains(last.Detail.String(), tt.more) {
			t.Errorf("%s: got %d, %d errors in %d bytes, the last of them %+v", name, res.status, len(p.Errors), len(res.body), last)
		}
	}
}
