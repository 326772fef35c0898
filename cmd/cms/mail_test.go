package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// postOffice takes one mail by SMTP, and gives what came, line by line.
func postOffice(t *testing.T) (addr string, came <-chan string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken := make(chan string, 1)
	go func() {
		defer close(taken)
		c, err := l.Accept()
		l.Close() // there is no second one
		if err != nil {
			return
		}
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
				taken <- all.String()
				return
			}
			body = false
			fmt.Fprint(c, "250 fine\r\n")
		}
	}()
	return l.Addr().String(), taken
}

// A link is mailed to the address of the account, and printed as well; one that cannot be
// mailed is told.
func TestLinksAreMailed(t *testing.T) {
	t.Parallel()
	addr, came := postOffice(t)
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
	mail := strings.ReplaceAll(strings.ReplaceAll(<-came, "=\n", ""), "=3D", "=")
	for _, want := range []string{"RCPT TO:<Louis@example.org>", "MAIL FROM:<cms@example.org>", link, "choisir votre mot de passe"} {
		if !strings.Contains(mail, want) {
			t.Errorf("the mail has no %s:\n%s", want, mail)
		}
	}
	if code, link, told := invite("louise@example.org"); code != exitFailed || link == "" || !strings.Contains(told, "send a mail by") {
		t.Errorf("without a post office: got %d, %s, %s", code, link, told)
	}
}
