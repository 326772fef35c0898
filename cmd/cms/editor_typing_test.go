package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// watchInput counts, in window.whole, how often a script reads or writes a text of more
// than 10,000 characters, or all of a form, while the page handles a key.
const watchInput = `(() => {
	window.whole = 0
	let handling = false
	window.addEventListener("input", () => (handling = true), true)
	window.addEventListener("input", () => (handling = false))
	const value = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")
	const count = text => {
		if (handling && text.length > 10000) window.whole++
		return text
	}
	Object.defineProperty(HTMLTextAreaElement.prototype, "value", {
		...value,
		get() { return count(value.get.call(this)) },
		set(text) { value.set.call(this, count(text)) },
	})
	const Data = window.FormData
	window.FormData = class extends Data {
		constructor(...from) {
			super(...from)
			if (handling) window.whole++
		}
	}
})()`

// longText is a body of some bytes, of paragraphs.
func longText(size int) string {
	const paragraph = "La métropole revoit le plan de ses mobilités, et demande leur avis à celles et ceux qui y vivent.\n\n"
	return strings.Repeat(paragraph, size/len(paragraph)+1)[:size/len(paragraph)*len(paragraph)]
}

// places are where people type into long texts: a script makes each ready, with the text
// in long, and focuses it.
var places = []struct{ name, path, ready string }{
	{"the source of a text", "entry/" + budget, `(() => { const a = document.querySelector("#body"); a.value = long; a.dispatchEvent(new Event("input", {bubbles: true})); a.focus(); a.setSelectionRange(900, 900); return true })()`},
	{"a passage of a page", "entry/" + budget, `(async () => {
		const a = document.querySelector("#body")
		a.value = long
		a.dispatchEvent(new Event("input", {bubbles: true}))
		document.querySelector(".modes button").click()
		while (!(document.querySelectorAll(".page > .block > .open").length >= long.split("\n\n").length - 1)) await new Promise(r => setTimeout(r, 20))
		document.querySelectorAll(".page > .block > .open")[3].click()
		return document.activeElement.matches(".page .editing textarea")
	})()`},
	{"a whole file", "source/" + budget, `(() => { const a = document.querySelector("[data-source] textarea"); a.value = a.value + long; a.dispatchEvent(new Event("input", {bubbles: true})); a.focus(); a.setSelectionRange(900, 900); return true })()`},
}

// typeInto makes a place ready for keys, and waits until what follows the typing of the
// first is done.
func (b *chromium) typeInto(p *pages, path, ready string, size int) {
	b.Helper()
	b.at(p, path)
	b.eval(fmt.Sprintf("void (window.long = %q)", longText(size)))
	if !ask[bool](b, ready) {
		b.Fatal("there is nowhere to type")
	}
	b.do(chromedp.KeyEvent("a"))
	b.quiet()
}

// quiet waits until the page has sent and drawn all that follows its last key.
func (b *chromium) quiet() {
	b.Helper()
	ask[bool](b, `new Promise(done => {
		const seen = () => performance.getEntriesByType("resource").length
		let was = seen(), still = 0
		const look = () => {
			const is = seen()
			still = is === was ? still + 1 : 0
			was = is
			still < 12 ? setTimeout(look, 100) : requestIdleCallback(() => done(true))
		}
		look()
	})`)
}

// TestTyping types into long texts. No key has the page read or write the whole of one.
func TestTyping(t *testing.T) {
	p := servePages(t)
	b := p.browser(t, "fr")
	b.camille(p)
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			in := &chromium{t, b.ctx}
			in.typeInto(p, place.path, place.ready, 200_000)
			in.eval(watchInput)
			in.do(chromedp.KeyEvent("vélo, train et bus"))
			if n := ask[int](in, `window.whole`); n != 0 {
				t.Errorf("the keys had the page read or write the whole text %d times", n)
			}
			if !ask[bool](in, `document.activeElement.value.includes("avélo, train et bus")`) {
				t.Error("what was typed is not there")
			}
			in.eval(`document.querySelector("#body, [data-source] textarea").dispatchEvent(new Event("input", {bubbles: true}))`)
			in.quiet()
			in.eval(`localStorage.clear(); sessionStorage.clear(); localStorage.setItem("text", "source")`)
		})
	}
}

// TestTypingIsTraced tells what a key costs in Chromium, in texts of 2 and of 200 KB, and
// beside it in a bare text area that no script looks at. It is a measurement, told in
// docs/benchmarks.md.
func TestTypingIsTraced(t *testing.T) {
	if os.Getenv("CMS_TYPING") == "" {
		t.Skip("SKIPPED: CMS_TYPING is not set, so no trace is made of what a key costs.")
	}
	p := servePages(t)
	b := p.browser(t, "fr")
	b.camille(p)
	bare := `(() => { const a = document.createElement("textarea"); a.rows = 26; a.style.width = "40em"; a.value = long; document.querySelector("main").replaceChildren(a); a.focus(); a.setSelectionRange(900, 900); return true })()`
	fmt.Println("| | 2 KB: scripts | all | 200 KB: scripts | all |\n|---|---|---|---|---|")
	for _, place := range append(places, struct{ name, path, ready string }{"a bare text area", "account", bare}) {
		row := "| " + place.name
		for _, size := range []int{2_000, 200_000} {
			b.typeInto(p, place.path, place.ready, size)
			scripts, all := b.traced(t, 60)
			row += fmt.Sprintf(" | %.2f ms | %.2f ms", scripts, all)
			b.eval(`document.querySelector("#body, textarea").dispatchEvent(new Event("input", {bubbles: true}))`)
			b.quiet()
			b.eval(`localStorage.clear(); sessionStorage.clear(); localStorage.setItem("text", "source")`)
		}
		fmt.Println(row + " |")
	}
}

// handled are the events of a key that scripts may handle. That of keypress is left out, as
// the browser puts the sign into the text meanwhile.
var handled = map[string]bool{"keydown": true, "beforeinput": true, "input": true, "selectionchange": true, "keyup": true}

// traced types some keys, and gives the milliseconds that Chromium's trace has for each: of
// scripts, and of all that the page's main thread did.
func (b *chromium) traced(t *testing.T, keys int) (scripts, all float64) {
	t.Helper()
	type event struct {
		Name string  `json:"name"`
		Dur  float64 `json:"dur"` // in microseconds
		PID  int     `json:"pid"`
		TID  int     `json:"tid"`
		Args struct {
			Name string `json:"name"`
			Data struct {
				Type string `json:"type"`
			} `json:"data"`
		} `json:"args"`
	}
	var mu sync.Mutex
	var events []event
	over := make(chan struct{})
	ctx, deaf := context.WithCancel(b.ctx)
	defer deaf()
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *tracing.EventDataCollected:
			mu.Lock()
			defer mu.Unlock()
			for _, raw := range ev.Value {
				var e event
				if json.Unmarshal([]byte(raw), &e) == nil {
					events = append(events, e)
				}
			}
		case *tracing.EventTracingComplete:
			close(over)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"devtools.timeline", "disabled-by-default-devtools.timeline"}}}); err != nil {
		t.Fatal(err)
	}
	for range keys {
		b.do(chromedp.KeyEvent("e"))
	}
	if _, err := chromedp.Call(b.ctx, tracing.End, struct{}{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-over:
	case <-b.ctx.Done():
		t.Fatal("the trace never came")
	}
	type thread struct{ pid, tid int }
	mainThread, calls := map[thread]bool{}, map[thread]float64{}
	tasks := map[thread]float64{}
	mu.Lock()
	defer mu.Unlock()
	for _, e := range events {
		at := thread{e.PID, e.TID}
		switch e.Name {
		case "thread_name":
			mainThread[at] = e.Args.Name == "CrRendererMain"
		case "EventDispatch":
			if handled[e.Args.Data.Type] {
				calls[at] += e.Dur
			}
		case "RunTask":
			tasks[at] += e.Dur
		}
	}
	for at := range mainThread {
		if mainThread[at] {
			scripts, all = scripts+calls[at], all+tasks[at]
		}
	}
	return scripts / 1000 / float64(keys), all / 1000 / float64(keys)
}
