package sitetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"

	"cms/race"
	"cms/repo"
	"cms/repo/repotest"
)

// Sibling skips a test, where the tests are to be brief, that has a quicker one of the same
// rule, which it names.
func Sibling(t testing.TB, quicker string) {
	t.Helper()
	if race.Brief() {
		t.Skip("takes long; with -short there is " + quicker)
	}
}

// CheapHash is what the hash of a password costs in tests of what else a login does. An
// account whose password was hashed as ever gets such a hash by its first login.
var CheapHash = &argon2id.Params{Memory: 1 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Fsck has git check the bare repository in dir, if something was written there. Where the
// tests are to be brief, [repo.Verify] does, without a process.
func Fsck(t testing.TB, dir string) {
	t.Helper()
	written, err := filepath.Glob(filepath.Join(dir, "objects", "[0-9a-fp]*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(written) == 0:
	case race.Brief():
		if _, err := repo.Verify(context.WithoutCancel(t.Context()), dir); err != nil {
			t.Errorf("verify: %v", err)
		}
	default:
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "git", append([]string{"--git-dir", dir}, repotest.FsckArgs(dir)...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 && !strings.HasPrefix(string(out), "notice: HEAD points to an unborn branch") {
			t.Errorf("git fsck: %v\n%s", err, out)
		}
	}
}
