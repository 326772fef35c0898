package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestSSHKey: what an SSH address needs is asked for when the configuration is read, and
// by name.
func TestSSHKey(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name string, raw []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	open, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	write("open", pem.EncodeToMemory(open))
	write("locked", pem.EncodeToMemory(locked))
	write("none", []byte("not a key"))
	write("hosts", []byte("git.example.org ssh-ed25519 AAAA\n"))
	for _, tt := range []struct{ remote, want string }{
		{"url: 'git@git.example.org:site.git', ssh_key_file: open, known_hosts: hosts", ""},
		{"url: 'ssh://git@git.example.org/site.git', ssh_key_file: open, known_hosts: hosts", ""},
		{"url: 'ssh://git@git.example.org/site.git', ssh_key_file: open", "known_hosts"},
		{"url: 'ssh://git@git.example.org/site.git', ssh_key_file: locked, known_hosts: hosts", "passphrase"},
		{"url: 'ssh://git@git.example.org/site.git', ssh_key_file: none, known_hosts: hosts", "no private key"},
		{"url: 'ssh://git@git.example.org/site.git', ssh_key_file: absent, known_hosts: hosts", "cannot be read"},
		{"url: 'ssh://git@git.example.org/site.git', ssh_key_file: open, known_hosts: absent", "cannot be read"},
	} {
		told := remoteProblems(t, folder, tt.remote)
		if (tt.want == "") != (told == "") || !strings.Contains(told, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.remote, told, tt.want)
		}
	}
}

// TestGitHubApp: what an app needs is asked for when the configuration is read, and by name.
func TestGitHubApp(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name string, raw []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	write("none", []byte("ghp_abc"))
	const app, https = "github_app: {app_id: 12, installation_id: 34, key_file: key.pem}", "url: 'https://github.com/ville/site.git', "
	for _, tt := range []struct{ remote, want string }{
		{https + app, ""},
		{"url: 'http://git.lan/ville/site.git', insecure: true, " + app, ""},
		{"url: 'http://git.lan/ville/site.git', " + app, "in the clear"},
		{"url: 'git@github.com:ville/site.git', ssh_key_file: none, known_hosts: none, " + app, "https"},
		{https + "token_env: TOKEN, " + app, "take out token_env"},
		{https + "username: git, " + app, "take out username"},
		{https + "github_app: {installation_id: 34, key_file: key.pem}", "app_id"},
		{https + "github_app: {app_id: 12, key_file: key.pem}", "installation_id"},
		{https + "github_app: {app_id: 12, installation_id: -1, key_file: key.pem}", "installation_id"},
		{https + "github_app: {app_id: 12, installation_id: 34, key_file: none}", "PEM"},
		{https + "github_app: {app_id: 12, installation_id: 34, key_file: absent}", "cannot be read"},
		{https + "github_app: {app_id: 12, installation_id: 34, key_file: key.pem, api_url: 'http://api.lan'}", "api_url"},
		{https + "github_app: {app_id: 12, installation_id: 34, key_file: key.pem, api_url: nowhere}", "api_url"},
		{https + "linear: true", "linear"},
		{https + "linear: true, push: async", ""},
	} {
		told := remoteProblems(t, folder, tt.remote)
		if (tt.want == "") != (told == "") || !strings.Contains(told, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.remote, told, tt.want)
		}
	}
	if err := os.Chmod(filepath.Join(folder, "key.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	write("secret", []byte(strings.Repeat("s", 40)))
	write("config.yaml", []byte("repository: {remote: {"+https+app+"}}\ncollections: [{name: notes, folder: notes}]\n"+
		"auth: {roles: {reader: {notes: [read]}}, issuers: [{issuer: a, audience: cms, algorithms: [HS256], secret_file: secret}]}\n"))
	c, err := Load(filepath.Join(folder, "config.yaml"), []string{})
	if c == nil || !slices.ContainsFunc(c.Warnings, func(p Problem) bool { return p.Key == "repository.remote.github_app.key_file" }) {
		t.Errorf("of a key that others can read: %v, %v; want a warning", c, err)
	}
}

// remoteProblems is what is told of a remote.
func remoteProblems(t *testing.T, folder, remote string) (told string) {
	t.Helper()
	file := filepath.Join(folder, "config.yaml")
	if err := os.WriteFile(file, []byte("repository: {remote: {"+remote+"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, []string{}); err != nil {
		for line := range strings.Lines(err.Error()) {
			if strings.Contains(line, "repository.remote") {
				told += line
			}
		}
	}
	return told
}

// TestPushes: edits go to the host by each way of pushing.
func TestPushes(t *testing.T) {
	t.Parallel()
	for push, want := range map[string]bool{"off": false, "async": true, "sync": true} {
		if got := (&Remote{Push: push}).Pushes(); got != want {
			t.Errorf("push: %s pushes: %v", push, got)
		}
	}
	if (*Remote)(nil).Pushes() {
		t.Error("no remote is pushed to")
	}
}
