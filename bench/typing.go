package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// typing tells what a key costs in Chromium, in short and in long texts. A test types and
// traces; this puts its table into the report, where Chromium is.
func (b *bench) typing(ctx context.Context) error {
	b.printf("\n## Typing, in Chromium\n\nWhat a key takes of the page's main thread, by Chromium's trace: its scripts, and all with\nlayout and painting. A bare text area, which no script looks at, stands beside it.\n\n")
	_, whole := exec.LookPath("chromium")
	if _, err := exec.LookPath("chromium-headless-shell"); err != nil && whole != nil {
		b.printf("Not measured: this machine has no Chromium.\n")
		return nil
	}
	test := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=20m", "-v", "-run", "^TestTypingIsTraced$", "./cmd/cms")
	test.Env = append(os.Environ(), "CMS_BROWSER=1", "CMS_TYPING=1")
	said, err := test.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	for line := range strings.Lines(string(said)) {
		if strings.HasPrefix(line, "|") {
			b.printf("%s", line)
		}
	}
	return nil
}
