package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshdProgram wants to be called by its whole name.
const sshdProgram = "/usr/sbin/sshd"

// errNoSSHD says that there is no sshd to measure.
var errNoSSHD = errors.New("openssh-server is not installed")

// serveSSH serves what Git runs over SSH, by an sshd of its own, at some distance.
func serveSSH(ctx context.Context, bare string) (h *gitHost, err error) {
	if _, err := os.Stat(sshdProgram); err != nil {
		return nil, errNoSSHD
	}
	dir := bare + "-ssh"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	who, err := user.Current()
	if err != nil {
		return nil, err
	}
	if who.Uid == "0" { // then it wants to lock itself up there
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	own, err := makeKey(filepath.Join(dir, "host"))
	if err != nil {
		return nil, err
	}
	key, err := makeKey(filepath.Join(dir, "key"))
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	road, err := roadTo(ctx, address)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/host\nPidFile none\nAuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSetEnv HOME=%s\n", port, dir, dir, dir)
	known := knownhosts.Line([]string{knownhosts.Normalize(road.address)}, own) + "\n"
	for name, text := range map[string]string{"sshd_config": config, "known_hosts": known, "authorized_keys": string(ssh.MarshalAuthorizedKey(key))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	serving, end := context.WithCancel(ctx)
	run := exec.CommandContext(serving, sshdProgram, "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	told, err := run.StderrPipe()
	if err == nil {
		err = run.Start()
	}
	if err != nil {
		end()
		return nil, err
	}
	lines := bufio.NewScanner(told)
	for listens := false; !listens; listens = strings.Contains(lines.Text(), "Server listening on") {
		if !lines.Scan() {
			end()
			return nil, errors.Join(errors.New("sshd does not start"), run.Wait())
		}
	}
	go func() {
		for lines.Scan() { // so that it never waits for us
			continue
		}
	}()
	h = &gitHost{
		url: "ssh://" + who.Username + "@" + road.address + bare, bare: bare,
		login:   fmt.Sprintf(", ssh_key_file: %q, known_hosts: %q", filepath.Join(dir, "key"), filepath.Join(dir, "known_hosts")),
		command: fmt.Sprintf("ssh -F none -i %s/key -o IdentitiesOnly=yes -o UserKnownHostsFile=%s/known_hosts", dir, dir),
		close: func() {
			_ = road.listener.Close()
			end()
			_ = run.Wait() // it was killed
		},
	}
	road.latency = &h.latency
	go road.serve(ctx)
	return h, nil
}

// makeKey writes a private key, and gives the public one.
func makeKey(file string) (ssh.PublicKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), nil
}

// A road leads to a server, and takes its time: half of the latency each way.
type road struct {
	address, to string
	listener    net.Listener
	latency     interface{ Load() int64 }
}

func roadTo(ctx context.Context, to string) (*road, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &road{address: l.Addr().String(), to: to, listener: l}, nil
}

func (r *road) serve(ctx context.Context) {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		to, err := new(net.Dialer).DialContext(ctx, "tcp", r.to)
		if err != nil {
			_ = from.Close()
			continue
		}
		end := sync.OnceFunc(func() { _, _ = from.Close(), to.Close() })
		go func() { defer end(); r.carry(to, from) }()
		go func() { defer end(); r.carry(from, to) }()
	}
}

// carry has each piece arrive late, and all of them in their order, as fast as they come.
func (r *road) carry(to, from net.Conn) {
	type piece struct {
		bytes []byte
		due   time.Time
	}
	way := make(chan piece, 1024)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if n > 0 {
				way <- piece{b[:n], time.Now().Add(time.Duration(r.latency.Load() / 2))}
			}
			if err != nil {
				return
			}
		}
	}()
	failed := false
	for p := range way {
		if <-time.After(time.Until(p.due)); !failed {
			_, err := to.Write(p.bytes)
			failed = err != nil
		}
	}
}
