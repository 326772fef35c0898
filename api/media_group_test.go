package api_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cms/api"
	"cms/repo"
)

// numberedPNG is a picture that differs from those of other numbers.
func numberedPNG(t *testing.T, n int) string {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	img.Pix[0] = byte(n)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tagOf is the ETag of a file with this content.
func tagOf(content string) string {
	return fmt.Sprintf(`"%x"`, sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)))
}

// together sends requests that reach the writer in one group, in their order.
func (s *server) together(send ...func() response) []response {
	s.Helper()
	started, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, err := s.repo.Update(context.Background(), repo.Meta{Author: repo.Person{Name: "x", Email: "x@example.org"}}, func(*repo.Tx) error {
			close(started)
			<-release
			return nil
		})
		if err != nil {
			s.Error(err)
		}
	})
	<-started
	groups := s.repo.Stats().Groups
	answers := make([]response, len(send))
	for i := range send {
		all.Go(func() { answers[i] = send[i]() })
		for deadline := time.Now().Add(patience); s.repo.Stats().Queue <= i; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				s.Error("a request does not reach the writer")
				break
			}
		}
	}
	close(release)
	all.Wait()
	if n := s.repo.Stats().Groups - groups; n > 1 {
		s.Errorf("%d groups, want one", n)
	}
	return answers
}

// TestMediaAnswersAreOfTheirWrites uploads twice to one path in one group: each
// answer is of its own content, and a revision that has been replaced meanwhile is
// no precondition that holds.
func TestMediaAnswersAreOfTheirWrites(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	pictures := []string{numberedPNG(t, 0), numberedPNG(t, 1), numberedPNG(t, 2)}
	if res := s.upload("a.png", pictures[0], "", "If-None-Match", "*"); res.status != 201 {
		t.Fatal(string(res.body))
	}
	upload := func(n int, header ...string) func() response {
		return func() response { return s.upload("a.png", pictures[n], "", header...) }
	}
	for i, res := range s.together(upload(1, "If-Match", "*"), upload(2, "If-Match", "*")) {
		var file api.MediaFile
		want := tagOf(pictures[i+1])
		if err := json.Unmarshal(res.body, &file); err != nil || res.status != 200 || res.header.Get("ETag") != want || `"`+file.Revision+`"` != want || file.Size != int64(len(pictures[i+1])) {
			t.Errorf("upload %d: got %d %s %s, want 200 with the ETag %s", i+1, res.status, res.header.Get("ETag"), res.body, want)
		}
	}
	now := tagOf(pictures[2])
	answers := s.together(upload(1, "If-Match", now), upload(0, "If-Match", now), upload(1, "If-Match", "*"))
	if a := answers[0]; a.status != 200 || a.header.Get("ETag") != tagOf(pictures[1]) {
		t.Errorf("the first: got %d %s", a.status, a.body)
	}
	if a := answers[1]; a.status != 412 || a.header.Get("ETag") != tagOf(pictures[1]) {
		t.Errorf("the second: got %d with %s, want 412 with the ETag of the first", a.status, a.header.Get("ETag"))
	}
	if a := answers[2]; a.status != 200 || a.header.Get("ETag") != tagOf(pictures[1]) {
		t.Errorf("what the first has saved, once more: got %d %s", a.status, a.body)
	}
	create := func() response { return s.upload("b.png", pictures[0], "", "If-None-Match", "*") }
	answers = s.together(create, create)
	if answers[0].status != 201 || answers[1].status != 412 {
		t.Errorf("two creations: got %d and %d, want 201 and 412", answers[0].status, answers[1].status)
	}
	if got := s.commits(); got != "5" {
		t.Errorf("%s commits, want 5", got)
	}
}

// TestMediaDeletedInTheSameGroup uploads a file that another deletes before the
// answer: the upload was made, and its key says so.
func TestMediaDeletedInTheSameGroup(t *testing.T) {
	t.Parallel()
	s, _ := newKeyServer(t)
	picture := numberedPNG(t, 1)
	put := func() response {
		return s.upload("a.png", picture, "", "If-None-Match", "*", "Idempotency-Key", `"m1"`)
	}
	remove := func() response {
		return s.do(request{method: "DELETE", path: "/v1/media/a.png", header: map[string]string{"If-Match": tagOf(picture)}})
	}
	answers := s.together(put, remove)
	if a := answers[0]; a.status != 201 || a.header.Get("ETag") != tagOf(picture) {
		t.Errorf("the upload: got %d %s", a.status, a.body)
	}
	if a := answers[1]; a.status != 204 {
		t.Errorf("the deletion: got %d %s", a.status, a.body)
	}
	s.same(put(), answers[0])
	if got := s.commits(); got != "2" {
		t.Errorf("%s commits, want 2: the write of one key was made again", got)
	}
	if got := s.runGit("ls-tree", "-r", "--name-only", "main"); got != "" {
		t.Errorf("git has %s again", got)
	}
}

// TestMediaTwins asks for names that are one on some system, in one group, and
// beside what was pushed.
func TestMediaTwins(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	picture := numberedPNG(t, 1)
	upload := func(name string) func() response {
		return func() response { return s.upload(name, picture, "", "If-None-Match", "*") }
	}
	for _, names := range [][2]string{{"Logo.png", "logo.png"}, {"photos/a.png", "Photos/b.png"}, {"%C3%89t%C3%A9.png", "%C3%A9T%C3%89.png"}} {
		answers := s.together(upload(names[0]), upload(names[1]))
		if answers[0].status != 201 || answers[1].status != 409 {
			t.Errorf("%s and %s: got %d and %d, want 201 and 409", names[0], names[1], answers[0].status, answers[1].status)
		}
	}
	git, dir := s.clone()
	for name, content := range map[string]string{"img/plan-e\u0301te\u0301/a.png": picture, "_consultations/e\u0301cluse.md": sample} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	git("add", ".")
	git("commit", "-q", "-m", "In the normal form D")
	git("push", "-q")
	if err := s.repo.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plan-%C3%A9t%C3%A9/b.png", "Plan-%C3%A9t%C3%A9/b.png", "plan-%C3%A9t%C3%A9"} {
		if res := upload(name)(); res.status != 409 {
			t.Errorf("%s beside the same in the normal form D: got %d %s", name, res.status, res.body)
		}
	}
	res := s.do(request{method: "PUT", path: entryPath("%C3%A9cluse"), body: sample, header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}})
	if res.status != 409 {
		t.Errorf("a slug beside the same in the normal form D: got %d %s", res.status, res.body)
	}
	if names := s.runGit("ls-tree", "-r", "--name-only", "main"); strings.Count(names, "\n") != 5 {
		t.Errorf("got the files\n%s", names)
	}
}

// TestEntriesAnswerForTheirWrites edits one entry several times in one group, the
// last time back to where it was: each answer tells of its own commit.
func TestEntriesAnswerForTheirWrites(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "a", sample)
	edit := func(title string) func() response {
		return func() response {
			return s.do(request{method: "PATCH", path: entryPath("a"), body: `{"fields":{"title":"` + title + `"}}`,
				header: map[string]string{"If-Match": "*", "Content-Type": "application/merge-patch+json"}})
		}
	}
	remove := func() response {
		return s.do(request{method: "DELETE", path: entryPath("a"), header: map[string]string{"If-Match": "*"}})
	}
	answers := s.together(edit("Un"), edit("Deux"), edit("Un"), edit("Un"), remove)
	log := strings.Fields(s.runGit("log", "--reverse", "--format=%H", "main"))
	if len(log) != 5 {
		t.Fatalf("%d commits, want 5", len(log))
	}
	for i, title := range []string{"Un", "Deux", "Un", "Un"} {
		var e struct {
			Fields  struct{ Title string }
			Updated struct{ Commit string }
			Body    string
		}
		if err := json.Unmarshal(answers[i].body, &e); err != nil || answers[i].status != 200 || e.Fields.Title != title || e.Body == "" {
			t.Fatalf("edit %d: got %d %s", i, answers[i].status, answers[i].body)
		}
		if want := log[min(i, 2)+1]; e.Updated.Commit != want {
			t.Errorf("edit %d: told the commit %s, want %s", i, e.Updated.Commit, want)
		}
	}
	if answers[4].status != 204 {
		t.Errorf("the deletion: got %d %s", answers[4].status, answers[4].body)
	}
}
