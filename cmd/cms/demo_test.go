package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cms/repo/repotest"
)

// startDemo runs the demo until it has shown its loop, and gives what it said.
func startDemo(t *testing.T, dir string) (said string, stop func()) {
	t.Helper()
	cmd := exec.Command("cms", "demo", "--dir", dir, "--listen", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	var b strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		b.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			return b.String(), func() {
				t.Helper()
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, stdout)
				if err := cmd.Wait(); err != nil {
					t.Errorf("the demo ended with %v\n%s", err, stderr.String())
				}
				if stderr.Len() > 0 {
					t.Errorf("the demo complained: %s", stderr.String())
				}
			}
		}
	}
	t.Fatalf("the demo ended early: %v\n%s%s", cmd.Wait(), b.String(), stderr.String())
	return "", nil
}

// find is what the first group of a pattern matches.
func find(t *testing.T, pattern, text string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%s does not occur in:\n%s", pattern, text)
	}
	return m[1]
}

// runDocumentedCommands runs every command of docs/api.md against the demo, in
// order, in one shell.
func runDocumentedCommands(t *testing.T, said string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("SKIPPED: there is no curl to run the commands of docs/api.md with")
		return
	}
	doc, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -e\n" + strings.Join(regexp.MustCompile(`(?m)^  (export .*)$`).FindAllString(said, -1), "\n") + "\n"
	commands := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		script += block[1]
		commands += strings.Count(block[1], "curl ")
	}
	shell := exec.Command("sh", "-c", script)
	shell.Dir = t.TempDir()
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("the commands of docs/api.md: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "about:blank") || strings.Contains(string(out), "404 page") {
		t.Errorf("a command of docs/api.md is refused:\n%s", out)
	}
	for _, want := range []string{`"in_progress":false`, "201 Created", "204 No Content", `"action":"deleted"`, `"email":"camille@example.org"`, `"state":"live"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the %d commands of docs/api.md never answer %s:\n%s", commands, want, out)
		}
	}
}

// TestDemo follows the loop that the demo shows, makes an edit with a command
// that it printed, and starts it again on what is there.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo, and every command of docs/api.md, take a while")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	said, stop := startDemo(t, dir)
	commit := find(t, `git:  commit ([0-9a-f]{7}) by Robot de veille`, said)
	page := find(t, `page: (http://\S+) shows it`, said)
	res, err := http.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	html, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !strings.Contains(string(html), commit) {
		t.Errorf("%s does not show the commit %s: %v\n%s", page, commit, err, html)
	}

	if _, err := exec.LookPath("curl"); err == nil {
		script := strings.Join(regexp.MustCompile(`(?m)^  ((?:export|curl) .*)$`).FindAllString(said, -1), "\n")
		out, err := exec.Command("sh", "-c", script).CombinedOutput()
		if err != nil || !strings.Contains(string(out), `"in_progress":false`) {
			t.Errorf("the printed commands: %v\n%s", err, out)
		}
	}
	runDocumentedCommands(t, said)
	stop()

	repository := filepath.Join(dir, "site.git")
	if out, err := git(repository, repotest.FsckArgs(repository)...); err != nil || out != "" {
		t.Errorf("git fsck says: %s %v", out, err)
	}
	before, err := git(repository, "log", "--format=%an: %s")
	if err != nil {
		t.Fatal(err)
	}
	again, stop := startDemo(t, dir)
	stop()
	after, err := git(repository, "log", "--format=%an: %s")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(after, before) || strings.Count(after, "\n") != strings.Count(before, "\n")+1 {
		t.Errorf("the second start left the history\n%s\nafter\n%s\n%s", after, before, again)
	}
}
