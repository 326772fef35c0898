package repo

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/utils/ioutil"
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
	if exited := (*exitError)(nil); errors.As(err, &exited) && exited.noProgram() {
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
	access, ok := auth.(*sshAccess)
	if !ok {
		return nil, fmt.Errorf("%s is no address of ssh", at.Protocol)
	}
	p, err := access.start(ctx, program+" "+shellQuote(at.Path)+" "+argument, false)
	if err != nil {
		return nil, err
	}
	defer p.leave(nil)
	defer context.AfterFunc(ctx, p.abandon)()
	said, err := io.ReadAll(io.LimitReader(ioutil.NewContextReader(ctx, p.out), maxLFSAnswer+1))
	switch {
	case err != nil:
		return nil, because(ctx, err)
	case len(said) > maxLFSAnswer:
		return nil, errors.New("the answer is too long")
	}
	err = because(ctx, p.ended(ctx))
	if exited := (*ssh.ExitError)(nil); errors.As(err, &exited) {
		err = &exitError{exited.ExitStatus(), oneLine(p.words.String())}
	}
	return said, err
}

// exitError is how a program at the remote ended, and what it said.
type exitError struct {
	status int
	words  string
}

func (e *exitError) Error() string {
	return fmt.Sprintf("the host says: %s (exit status %d)", cmp.Or(e.words, "nothing"), e.status)
}

// notFound is the status of shells for what is no program.
const notFound = 127

// noProgram says whether the host has no such program, or none for Git LFS: it says so by
// the status of a shell, or in words of its own. That it refuses otherwise says nothing of
// what it has.
func (e *exitError) noProgram() bool {
	return e.status == notFound || unknownProgram.MatchString(e.words)
}

// unknownProgram is what git-shell, Gitolite, Gitea and others say then.
var unknownProgram = regexp.MustCompile(`(?i)(unrecognized|unknown|invalid)( \S+)? command|command not found|lfs support is disabled`)
