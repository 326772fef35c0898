// Package browsertest starts Chromium for tests of pages.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// programs are what can be Chromium, the best first. Debian's headless shell is the same
// engine without what draws windows, and takes half of the processor time.
var programs = []string{"chromium-headless-shell", "chromium"}

// Find gives the path of Chromium.
func Find() (string, error) {
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no browser here, which is one of %q", programs)
}

// Asked skips a test of pages where nobody asks for a browser.
func Asked(t testing.TB) {
	t.Helper()
	if os.Getenv("CMS_BROWSER") == "" {
		t.Skip("SKIPPED: CMS_BROWSER is not set, so nobody uses the pages. Set it to 1 to have Chromium do so.")
	}
	if _, err := Find(); err != nil {
		t.Fatalf("CMS_BROWSER is set: %v", err)
	}
}

// Start gives a context of a new browser, which asks nobody but this machine and ends with
// the test or after the time.
func Start(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	program, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.Flag("lang", "en-US"), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, limit)
	t.Cleanup(cancel)
	return ctx
}
