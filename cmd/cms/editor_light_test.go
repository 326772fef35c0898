package main

import (
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestPagesAreLight counts the bytes that a browser gets which was never here, for the
// login and the main pages together, and for each of them when it comes again.
func TestPagesAreLight(t *testing.T) {
	p := servePages(t)
	b := p.browser(t, "fr")
	var mu sync.Mutex
	bytes := 0
	err := chromedp.Listen(b.ctx, func(ev any) {
		if done, ok := ev.(*network.EventLoadingFinished); ok {
			mu.Lock()
			bytes += int(done.EncodedDataLength)
			mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	got := func() int {
		mu.Lock()
		defer mu.Unlock()
		n := bytes
		bytes = 0
		return n
	}
	b.camille(p)
	pages := []string{"", "list/consultations", "entry/" + budget, "history/" + budget, "media/"}
	for _, path := range pages {
		b.at(p, path)
	}
	b.at(p, "account") // so that all of what came before is told
	first := got()
	t.Logf("a first visit transfers %d bytes", first)
	if first < 20_000 || first >= 150_000 {
		t.Errorf("a first visit transfers %d bytes", first)
	}
	for _, path := range pages {
		b.at(p, path)
		b.at(p, "account")
		again := got()
		t.Logf("%q and the account transfer %d bytes when they come again", path, again)
		if again < 1000 || again >= 20_000 {
			t.Errorf("%q transfers %d bytes when it comes again", path, again)
		}
	}
}
