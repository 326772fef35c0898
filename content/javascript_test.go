package content

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Readers of YAML in JavaScript themselves read plain scalars as we do, by YAML 1.2, and as
// we think that they do, where we hint at what they differ about. It fetches them, so it
// runs only where CMS_CLIENTS is set.
func TestJavaScriptReadsPlainScalars(t *testing.T) {
	if os.Getenv("CMS_CLIENTS") == "" {
		t.Skip("SKIPPED: CMS_CLIENTS is not set, so no reader of YAML 1.2 is asked.")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/readers")); err != nil {
		t.Fatal(err)
	}
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED, as they could not be fetched: %v\n%s", err, out)
	}
	cmd := exec.Command("node", "read.js")
	cmd.Dir = dir
	in, out := startAnswering(t, cmd)
	lines := bufio.NewScanner(out)
	check := func(t interface{ Errorf(string, ...any) }, text string) {
		if _, _, ok := scanTime(text); ok {
			return // which is read alike, as far as there are times
		}
		fmt.Fprintln(in, text)
		if !lines.Scan() {
			t.Errorf("%s: no answer: %v", text, lines.Err())
			return
		}
		var told []struct {
			Number      string
			Value       any
			Error, Date bool
		}
		if err := json.Unmarshal(lines.Bytes(), &told); err != nil || len(told) != 3 {
			t.Errorf("%s: got %s, %v", text, lines.Bytes(), err)
			return
		}
		for i, read := range []func(string) Value{read12, readJS3, readJS4} {
			want := told[i].Value
			if n := told[i].Number; n != "" {
				want = Number(n)
				if strings.Contains(n, "N") || strings.Contains(n, "I") { // which JSON has no form for
					continue
				}
			}
			got := read(text)
			if n, ok := got.(Number); ok {
				if _, err := n.Float64(); err != nil { // which is too large for them
					continue
				}
			}
			if !told[i].Error && !told[i].Date && !scalarMeans(got, want) {
				t.Errorf("%s: got %v (%T), and %s reads %v (%T)", text, got, got, []string{"yaml", "js-yaml 3", "js-yaml 4"}[i], want, want)
			}
		}
	}
	for _, tt := range plainScalars {
		check(t, tt.text)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringMatching(`[-+0-9.]?[0-9_.:xobeE+-]{0,7}`).Filter(func(s string) bool {
			return s != "" && s != "-" && !strings.HasSuffix(s, ":") && !strings.HasPrefix(s, "---") && s != "..."
		}).Draw(t, "text"))
	})
}
