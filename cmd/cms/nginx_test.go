package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"cms/auth"
	"cms/race"
)

const nginxConfig = `
server: {listen: "%s", public_url: "https://example.com", trusted_proxies: [127.0.0.1/32]}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}}
state: {url: "sqlite:state.db"}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
media: {folder: img, max_bytes: 4194304}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles:
    editor: {consultations: [read, create, update, delete], media: [read, create]}
    reader: {consultations: [read]}
`

// proxied is the service behind nginx, as a client on another address sees it.
type proxied struct {
	*process
	client *http.Client
}

// TestNginx puts Debian's nginx before the service, as docs/operate.md says, and once
// more with a cache that keeps whatever it may.
func TestNginx(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("NOT TESTED: there is no nginx to put before the service")
	}
	documented := documentedNginx(t)
	const uncached = "proxy_cache off;"
	for name, caches := range map[string]bool{"documented": false, "with a cache": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, 3, nginxConfig)
			p.serve()
			// What nginx keeps, it is to keep of another server alone.
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "for all") }))
			t.Cleanup(other.Close)
			site := documented
			if caches {
				site = strings.Replace(site, uncached, "proxy_cache cms; proxy_cache_valid any 1h; add_header X-Cache $upstream_cache_status always;", 1)
			}
			kept := t.TempDir()
			n := &proxied{p, startNginx(t, nginx, site, p.addr, kept, other.URL)}
			n.edits(caches)
			n.watches()
			n.uploads()
			n.logsIn()
			res, _ := n.expect(http.StatusNotFound, "GET", entriesPath+"/nowhere", "", map[string]string{"X-Forwarded-For": "203.0.113.9"})
			if caches {
				n.keepsNothing(kept)
			}
			p.stop()
			n.toldOf(res.Header.Get("X-Request-Id"), "127.0.0.2")
		})
	}
}

// documentedNginx is the configuration of docs/operate.md.
func documentedNginx(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(doc)
	if block == nil {
		t.Fatal("docs/operate.md has no configuration of nginx")
	}
	return string(block[1])
}

// startNginx starts nginx with a site's configuration that leads to addr, on a socket
// that it inherits. What it caches is in kept. It gives a client of it.
func startNginx(t *testing.T, program, site, addr, kept, other string) *http.Client {
	t.Helper()
	dir := t.TempDir()
	tls := httptest.NewTLSServer(nil) // for its certificate
	tls.Close()
	certificate := tls.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for from, to := range map[string]string{
		"listen 443 ": "listen " + l.Addr().String() + " ", "server 127.0.0.1:8080;": "server " + addr + ";",
		"/etc/ssl/cms/fullchain.pem": filepath.Join(dir, "cert.pem"), "/etc/ssl/cms/privkey.pem": filepath.Join(dir, "key.pem"),
		"    location / {": "    location = /other { proxy_pass " + other + "; }\n\n    location / {",
	} {
		if strings.Count(site, from) != 1 {
			t.Fatalf("docs/operate.md does not say %q once", from)
		}
		site = strings.Replace(site, from, to, 1)
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // who owns the folders of this test
	}
	whole := user + fmt.Sprintf(`daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 128; }
http {
access_log off;
client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
proxy_cache_path %[2]s keys_zone=cms:1m;
%[3]s}
`, dir, kept, site)
	for name, content := range map[string][]byte{
		"nginx.conf": []byte(whole),
		"cert.pem":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		"key.pem":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log"))
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(os.Environ(), "NGINX=3;") // as it hands its sockets to its successor
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Errorf("nginx: %v\n%s%s", err, &said, log)
		}
	})
	pool := x509.NewCertPool()
	pool.AddCert(tls.Certificate())
	transport := tls.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = true
	transport.TLSClientConfig.RootCAs = pool
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}} // a client's, and no proxy's
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return from.DialContext(ctx, network, l.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// ask sends a request as a browser does that takes gzip, and reads the answer.
func (p *proxied) ask(method, path, body string, header map[string]string) (*http.Response, string) {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), method, "https://example.com"+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Accept-Encoding", "gzip") // so that it is left as it came
	for name, value := range header {
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, value)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatalf("%s %s: %v", method, path, err)
	}
	return res, string(read)
}

// expect is ask where the answer has a status.
func (p *proxied) expect(status int, method, path, body string, header map[string]string) (*http.Response, string) {
	p.Helper()
	res, read := p.ask(method, path, body, header)
	if res.StatusCode != status {
		p.Fatalf("%s %s: got %d %s, want %d", method, path, res.StatusCode, read, status)
	}
	return res, read
}

// edits holds on to what a client may do with the weak tags that gzip leaves.
func (p *proxied) edits(caches bool) {
	p.Helper()
	const entry = entriesPath + "/donnees-sante"
	read, _ := p.expect(http.StatusOK, "GET", entry, "", nil)
	tag := read.Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || read.Header.Get("Content-Encoding") != "gzip" {
		p.Fatalf("nginx did not compress the entry: %v", read.Header)
	}
	if read.TLS == nil || !read.TLS.HandshakeComplete || read.Header.Get("Strict-Transport-Security") == "" || read.ProtoMajor != 2 {
		p.Errorf("got %s %v, TLS %v", read.Proto, read.Header, read.TLS)
	}
	if caches { // nginx takes the condition away, and the answer is whole
		again, _ := p.expect(http.StatusOK, "GET", entry, "", map[string]string{"If-None-Match": tag})
		if again.Header.Get("X-Cache") != "MISS" || again.Header.Get("ETag") != tag {
			p.Errorf("the cache says %v", again.Header)
		}
	} else {
		p.expect(http.StatusNotModified, "GET", entry, "", map[string]string{"If-None-Match": tag})
	}
	edit := func(status, n int) string {
		p.Helper()
		res, _ := p.expect(status, "PATCH", entry, fmt.Sprintf(`{"fields": {"ordre": %d}}`, n), map[string]string{"Content-Type": merge, "If-Match": tag})
		return res.Header.Get("ETag")
	}
	next := edit(http.StatusOK, 7001)
	edit(http.StatusPreconditionFailed, 7002)
	tag = next
	edit(http.StatusOK, 7003)
	if fresh, _ := p.expect(http.StatusOK, "GET", entry, "", nil); fresh.Header.Get("ETag") == read.Header.Get("ETag") {
		p.Error("an old entry is read after an edit")
	}
	// A token of many groups is refused by the service, which says why, not by nginx.
	res, said := p.expect(http.StatusUnauthorized, "GET", entry, "", map[string]string{"Authorization": "Bearer " + strings.Repeat("x", 30<<10), "Accept-Encoding": "identity"})
	if res.Header.Get("Content-Type") != "application/problem+json" {
		p.Errorf("got %v %s", res.Header, said)
	}
}

// watches has an event arrive while its stream is open.
func (p *proxied) watches() {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), "GET", "https://example.com/v1/events", nil)
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := p.client.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	until := func(line string) {
		p.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), line) {
				return
			}
		}
		p.Fatalf("the stream ended before %q: %v", line, lines.Err())
	}
	until("event: ready")
	until("") // its data
	_, said := p.expect(http.StatusOK, "PATCH", entriesPath+"/mobilites-00001", `{"fields": {"ordre": 7001}}`,
		map[string]string{"Content-Type": merge, "If-Match": "*", "Accept-Encoding": "identity"})
	var edited struct{ Updated struct{ Commit string } }
	if err := json.Unmarshal([]byte(said), &edited); err != nil {
		p.Fatal(err)
	}
	until("id: " + edited.Updated.Commit)
}

// uploads sends files that nginx by itself would not take, and reads why others are
// refused.
func (p *proxied) uploads() {
	p.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 700, 700))
	noise := rand.NewChaCha8([32]byte{})
	_, _ = noise.Read(picture.Pix)
	for i := 3; i < len(picture.Pix); i += 4 {
		picture.Pix[i] = 0xff
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		p.Fatal(err)
	}
	kind := map[string]string{"Content-Type": "image/png", "Accept-Encoding": "identity", "If-None-Match": "*"}
	p.expect(http.StatusCreated, "PUT", "/v1/media/bruit.png", file.String(), kind)
	if res, got := p.expect(http.StatusOK, "GET", "/v1/media/bruit.png", "", nil); res.Header.Get("Content-Encoding") != "" || len(got) != file.Len() {
		p.Errorf("got %d bytes, %v, want %d", len(got), res.Header, file.Len())
	}
	reader := p.mint(auth.Claims{Subject: "lou", Roles: []string{"reader"}})
	huge := strings.Repeat("x", 12<<20)
	for token, status := range map[string]int{p.token: http.StatusRequestEntityTooLarge, reader: http.StatusNotFound} {
		kind["Authorization"] = "Bearer " + token
		res, said := p.ask("PUT", "/v1/media/grand.png", huge, kind)
		var problem struct{ Detail string }
		if err := json.Unmarshal([]byte(said), &problem); err != nil || res.StatusCode != status || problem.Detail == "" {
			p.Errorf("12 MiB: got %d %s, want %d and the reason: %v", res.StatusCode, said, status, err)
		}
	}
}

// logsIn begins a session and edits in it, by its cookies.
func (p *proxied) logsIn() {
	p.Helper()
	const password = "une phrase de passe longue"
	add := p.command("user", "add", "camille@example.org", "--name", "Camille", "--role", "editor")
	add.Stdin = strings.NewReader(password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		p.Fatalf("cms user: %v\n%s", err, out)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
	}
	p.client.Jar = jar
	defer func() { p.client.Jar = nil }()
	browser := map[string]string{"Authorization": "", "Accept-Encoding": "identity", "Content-Type": "application/json", "Origin": "https://example.com"}
	res, _ := p.expect(http.StatusOK, "POST", "/v1/auth/login", `{"email": "camille@example.org", "password": "`+password+`"}`, browser)
	cookies := res.Cookies()
	if len(cookies) < 2 {
		p.Errorf("got the cookies %v", cookies)
	}
	for _, c := range cookies {
		if !c.Secure || !c.HttpOnly || !strings.HasPrefix(c.Name, "__Host-") {
			p.Errorf("the cookie %s is not held to TLS: %v", c.Name, c)
		}
	}
	if _, said := p.expect(http.StatusOK, "GET", "/v1/me", "", browser); !strings.Contains(said, "camille@example.org") {
		p.Errorf("got %s", said)
	}
	browser["If-Match"] = "*"
	p.expect(http.StatusOK, "PATCH", entriesPath+"/mobilites-00002", `{"fields": {"ordre": 7001}}`, browser)
	browser["Origin"] = "https://elsewhere.example"
	p.expect(http.StatusForbidden, "PATCH", entriesPath+"/mobilites-00002", `{"fields": {"ordre": 7002}}`, browser)
}

// toldOf checks that the audit log has the address that a request's client has, and not
// one that it says.
func (p *proxied) toldOf(request, address string) {
	p.Helper()
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, `"msg":"audit"`) && strings.Contains(line, request) {
			if !strings.Contains(line, `"`+address+`"`) || strings.Contains(line, "203.0.113.9") {
				p.Errorf("the audit log says %s", line)
			}
			return
		}
	}
	p.Errorf("the audit log does not tell of the request %s", request)
}

// keepsNothing checks that the cache holds what the other server has, and nothing of the
// service.
func (p *proxied) keepsNothing(kept string) {
	p.Helper()
	for _, path := range []string{"/other", "/healthz", "/readyz", "/openapi.json", "/docs", "/docs/start.js", "/metrics", "/v1/me", "/v1/search?q=consultation", "/nowhere", entriesPath} {
		for n := range 2 {
			want := "MISS"
			if path == "/other" && n > 0 {
				want = "HIT" // which shows that there is a cache
			}
			res, _ := p.ask("GET", path, "", nil)
			if hit := res.Header.Get("X-Cache"); hit != want {
				p.Errorf("%s: the cache says %q, want %s", path, hit, want)
			}
		}
	}
	found := 0
	err := filepath.WalkDir(kept, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if found++; !bytes.HasSuffix(file, []byte("for all")) {
			p.Errorf("nginx keeps %q", file)
		}
		return nil
	})
	if err != nil || found != 1 {
		p.Errorf("nginx keeps %d answers, want that of the other server: %v", found, err)
	}
}
