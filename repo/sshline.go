package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/proxy"
)

// Bounds of connections over SSH.
const (
	// sshDialTime is how long one may take until whoever connects is let in.
	sshDialTime = 30 * time.Second
	// sshIdle is how long one is kept that nobody uses: longer than fetches rest, by
	// default, and editors between two saves, and shorter than hosts bear who does nothing.
	sshIdle = 5 * time.Minute
	// sshAge is after how long another one is made, which the host lets in anew or not: a
	// key that was taken away there says nothing of connections that are.
	sshAge = time.Hour
	// sshAnswer is how long a host that was reached before may take to answer that a
	// program may be started: then the connection counts as lost, of which nobody tells
	// where a router forgot it.
	sshAnswer = 3 * time.Second
	// sshLinger is how long a program may go on that has done what it was asked for, as
	// the host's hooks do after a push.
	sshLinger = time.Minute
)

// An sshLine is what a repository has of connections with its remote over SSH: one that
// is kept open, for one program after the other and some at once.
type sshLine struct {
	mu     sync.Mutex
	kept   *sshConn // nil when there is none that may be used again
	open   map[*sshConn]bool
	single bool           // none is kept, as it is for one contact
	closed bool           // none is kept any more
	ending sync.WaitGroup // programs that have done what they were asked for

	idle, answer time.Duration // sshIdle and sshAnswer, but in tests
}

func newSSHLine() *sshLine {
	return &sshLine{open: make(map[*sshConn]bool), idle: sshIdle, answer: sshAnswer}
}

// An sshConn is one connection.
type sshConn struct {
	client  *ssh.Client
	hostKey ssh.PublicKey
	to, as  string // the host's address, and who was let in there
	made    time.Time

	uses    int // all below is the line's
	retired bool
	idle    *time.Timer // nil while it is used
}

// sshAccess is how one gets in at the remote for one contact, by what the files of keys
// say now. It is the [transport.AuthMethod] of that.
type sshAccess struct {
	ctx     context.Context //nolint:containedctx // go-git hands none to who connects
	line    *sshLine
	user    string
	address string
	key     *gitssh.PublicKeys // nil asks the agent
	known   knownHosts
}

type knownHosts interface {
	HostKeyCallback() ssh.HostKeyCallback
	HostKeyAlgorithms(hostWithPort string) []string
}

// Name and String are of a transport.AuthMethod.
func (a *sshAccess) Name() string   { return gitssh.PublicKeysName }
func (a *sshAccess) String() string { return "user: " + a.user + ", name: " + a.Name() }

// sshAccess reads the files of keys.
func (m *Remote) sshAccess(ctx context.Context, at *transport.Endpoint) (*sshAccess, error) {
	a := &sshAccess{ctx: ctx, line: m.ssh, user: at.User, address: sshAddress(at)}
	if a.line == nil { // for this contact alone
		a.line = newSSHLine()
		a.line.single = true
	}
	var files []string
	if m.KeyFile != "" {
		a.user = cmp.Or(at.User, gitssh.DefaultUsername)
		key, err := gitssh.NewPublicKeysFromFile(a.user, m.KeyFile, "")
		if err != nil {
			return nil, fmt.Errorf("read the private key %s, which has to be one without a passphrase: %w", m.KeyFile, err)
		}
		a.key = key
	}
	if m.KnownHosts != "" {
		files = []string{m.KnownHosts}
	}
	known, err := gitssh.NewKnownHostsDb(files...)
	if err != nil {
		return nil, fmt.Errorf("read the known hosts %s: %w", cmp.Or(m.KnownHosts, "of the user"), err)
	}
	a.known = known
	return a, nil
}

// sshAddress is where the host is: what the user's configuration of ssh calls so, if that
// names it, as go-git has it.
func sshAddress(at *transport.Endpoint) string {
	host, port := at.Host, at.Port
	if named := gitssh.DefaultSSHConfig.Get(at.Host, "Hostname"); named != "" {
		host = named
		if n, err := strconv.Atoi(gitssh.DefaultSSHConfig.Get(at.Host, "Port")); err == nil {
			port = n
		}
	}
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// who is by what a connection tells that it was made for the same user and key.
func (a *sshAccess) who() string {
	if a.key == nil {
		return a.user
	}
	return a.user + " " + string(a.key.Signer.PublicKey().Marshal())
}

// config is what a connection is made with.
func (a *sshAccess) config() (*ssh.ClientConfig, error) {
	var config *ssh.ClientConfig
	var err error
	if a.key != nil {
		a.key.HostKeyCallback = a.known.HostKeyCallback()
		config, err = a.key.ClientConfig()
	} else {
		var agent *gitssh.PublicKeysCallback
		if agent, err = gitssh.NewSSHAgentAuth(a.user); err == nil {
			agent.HostKeyCallback = a.known.HostKeyCallback()
			config, err = agent.ClientConfig()
		}
	}
	if err != nil {
		return nil, err
	}
	config.HostKeyAlgorithms = a.known.HostKeyAlgorithms(a.address)
	return config, nil
}

// dial makes a connection.
func (a *sshAccess) dial() (*sshConn, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	c := &sshConn{to: a.address, as: a.who(), made: time.Now(), uses: 1}
	check := config.HostKeyCallback
	config.HostKeyCallback = func(host string, at net.Addr, key ssh.PublicKey) error {
		c.hostKey = key
		return check(host, at, key)
	}
	ctx, cancel := context.WithTimeout(a.ctx, sshDialTime)
	defer cancel()
	conn, err := proxy.Dial(ctx, "tcp", a.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends what waits for it
	made, channels, requests, err := ssh.NewClientConn(conn, a.address, config)
	if !stop() {
		err = errors.Join(fmt.Errorf("log in at %s: %w", a.address, ctx.Err()), err)
	}
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	c.client = ssh.NewClient(made, channels, requests)
	return c, nil
}

// ignoreClosed is err, but for that of closing what is closed.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// take is a connection for one program, which is given back by release: the one that is
// kept, if it may be used, and none but a new one has to be.
func (l *sshLine) take(a *sshAccess, fresh bool) (c *sshConn, reused bool, err error) {
	if !fresh {
		if c := l.reuse(a); c != nil {
			return c, true, nil
		}
	}
	if c, err = a.dial(); err != nil {
		return nil, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	if l.closed || l.single {
		c.retired = true
	} else {
		l.retireLocked(l.kept)
		l.kept = c
	}
	return c, false, nil
}

// reuse is the connection that is kept, nil where there is none for whom asks: the host has
// to be the one that is known now, and the user's key the same.
func (l *sshLine) reuse(a *sshAccess) *sshConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kept
	if c == nil {
		return nil
	}
	if c.to != a.address || c.as != a.who() || time.Since(c.made) > sshAge ||
		a.known.HostKeyCallback()(c.to, c.client.RemoteAddr(), c.hostKey) != nil {
		l.retireLocked(c)
		return nil
	}
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	c.uses++
	return c
}

// retire has a connection not be used again, and closed once nobody uses it.
func (l *sshLine) retire(c *sshConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retireLocked(c)
}

func (l *sshLine) retireLocked(c *sshConn) {
	if c == nil {
		return
	}
	if c.retired = true; l.kept == c {
		l.kept = nil
	}
	l.closeUnused(c)
}

// release gives a connection back.
func (l *sshLine) release(c *sshConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.uses--; c.uses > 0 {
		return
	}
	if l.closeUnused(c); l.open[c] {
		c.idle = time.AfterFunc(l.idle, func() { l.retireIdle(c) })
	}
}

// retireIdle retires a connection unless it is used again.
func (l *sshLine) retireIdle(c *sshConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.uses == 0 {
		l.retireLocked(c)
	}
}

// closeUnused closes a connection that is retired and that nobody uses.
func (l *sshLine) closeUnused(c *sshConn) {
	if c.retired && c.uses == 0 {
		l.closeConn(c)
	}
}

func (l *sshLine) closeConn(c *sshConn) {
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	if l.open[c] {
		delete(l.open, c)
		_ = c.client.Close() // it may have ended by itself
	}
}

// close ends all connections, also those that are used.
func (l *sshLine) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.closed, l.kept = true, nil
	for c := range l.open {
		c.retired = true
		l.closeConn(c)
	}
	l.mu.Unlock()
	l.ending.Wait()
}
