package repo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"

	"cms/lfs"
)

// LFS is where the remote has the API of Git LFS, if it has it, with what lets one in at the
// remote; nil where there cannot be one, as the remote is a path. What the branch says of it
// (.lfsconfig) does not count: whoever can push could have our token sent elsewhere.
func (m *Remote) LFS() lfs.Access {
	at, err := transport.NewEndpoint(m.URL)
	if err != nil {
		return nil
	}
	switch at.Protocol {
	case "http", "https":
		return m.lfsByHTTP
	case "ssh":
		return m.lfsBySSH
	}
	return nil
}

// lfsURL is where the API of a repository is, as git-lfs looks for it.
func lfsURL(u url.URL) string {
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	u.Path = strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(u.Path, ".git") {
		u.Path += ".git"
	}
	u.Path += "/info/lfs"
	return u.String()
}

func (m *Remote) lfsByHTTP(ctx context.Context, _ string) (lfs.Endpoint, error) {
	u, err := url.Parse(m.URL)
	if err != nil {
		return lfs.Endpoint{}, m.plain(err)
	}
	at := lfs.Endpoint{URL: lfsURL(*u), Header: http.Header{}}
	auth, err := m.auth(ctx)
	if err != nil {
		return at, m.plain(err)
	}
	basic, ok := auth.(*githttp.BasicAuth)
	if !ok && u.User != nil {
		password, _ := u.User.Password()
		basic, ok = &githttp.BasicAuth{Username: u.User.Username(), Password: password}, true
	}
	if ok {
		at.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(basic.Username+":"+basic.Password)))
		if m.Tokens != nil {
			at.Reject = func() { m.Tokens.Reject(basic.Password) }
		}
	}
	return at, nil
}

// Bounds of asking over ssh.
const (
	lfsAskTime   = 30 * time.Second
	maxLFSAnswer = 64 << 10
)

// lfsBySSH asks as git-lfs does (its server-discovery.md): a host without that program has no
// API.
func (m *Remote) lfsBySSH(ctx context.Context, operation string) (lfs.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, lfsAskTime)
	defer cancel()
	said, err := m.overSSH(ctx, "git-lfs-authenticate", operation)
	if exited := (*ssh.ExitError)(nil); errors.As(err, &exited) {
		return lfs.Endpoint{}, lfs.ErrNoAPI
	} else if err != nil {
		return lfs.Endpoint{}, m.plain(err)
	}
	var answer struct {
		Href   string            `json:"href"`
		Header map[string]string `json:"header"`
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		return lfs.Endpoint{}, errors.New("what git-lfs-authenticate says cannot be read")
	}
	at := lfs.Endpoint{URL: answer.Href, Header: http.Header{}}
	switch u, err := url.Parse(answer.Href); {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return lfs.Endpoint{}, errors.New("git-lfs-authenticate names no address of an API")
	case u.Scheme == "http" && !m.Insecure:
		return lfs.Endpoint{}, errors.New("git-lfs-authenticate names an address that is not https, where what lets one in would be sent in the clear; insecure: true says that the network is one's own")
	}
	for name, value := range answer.Header {
		at.Header.Set(name, value)
	}
	return at, nil
}

// overSSH runs a program about the repository at the remote, and gives what it prints.
func (m *Remote) overSSH(ctx context.Context, program, argument string) ([]byte, error) {
	at, err := transport.NewEndpoint(m.URL)
	if err != nil {
		return nil, err
	}
	auth, err := m.auth(ctx)
	if err != nil {
		return nil, err
	}
	method, ok := auth.(gitssh.AuthMethod)
	if !ok {
		if method, err = gitssh.DefaultAuthBuilder(at.User); err != nil {
			return nil, err
		}
	}
	config, err := method.ClientConfig()
	if err != nil {
		return nil, err
	}
	port := at.Port
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	address := net.JoinHostPort(at.Host, strconv.Itoa(port))
	if config.HostKeyCallback == nil {
		known, err := gitssh.NewKnownHostsDb()
		if err != nil {
			return nil, err
		}
		config.HostKeyCallback, config.HostKeyAlgorithms = known.HostKeyCallback(), known.HostKeyAlgorithms(address)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // which ends what waits for it
	c, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	defer session.Close()
	said := &limitedBuffer{most: maxLFSAnswer}
	session.Stdout = said
	if err := session.Run(fmt.Sprintf("%s '%s' %s", program, strings.ReplaceAll(at.Path, "'", `'\''`), argument)); err != nil {
		return nil, err
	}
	return said.raw, nil
}

// limitedBuffer takes so many bytes, and fails at more. It has no other method of a buffer,
// by which more would get in.
type limitedBuffer struct {
	raw  []byte
	most int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.raw)+len(p) > b.most {
		return 0, errors.New("the answer is too long")
	}
	b.raw = append(b.raw, p...)
	return len(p), nil
}
