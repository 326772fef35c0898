package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/auth"
	"cms/race"
)

const hostileConfig = `
server: {listen: "%s"}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}}
state: {url: "sqlite:state.db"}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
media: {folder: img}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles:
    editor: {consultations: [read, create, update, delete], media: [read, create]}
    nothing: {media: [read]}
hooks: [{provider: github, secret_env: CMS_HOOK_SECRET}]
log: {level: error}
`

// hostileMemory is what the process may take above what it takes at rest, in bytes.
const hostileMemory = 512 << 20

// An attack is what one hostile connection does until its time is over.
type attack struct {
	name string
	run  func(*hostile) error
}

// quickAttacks are those that are made unless CMS_HOSTILE asks for all: one of each kind of
// bound.
var quickAttacks = []string{"slow headers", "slow body of an editor", "hook without a signature", "YAML directives", "events that nobody reads"}

// hostile is one connection of an attack.
type hostile struct {
	net.Conn
	ctx              context.Context
	number           int
	editor, stranger string // tokens: of who may edit, and of who may nothing of it
	under            func() // tells that the attack is under way
	status           func(int)
}

// head sends the first lines of a request; size is the length of its body, -1 for
// chunks without end.
func (h *hostile) head(method, target, token, contentType string, size int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: cms\r\n", method, target)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	if contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", contentType)
	}
	switch {
	case size > 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", size)
	case size < 0:
		b.WriteString("Transfer-Encoding: chunked\r\n")
	}
	b.WriteString("If-Match: *\r\n\r\n")
	_, err := io.WriteString(h, b.String())
	return err
}

// whole sends a request and reads its answer. That the service hangs up before it has
// read the body is an answer too.
func (h *hostile) whole(method, target, token, contentType, body string) error {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if h.head(method, target, token, contentType, len(body)) == nil {
			_, _ = io.WriteString(h, body)
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(h), nil)
	if err == nil {
		h.status(res.StatusCode)
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	h.Close()
	<-sent
	h.under()
	return nil
}

// drip sends a little now and then, for as long as it can.
func (h *hostile) drip(a string) error {
	h.under()
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for {
		if _, err := io.WriteString(h, a); err != nil {
			return err
		}
		select {
		case <-h.ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// rest does nothing more.
func (h *hostile) rest() error {
	h.under()
	<-h.ctx.Done()
	return nil
}

const (
	entryTarget = "/v1/collections/consultations/entries/mobilites-00001"
	entriesPath = "/v1/collections/consultations/entries"
	merge       = "application/merge-patch+json"
)

// entry is the address of an entry of the connection's own.
func (h *hostile) entry() string { return fmt.Sprintf("%s/hostile-%d", entriesPath, h.number) }

func attacks() []attack {
	zeros := `{"fields": {"title": [` + strings.Repeat("0,", 4<<20) + `0]}}`
	lists := "---\ntitle: x\nl: [" + strings.Repeat("0,", 2<<20) + "0]\n---\n"
	deep := strings.Repeat("- ", 8<<10) + "x"
	directives := "---\n" + strings.Repeat("%TAG !a! tag:x,2000:\n", 20<<10) + "---\n"
	tables := "+++\n" + strings.Repeat("[a.b.c.d.e.f.g.h]\nx = 1\n", 10<<10) + "+++\n"
	members := func() string {
		var b strings.Builder
		b.WriteString("{")
		for i := range 400_000 {
			fmt.Fprintf(&b, `"m%d":0,`, i)
		}
		return b.String() + `"x":0}`
	}()
	copies := func() string {
		var b strings.Builder
		b.WriteString(`[{"op":"add","path":"/fields/a","value":[0,0,0,0,0,0,0,0]}`)
		for range 64 {
			b.WriteString(`,{"op":"copy","from":"/fields/a","path":"/fields/a/-"}`)
		}
		return b.String() + "]"
	}()
	request := func(method, target string, may bool, contentType, body string) func(*hostile) error {
		return func(h *hostile) error {
			token := h.stranger
			if may {
				token = h.editor
			}
			return h.whole(method, target, token, contentType, body)
		}
	}
	slow := func(method, target string, may bool, contentType, first string) func(*hostile) error {
		return func(h *hostile) error {
			token := h.stranger
			if may {
				token = h.editor
			}
			if err := h.head(method, target, token, contentType, 10<<20); err != nil {
				return err
			}
			if _, err := io.WriteString(h, first); err != nil {
				return err
			}
			return h.drip(" ")
		}
	}
	return []attack{
		{"nothing", (*hostile).rest},
		{"slow headers", func(h *hostile) error {
			if _, err := io.WriteString(h, "GET /v1/collections HTTP/1.1\r\nHost: cms\r\n"); err != nil {
				return err
			}
			return h.drip("X-Slow: 1\r\n")
		}},
		{"headers without end", func(h *hostile) error {
			if _, err := io.WriteString(h, "GET /v1/collections HTTP/1.1\r\nHost: cms\r\n"); err != nil {
				return err
			}
			long := "X-Long: " + strings.Repeat("x", 32<<10) + "\r\n"
			for {
				if _, err := io.WriteString(h, long); err != nil {
					return err
				}
				h.under()
			}
		}},
		{"long address", request("GET", entriesPath+"?q="+strings.Repeat("x", 900<<10), true, "", "")},
		{"slow body of a stranger", slow("PUT", entryTarget, false, "application/json", "{")},
		{"slow body of an editor", slow("PUT", entryTarget, true, "application/json", `{"fields": {"title": "`+strings.Repeat("x", 1<<20))},
		{"slow upload", slow("PUT", "/v1/media/slow.png", true, "image/png", strings.Repeat("x", 1<<20))},
		{"chunks without end", func(h *hostile) error {
			if err := h.head("POST", "/v1/batch", h.editor, "application/json", -1); err != nil {
				return err
			}
			chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat(" ", 64<<10))
			for {
				if _, err := io.WriteString(h, chunk); err != nil {
					h.under()
					return err
				}
			}
		}},
		{"hook of nobody", request("POST", "/hooks/nobody", false, "application/json", strings.Repeat("x", 10<<20))},
		{"hook without a signature", request("POST", "/hooks/github", false, "application/json", strings.Repeat("x", 10<<20))},
		{"hook with a wrong signature, slowly", func(h *hostile) error {
			_, err := fmt.Fprintf(h, "POST /hooks/github HTTP/1.1\r\nHost: cms\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: sha256=%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", strings.Repeat("0", 64), 10<<20)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(h, strings.Repeat("x", 9<<20)); err != nil {
				return err
			}
			return h.drip("x")
		}},
		{"login", request("POST", "/v1/auth/login", false, "application/json", `{"username": "ann", "password": "`+strings.Repeat("x", 60<<10)+`"}`)},
		{"list of zeros of a stranger", request("PATCH", entryTarget, false, merge, zeros)},
		{"list of zeros", request("PATCH", entryTarget, true, merge, zeros)},
		{"unknown members", request("PATCH", entryTarget, true, merge, members)},
		{"copies of copies", request("PATCH", entryTarget, true, "application/json-patch+json", copies)},
		{"YAML list", func(h *hostile) error { return h.whole("PUT", h.entry(), h.editor, "text/markdown", lists) }},
		{"YAML directives", func(h *hostile) error { return h.whole("PUT", h.entry(), h.editor, "text/markdown", directives) }},
		{"TOML tables", func(h *hostile) error { return h.whole("PUT", h.entry(), h.editor, "text/markdown", tables) }},
		{"batch of garbage", request("POST", "/v1/batch", true, "application/json", zeros)},
		{"preview", request("POST", "/v1/preview", true, "application/json", `{"body": "`+deep+`"}`)},
		{"many values of a filter", request("GET", entriesPath+"?filter[ordre]="+strings.Repeat("1,", 15<<10), true, "", "")},
		{"events that nobody reads", func(h *hostile) error {
			if err := h.head("GET", "/v1/events", h.editor, "", 0); err != nil {
				return err
			}
			return h.rest()
		}},
		{"answers that nobody reads", func(h *hostile) error {
			for {
				if err := h.head("GET", entriesPath+"?limit=100", h.editor, "", 0); err != nil {
					return err
				}
				h.under()
			}
		}},
	}
}

// TestHostileConnections: many hostile connections at once, of one kind after the
// other, beside an editor. The process keeps within its memory, no answer is an error
// of the service, and everything that the editor saves is saved. CMS_HOSTILE is how
// many connections there are, and has all kinds of them made.
func TestHostileConnections(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	connections, all := 2, false
	if v := os.Getenv("CMS_HOSTILE"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("CMS_HOSTILE is %q, want a number of connections", v)
		}
		connections, all = n, true
	}
	p := newProcess(t, 200, hostileConfig)
	stranger := p.mint(auth.Claims{Subject: "eve", Roles: []string{"nothing"}})
	p.serve()
	rest := p.memory(t, "VmRSS:")
	for _, a := range attacks() {
		if !all && !slices.Contains(quickAttacks, a.name) {
			continue
		}
		t.Run(a.name, func(t *testing.T) { p.endure(t, a, connections, stranger, rest) })
	}
	p.stop()
	if out, err := git(p.git, "fsck", "--strict", "--no-dangling"); err != nil {
		t.Errorf("git fsck: %v\n%s", err, out)
	}
}

// endure lets an editor work while an attack is under way. The process had so many
// bytes of memory at rest.
func (p *process) endure(t *testing.T, a attack, connections int, stranger string, rest int64) {
	tag := p.etag("mobilites-00002")
	p.forgetPeak(t)
	ctx, cancel := context.WithCancel(t.Context())
	var (
		wg       sync.WaitGroup
		underWay atomic.Int64
		all      = make(chan struct{})
	)
	for i := range connections {
		wg.Go(func() {
			var once sync.Once
			h := hostile{ctx: ctx, number: i, editor: p.token, stranger: stranger}
			h.under = func() {
				once.Do(func() {
					if underWay.Add(1) == int64(connections) {
						close(all)
					}
				})
			}
			h.status = func(status int) {
				if status >= 500 && status != http.StatusServiceUnavailable {
					t.Errorf("got %d", status)
				}
			}
			for ctx.Err() == nil { // a connection that is cut is made again
				conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("the service takes no connection: %v", err)
					}
					return
				}
				h.Conn = conn
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				_ = a.run(&h) // that the service hangs up is its right
				stop()
				conn.Close()
				h.under()
			}
		})
	}
	saves := 0
	for under := false; !under || saves < 10; saves++ {
		answer, err := p.patchOrdre(http.DefaultClient, "mobilites-00002", tag, 7000+saves)
		if err != nil || answer.status != http.StatusOK {
			t.Errorf("save %d of the editor: got %d, %v", saves, answer.status, err)
			break
		}
		tag = answer.etag
		select {
		case <-all:
			under = true
		default:
		}
	}
	cancel()
	wg.Wait()
	if peak := p.memory(t, "VmHWM:"); !race.Enabled && peak-rest > hostileMemory {
		t.Errorf("the process took %d MB, %d at rest", peak>>20, rest>>20)
	} else {
		t.Logf("%d connections: %d saves, %d MB above %d", connections, saves, (peak-rest)>>20, rest>>20)
	}
}

// memory is a figure of the process's memory, in bytes; 0 where the system has none.
func (p *process) memory(t *testing.T, key string) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		t.Log("this system does not tell how much memory a process has")
		return 0
	} else if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s of the process", key)
	return 0
}

// forgetPeak lets the peak of the process's memory begin anew.
func (p *process) forgetPeak(t *testing.T) {
	t.Helper()
	err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}
