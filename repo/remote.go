package repo

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// Remote is the repository that others push to, at a Git host.
type Remote struct {
	URL        string // https://…, ssh://…, user@host:path, or a path
	Username   string // for https; "git" when there is a token alone, which hosts accept
	Token      string // for https
	Tokens     Tokens // for https, in place of Token: of those that end; nil for none
	KeyFile    string // for ssh: the file of a private key without a passphrase; "" asks the agent
	KnownHosts string // for ssh: the file of the keys that hosts may have; "" is the user's
	Insecure   bool   // what lets one in at the API of Git LFS that the host names over ssh may go over plain http

	// Push has the branch pushed, by KeepPushed; what was pushed there is then joined
	// with what was written here. Otherwise nothing goes there, and a branch that both
	// sides went on with is ErrDiverged.
	Push bool
	// Sync, with Push, has an update be done only when the remote has it, too, and before
	// anybody sees it here.
	Sync bool
	// Turn, with Sync, has the services that push to the remote do so one after the other,
	// since of two at once one works in vain. It waits for the turn, in the order in which
	// they ask, and says whether others had theirs meanwhile. Nil where there is one service.
	Turn func(context.Context) (release func(), others bool, err error)
	// Linear, with Push, has no merge commits: where the remote went on, what was written
	// here is made again upon its tip.
	Linear bool
	// PushConflicts, with Push, has the branches of what was set aside pushed, too, and
	// removed there when it is resolved.
	PushConflicts bool
	// AlarmAfter is from which age on what is not pushed is an error in the log; 0 is
	// fifteen minutes.
	AlarmAfter time.Duration

	ssh     *sshLine      // the connections with it; nil makes one for each contact
	minWait time.Duration // for how long at least updates wait for those who come back; tests set it
}

// Tokens gives tokens that end. It may be used by several goroutines.
type Tokens interface {
	Token(ctx context.Context) (string, error) // one that is good now
	Reject(token string)                       // says that the remote did not take one
	Last() string                              // the one that was given last, so that no error tells it
}

// rejected says whether an error of the remote is that it does not take a token which may be
// had anew, and sees to that.
func (m *Remote) rejected(auth transport.AuthMethod, err error) bool {
	basic, ok := auth.(*githttp.BasicAuth)
	if !ok || m.Tokens == nil || !errors.Is(err, transport.ErrAuthenticationRequired) {
		return false
	}
	m.Tokens.Reject(basic.Password)
	return true
}

// asking does what asks the remote, and once more where a token that may be had anew was not
// taken.
func (m *Remote) asking(ctx context.Context, ask func(transport.AuthMethod) error) error {
	useSSHLines()
	for tries := 1; ; tries++ {
		auth, err := m.auth(ctx)
		if err != nil {
			return err
		}
		if err = ask(auth); tries > 1 || !m.rejected(auth, err) {
			return err
		}
	}
}

// opened is the remote with a connection of its own that is kept open; nil of none.
func (m *Remote) opened() *Remote {
	if m == nil {
		return nil
	}
	o := *m
	o.ssh = newSSHLine()
	return &o
}

// close ends the connections with it.
func (m *Remote) close() {
	if m != nil {
		m.ssh.close()
	}
}

func (m *Remote) pushes() bool { return m != nil && m.Push }

// auth is nil for what needs none. For ssh it is an sshAccess, which makes sure of the
// host's own key.
func (m *Remote) auth(ctx context.Context) (transport.AuthMethod, error) {
	at, err := transport.NewEndpoint(m.URL)
	if err != nil {
		return nil, m.plain(err)
	}
	switch {
	case at.Protocol == "ssh":
		access, err := m.sshAccess(ctx, at)
		if err != nil {
			return nil, err
		}
		return access, nil
	case m.Tokens != nil:
		token, err := m.Tokens.Token(ctx)
		if err != nil {
			return nil, err
		}
		return &githttp.BasicAuth{Username: cmp.Or(m.Username, "git"), Password: token}, nil
	case m.Token == "":
		return nil, nil
	}
	return &githttp.BasicAuth{Username: cmp.Or(m.Username, "git"), Password: m.Token}, nil
}

// plainURL is the URL without what authenticates there.
func (m *Remote) plainURL() string { return m.plain(errors.New(m.URL)).Error() }

// plain is err without what authenticates at the remote, which libraries tell with
// its URL: hosts take a token as the name of its user, too.
func (m *Remote) plain(err error) error {
	text := withUser.ReplaceAllString(err.Error(), "$1***@")
	secrets := []string{m.Token}
	if m.Tokens != nil {
		secrets = append(secrets, m.Tokens.Last())
	}
	if _, rest, ok := strings.Cut(m.URL, "://"); ok { // also of one that is no URL for a slip
		if i := strings.LastIndex(rest, "@"); i >= 0 && !strings.HasPrefix(m.URL, "ssh:") { // where it is a name
			name, password, _ := strings.Cut(rest[:i], ":")
			secrets = append(secrets, rest[:i], name, password)
		}
	}
	if u, parsed := url.Parse(m.URL); parsed == nil && u.User != nil && u.Scheme != "ssh" {
		password, _ := u.User.Password()
		secrets = append(secrets, u.User.Username(), password)
	}
	for _, s := range secrets {
		if len(s) >= minHidden {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	if text == err.Error() {
		return err
	}
	return &plainError{text, err}
}

// minHidden is from how many bytes on a text is taken for a secret wherever it stands.
const minHidden = 8

var withUser = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/"']+@`)

// plainError is an error in words that hold no secret.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }

// Unwrap gives what it is, and not how it is told.
func (e *plainError) Unwrap() error { return e.err }
