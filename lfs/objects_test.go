package lfs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A lfsHost is a host with the API, as hosts are: objects are at another address, with
// headers of their own.
type lfsHost struct {
	*httptest.Server
	t         *testing.T
	elsewhere *httptest.Server
	mu        sync.Mutex
	objects   map[string][]byte
	answer    func(http.ResponseWriter, *http.Request) bool // answers in place of the host, if it says so
	gets      atomic.Int32
	verified  atomic.Int32
}

func serveLFS(t *testing.T) *lfsHost {
	t.Helper()
	h := &lfsHost{t: t, objects: map[string][]byte{}}
	h.Server = httptest.NewServer(http.HandlerFunc(h.api))
	h.elsewhere = httptest.NewServer(http.HandlerFunc(h.content))
	t.Cleanup(h.Close)
	t.Cleanup(h.elsewhere.Close)
	return h
}

func (h *lfsHost) api(w http.ResponseWriter, r *http.Request) {
	if h.answer != nil && h.answer(w, r) {
		return
	}
	if _, password, _ := r.BasicAuth(); password != "jeton-secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", MediaType)
	switch r.URL.Path {
	case "/ville/site.git/info/lfs/verify":
		var o BatchObject
		if json.NewDecoder(r.Body).Decode(&o) != nil || int64(len(h.get(o.OID))) != o.Size {
			w.WriteHeader(http.StatusNotFound)
		}
		h.verified.Add(1)
	case "/ville/site.git/info/lfs/objects/batch":
		var asked BatchRequest
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.Header.Get("Accept") != MediaType || r.Header.Get("Content-Type") != MediaType || asked.Ref.Name != "refs/heads/main" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		a := BatchAnswer{Transfer: "basic"}
		for i := range asked.Objects {
			o := asked.Objects[len(asked.Objects)-1-i] // the order is the host's
			action := BatchAction{Href: h.elsewhere.URL + "/" + o.OID, Header: map[string]string{"X-Signed": "yes"}}
			switch has := h.get(o.OID) != nil; {
			case asked.Operation == Download && has:
				o.Actions = map[string]BatchAction{Download: action}
			case asked.Operation == Download:
				o.Error = &BatchError{404, "Object does not exist"}
			case !has:
				o.Actions = map[string]BatchAction{Upload: action, "verify": {Href: h.URL + "/ville/site.git/info/lfs/verify"}}
			}
			a.Objects = append(a.Objects, o)
		}
		_ = json.NewEncoder(w).Encode(a)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// content is where objects are. Who sends there what is for the host has told a stranger.
func (h *lfsHost) content(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.Header.Get("X-Signed") != "yes" {
		h.t.Error("the other server was asked with the token, or without the headers of the action")
	}
	oid := strings.TrimPrefix(r.URL.Path, "/")
	switch r.Method {
	case http.MethodGet:
		h.gets.Add(1)
		_, _ = w.Write(h.get(oid))
	case http.MethodPut:
		b, _ := io.ReadAll(r.Body)
		h.put(oid, b)
	}
}

func (h *lfsHost) get(oid string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.objects[oid]
}

func (h *lfsHost) put(oid string, b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.objects[oid] = b
}

func (h *lfsHost) remote(token string) *Remote {
	return &Remote{Ref: "refs/heads/main", Access: func(context.Context, string) (Endpoint, error) {
		r, _ := http.NewRequest(http.MethodGet, h.URL, nil)
		r.SetBasicAuth("git", token)
		return Endpoint{URL: h.URL + "/ville/site.git/info/lfs", Header: http.Header{"Authorization": r.Header["Authorization"]}}, nil
	}}
}

func objects(t *testing.T, o Options) *Objects {
	t.Helper()
	o.Path = cmp.Or(o.Path, t.TempDir())
	made, err := NewObjects(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(made.drafts); err == nil && len(left) > 0 {
			t.Errorf("drafts are left: %v", left)
		}
	})
	return made
}

func pointerTo(t *testing.T, content string) Pointer {
	t.Helper()
	p, err := PointerOf(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, o *Objects, p Pointer) string {
	t.Helper()
	f, err := o.Open(t.Context(), p)
	if err != nil {
		t.Fatalf("open %s: %v", p.OID, err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func keep(t *testing.T, o *Objects, content string) Pointer {
	t.Helper()
	p := pointerTo(t, content)
	if err := o.Put(t.Context(), p, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOwnObjects are where git-lfs has them, and are what their pointers say or not there.
func TestOwnObjects(t *testing.T) {
	t.Parallel()
	o := objects(t, Options{MaxObject: 20})
	if _, err := o.Open(t.Context(), pointerTo(t, "rien")); !errors.Is(err, ErrMissing) {
		t.Errorf("what was never put: %v", err)
	}
	p, empty := keep(t, o, "un fichier"), keep(t, o, "")
	if got := read(t, o, p) + read(t, o, empty); got != "un fichier" {
		t.Errorf("got %q", got)
	}
	keep(t, o, "un fichier") // again
	if parsed, ok := ParsePointer([]byte(p.Text())); !ok || parsed != p {
		t.Errorf("its pointer %q is read as %v", p.Text(), parsed)
	}
	at := filepath.Join(o.o.Path, "lfs", "objects", p.Hash()[:2], p.Hash()[2:4], p.Hash())
	if info, err := os.Stat(at); err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("%v, %v", info, err)
	}
	for name, tt := range map[string]struct {
		p       Pointer
		content string
		want    error
	}{
		"another content": {pointerTo(t, "ceci"), "cela", ErrMismatch},
		"too long":        {pointerTo(t, "ceci"), "ceci et cela", ErrMismatch},
		"too short":       {pointerTo(t, "ceci"), "ce", ErrMismatch},
		"too large":       {pointerTo(t, strings.Repeat("x", 21)), strings.Repeat("x", 21), ErrTooLarge},
	} {
		if err := o.Put(t.Context(), tt.p, strings.NewReader(tt.content)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if have, err := o.Have(t.Context(), []Pointer{tt.p, p}); err != nil || have[0] || !have[1] {
			t.Errorf("%s: have %v, %v", name, have, err)
		}
	}
	broken := errors.New("broken off")
	if err := o.Put(t.Context(), pointerTo(t, "ceci"), io.MultiReader(strings.NewReader("ce"), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a content that breaks off: %v", err)
	}
	var kept []string
	err := Own(o.o.Path, func(k Kept, content io.Reader) error {
		b, err := io.ReadAll(content)
		kept = append(kept, fmt.Sprint(k.Name, " ", k.Size, " ", string(b)))
		return err
	})
	if err != nil || len(kept) != 2 || !strings.Contains(strings.Join(kept, "\n"), "lfs/objects/"+p.Hash()[:2]+"/"+p.Hash()[2:4]+"/"+p.Hash()+" 10 un fichier") {
		t.Errorf("kept are %q, %v", kept, err)
	}
	if n, err := VerifyOwn(o.o.Path); err != nil || n != 2 {
		t.Errorf("verified: %d, %v", n, err)
	}
	if err := errors.Join(os.Chmod(at, 0o644), os.WriteFile(at, []byte("un dossier"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyOwn(o.o.Path); err == nil || !strings.Contains(err.Error(), p.Hash()) {
		t.Errorf("a damaged object is verified: %v", err)
	}
	if err := os.WriteFile(at, []byte("un"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(t.Context(), p); !errors.Is(err, ErrMissing) {
		t.Errorf("an object that was cut short: %v", err)
	}
	keep(t, o, "un fichier")
	if got := read(t, o, p); got != "un fichier" {
		t.Errorf("put again: %q", got)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// TestRemoteObjects come from the host once, and go there; what is kept of them has a bound.
func TestRemoteObjects(t *testing.T) {
	t.Parallel()
	h := serveLFS(t)
	o := objects(t, Options{Remote: h.remote("jeton-secret"), MaxObject: 100, Cache: 250})
	var all []Pointer
	for i := range 5 {
		text := fmt.Sprint(i, strings.Repeat("x", 99))
		p := pointerTo(t, text)
		h.put(p.Hash(), []byte(text))
		all = append(all, p)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			f, err := o.Open(t.Context(), all[0])
			if err != nil {
				t.Error(err)
				return
			}
			f.Close()
		})
	}
	wg.Wait()
	read(t, o, all[1])
	read(t, o, all[0])
	if n := h.gets.Load(); n != 2 {
		t.Errorf("%d were fetched, want 2", n)
	}
	read(t, o, all[2]) // in whose place the second one goes
	read(t, o, all[0])
	if n := h.gets.Load(); n != 3 {
		t.Errorf("%d were fetched, want 3", n)
	}
	read(t, o, all[1])
	if n := h.gets.Load(); n != 4 {
		t.Errorf("%d were fetched, want 4", n)
	}
	again := objects(t, Options{Path: o.o.Path, Remote: h.remote("another"), MaxObject: 100, Cache: 250}) // which the host refuses
	if got := read(t, again, all[1]); got != string(h.get(all[1].Hash())) {
		t.Errorf("after a start: %q", got)
	}
	var bytes int64
	if err := eachObject(o.cache.folder, func(_ string, info os.FileInfo) error { bytes += info.Size(); return nil }); err != nil || bytes > 250 {
		t.Errorf("the cache has %d bytes, %v", bytes, err)
	}

	p := keep(t, o, "un nouveau")
	if string(h.get(p.Hash())) != "un nouveau" || h.verified.Load() != 1 {
		t.Errorf("the host has %q, and was asked %d times", h.get(p.Hash()), h.verified.Load())
	}
	keep(t, o, "un nouveau") // which it has
	keep(t, o, "")
	if h.verified.Load() != 2 {
		t.Errorf("it was sent twice: %d", h.verified.Load())
	}
	if have, err := o.Have(t.Context(), []Pointer{all[4], pointerTo(t, "rien"), p}); err != nil || fmt.Sprint(have) != "[true false true]" {
		t.Errorf("have %v, %v", have, err)
	}
	if _, err := o.Open(t.Context(), pointerTo(t, "rien")); !errors.Is(err, ErrMissing) {
		t.Errorf("what nobody has: %v", err)
	}
	if _, err := o.Open(t.Context(), pointerTo(t, strings.Repeat("x", 101))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("what is too large: %v", err)
	}
	if n, err := VerifyOwn(o.o.Path); n != 0 || err != nil {
		t.Errorf("%d are kept for ever, %v", n, err)
	}
}

// TestHostsWithout have their objects here.
func TestHostsWithout(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 405, 410, 501} {
		h := serveLFS(t)
		h.answer = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(status); return true }
		o := objects(t, Options{Remote: h.remote("jeton-secret")})
		p := keep(t, o, "un fichier")
		if got := read(t, o, p); got != "un fichier" {
			t.Errorf("%d: got %q", status, got)
		}
		if have, err := o.Have(t.Context(), []Pointer{p, pointerTo(t, "rien")}); err != nil || fmt.Sprint(have) != "[true false]" {
			t.Errorf("%d: have %v, %v", status, have, err)
		}
		if n, err := VerifyOwn(o.o.Path); n != 1 || err != nil {
			t.Errorf("%d: %d are kept, %v", status, n, err)
		}
		if _, err := o.Open(t.Context(), pointerTo(t, "rien")); !errors.Is(err, ErrMissing) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestHostsThatFail: nothing is kept here in the place of a host that cannot take it now, what
// it says is told, and no secret.
func TestHostsThatFail(t *testing.T) {
	t.Parallel()
	content := "un fichier"
	p := pointerTo(t, content)
	batch := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
	}{
		"credentials":   {batch(401, ""), "401 Unauthorized"},
		"forbidden":     {batch(403, `{"message": "Git LFS is over its quota.\nPay"}`), "403 Git LFS is over its quota. Pay"},
		"limited":       {batch(429, `{"message": "`+strings.Repeat("x", 5000)+`"}`), "429 xxx"},
		"an error":      {batch(500, "<html>"), "500 Internal Server Error"},
		"no answer":     {batch(200, "<html>"), "cannot be read"},
		"endless":       {batch(200, `{"objects": [`+strings.Repeat(" ", maxAnswer)), "cannot be read"},
		"another":       {batch(200, `{"objects": []}`), "lacks an object"},
		"a kind":        {batch(200, `{"transfer": "tus", "objects": []}`), "basic"},
		"an object":     {batch(200, `{"objects": [{"oid": "`+p.Hash()+`", "error": {"code": 507, "message": "full"}}]}`), "507 full"},
		"an odd scheme": {batch(200, `{"objects": [{"oid": "`+p.Hash()+`", "actions": {"download": {"href": "file:///etc/passwd"}, "upload": {"href": "file:///tmp/x"}}}]}`), "cannot be asked"},
		"nobody there":  {batch(200, `{"objects": [{"oid": "`+p.Hash()+`", "actions": {"download": {"href": "http://127.0.0.1:1/?sig=geheim"}, "upload": {"href": "http://127.0.0.1:1/?sig=geheim"}}}]}`), "refused"},
	} {
		h := serveLFS(t)
		h.answer = tt.answer
		o := objects(t, Options{Remote: h.remote("jeton-secret")})
		_, opened := o.Open(t.Context(), p)
		for _, err := range []error{opened, o.Put(t.Context(), p, strings.NewReader(content))} {
			told := (*RemoteError)(nil)
			if !errors.As(err, &told) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "jeton") || len(err.Error()) > 500 {
				t.Errorf("%s: got %v, want %s", name, err, tt.want)
			} else if name == "limited" && told.After.Seconds() != 7 {
				t.Errorf("%s: after %s", name, told.After)
			}
		}
		if n, err := VerifyOwn(o.o.Path); n != 0 || err != nil {
			t.Errorf("%s: %d are kept here, %v", name, n, err)
		}
	}
	// An object that is not what its pointer says is not served, nor kept.
	for _, wrong := range []string{"un dossier", "un fichier de plus", "un"} {
		h := serveLFS(t)
		h.put(p.Hash(), []byte(wrong))
		o := objects(t, Options{Remote: h.remote("jeton-secret")})
		if _, err := o.Open(t.Context(), p); !errors.As(err, new(*RemoteError)) {
			t.Errorf("%q: %v", wrong, err)
		}
		h.put(p.Hash(), []byte(content))
		if got := read(t, o, p); got != content {
			t.Errorf("%q: then %q", wrong, got)
		}
	}
}

// TestTokensThatEnd: where the host does not take a token, it is asked once more with another.
func TestTokensThatEnd(t *testing.T) {
	t.Parallel()
	h := serveLFS(t)
	token := "ended"
	m := &Remote{Ref: "refs/heads/main", Access: func(ctx context.Context, op string) (Endpoint, error) {
		at, err := h.remote(token).Access(ctx, op)
		at.Reject = func() { token = "jeton-secret" }
		return at, err
	}}
	o := objects(t, Options{Remote: m})
	p := keep(t, o, "un fichier")
	if !bytes.Equal(h.get(p.Hash()), []byte("un fichier")) {
		t.Error("the host has it not")
	}
}

// TestRoom: what is kept here alone has a bound together, which many at once do not pass, and
// which what is there already does not count against.
func TestRoom(t *testing.T) {
	t.Parallel()
	unread := failing{errors.New("it was read")}
	for name, remote := range map[string]*Remote{"no host": nil, "a host that is only read": {ReadOnly: true}} {
		path := t.TempDir()
		o := objects(t, Options{Path: path, Remote: remote, MaxObject: 100, Store: 25})
		first := keep(t, o, "dix octets") // 10
		if n, err := o.Stored(); n != 10 || err != nil {
			t.Errorf("%s: %d bytes are stored, %v; want 10", name, n, err)
		}
		if err := o.Put(t.Context(), pointerTo(t, "seize octets ici"), unread); !errors.Is(err, ErrNoRoom) {
			t.Errorf("%s: 16 bytes beside 10 of 25: %v, want ErrNoRoom before they are read", name, err)
		}
		keep(t, o, "dix octets") // again
		if room, err := o.Room(15); !room || err != nil {
			t.Errorf("%s: room for 15: %v, %v", name, room, err)
		}
		if room, err := o.Room(16); room || err != nil {
			t.Errorf("%s: room for 16: %v, %v", name, room, err)
		}
		if err := o.Put(t.Context(), pointerTo(t, "autre chose"), strings.NewReader("tout autre!")); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: got %v, want ErrMismatch", name, err)
		}
		var kept atomic.Int32
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				content := fmt.Sprintf("des octets %02d", i) // 13
				switch err := o.Put(t.Context(), pointerTo(t, content), strings.NewReader(content)); {
				case err == nil:
					kept.Add(1)
				case !errors.Is(err, ErrNoRoom):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		if n, err := o.Stored(); kept.Load() != 1 || n != 23 || err != nil {
			t.Errorf("%s: %d more were kept, and %d bytes are stored, %v; want 1 and 23", name, kept.Load(), n, err)
		}
		again := objects(t, Options{Path: path, Remote: remote, MaxObject: 100, Store: 25})
		if n, err := again.Stored(); n != 23 || err != nil {
			t.Errorf("%s: after a start: %d bytes are stored, %v; want 23", name, n, err)
		}
		if got := read(t, again, first); got != "dix octets" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
