package editor_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"cms/editor"
)

// picture is a PNG of one colour.
func picture(t testing.TB, shade uint8) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 8, 6))
	for i := range m.Pix {
		m.Pix[i] = shade
	}
	m.SetGray(0, 0, color.Gray{Y: 255 - shade})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// post sends a body to a page, as a script of ours does.
func (s *service) post(client *http.Client, path, contentType string, body []byte, with ...string) *page {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+editor.Prefix+path, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Origin", s.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	r.Header.Set("X-Part", "1")
	for i := 0; i < len(with); i += 2 {
		r.Header.Set(with[i], with[i+1])
	}
	return s.ask(client, r)
}

// sentFile is a file of a multipart form.
type sentFile struct {
	name    string
	content []byte
}

// bring submits a form with files, as a browser without scripts does.
func (f *form) bring(files ...sentFile) *page {
	f.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, v := range f.values {
		if err := w.WriteField(v.name, v.value); err != nil {
			f.Fatal(err)
		}
	}
	for _, file := range files {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="files"; filename="%s"`, file.name))
		part, err := w.CreatePart(h)
		if err != nil {
			f.Fatal(err)
		}
		part.Write(file.content)
	}
	w.Close()
	r, err := http.NewRequestWithContext(f.Context(), http.MethodPost, f.url+f.action, &b)
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", f.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return f.ask(f.client, r)
}

// TestUploads sends files as a script does and as a plain form does.
func TestUploads(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	one, two := picture(t, 10), picture(t, 20)

	p := s.post(s.http, "upload/photos/un.png?key=k1", "image/png", one)
	if p.status != 201 || !strings.Contains(p.source, "data-uploaded") || s.file("img/photos/un.png") != string(one) {
		t.Fatalf("the upload says (%d) %s", p.status, p.source)
	}
	tip := s.Tip()
	if p := s.post(s.http, "upload/photos/un.png?key=k1", "image/png", one); p.status != 201 || s.Tip() != tip {
		t.Errorf("sent twice it says (%d) %s", p.status, p.source)
	}
	if p := s.post(s.http, "upload/photos/un.png?key=k2", "image/png", two); p.status != 409 || !strings.Contains(p.text(), "déjà un fichier de ce nom") || s.Tip() != tip {
		t.Errorf("another one of this name says (%d) %s", p.status, p.text())
	}

	f := s.get(s.http, "media/photos/").form("/upload")
	if got := f.get("folder"); got != "photos/" {
		t.Errorf("the form is for the folder %q", got)
	}
	f.set("folder", "photos/été")
	p = f.bring(sentFile{"deux.png", two}, sentFile{"e\u0301te\u0301.png", one})
	if p.status != 200 || !strings.Contains(p.at, "added=2") || !strings.Contains(p.text(), "Ajouté") {
		t.Fatalf("the form leads to (%d) %s: %s", p.status, p.at, p.text())
	}
	if s.file("img/photos/été/deux.png") != string(two) || s.file("img/photos/été/été.png") != string(one) {
		t.Error("the files are not what was sent")
	}
	tip = s.Tip()
	if p := f.bring(sentFile{"deux.png", two}, sentFile{"e\u0301te\u0301.png", one}); p.status != 200 || s.Tip() != tip {
		t.Errorf("the form sent twice says (%d) %s", p.status, p.text())
	}

	f = s.get(s.http, "media/").form("/upload")
	p = f.bring(sentFile{"trois.png", two}, sentFile{"virus.exe", one}, sentFile{"faux.png", []byte("<script>")})
	if p.status != 422 || !strings.Contains(p.text(), "Ce type de fichier n’est pas accepté") || !strings.Contains(p.text(), "faux.png") {
		t.Errorf("a form with files that are refused says (%d) %s", p.status, p.text())
	}
	if s.file("img/trois.png") != string(two) {
		t.Error("what is good of a form was not saved")
	}
	if p := s.get(s.http, "media/").form("/upload").bring(); p.status != 422 || !strings.Contains(p.text(), "Aucun fichier") {
		t.Errorf("a form without files says (%d) %s", p.status, p.text())
	}
	if p := s.post(s.http, "upload/grand.png", "image/png", bytes.Repeat([]byte("x"), 1<<20+1)); p.status != 413 || !strings.Contains(p.text(), "au plus 1,0 Mo") {
		t.Errorf("a file that is too large says (%d) %s", p.status, p.text())
	}
	many := make([]sentFile, 21)
	for i := range many {
		many[i] = sentFile{fmt.Sprintf("m%d.png", i), one}
	}
	if p := s.get(s.http, "media/").form("/upload").bring(many...); p.status != 422 || !strings.Contains(p.text(), "m20.png") || strings.Contains(p.text(), "m19.png : N’a") {
		t.Errorf("a form of 21 files says (%d) %s", p.status, p.text())
	}
}

// TestUploadsGoneBackTo: a form that is sent once more with another file is another write, and
// never told as saved by what the first one did.
func TestUploadsGoneBackTo(t *testing.T) {
	t.Parallel()
	one, two, three := picture(t, 10), picture(t, 20), picture(t, 30)
	s := newService(t, map[string]string{"img/un.png": string(one)})
	f := s.get(s.http, "media/un.png").form("replace/un.png")
	for _, sent := range [][]byte{one, one, two} { // the first is what is there
		if p := f.bring(sentFile{"x.png", sent}); p.status != 200 || !strings.Contains(p.at, "saved=1") || s.file("img/un.png") != string(sent) {
			t.Errorf("a file that replaces one is answered (%d) %s", p.status, p.at)
		}
	}
	tip := s.Tip()
	if p := f.bring(sentFile{"x.png", three}); p.status != 409 || s.Tip() != tip {
		t.Errorf("another file in the same form is answered (%d) %s, and saved: %t", p.status, p.at, s.Tip() != tip)
	}
	f = s.get(s.http, "media/").form("/upload")
	if p := f.bring(sentFile{"deux.png", two}); !strings.Contains(p.at, "added=1") {
		t.Fatalf("an upload leads to (%d) %s", p.status, p.at)
	}
	tip = s.Tip()
	if p := f.bring(sentFile{"deux.png", three}); p.status != 409 || !strings.Contains(p.text(), "déjà un fichier de ce nom") || s.Tip() != tip {
		t.Errorf("another file of this name in the same form is answered (%d) %s", p.status, p.text())
	}
}

// TestUploadsThatAreRefused tries names that lead elsewhere, other sites, other people and
// other files.
func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{"img/Photo.png": string(picture(t, 1)), entryFile: "---\ntitle: T\n---\n"})
	tip := s.Tip()
	for _, name := range []string{
		"..%2F..%2Fx.png", "a/..%2f..%2fx.png", `..%5Cx.png`, `a%5Cb.png`, "%00.png", "a%00.png", ".hidden.png", ".git/config", "a/.git/x.png", "photo.png", "PHOTO.png/x.png",
		"a%0Ab.png", "con%3Ax.png", "x.png.", "a%20/x.png", strings.Repeat("a", 250) + ".png", "x.html", "x.svg", "x", "%E2%80%AEgnp.png",
	} {
		if p := s.post(s.http, "upload/"+name, "image/png", picture(t, 2)); p.status < 400 || p.status >= 500 || s.Tip() != tip {
			t.Errorf("a file called %s is answered (%d) %s", name, p.status, p.text())
			tip = s.Tip()
		}
	}
	for _, name := range []string{`..\\x.png`, "photo.png", "a:b.png", ".x.png"} {
		f := s.get(s.http, "media/").form("/upload")
		if p := f.bring(sentFile{name, picture(t, 2)}); p.status < 400 || s.Tip() != tip {
			t.Errorf("a form's file called %s is answered (%d) %s", name, p.status, p.text())
		}
	}
	for _, folder := range []string{"../_consultations", "..", "a/../..", "/../x", "_x/../../y", ".git"} {
		f := s.get(s.http, "media/").form("/upload")
		f.set("folder", folder)
		if p := f.bring(sentFile{"x.png", picture(t, 2)}); p.status < 400 || p.status >= 500 || s.Tip() != tip {
			t.Errorf("a form for the folder %s is answered (%d) %s", folder, p.status, p.text())
		}
	}
	for name, with := range map[string][]string{
		"another site":  {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
		"a sibling":     {"Origin", "http://other." + strings.TrimPrefix(s.url, "http://"), "Sec-Fetch-Site", "same-site"},
		"nowhere":       {"Origin", "null", "Sec-Fetch-Site", "cross-site"},
		"an old client": {"Origin", "", "Sec-Fetch-Site", ""},
	} {
		for _, path := range []string{"upload/x.png", "upload", "replace/Photo.png", "move-file/Photo.png", "delete-file/Photo.png"} {
			if p := s.post(s.http, path, "text/plain", picture(t, 3), with...); p.status != 403 || s.Tip() != tip {
				t.Errorf("%s from %s is answered (%d) %s", path, name, p.status, p.text())
			}
		}
	}

	rene := s.logIn("rene")
	for _, path := range []string{"upload/x.png", "replace/Photo.png", "delete-file/Photo.png", "move-file/Photo.png"} {
		if p := s.post(rene, path, "application/x-www-form-urlencoded", nil); p.status != 403 && p.status != 404 {
			t.Errorf("%s of a reader is answered (%d) %s", path, p.status, p.text())
		}
	}
	for _, path := range []string{"media/", "media/Photo.png", "file/Photo.png", "move-file/Photo.png", "delete-file/Photo.png"} {
		if p := s.get(rene, path); p.status != 404 || strings.Contains(p.source, "Photo") && !strings.Contains(path, "Photo") {
			t.Errorf("%s shows a reader (%d) %s", path, p.status, p.text())
		}
	}
	if s.Tip() != tip {
		t.Error("something was saved")
	}
}

// TestLibrary finds files in folders and by words.
func TestLibrary(t *testing.T) {
	t.Parallel()
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("a", 64) + "\nsize 123456\n"
	s := newService(t, map[string]string{
		"img/un.png": string(picture(t, 1)), "img/photos/deux.png": string(picture(t, 2)), "img/photos/été/Trois.png": string(picture(t, 3)),
		"img/plan.pdf": "%PDF-1.4\n", "img/gros.png": pointer, "img/dessin.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
		"img/.caché/x.png": string(picture(t, 1)), `img/a"><script>.png`: string(picture(t, 4)),
	})
	p := s.get(s.http, "media/")
	for want, there := range map[string]bool{"un.png": true, "plan.pdf": true, "photos": true, "2 fichiers": true, "7 fichiers": true, "deux.png": false, "caché": false, "Gardé ailleurs": true} {
		if strings.Contains(p.text(), want) != there {
			t.Errorf("the library has %q: %t, in %s", want, !there, p.text())
		}
	}
	if strings.Contains(p.source, `"><script>`) {
		t.Error("the name of a file is not escaped")
	}
	for _, img := range all(p.root, "img") {
		src, _ := attr(img, "src")
		if loading, _ := attr(img, "loading"); loading != "lazy" {
			t.Errorf("%s is loaded at once", src)
		}
		if strings.Contains(src, ".svg") || strings.Contains(src, "gros") {
			t.Errorf("%s is shown as an image", src)
		}
	}
	for text, want := range map[string]string{"trois": "photos/été/Trois.png", "ete TROIS": "photos/été/Trois.png", "nulle part": "Rien ne correspond"} {
		if p := s.get(s.http, "media/?q="+url.QueryEscape(text)); !strings.Contains(p.text(), want) {
			t.Errorf("looking for %s finds %s", text, p.text())
		}
	}
	if p := s.get(s.http, "media/?q=&view=list"); p.status != 200 || !strings.Contains(p.source, `class="rows files"`) {
		t.Errorf("the list is (%d) %s", p.status, p.text())
	}
	if p := s.get(s.http, "media/?choose=image"); strings.Contains(p.text(), "plan.pdf") || !strings.Contains(p.source, `data-pick="un.png"`) || !strings.Contains(p.source, `data-address="/img/un.png"`) || strings.Contains(p.source, "data-pick=\"dessin.svg\"") {
		t.Errorf("images to choose are %s", p.text())
	}
	for name, want := range map[string]int{"file/un.png": 200, "file/gros.png": 404, "file/dessin.svg": 200, "file/nope.png": 404} {
		p := s.get(s.http, name)
		inline := !strings.HasPrefix(p.header.Get("Content-Disposition"), "attachment")
		if p.status != want || want == 200 && inline != (name == "file/un.png") || !strings.Contains(p.header.Get("Content-Security-Policy"), "sandbox") && want == 200 {
			t.Errorf("%s is answered (%d) with %v", name, p.status, p.header)
		}
	}
	if p := s.get(s.http, "media/gros.png"); !strings.Contains(p.text(), "Le contenu de ce fichier est gardé ailleurs") || strings.Contains(p.source, `action="/editor/replace`) {
		t.Errorf("the page of a pointer says %s", p.text())
	}
}

// TestFilesThatAreUsed renames, replaces and deletes files that entries use.
func TestFilesThatAreUsed(t *testing.T) {
	t.Parallel()
	const entry = "---\ntitle: Vélo\nimage: /img/un.png\n---\n![Un vélo](/img/un.png)\n"
	s := newService(t, map[string]string{entryFile: entry, "img/un.png": string(picture(t, 1)), "img/là.png": string(picture(t, 5))})
	p := s.get(s.http, "media/un.png")
	if !strings.Contains(p.text(), "Vélo") || !strings.Contains(p.text(), "/img/un.png") {
		t.Errorf("the page of the file says %s", p.text())
	}

	f := p.form("replace/un.png")
	if p := f.bring(sentFile{"autre.jpg", picture(t, 9)}); p.status != 422 || !strings.Contains(p.text(), "finir par .png") {
		t.Errorf("to replace it by another type says (%d) %s", p.status, p.text())
	}
	if p := f.bring(sentFile{"autre.png", picture(t, 9)}); p.status != 200 || s.file("img/un.png") != string(picture(t, 9)) {
		t.Errorf("to replace it says (%d) %s", p.status, p.text())
	}
	f.set("key", "another")
	if p := f.bring(sentFile{"autre.png", picture(t, 10)}); p.status != 409 || !strings.Contains(p.text(), "changé entre-temps") {
		t.Errorf("to replace an older one says (%d) %s", p.status, p.text())
	}

	f = s.get(s.http, "move-file/un.png").form("move-file/un.png")
	for to, want := range map[string]string{"là.png": "a ce nom", "../x.png": "ne convient pas", "un.jpg": "finir par .png", "un.exe": "finir par"} {
		f.set("to", to)
		if p := f.submit(""); p.status < 400 || p.status > 499 || !strings.Contains(p.text(), want) {
			t.Errorf("to move it to %s says (%d) %s", to, p.status, p.text())
		}
	}
	f.set("to", "photos/vélo.png")
	p = f.submit("")
	if p.status != 200 || !strings.Contains(p.text(), "Enregistré") {
		t.Fatalf("to move it says (%d) %s", p.status, p.text())
	}
	if got, want := s.file(entryFile), strings.ReplaceAll(entry, "/img/un.png", "/img/photos/vélo.png"); got != want && got != strings.ReplaceAll(entry, "/img/un.png", "/img/photos/v%C3%A9lo.png") {
		t.Errorf("the entry became %s, want %s", got, want)
	}
	tip := s.Tip()
	if p := f.submit(""); p.status != 200 || s.Tip() != tip {
		t.Errorf("the form sent twice says (%d) %s", p.status, p.text())
	}

	f = s.get(s.http, "delete-file/photos/v%C3%A9lo.png").form("delete-file/photos/v%C3%A9lo.png")
	p = f.submit("")
	if p.status != 200 || !strings.Contains(p.text(), "Supprimé") || strings.Contains(s.file(entryFile), "lo.png") {
		t.Errorf("to delete it says (%d) %s and leaves %s", p.status, p.text(), s.file(entryFile))
	}
	f = s.get(s.http, "delete-file/l%C3%A0.png").form("png")
	if p := f.submit(""); p.status != 200 || strings.Contains(s.RunGit("ls-tree", "-r", "--name-only", "main"), "img/") {
		t.Errorf("to delete the other says (%d) %s", p.status, p.text())
	}
}

// TestSmallPictures are what the library, lists and forms show, to who may read the files.
func TestSmallPictures(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: "---\ntitle: Vélo\nimage: /img/un.png\n---\n"})
	large := image.NewRGBA(image.Rect(0, 0, 900, 600))
	for i := range large.Pix {
		large.Pix[i] = 255
	}
	var b bytes.Buffer
	if err := png.Encode(&b, large); err != nil {
		t.Fatal(err)
	}
	if p := s.post(s.http, "upload/un.png?key=k1", "application/octet-stream", b.Bytes()); p.status != http.StatusCreated {
		t.Fatalf("the upload says %d %s", p.status, p.text())
	}
	at := ""
	for _, path := range []string{"media/", "media/?choose=image", "list/consultations", "entry/consultations/velo"} {
		p := s.get(s.http, path)
		found := ""
		for _, n := range all(p.root, "img") {
			if src, _ := attr(n, "src"); strings.HasPrefix(src, "/editor/thumb/un.png?v=") {
				found = src
			}
		}
		if found == "" || at != "" && at != found {
			t.Errorf("%s shows %q, others %q", path, found, at)
		}
		at = found
	}
	p := s.send(s.http, "GET", at, "")
	m, kind, err := image.Decode(strings.NewReader(p.source))
	if err != nil || m.Bounds().Dx() != 320 || p.header.Get("Content-Type") != "image/"+kind || p.header.Get("ETag") == "" || !strings.HasPrefix(p.header.Get("Cache-Control"), "private") || p.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("it is a %s (%v) with %v", kind, err, p.header)
	}
	if !strings.Contains(strings.Join(p.header.Values("Vary"), ","), "Cookie") {
		t.Error("who logs in later would be shown it by the browser's cache")
	}
	if p := s.send(s.http, "GET", at, "", "If-None-Match", p.header.Get("ETag")); p.status != http.StatusNotModified || p.source != "" {
		t.Errorf("asked again it is answered with %d and %d bytes", p.status, len(p.source))
	}
	if p := s.send(s.logIn("rene"), "GET", at, ""); p.status != http.StatusNotFound && p.status != http.StatusForbidden {
		t.Errorf("who may not read files is answered with %d", p.status)
	}
	if p := s.send(s.stranger(), "GET", at, ""); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/editor/login") {
		t.Errorf("a stranger is answered with %d", p.status)
	}
	s.get(s.http, "thumb/nichts.png").want(http.StatusNotFound)
	s.Commit(map[string]string{"img/cut.png": b.String()[:b.Len()/2], "img/a.svg": "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"})
	quiet := s.quiet()
	if p := s.get(quiet, "thumb/cut.png"); p.status != http.StatusSeeOther || p.header.Get("Location") != "/editor/file/cut.png" {
		t.Errorf("of a broken one it leads (%d) to %q", p.status, p.header.Get("Location"))
	}
	s.get(s.http, "thumb/a.svg").want(http.StatusNotFound)
}
