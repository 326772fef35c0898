package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// commitRaw makes a commit of the tree of main whose entry a is another one, with
// the lines head after its parent, and puts main there.
func (s *server) commitRaw(src, head string) {
	s.Helper()
	object := func(kind, raw string) string {
		cmd := exec.Command("git", "hash-object", "-w", "--literally", "-t", kind, "--stdin")
		cmd.Dir, cmd.Stdin = s.git, strings.NewReader(raw)
		out, err := cmd.Output()
		if err != nil {
			s.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	// Through an index of its own, in the repository's folder.
	run := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = s.git, append(cmd.Environ(), "GIT_INDEX_FILE="+s.git+"/index.test")
		out, err := cmd.Output()
		if err != nil {
			s.Fatalf("git %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	run("read-tree", "main")
	run("update-index", "--add", "--cacheinfo", "100644,"+object("blob", src)+",_consultations/a.md")
	run("update-ref", "refs/heads/main", object("commit", fmt.Sprintf("tree %s\nparent %s\n%s", run("write-tree"), run("rev-parse", "main"), head)))
}

// TestOddCommits: whatever dates and texts a pushed commit has, everything that
// tells of it answers, in JSON of valid UTF-8.
func TestOddCommits(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "a", sample)
	s.create("consultations", "b", sample)
	for i, head := range []string{
		"author D <d@x> 253402300801 +0000\ncommitter D <d@x> 253402300801 +0000\n\nIn the year 10000\n",
		"author D <d@x> 1700000000000 -1200\ncommitter D <d@x> 1700000000000 +1400\n\nIn the year 55840\n",
		"author D <d@x> 9223372036854775807 +0000\ncommitter D <d@x> 9223372036854775807 +0000\n\nAt the end\n",
		"author \xc9lodie <e@x> 1700000000 +0000\ncommitter D <d@x> 1700000000 +0000\nencoding ISO-8859-1\n\n\xc9t\xe9\n",
		"author \xc9lodie <e@x> 1700000000 +0000\ncommitter D <d@x> 1700000000 +0000\n\n\xc9t\xe9\n",
	} {
		title := fmt.Sprint("Plan ", i)
		s.commitRaw(strings.Replace(sample, "Plan vélo", title, 1), head)
		res := s.do(request{method: "PATCH", path: entryPath("b"), body: fmt.Sprintf(`{"fields":{"title":"b %d"}}`, i),
			header: map[string]string{"If-Match": "*", "Content-Type": "application/merge-patch+json"}})
		if res.status != 200 {
			t.Fatalf("%q: an edit on top of it: %d %s", head, res.status, res.body)
		}
		var edited struct{ Updated struct{ At string } }
		if err := json.Unmarshal(res.body, &edited); err != nil || !strings.HasPrefix(edited.Updated.At, "20") {
			t.Errorf("%q: an edit on top of it is dated %s, %v", head, edited.Updated.At, err)
		}
		for _, path := range []string{
			entryPath("a"), entryPath("b"), "/v1/collections/consultations/entries", "/v1/changes",
			"/v1/collections/consultations/history/a", "/v1/collections/consultations/entries?q=plan",
		} {
			res := s.do(request{method: "GET", path: path})
			if res.status != 200 || !json.Valid(res.body) || bytes.ContainsRune(res.body, '\uFFFD') || bytes.Contains(res.body, []byte(`\ufffd`)) {
				t.Errorf("%q: %s: %d %s", head, path, res.status, res.body)
			}
		}
	}
	history := s.do(request{method: "GET", path: "/v1/collections/consultations/history/a"})
	if got := strings.Count(string(history.body), `"Élodie"`); got != 2 {
		t.Errorf("Élodie is the author of %d changes, want 2: %s", got, history.body)
	}
}
