package content

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestParseVersion fails when files are read otherwise than before, so that
// ParseVersion is raised: what was kept of earlier parses must not be taken then.
// The sum is to be changed with it, or where only the files of testdata did.
func TestParseVersion(t *testing.T) {
	const version, sum = 6, "4b1c504ef377665b"
	h := sha256.New()
	sources := []string{
		"---\na: 1\na: 2\nb: &x [1, 2]\nc: *x\n---\n", "---\na: [\n---\n", "---\nouvert: 1\n", "---\n- liste\n---\n",
		"---\nvide:\nvrai: true\noui: yes\nnombre: 1.50\nhexa: 0x1F\ngrand: 123456789012345678901234567890\ninfini: .inf\n~: 1\n---\n",
		"---\njour: 2026-02-28\nfaux: 2026-02-30\ninstant: 2026-02-28 10:11:12.5 +0530\nheure: 10:11:12\n---\n",
		"+++\na = 1_000\nb = 2026-02-28T10:11:12-03:00\n[c]\nd = [1, \"x\"]\n+++\n", "{\"a\": null, \"b\": [1, {\"c\": 1e5}]}\n", lfsPointer, "---\na: 1\n---\n\xff",
	}
	err := filepath.WalkDir("testdata/cases", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		src, err := os.ReadFile(name)
		sources = append(sources, string(src))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Format]bool{}
	for _, src := range sources {
		d := Parse([]byte(src))
		seen[d.block.format] = seen[d.block.format] || len(d.Fields().Members) > 0
		fields, err := json.Marshal(d.Fields())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %+v\n", fields, d.Problems())
	}
	for _, forms := range registry {
		if f := forms[0].format; !seen[f] || formats[f] == "" {
			t.Errorf("%v: %t that a source above is read in it, and budget_test.go knows %q of it", f, seen[f], formats[f])
		}
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)[:8]); got != sum || ParseVersion != version {
		t.Errorf("files are read otherwise: sum %s of version %d, want %s of %d", got, ParseVersion, sum, version)
	}
}
