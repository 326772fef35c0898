package api_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"cms/api"
)

func encodedPNG(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (s *server) upload(path, content, token string, header ...string) response {
	s.Helper()
	h := map[string]string{"Content-Type": "application/octet-stream"}
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return s.do(request{method: "PUT", path: "/v1/media/" + path, body: content, token: token, header: h})
}

func TestMedia(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	picture := encodedPNG(t)
	res := s.upload("photos/%C3%A9t%C3%A9.png?message=Une+photo", picture, "", "If-None-Match", "*")
	tag := res.header.Get("ETag")
	if res.status != 201 || res.header.Get("Location") != "/v1/media/photos/%C3%A9t%C3%A9.png" {
		t.Fatalf("got %d %v %s", res.status, res.header, res.body)
	}
	if got := s.file("img/photos/été.png"); got != picture {
		t.Errorf("git has %q, want the picture", got)
	}
	if got := s.runGit("log", "-1", "--format=%an <%ae> %s", "main"); got != "Ann Éditrice <ann@example.org> Une photo\n" {
		t.Errorf("got the commit %q", got)
	}
	get := func(path string, header map[string]string) response {
		return s.do(request{method: "GET", path: "/v1/media/" + path, header: header})
	}
	res = get("photos/été.png", nil)
	if string(res.body) != picture || res.header.Get("ETag") != tag || res.header.Get("Content-Type") != "image/png" ||
		res.header.Get("X-Content-Type-Options") != "nosniff" || res.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("got %d %v", res.status, res.header)
	}
	res = get("photos/été.png?revision="+strings.Trim(tag, `"`), map[string]string{"Range": "bytes=1-3"})
	if res.status != 206 || string(res.body) != "PNG" || !strings.Contains(res.header.Get("Cache-Control"), "immutable") {
		t.Errorf("a range: got %d %q %v", res.status, res.body, res.header)
	}
	if res = get("photos/été.png", map[string]string{"If-None-Match": tag}); res.status != 304 {
		t.Errorf("unchanged: got %d", res.status)
	}
	before := s.head()
	if res = s.upload("photos/été.png", picture, "", "If-Match", tag); res.status != 200 || s.head() != before {
		t.Errorf("the same again: got %d %s and a commit", res.status, res.body)
	}
	res = s.do(request{method: "GET", path: "/v1/media?prefix=photos/"})
	var list api.MediaFiles
	if err := json.Unmarshal(res.body, &list); err != nil || list.Total != 1 || list.Items[0].Path != "photos/été.png" || list.Items[0].Size != int64(len(picture)) {
		t.Fatalf("got the list %s", res.body)
	}
	if res = s.do(request{method: "GET", path: list.Items[0].URL}); res.status != 200 || string(res.body) != picture {
		t.Errorf("the URL of the list gives %d", res.status)
	}
	if res = s.do(request{method: "DELETE", path: "/v1/media/photos/été.png", header: map[string]string{"If-Match": tag}}); res.status != 204 {
		t.Errorf("delete: got %d %s", res.status, res.body)
	}
	if got := s.runGit("ls-tree", "-r", "--name-only", "main"); got != "" {
		t.Errorf("git still has %s", got)
	}
}

func TestMediaIsStripped(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	told := plain.String()[:2] + "\xff\xfe\x00\x08SECRET" + plain.String()[2:]
	if res := s.upload("a.jpg", told, "", "If-None-Match", "*"); res.status != 201 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	if got := s.file("img/a.jpg"); got != plain.String() {
		t.Errorf("git has %q", got)
	}
}

func TestMediaThatMayRunIsSandboxed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if res := s.upload("a.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>a()</script></svg>`, "", "If-None-Match", "*"); res.status != 201 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	h := s.do(request{method: "HEAD", path: "/v1/media/a.svg"}).header
	if h.Get("Content-Disposition") != "attachment" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("got %v", h)
	}
}

func TestMediaRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	picture := encodedPNG(t)
	if res := s.upload("photos/a.png", picture, "", "If-None-Match", "*"); res.status != 201 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	photographer, reader := s.mint("photographer"), s.mint("reader")
	create := []string{"If-None-Match", "*"}
	for _, test := range []struct {
		name, path, content, token string
		header                     []string
		status                     int
	}{
		{"no precondition", "photos/a.png", picture, "", nil, 428},
		{"there already", "photos/a.png", picture, "", create, 412},
		{"stale", "photos/a.png", picture, "", []string{"If-Match", `"0000000000000000000000000000000000000000"`}, 412},
		{"not there", "photos/b.png", picture, "", []string{"If-Match", "*"}, 404},
		{"case twin", "photos/A.png", picture, "", create, 409},
		{"case twin of a folder", "Photos/b.png", picture, "", create, 409},
		{"below a file", "photos/a.png/b.png", picture, "", create, 409},
		{"outside", "%2e%2e/a.png", picture, "", create, 400},
		{"hidden", ".well-known/a.png", picture, "", create, 400},
		{"Git's folder", ".git/hooks/a.png", picture, "", create, 400},
		{"not NFC", "e\u0301.png", picture, "", create, 400},
		{"another type", "b.jpg", picture, "", create, 422},
		{"an extension that is not taken", "b.html", "<p>", "", create, 422},
		{"unknown parameter", "b.png?force=1", picture, "", create, 422},
		{"too large", "b.png", picture + strings.Repeat("a", maxMedia), "", create, 413},
		{"no token", "photos/b.png", picture, "-", create, 401},
		{"no right at all", "photos/b.png", picture, reader, create, 404},
		{"outside of the role's folder", "b.png", picture, photographer, create, 404},
		{"update without the right", "photos/a.png", picture, photographer, []string{"If-Match", "*"}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := s.head()
			res := s.upload(test.path, test.content, test.token, test.header...)
			if res.status != test.status {
				t.Errorf("got %d %s, want %d", res.status, res.body, test.status)
			}
			s.problem(res)
			if s.head() != before {
				t.Error("there is a commit")
			}
		})
	}
	if res := s.do(request{method: "GET", path: "/v1/media", token: reader}); res.status != http.StatusNotFound {
		t.Errorf("the list without the right: got %d", res.status)
	}
}

func TestUploadsLoseTheirMetadata(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	picture := encodedPNG(t)
	text := "\x00\x00\x00\x0dtEXtAuthor\x00SECRET\x00\x00\x00\x00"
	const header = 8 + 25
	res := s.upload("plan.png", picture[:header]+text+picture[header:], "", "If-None-Match", "*")
	if res.status != 201 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	if got := s.do(request{method: "GET", path: "/v1/media/plan.png"}); string(got.body) != picture {
		t.Errorf("got %q, want the picture without its text", got.body)
	}
	if got := s.file("img/plan.png"); got != picture {
		t.Errorf("git has %q, want the picture without its text", got)
	}
}

func TestMediaAtAnOlderRevision(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const first, second = "%PDF-1.4\nun\n", "%PDF-1.4\ndeux\n"
	put := func(path, content string, header ...string) string {
		t.Helper()
		res := s.upload(path, content, "", header...)
		if res.status != 201 && res.status != 200 {
			t.Fatalf("got %d %s", res.status, res.body)
		}
		return strings.Trim(res.header.Get("ETag"), `"`)
	}
	old := put("photos/plan.pdf", first, "If-None-Match", "*")
	now := put("photos/plan.pdf", second, "If-Match", "*")
	secret := put("prive/note.pdf", "%PDF-1.4\nsecret\n", "If-None-Match", "*")
	git, _ := s.clone()
	git("mv", "img/prive/note.pdf", "img/photos/note.pdf")
	git("commit", "-q", "-m", "Publie")
	git("push", "-q")
	if err := s.repo.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	photographer := s.mint("photographer")
	get := func(path, revision, token string, status int, content string) {
		t.Helper()
		res := s.do(request{method: "GET", path: "/v1/media/" + path + "?revision=" + revision, token: token})
		if res.status != status || status == 200 && string(res.body) != content {
			t.Errorf("%s at %s: got %d %s, want %d %q", path, revision, res.status, res.body, status, content)
		}
		if status != 200 {
			return
		}
		if res.header.Get("ETag") != `"`+revision+`"` || !strings.Contains(res.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s at %s: got %v", path, revision, res.header)
		}
	}
	get("photos/plan.pdf", old, photographer, 200, first)
	get("photos/plan.pdf", now, photographer, 200, second)
	get("photos/note.pdf", secret, photographer, 200, "%PDF-1.4\nsecret\n")
	get("prive/note.pdf", secret, photographer, 404, "")
	get("photos/plan.pdf", secret, photographer, 404, "") // of another file
	get("photos/plan.pdf", strings.Repeat("0", 40), photographer, 404, "")
	get("photos/plan.pdf", "x", photographer, 404, "")
	get("photos/plan.pdf", old, s.mint("reader"), 404, "")
	if res := s.do(request{method: "DELETE", path: "/v1/media/photos/plan.pdf", header: map[string]string{"If-Match": "*"}}); res.status != 204 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	get("photos/plan.pdf", old, photographer, 200, first)
}

func TestDryRunsOfMedia(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	picture := encodedPNG(t)
	if res := s.upload("a.png", picture, "", "If-None-Match", "*"); res.status != 201 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	before := s.head()
	for _, c := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
		says                     string
	}{
		{"a new file", "PUT", "b.png?dry_run=true", picture, map[string]string{"If-None-Match": "*"}, 200, `"body_changed":true`},
		{"the same again", "PUT", "a.png?dry_run=true", picture, map[string]string{"If-Match": "*"}, 200, `"body_changed":false`},
		{"a deletion", "DELETE", "a.png?dry_run=true", "", map[string]string{"If-Match": "*"}, 200, `"body_changed":true`},
		{"another type", "PUT", "b.png?dry_run=true", "%PDF-1.4", map[string]string{"If-None-Match": "*"}, 422, "does not match the extension"},
		{"there already", "PUT", "a.png?dry_run=true", picture, map[string]string{"If-None-Match": "*"}, 412, "precondition_failed"},
		{"a deletion of nothing", "DELETE", "b.png?dry_run=true", "", map[string]string{"If-Match": "*"}, 404, "not_found"},
		{"without a precondition", "DELETE", "a.png?dry_run=true", "", nil, 428, "If-Match"},
		{"neither true nor false", "DELETE", "a.png?dry_run=yes", "", map[string]string{"If-Match": "*"}, 422, "true or false"},
	} {
		res := s.do(request{method: c.method, path: "/v1/media/" + c.path, body: c.body, header: c.header})
		if res.status != c.status || !strings.Contains(string(res.body), c.says) {
			t.Errorf("%s: got %d %s, want %d with %s", c.name, res.status, res.body, c.status, c.says)
		}
		if s.head() != before {
			t.Fatalf("%s: there is a commit", c.name)
		}
	}
	if left := s.do(request{method: "GET", path: "/v1/media/a.png"}); string(left.body) != picture {
		t.Error("the file is not what it was")
	}
}
