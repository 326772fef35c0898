package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"cms/site"
)

func TestPreview(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ask := func(body, token string) response {
		return s.do(request{method: "POST", path: "/v1/preview", body: body, token: token, header: map[string]string{"Content-Type": "application/json"}})
	}
	res := ask(`{"body": "# L’été\n\n<script>a()</script><iframe src=\"https://www.dailymotion.com/embed/video/x1\"></iframe>"}`, "")
	var got struct{ HTML string }
	if err := json.Unmarshal(res.body, &got); err != nil || res.status != http.StatusOK {
		t.Fatalf("got %d %s: %v", res.status, res.body, err)
	}
	if !strings.Contains(got.HTML, `<h1 id="lété">L’été</h1>`) || strings.Contains(got.HTML, "script>") || !strings.Contains(got.HTML, "embed/video/x1") {
		t.Errorf("got the HTML %q", got.HTML)
	}
	for _, test := range []struct {
		body, token string
		status      int
	}{
		{`{"body": 3}`, "", 422},
		{`{"text": "a"}`, "", 422},
		{`{`, "", 400},
		{`{"body": "` + strings.Repeat("[", 5000) + `"}`, "", 422},
		{`{"body": "` + strings.Repeat("- ", 8000) + `a"}`, "", 422},
		{`{"body": "` + strings.Repeat("a", site.MaxPreviewBytes+1) + `"}`, "", 422},
		{`{"body": "` + strings.Repeat("a", 4*site.MaxPreviewBytes) + `"}`, "", 413},
		{`{"body": "a"}`, "-", 401},
		{`{"body": "a"}`, s.mint("stranger"), 403},
	} {
		if res := ask(test.body, test.token); res.status != test.status {
			t.Errorf("%.40s: got %d %s, want %d", test.body, res.status, res.body, test.status)
		} else {
			s.problem(res)
		}
	}
}

// What can be told without the text is told before any of it has arrived.
func TestPreviewIsRefusedBeforeItsBody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, test := range []struct {
		token, media string
		status       int
	}{
		{"forged", "application/json", 401},
		{s.mint("stranger"), "application/json", 403},
		{s.mint("stranger"), "text/markdown", 403},
		{s.token, "text/markdown", 415},
	} {
		body, never := io.Pipe()
		req, err := http.NewRequest("POST", s.url+"/v1/preview", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+test.token)
		req.Header.Set("Content-Type", test.media)
		res, err := http.DefaultTransport.RoundTrip(req)
		never.Close()
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != test.status {
			t.Errorf("%d was due before the body: got %d", test.status, res.StatusCode)
		}
	}
}
