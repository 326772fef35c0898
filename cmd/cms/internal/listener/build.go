package listener

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// grace is how long a command has to end after SIGTERM.
const grace = 10 * time.Second

// run runs the command, with CMS_COMMIT set to the commit, and gives the end of its output.
func (l *Listener) run(ctx context.Context, commit string) (output string, err error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", l.o.Command)
	cmd.Dir = l.o.Dir
	cmd.Env = append(os.Environ(), "CMS_COMMIT="+commit)
	out := &tail{to: l.o.Output}
	cmd.Stdout, cmd.Stderr = out, out
	own(cmd)
	err = cmd.Run()
	return out.end(), err
}

// own gives cmd a process group of its own, so that whatever it starts ends
// with it.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
}

// checkout brings dir, a clone of repository that is made when it is missing,
// to the tip of branch, or of the one that its HEAD names if that is "", as the service
// takes it, and gives the tip. Files that Git does not track stay,
// such as a build's own cache. What was changed in tracked ones is an error.
func checkout(ctx context.Context, repository, branch, dir string) (string, error) {
	ref, clone := "HEAD", []string{"clone", "--quiet"}
	if branch != "" {
		ref, clone = "refs/heads/"+branch, append(clone, "--branch", branch)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); os.IsNotExist(err) {
		if _, err := git(ctx, "", append(clone, "--", repository, dir)...); err != nil {
			return "", err
		}
	}
	if _, err := git(ctx, dir, "fetch", "--quiet", "--", repository, ref); err != nil {
		return "", err
	}
	if _, err := git(ctx, dir, "checkout", "--quiet", "--detach", "FETCH_HEAD"); err != nil {
		return "", err
	}
	return git(ctx, dir, "rev-parse", "HEAD")
}

// contains says whether what is checked out in dir has a commit, or one that was made again
// of it for the Git host; "" is none, and in all.
func contains(ctx context.Context, dir, commit string) bool {
	if commit == "" {
		return true
	}
	if _, err := git(ctx, dir, "merge-base", "--is-ancestor", commit, "HEAD"); err == nil {
		return true
	}
	found, err := git(ctx, dir, "log", "-1", "--format=%H", "--fixed-strings", "--grep=Replaces: "+commit, "HEAD")
	return err == nil && found != ""
}

// isPath says whether Git takes the name of a repository for a path, if nothing is there yet.
func isPath(repository string) bool {
	host, _, named := strings.Cut(repository, ":")
	return !named || strings.Contains(host, "/")
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	own(cmd)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
