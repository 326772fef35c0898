package repo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"cms/race"
)

// An sshd is Debian's, which serves what Git runs to whoever has the key.
type sshd struct {
	address, user       string
	keyFile, knownHosts string
	programs            string // a folder of programs that may be run there, beside Git's
}

// remote is a repository there.
func (d *sshd) remote(bare string) *Remote {
	return &Remote{URL: "ssh://" + d.user + "@" + d.address + bare, KeyFile: d.keyFile, KnownHosts: d.knownHosts}
}

// serveSSHD starts one on a port of its own, with all that it needs in a folder.
func serveSSHD(t *testing.T) *sshd {
	t.Helper()
	return serveSSHDWith(t, "")
}

// serveSSHDWith is serveSSHD with lines more of its configuration.
func serveSSHDWith(t *testing.T, lines string) *sshd {
	t.Helper()
	const program = "/usr/sbin/sshd" // which wants to be called by its whole name
	if _, err := os.Stat(program); err != nil {
		t.Skip("NOT TESTED against sshd: openssh-server is not installed")
	}
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if who.Uid == "0" { // then it wants to lock itself up there
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skipf("NOT TESTED against sshd: %v", err)
		}
	}
	own, ownFile := keyPair(t, "host")
	key, keyFile := keyPair(t, "key")
	dir := t.TempDir()
	d := &sshd{user: who.Username, keyFile: keyFile, knownHosts: filepath.Join(dir, "known_hosts"), programs: t.TempDir()}
	write(t, dir, ".gitconfig", gitSettings)
	write(t, dir, "authorized_keys", string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	for tries := 1; ; tries++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d.address = l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(d.address)
		write(t, dir, "sshd_config", fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s\nPidFile none\nAuthorizedKeysFile %s/authorized_keys\n"+
			"StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n"+
			"SetEnv HOME=%s PATH=%s:%s\n%s", // so that a shell does not begin with what whoever runs this has it do
			port, ownFile, dir, dir, d.programs, os.Getenv("PATH"), lines))
		if startSSHD(t, program, filepath.Join(dir, "sshd_config")) {
			break
		} else if tries == 10 {
			t.Fatal("sshd does not start: another process took each port, or it says why in the log")
		}
	}
	write(t, dir, "known_hosts", knownhosts.Line([]string{knownhosts.Normalize(d.address)}, own.PublicKey())+"\n")
	return d
}

// startSSHD says whether it listens.
func startSSHD(t *testing.T, program, config string) bool {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	run := exec.CommandContext(ctx, program, "-D", "-e", "-f", config)
	told, err := run.StderrPipe()
	if err == nil {
		err = run.Start()
	}
	if err != nil {
		end()
		t.Fatal(err)
	}
	listens := make(chan bool, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		said := false
		for lines := bufio.NewScanner(told); lines.Scan(); {
			if strings.Contains(lines.Text(), "Server listening on") && !said {
				said = true
				listens <- true
			} else if !said {
				t.Log(lines.Text())
			}
		}
		if !said {
			listens <- false
		}
	})
	t.Cleanup(func() {
		end()
		wg.Wait()
		_ = run.Wait()
	})
	return <-listens
}

// TestSSHD clones, fetches and pushes by Debian's sshd, with a key of a file; the host has
// to be the known one, and the key one that it knows.
func TestSSHD(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	d := serveSSHD(t)
	bare, work := host(t)
	o := options(t.TempDir())
	o.Remote = d.remote(bare)
	o.Remote.Push = true
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r := start(t, o)
	fetched(t, r, pushed(t, work, "_consultations/bus.md", "---\ntitle: Le bus\n---\n"))
	put(t, r, "consultations", "tram", "Le tram")
	inStep(t, r, bare)

	other, otherFile := keyPair(t, "other")
	otherKnown := filepath.Join(t.TempDir(), "known_hosts")
	write(t, filepath.Dir(otherKnown), "known_hosts", knownhosts.Line([]string{knownhosts.Normalize(d.address)}, other.PublicKey())+"\n")
	write(t, filepath.Dir(otherKnown), "none", "")
	for name, tt := range map[string]struct {
		m    Remote
		want string
	}{
		"another host's key": {Remote{URL: o.Remote.URL, KeyFile: d.keyFile, KnownHosts: otherKnown}, "knownhosts: key mismatch"},
		"an unknown host":    {Remote{URL: o.Remote.URL, KeyFile: d.keyFile, KnownHosts: filepath.Join(filepath.Dir(otherKnown), "none")}, "knownhosts: key is unknown"},
		"another user's key": {Remote{URL: o.Remote.URL, KeyFile: otherFile, KnownHosts: d.knownHosts}, "unable to authenticate"},
	} {
		o := options(t.TempDir())
		tt.m.Push = true
		o.Remote = &tt.m
		if err := start(t, o).Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: fetched, or %v; want %s", name, err, tt.want)
		}
		if _, err := tt.m.openPush(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: pushes, or %v; want %s", name, err, tt.want)
		}
	}
}

// TestSSHDRefused: what a hook of the host says comes through sshd, nothing is lost, and it
// heals by itself.
func TestSSHDRefused(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	bare, _ := host(t)
	r := upstreamed(t, d.remote(bare))
	hook := filepath.Join(bare, "hooks", "pre-receive")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho 'Les titres sont en majuscules.' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	res := put(t, r, "consultations", "bus", "Le bus")
	var refused *refusal
	if err := r.push(t.Context()); !errors.As(err, &refused) || !refused.content || !strings.Contains(err.Error(), "Les titres sont en majuscules.") {
		t.Errorf("got %v, want the host's words", err)
	}
	if err := r.Fetch(t.Context()); err != nil || r.View().Commit() != res.Commit {
		t.Errorf("after a refusal: at %s, %v; want %s", r.View().Commit(), err, res.Commit)
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	inStep(t, r, bare)
}

// TestSSHDKilled: a session that is killed during a push, before or after the host has
// moved its branch, loses nothing, and the next contact tells what the host has.
func TestSSHDKilled(t *testing.T) {
	t.Parallel()
	atLength(t)
	d := serveSSHD(t)
	for _, hook := range []string{"pre-receive", "reference-transaction"} {
		bare, _ := host(t)
		r := upstreamed(t, d.remote(bare))
		before := tipOf(t, bare, "main")
		// What has this session is told by /proc: sh, git receive-pack, the shell of the
		// session, sshd. The last is killed, and the push with it.
		script := "#!/bin/sh\n[ \"${1:-committed}\" = committed ] || exit 0\npid=$$\nwhile :; do\n\tpid=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$pid/status)\n" +
			"\tcase $(cat /proc/$pid/comm) in sshd*) kill -9 $pid; break ;; esac\n\t[ \"$pid\" -gt 1 ] || break\ndone\n" +
			"rm -f \"$0\"\n" + map[string]string{"pre-receive": "exit 1\n"}[hook]
		file := filepath.Join(bare, "hooks", hook)
		if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, r, "consultations", "bus", "Le bus "+hook)
		if err := r.push(t.Context()); !errors.Is(err, ErrSent) {
			t.Errorf("%s: got %v, want ErrSent", hook, err)
		}
		comes(t, "the end of the hook", func() bool { _, err := os.Stat(file); return errors.Is(err, os.ErrNotExist) })
		now := tipOf(t, bare, "main")
		if taken := now != before; taken != (hook != "pre-receive") {
			t.Errorf("%s: the host is at %s, and was at %s", hook, now, before)
		}
		inStep(t, r, bare)
		if out := git(t, bare, "fsck", "--strict", "--no-dangling"); len(bytes.TrimSpace([]byte(out))) > 0 {
			t.Errorf("%s: %s", hook, out)
		}
	}
}
