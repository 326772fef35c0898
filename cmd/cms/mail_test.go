package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cms/race"
)

// postOffice takes so many mails by SMTP, one after the other, and gives what came, line by
// line.
func postOffice(t *testing.T, mails int) (addr string, came <-chan string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken := make(chan string, mails)
	go func() {
		defer close(taken)
		defer l.Close() // and takes no more
		for range mails {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if mail, whole := takeMail(c); whole {
				taken <- mail
			}
		}
	}()
	return l.Addr().String(), taken
}

// takeMail takes the mail of a connection, and says whether it came whole.
func takeMail(c net.Conn) (string, bool) {
	defer c.Close()
	var all strings.Builder
	fmt.Fprint(c, "220 post office\r\n")
	body := false
	for lines := bufio.NewScanner(c); lines.Scan(); {
		line := lines.Text()
		fmt.Fprintln(&all, line)
		switch verb, _, _ := strings.Cut(line, " "); {
		case body && line != ".":
			continue
		case verb == "DATA":
			body = true
			fmt.Fprint(c, "354 go on\r\n")
			continue
		case verb == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return plainMail.Replace(all.String()), true
		}
		body = false
		fmt.Fprint(c, "250 fine\r\n")
	}
	return "", false
}

// plainMail is a mail as it is read (quoted-printable).
var plainMail = strings.NewReplacer("=\n", "", "=3D", "=")

// A link is mailed to the address of the account, and printed as well; one that cannot be
// mailed is told.
func TestLinksAreMailed(t *testing.T) {
	t.Parallel()
	addr, came := postOffice(t, 1)
	host, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`
server: {public_url: "https://cms.example.org"}
repository: {path: site.git}
state: {url: "sqlite:state.db"}
collections: [{name: notes, folder: notes}]
auth: {roles: {editor: {notes: [read]}}}
site: {name: Consultations citoyennes, language: fr}
mail: {from: cms@example.org, smtp: {host: %s, port: %s, tls: none}}
`, host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	invite := func(email string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"user", "invite", email, "--role", "editor", "--config", file}, nil, &stdout, &stderr)
		return code, strings.TrimSpace(stdout.String()), stderr.String()
	}
	code, link, told := invite("Louis@example.org")
	if code != exitOK || !strings.HasPrefix(link, "https://cms.example.org/editor/password?link=") || !strings.Contains(told, "mailed to Louis@example.org") {
		t.Fatalf("got %d, %s, %s", code, link, told)
	}
	mail := <-came
	for _, want := range []string{"RCPT TO:<Louis@example.org>", "MAIL FROM:<cms@example.org>", link, "choisir votre mot de passe"} {
		if !strings.Contains(mail, want) {
			t.Errorf("the mail has no %s:\n%s", want, mail)
		}
	}
	if code, link, told := invite("louise@example.org"); code != exitFailed || link == "" || !strings.Contains(told, "send a mail by") {
		t.Errorf("without a post office: got %d, %s, %s", code, link, told)
	}
}

// visitor is somebody at the pages of a service, with a browser's cookies.
type visitor struct {
	*process
	client *http.Client
}

func (p *process) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
	}
	return &visitor{p, &http.Client{Jar: jar}}
}

// submit sends a form of the pages, and gives the page that it leads to.
func (v *visitor) submit(path string, values url.Values) (*http.Response, string) {
	v.Helper()
	req, err := http.NewRequestWithContext(v.Context(), http.MethodPost, v.url+path, strings.NewReader(values.Encode()))
	if err != nil {
		v.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.url)
	res, err := v.client.Do(req)
	if err != nil {
		v.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		v.Fatal(err)
	}
	return res, string(said)
}

// enter logs in, and says where that leads to.
func (v *visitor) enter(email, password string) string {
	v.Helper()
	res, _ := v.submit("/editor/login", url.Values{"email": {email}, "password": {password}})
	return res.Request.URL.Path
}

// TestMailOfAService: who is invited beside a running service, and who asks it for another
// password, is mailed a link by it that works once; and whoever asks for somebody who was
// invited takes no invitation away.
func TestMailOfAService(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	addr, came := postOffice(t, 3)
	host, port, _ := net.SplitHostPort(addr)
	p := newProcess(t, 1, strings.Replace(loadConfig, `listen: "%s"`, `listen: "%[1]s", public_url: "http://%[1]s"`, 1)+`
site: {name: Consultations, language: fr}
mail: {from: cms@example.org, smtp: {host: %[2]s, port: %[3]s, tls: none}}
`, host, port)
	p.serve()
	const email = "louis@example.org"
	linkOf := func(mail string) string {
		t.Helper()
		found := regexp.MustCompile(`http://\S+/editor/password\?link=(\w+)`).FindStringSubmatch(mail)
		if found == nil || !strings.Contains(mail, "RCPT TO:<"+email+">") {
			t.Fatalf("no mail with a link to %s: %s", email, mail)
		}
		return found[1]
	}
	choose := func(link, password string) int {
		t.Helper()
		res, _ := p.visitor().submit("/editor/password", url.Values{"link": {link}, "new": {password}, "again": {password}})
		return res.StatusCode
	}
	ask := func(email string) string {
		t.Helper()
		res, said := p.visitor().submit("/editor/forgot", url.Values{"email": {email}})
		if res.StatusCode != http.StatusOK {
			t.Fatalf("asked for a link to %s: got %s: %s", email, res.Status, said)
		}
		return said
	}

	if out, err := p.command("user", "invite", email, "--role", "editor").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	invited := linkOf(<-came)
	if known, unknown := ask(email), ask("nobody@example.org"); known != unknown {
		t.Errorf("the page tells who has an account:\n%s\n%s", known, unknown)
	}
	asked := linkOf(<-came)
	if asked == invited {
		t.Fatal("a link was mailed twice")
	}
	const first, second = "une phrase choisie par Louis", "une autre phrase de Louis"
	if got := choose(invited, first); got != http.StatusOK {
		t.Errorf("the invitation, after somebody asked for a link: got %d", got)
	}
	for what, link := range map[string]string{"the invitation, again": invited, "a link that was asked for, after it": asked} {
		if got := choose(link, second); got != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", what, got)
		}
	}
	louis := p.visitor()
	if at := louis.enter(email, first); at != "/editor/" {
		t.Errorf("the password of the invitation leads to %s", at)
	}

	ask(email)
	link := linkOf(<-came)
	if got := choose(link, second); got != http.StatusOK {
		t.Errorf("the link that was asked for: got %d", got)
	}
	if got := choose(link, "une troisième phrase de Louis"); got != http.StatusNotFound {
		t.Errorf("the same link: got %d, want 404", got)
	}
	if at := p.visitor().enter(email, first); at != "/editor/login" {
		t.Errorf("the password before leads to %s", at)
	}
	if at := p.visitor().enter(email, second); at != "/editor/" {
		t.Errorf("the new password leads to %s", at)
	}
	if res, err := louis.client.Get(p.url + "/editor/account"); err != nil || res.Request.URL.Path == "/editor/account" && res.StatusCode == http.StatusOK {
		t.Errorf("a session goes on behind another password: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
	p.stop()
	for _, secret := range []string{invited, asked, link, first, second} {
		if strings.Contains(p.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, p.log.String())
		}
	}
}
