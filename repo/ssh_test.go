package repo

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"cms/race"
)

// keyPair writes a private key, and gives it and its file.
func keyPair(t *testing.T, name string) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, file
}

// sshHost serves what Git runs over SSH to whoever has the key, and gives its address,
// the file of the key and the file of its own.
func sshHost(t *testing.T) (address, keyFile, knownHosts string) {
	t.Helper()
	own, _ := keyPair(t, "host")
	user, keyFile := keyPair(t, "key")
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(user.PublicKey().Marshal()) {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	config.AddHostKey(own)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveSSH(c, config)
		}
	}()
	knownHosts = filepath.Join(t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{knownhosts.Normalize(l.Addr().String())}, own.PublicKey())
	if err := os.WriteFile(knownHosts, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), keyFile, knownHosts
}

// serveSSH runs the commands of one connection.
func serveSSH(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		ch, requests, err := asked.Accept()
		if err != nil {
			return
		}
		go func() {
			defer ch.Close()
			for req := range requests {
				if req.Type != "exec" {
					_ = req.Reply(false, nil)
					continue
				}
				var command struct{ Line string }
				_ = ssh.Unmarshal(req.Payload, &command)
				_ = req.Reply(true, nil)
				program, path, _ := strings.Cut(command.Line, " ")
				run := exec.Command("git", strings.TrimPrefix(program, "git-"), strings.Trim(path, "'"))
				run.Stdout, run.Stderr = ch, ch.Stderr()
				in, err := run.StdinPipe()
				if err == nil {
					err = run.Start()
				}
				if err != nil {
					return
				}
				go func() {
					defer in.Close()
					b := make([]byte, 32<<10)
					for {
						n, err := ch.Read(b)
						if _, werr := in.Write(b[:n]); err != nil || werr != nil {
							return
						}
					}
				}()
				status := uint32(0)
				if run.Wait() != nil {
					status = 1
				}
				_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
				return
			}
		}()
	}
}

// TestSSH fetches over SSH with a key of a file; the host has to be the known one.
func TestSSH(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	tip := tipOf(t, work, "HEAD")
	address, keyFile, knownHosts := sshHost(t)
	o := options(t.TempDir())
	o.Remote = &Remote{URL: "ssh://git@" + address + bare, KeyFile: keyFile, KnownHosts: knownHosts}
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r := start(t, o)
	if got := r.View().Commit().String(); got != tip {
		t.Errorf("cloned: at %s, want %s", got, tip)
	}
	fetched(t, r, pushed(t, work, "_consultations/bus.md", "---\ntitle: Le bus\n---\n"))

	_, otherHost, otherKnown := sshHost(t)
	for name, m := range map[string]*Remote{
		"another host's key": {URL: o.Remote.URL, KeyFile: keyFile, KnownHosts: otherKnown},
		"another user's key": {URL: o.Remote.URL, KeyFile: otherHost, KnownHosts: knownHosts},
		"no such key":        {URL: o.Remote.URL, KeyFile: filepath.Join(t.TempDir(), "none"), KnownHosts: knownHosts},
	} {
		o := options(t.TempDir())
		o.Remote = m
		if err := start(t, o).Fetch(t.Context()); err == nil {
			t.Errorf("%s: fetched", name)
		}
	}
}
