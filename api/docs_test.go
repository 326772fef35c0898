package api_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"cms/web/browsertest"
)

// TestDocs follows every reference of the page, as a client that knows no gzip
// and as one that does.
func TestDocs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	reference := regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	res := s.do(request{method: "GET", path: "/docs", token: "-"})
	if res.status != http.StatusOK || res.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got %d %v", res.status, res.header)
	}
	csp := res.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "unsafe") {
		t.Errorf("got the policy %q", csp)
	}
	if strings.Contains(string(res.body), "://") || regexp.MustCompile(`<script[^>]*>[^<]|<style|\son\w+=|style=`).Match(res.body) {
		t.Errorf("the page leads elsewhere, or has something inline: %s", res.body)
	}
	found := reference.FindAllStringSubmatch(string(res.body), -1)
	if len(found) < 4 {
		t.Fatalf("got %d references in %s", len(found), res.body)
	}
	for _, m := range found {
		for _, coding := range []string{"identity", "gzip", "gzip;q=0"} {
			header := map[string]string{"Accept-Encoding": coding}
			res := s.do(request{method: "GET", path: m[1], token: "-", header: header})
			if res.status != http.StatusOK || len(res.body) == 0 || res.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: got %d %v", m[1], res.status, res.header)
			}
			if coding != "gzip" && res.header.Get("Content-Encoding") != "" {
				t.Errorf("%s with %s: got Content-Encoding %q", m[1], coding, res.header.Get("Content-Encoding"))
			}
			if tag := res.header.Get("ETag"); tag != "" {
				header["If-None-Match"] = tag
				if again := s.do(request{method: "GET", path: m[1], token: "-", header: header}); again.status != http.StatusNotModified {
					t.Errorf("%s again: got %d", m[1], again.status)
				}
			}
		}
	}
	s.problem(s.do(request{method: "GET", path: "/docs/..%2Fgo.mod", token: "-"}))
	s.problem(s.do(request{method: "GET", path: "/docs/other.js", token: "-"}))
}

// TestDocsInBrowser loads the page in Chromium, which has to show the operations
// and to complain of nothing.
func TestDocsInBrowser(t *testing.T) {
	t.Parallel()
	browsertest.Asked(t)
	s := newServer(t)
	ctx := browsertest.Start(t, 10*time.Minute) // on a busy machine, too
	var (
		mu         sync.Mutex
		complaints []string
		elsewhere  []string
	)
	err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded: // what the policy refuses, and what is not found
			complaints = append(complaints, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError {
				complaints = append(complaints, "console.error")
			}
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !strings.HasPrefix(u, s.url+"/") && !strings.HasPrefix(u, "data:") {
				elsewhere = append(elsewhere, u)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, enable := range []error{call(ctx, log.Enable, cdp.Empty{}), call(ctx, network.Enable, network.EnableParams{})} {
		if enable != nil {
			t.Fatal(enable)
		}
	}
	const operation = `[id="operations-Entries-patch-entry"]`
	err = chromedp.Do(ctx, chromedp.Navigate(s.url+"/docs"), chromedp.WaitVisible(operation),
		chromedp.Click(operation+" button.opblock-summary-control"), chromedp.WaitVisible(operation+" .responses-wrapper"))
	if err != nil {
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("%v; the browser says %q", err, complaints)
	}
	text, err := chromedp.Run(ctx, chromedp.TextContent("#operations"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/v1/collections/{collection}/entries", "/v1/media/{path}", "/v1/events"} {
		if !strings.Contains(strings.ReplaceAll(text, "\u200b", ""), want) {
			t.Errorf("the page does not show %s", want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(complaints) > 0 || len(elsewhere) > 0 {
		t.Errorf("the browser complains %q and asks %q", complaints, elsewhere)
	}
}

// call sends a command to the browser, whose answer is empty.
func call[P any](ctx context.Context, command cdp.Command[P, cdp.Empty], params P) error {
	_, err := chromedp.Call(ctx, command, params)
	return err
}
