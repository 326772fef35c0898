package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
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
		file := filepath.Join(folder, "config.yaml")
		write("config.yaml", []byte("repository: {remote: {"+tt.remote+"}}\n"))
		_, err := Load(file, []string{})
		told := ""
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if strings.Contains(line, "repository.remote") {
					told += line
				}
			}
		}
		if (tt.want == "") != (told == "") || !strings.Contains(told, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.remote, told, tt.want)
		}
	}
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
