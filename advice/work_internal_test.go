package advice

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"cms/bounded"
	"cms/preview"
	"cms/race"
)

// shapes are units of which long texts are made that could cost much.
var shapes = []string{
	"a ", "a\n", "a\n\n", "- a\n", "![](a) ", "![", "[a](b) ", "[ici](/a.pdf)\n", "<a href=b>", "<a href=b>c</a>", "</a>", "<b>", "<b>a</b>", "<i><b>", "</b>", "<img ", "<img alt='", "<p align=a ", "<", "<!--", "</", "<script>", "<table>", "<table><tr><td>a", "<table>\n<tr><td>a\n\n", "<video>", "<track>", "<iframe src='?autoplay=1&autoplay=1'>",
	"# a\n", "### a\n", "#\n", "**a**\n\n", "**", "• a\n", "• a\n\n", "a<br>- b<br>", "1) a\n", "- a\n1) b\n", "|a|\n", "|a|b|\n|-|-|\n|c|\n\n", "👋 ", ":-) ", "ci-contre ", "en rouge ", "mot. ", ". ", "the of and to is\n\n", "[a]: b\n", "`a` ", "{: .a}\n", "> ", "&amp;", "\x00", "http://a.b ",
}

// TestWorkIsLinear: a text of twice the length takes twice the steps and memory, give or
// take a half.
func TestWorkIsLinear(t *testing.T) {
	race.TakesLong(t)
	renderer := preview.New()
	measure := func(shape string, n int) (steps, bytes int) {
		markdown := strings.Repeat(shape, n/len(shape))
		page, err := renderer.Blocks(t.Context(), markdown)
		if errors.As(err, new(*preview.RefusedError)) {
			return -1, 0
		}
		if err != nil {
			t.Fatal(err)
		}
		work := &text{Work: bounded.New(t.Context()), markdown: markdown, blocks: page.Blocks, found: map[Rule]int{}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := work.check(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return work.Steps, int(after.TotalAlloc - before.TotalAlloc)
	}
	measure("a ", 100) // what is made once
	for _, shape := range shapes {
		half, halfBytes := measure(shape, 2<<10)
		whole, wholeBytes := measure(shape, 4<<10)
		if half < 0 || whole < 0 {
			continue // which no preview shows
		}
		if 2*whole > 5*half+1000 || 2*wholeBytes > 5*halfBytes+1<<20 {
			t.Errorf("%q: %d steps and %d bytes, of twice the length %d and %d", shape, half, halfBytes, whole, wholeBytes)
		}
	}
}

// hangUp is a context that ends when it is asked for the nth time.
type hangUp struct {
	context.Context
	left int
}

func (c *hangUp) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestWorkEndsWithItsContext(t *testing.T) {
	markdown := strings.Repeat("![](a) [ici](b) <b>c</b>\n\n", 2000)
	page, err := preview.New().Blocks(t.Context(), markdown)
	if err != nil {
		t.Fatal(err)
	}
	for asked := range 20 {
		if _, err := Check(&hangUp{t.Context(), asked}, markdown, page, Options{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("hung up at look %d: got %v", asked, err)
		}
	}
}
