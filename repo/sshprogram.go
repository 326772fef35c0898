package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/utils/ioutil"
	cryptossh "golang.org/x/crypto/ssh"
)

// An sshProgram is a program that runs at the remote: a channel of a connection.
type sshProgram struct {
	line    *sshLine
	conn    *sshConn
	reused  bool // the connection was there before
	session *cryptossh.Session
	in      io.WriteCloser
	out     io.Reader
	words   *hostWords // what it says beside
	once    sync.Once  // gives the connection back
}

var errNoAnswer = errors.New("the connection does not answer any more")

// start starts a program at the remote: on the connection that is kept, or on a new one
// where that is none that works, as long as nothing is asked of the program.
func (a *sshAccess) start(ctx context.Context, command string, fresh bool) (*sshProgram, error) {
	for {
		conn, reused, err := a.line.take(a, fresh)
		if err != nil {
			return nil, err
		}
		p := &sshProgram{line: a.line, conn: conn, reused: reused, words: new(hostWords)}
		err = p.begin(ctx, command)
		if err == nil {
			return p, nil
		}
		p.abandon()
		if !reused || ctx.Err() != nil {
			return nil, err
		}
		fresh = true
	}
}

// begin opens the channel and starts the program. After an error, what comes later ends
// with the connection.
func (p *sshProgram) begin(ctx context.Context, command string) error {
	opened, done := make(chan struct{}), make(chan error, 1)
	go func() {
		session, err := p.conn.client.NewSession()
		if close(opened); err == nil {
			err = p.run(session, command)
		}
		done <- err
	}()
	if p.reused {
		timeout := time.NewTimer(p.line.answer)
		defer timeout.Stop()
		select {
		case <-opened:
		case <-timeout.C:
			return errNoAnswer
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *sshProgram) run(session *cryptossh.Session, command string) (err error) {
	session.Stderr = p.words
	if p.in, err = session.StdinPipe(); err == nil {
		p.out, err = session.StdoutPipe()
	}
	if err == nil {
		err = session.Start(command)
	}
	if err != nil {
		return errors.Join(err, ignoreEOF(session.Close()))
	}
	p.session = session
	return nil
}

// ignoreEOF is err, but for that of closing a channel which the host closed.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// abandon leaves the program and its connection, which is not used again: one that does
// not come to an end may have been lost.
func (p *sshProgram) abandon() {
	p.line.retire(p.conn)
	p.once.Do(func() { p.line.release(p.conn) })
}

// leave ends the program, which has done what it was asked for: with last, if it waits for
// that. Whoever asked does not wait.
func (p *sshProgram) leave(last []byte) {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	if p.line.closed { // its connection as well
		return
	}
	p.line.ending.Go(func() {
		late := time.AfterFunc(sshLinger, p.abandon)
		defer late.Stop()
		if len(last) > 0 {
			_, _ = p.in.Write(last) // it may have ended
		}
		_, _ = io.CopyN(io.Discard, p.out, maxLeft)
		_ = p.session.Close()
		p.once.Do(func() { p.line.release(p.conn) })
	})
}

// maxLeft is how much a program may say that is asked for nothing any more.
const maxLeft = 64 << 10

// An sshSession is a program of Git's at the remote: one contact.
type sshSession struct {
	access  *sshAccess
	program *sshProgram
	command string
	receive bool // it is git-receive-pack

	offered *packp.AdvRefs
	asked   bool // for a pack, or for one to be taken
	lost    atomic.Bool
	stop    func() bool // has ctx not end it any more
}

// sshTransport is go-git's by SSH, on a connection that is kept for who is let in by an
// sshAccess.
type sshTransport struct{ transport.Transport }

// useSSHLines has go-git's remotes use the connections that are kept, as it takes a
// transport for a fetch from a table alone. It is called before that is read.
var useSSHLines = sync.OnceFunc(func() {
	client.InstallProtocol("ssh", sshTransport{ssh.DefaultClient})
})

func (t sshTransport) NewUploadPackSession(at *transport.Endpoint, auth transport.AuthMethod) (transport.UploadPackSession, error) {
	a, ok := auth.(*sshAccess)
	if !ok {
		return t.Transport.NewUploadPackSession(at, auth)
	}
	return a.session(at, transport.UploadPackServiceName)
}

func (t sshTransport) NewReceivePackSession(at *transport.Endpoint, auth transport.AuthMethod) (transport.ReceivePackSession, error) {
	a, ok := auth.(*sshAccess)
	if !ok {
		return t.Transport.NewReceivePackSession(at, auth)
	}
	return a.session(at, transport.ReceivePackServiceName)
}

func (a *sshAccess) session(at *transport.Endpoint, program string) (*sshSession, error) {
	s := &sshSession{access: a, command: program + " " + shellQuote(at.Path), receive: program == transport.ReceivePackServiceName}
	p, err := a.start(a.ctx, s.command, false)
	if err != nil {
		return nil, err
	}
	s.program = p
	return s, nil
}

// shellQuote is a word of a shell's command.
func shellQuote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}

// within has what follows end with ctx.
func (s *sshSession) within(ctx context.Context) {
	if s.stop != nil {
		s.stop()
	}
	p := s.program
	s.stop = context.AfterFunc(ctx, func() {
		s.lost.Store(true)
		p.abandon()
		_ = p.session.Close() // for the host, where others use the connection
	})
}

func (s *sshSession) reader(ctx context.Context) io.Reader {
	return ioutil.NewContextReader(ctx, s.program.out)
}

func (s *sshSession) writer(ctx context.Context) io.WriteCloser {
	return ioutil.NewContextWriteCloser(ctx, s.program.in)
}

// because is err, or why it came.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (s *sshSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(s.access.ctx)
}

// AdvertisedReferencesContext is what the program tells first. On a connection that was
// there before and has nothing to tell, it is started again on another one.
func (s *sshSession) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	if s.offered != nil {
		return s.offered, nil
	}
	refs, silent, err := s.advertised(ctx)
	if err != nil && silent && s.program.reused && ctx.Err() == nil {
		s.stop()
		s.program.abandon()
		p, again := s.access.start(ctx, s.command, true)
		if again != nil {
			return nil, again
		}
		s.program = p
		refs, _, err = s.advertised(ctx)
	}
	if err != nil {
		return nil, because(ctx, err)
	}
	if !s.receive && refs.IsEmpty() {
		return nil, transport.ErrEmptyRemoteRepository
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	s.offered = refs
	return refs, nil
}

// advertised reads what the program tells first; it is silent when it says nothing at all.
func (s *sshSession) advertised(ctx context.Context) (refs *packp.AdvRefs, silent bool, err error) {
	s.within(ctx)
	refs = packp.NewAdvRefs()
	switch err = refs.Decode(s.reader(ctx)); {
	case err == nil:
		return refs, false, nil
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		if s.receive {
			return refs, false, nil
		}
		return nil, false, transport.ErrEmptyRemoteRepository
	case !errors.Is(err, packp.ErrEmptyInput):
		return nil, false, err
	}
	ended := s.program.ended(ctx)
	if said := oneLine(s.program.words.String()); said != "" {
		return nil, false, errors.New("the host says: " + said)
	}
	return nil, true, fmt.Errorf("the host says nothing: %w", errors.Join(ended, io.ErrUnexpectedEOF))
}

// ended waits for the end of a program that says nothing more, so that all is there that
// it has said, and gives what it ended with.
func (p *sshProgram) ended(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- p.session.Wait() }()
	late := time.NewTimer(sshAnswer)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
	case <-ctx.Done():
	}
	return nil
}

// UploadPack asks for a pack.
func (s *sshSession) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if req.IsEmpty() {
		return nil, transport.ErrEmptyUploadPackRequest
	}
	if err := req.Validate(); err != nil {
		return nil, err
	}
	if _, err := s.AdvertisedReferencesContext(ctx); err != nil {
		return nil, err
	}
	s.within(ctx)
	s.asked = true
	w := s.writer(ctx)
	err := req.UploadRequest.Encode(w)
	if err == nil {
		err = req.UploadHaves.Encode(w, true)
	}
	if err == nil {
		err = pktline.NewEncoder(w).EncodeString("done\n")
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, because(ctx, fmt.Errorf("ask for a pack: %w", err))
	}
	r, err := ioutil.NonEmptyReader(s.reader(ctx))
	if errors.Is(err, ioutil.ErrEmptyReader) {
		return nil, transport.ErrEmptyUploadPackRequest
	} else if err != nil {
		return nil, because(ctx, err)
	}
	res := packp.NewUploadPackResponse(req)
	if err := res.Decode(ioutil.NewReadCloser(r, s)); err != nil {
		return nil, because(ctx, fmt.Errorf("read the answer to what is asked for: %w", err))
	}
	return res, nil
}

// ReceivePack has references changed. Without a report it is not known what came of it.
func (s *sshSession) ReceivePack(ctx context.Context, req *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	if _, err := s.AdvertisedReferencesContext(ctx); err != nil {
		return nil, err
	}
	s.within(ctx)
	s.asked = true
	w := s.writer(ctx)
	if err := errors.Join(req.Encode(w), w.Close()); err != nil {
		return nil, because(ctx, err)
	}
	out := s.reader(ctx)
	if req.Capabilities.Supports(capability.Sideband64k) {
		d := sideband.NewDemuxer(sideband.Sideband64k, out)
		d.Progress = req.Progress
		out = d
	}
	report := packp.NewReportStatus()
	if err := report.Decode(out); err != nil {
		return nil, because(ctx, err)
	}
	return report, report.Error()
}

// Close ends the contact.
func (s *sshSession) Close() error {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	if s.program == nil || s.lost.Load() {
		return nil
	}
	var last []byte
	if !s.asked {
		last = pktline.FlushPkt
	}
	s.program.leave(last)
	s.program = nil
	return nil
}
