package signing_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"cms/race"
	"cms/signing"
)

// run runs a program, and gives what it prints.
func run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// need skips a test where a program is missing.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("SKIPPED: %s is not installed, so that signatures are not checked with it", program)
	}
}

func open(t *testing.T, format, file, passphrase string) *signing.Key {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	k, err := signing.Open(format, b, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const commit = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor Zoé <z@example.org> 1790000000 +0000\ncommitter CMS <cms@example.org> 1790000000 +0000\n\nUne première ligne\n\nd’autres\n"

// verify has Git check a commit that is signed by k, and one whose message was changed
// after that.
func verify(t *testing.T, k *signing.Key, with ...string) {
	t.Helper()
	signature, err := k.Sign([]byte(commit))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(signature, []byte("-----\n")) {
		t.Errorf("the last line is not ended: %q", signature)
	}
	repository := filepath.Join(t.TempDir(), "a.git")
	run(t, "", "git", "init", "-q", "--bare", repository)
	header, message, _ := strings.Cut(commit, "\n\n")
	signed := header + "\ngpgsig " + strings.ReplaceAll(strings.TrimSpace(string(signature)), "\n", "\n ") + "\n\n" + message
	check := func(object string) error {
		hash := strings.TrimSpace(run(t, object, "git", "--git-dir", repository, "hash-object", "-t", "commit", "-w", "--stdin"))
		cmd := exec.CommandContext(t.Context(), "git", append(append([]string{"--git-dir", repository}, with...), "verify-commit", hash)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := check(signed); err != nil {
		t.Errorf("git verify-commit: %v", err)
	}
	var exit *exec.ExitError
	if err := check(strings.Replace(signed, "première", "seconde", 1)); !errors.As(err, &exit) {
		t.Errorf("another message under the same signature: got error %v, want that of git verify-commit", err)
	}
}

func TestSSH(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	need(t, "ssh-keygen")
	for kind, bits := range map[string]string{"ed25519": "256", "rsa": "2048", "ecdsa": "256"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			passphrase := ""
			if kind == "ed25519" {
				passphrase = "un secret"
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "key")
			run(t, "", "ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", passphrase, "-f", file)
			k := open(t, "ssh", file, passphrase)
			allowed := filepath.Join(dir, "allowed")
			if err := os.WriteFile(allowed, []byte("cms@example.org "+k.Public()+"\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			verify(t, k, "-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+allowed)
		})
	}
}

func TestOpenPGP(t *testing.T) {
	race.TakesLong(t)
	need(t, "gpg")
	home, err := os.MkdirTemp("", "gpg") // its socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--kill", "all").Run()
		os.RemoveAll(home)
	})
	t.Setenv("GNUPGHOME", home)
	kinds := map[string]string{"ed25519": "un secret"}
	if !testing.Short() {
		kinds["rsa2048"] = "" // which takes seconds to make
	}
	for kind, passphrase := range kinds {
		address := kind + "@example.org"
		gpg := func(args ...string) string {
			return run(t, "", append([]string{"gpg", "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", passphrase}, args...)...)
		}
		gpg("--quick-generate-key", "CMS <"+address+">", kind, "sign", "never")
		file := filepath.Join(t.TempDir(), "key.asc")
		gpg("--armor", "--output", file, "--export-secret-keys", address)
		k := open(t, "openpgp", file, passphrase)
		if known := run(t, "", "gpg", "--list-keys", "--with-colons", address); !strings.Contains(known, k.Public()) {
			t.Errorf("%s: %s is not the fingerprint of %s", address, k.Public(), known)
		}
		verify(t, k)
	}
}

// TestKeysThatCannotSign: each is refused with what to do, and without a word of it.
func TestKeysThatCannotSign(t *testing.T) {
	t.Parallel()
	owner, err := openpgp.NewEntity("CMS", "", "cms@example.org", nil)
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	w, err := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err = errors.Join(err, owner.Serialize(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ format, key, want string }{
		{"ssh", "", "ssh-keygen"},
		{"ssh", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI", "ssh-keygen"},
		{"ssh", "-----BEGIN OPENSSH PRIVATE KEY-----\nZm9v\n-----END OPENSSH PRIVATE KEY-----\n", "ssh-keygen"},
		{"ssh", public.String(), "ssh-keygen"},
		{"openpgp", "", "--export-secret-keys"},
		{"openpgp", "foo", "--export-secret-keys"},
		{"openpgp", public.String(), "--export-secret-keys"},
		{"openpgp", public.String() + public.String(), "--export-secret-keys"},
		{"x509", "foo", "x509"},
	} {
		k, err := signing.Open(tt.format, []byte(tt.key), nil)
		if err == nil || k != nil || !strings.Contains(err.Error(), tt.want) || len(tt.key) > 40 && strings.Contains(err.Error(), tt.key[30:40]) {
			t.Errorf("%s %.40q: got %v, want an error about %s", tt.format, tt.key, err, tt.want)
		}
	}
}

// TestPassphrases that are missing or another one.
func TestPassphrases(t *testing.T) {
	t.Parallel()
	need(t, "ssh-keygen")
	file := filepath.Join(t.TempDir(), "key")
	run(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "un secret", "-f", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for passphrase, want := range map[string]string{"": "passphrase_env", "un autre": "not that of the key"} {
		if _, err := signing.Open("ssh", b, []byte(passphrase)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("passphrase %q: got %v, want an error that says %s", passphrase, err, want)
		}
	}
}
