package githttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// program is the git of this machine. It runs with nothing of the machine's configuration,
// within bounds of memory, in a process group of its own that ends with its request.
type program struct {
	path       string
	repository string
}

// settings are those of every run: what is served, and how much memory that may take.
var settings = []string{
	"safe.directory=*", // whose files they are is the operator's affair
	"core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false",
	"uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true", // partial clones ask for blobs by name
	"transfer.hideRefs=refs/cms", "transfer.hideRefs=refs/remotes",
	"pack.threads=1", "pack.windowMemory=32m", "pack.deltaCacheSize=16m", "pack.writeReverseIndex=false",
	"core.deltaBaseCacheLimit=16m", "core.bigFileThreshold=4m", "core.packedGitWindowSize=16m", "core.packedGitLimit=128m",
}

// maxMemory is what a process may have of address space: what it maps of packs and their
// indexes, and what it works with.
const maxMemory = 2 << 30

// run is one run of git.
type run struct {
	*exec.Cmd
	said bytes.Buffer // on its standard error, the beginning
}

// command prepares a run of git. It ends with ctx.
func (p *program) command(ctx context.Context, protocol string, args ...string) *run {
	var all []string
	for _, s := range settings {
		all = append(all, "-c", s)
	}
	r := &run{Cmd: exec.CommandContext(ctx, p.path, append(all, args...)...)} //nolint:gosec // none of them from a request but for what was looked at
	r.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1",
	}
	if protocol != "" {
		r.Env = append(r.Env, "GIT_PROTOCOL="+protocol)
	}
	r.Dir = p.repository
	r.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.Cancel = func() error { return syscall.Kill(-r.Process.Pid, syscall.SIGKILL) }
	r.WaitDelay = 5 * time.Second
	r.Stderr = &limited{&r.said, 4 << 10}
	return r
}

// start begins the run, within its bound of memory.
func (r *run) start() error {
	if err := r.Start(); err != nil {
		return fmt.Errorf("start git: %w", err)
	}
	limitMemory(r.Process.Pid, maxMemory)
	return nil
}

// feed writes to the process what in has, in the caller's goroutine, so that nobody reads of
// in any more when it returns. That a process wants no more is no error.
func feed(to io.WriteCloser, in io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return nil //nolint:nilerr // it has ended, and says why
			}
		}
		if errors.Is(err, io.EOF) {
			return to.Close()
		}
		if err != nil {
			return err
		}
	}
}

// serve runs it on what in has, and answers what it prints, as it comes. An error before
// anything was answered is told by the door.
func (r *run) serve(in io.Reader, out *answer) error {
	to, err := r.StdinPipe()
	if err != nil {
		return err
	}
	r.Stdout = out
	if err := r.start(); err != nil {
		return err
	}
	if in == nil {
		in = strings.NewReader("")
	}
	fed := feed(to, in)
	if fed != nil {
		_ = r.Cancel()
	}
	err = r.Wait()
	switch {
	case fed != nil:
		err = fed
	case err != nil:
		err = fmt.Errorf("git %s: %w: %s", r.Args[len(r.Args)-3:], err, strings.TrimSpace(r.said.String()))
	}
	if err != nil && out.begun {
		// Git has told the client what it could, and the client sees that something is
		// missing: nothing else can be said any more.
		return &toldError{err}
	}
	return err
}

// toldError is a failure behind the beginning of an answer.
type toldError struct{ error }

// limited keeps the beginning of what is written to it.
type limited struct {
	to   *bytes.Buffer
	most int
}

func (l *limited) Write(b []byte) (int, error) {
	if room := l.most - l.to.Len(); room > 0 {
		l.to.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}
