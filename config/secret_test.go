package config

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A file that says who is believed, or that holds a secret, is refused where anybody can
// write it. Where others can read a secret there is a warning, of each key that names one.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"secret": secret, "key": string(pem.EncodeToMemory(block)), "known": "git.example.org ssh-ed25519 AAAA\n",
		"public.json": `{"keys":[]}`, "private.json": `{"keys":[{"kty":"OKP","crv":"Ed25519","d":"x","x":"y"}]}`,
		"cms.yaml": `
collections: [{name: notes, folder: notes}]
repository:
  remote: {url: "ssh://git@git.example.org/site", ssh_key_file: key, known_hosts: known}
  signing: {format: ssh, key_file: key, passphrase_file: secret}
auth:
  roles: {reader: {notes: [read]}}
  issuers:
    - {issuer: a, audience: cms, algorithms: [HS256], secret_file: secret}
    - {issuer: b, audience: cms, algorithms: [EdDSA], jwks_file: public.json}
    - {issuer: c, audience: cms, algorithms: [EdDSA], jwks_file: private.json}
    - issuer: https://id.example.org
      audience: cms
      algorithms: [RS256]
      login: {name: id, client_id: cms, secret_file: secret}
webhooks:
  - {name: site, url: "https://builds.example.org/", secret_file: secret, old_secret_file: secret, headers: {X-Key: {secret_file: secret}}}
  - {name: build, type: gitlab, url: "https://gitlab.example.org/x", token_file: secret}
hooks: [{provider: github, secret_file: secret}]
mail: {from: cms@example.org, smtp: {host: mail.example.org, username: cms, password_file: secret}}
tracing: {endpoint: "http://localhost:4318", headers: {X-Key: {secret_file: secret}}}
`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	try := func(mode os.FileMode) ([]Problem, error) {
		t.Helper()
		for name := range files {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Load(filepath.Join(dir, "cms.yaml"), nil)
		if err != nil {
			return nil, err
		}
		return c.Warnings, nil
	}
	secrets := []string{
		"auth.issuers[0].secret_file", "auth.issuers[2].jwks_file", "auth.issuers[3].login.secret_file", "hooks[0].secret_file", "mail.smtp.password_file",
		"repository.remote.ssh_key_file", "repository.signing.key_file", "repository.signing.passphrase_file", "tracing.headers.X-Key.secret_file",
		"webhooks[0].headers.X-Key.secret_file", "webhooks[0].old_secret_file", "webhooks[0].secret_file", "webhooks[1].token_file",
	}
	public := []string{"auth.issuers[1].jwks_file", "repository.remote.known_hosts"}
	names := func(found []Problem) (all []string) {
		for _, p := range found {
			all = append(all, p.Key)
			if strings.Contains(p.Detail, secret) {
				t.Errorf("the secret is told: %s", p)
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	if found, err := try(0o600); err != nil || len(found) > 0 {
		t.Errorf("of the owner alone: got %v, %v", found, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o444} {
		if found, err := try(mode); err != nil || !slices.Equal(names(found), secrets) {
			t.Errorf("%04o: warned of %q, %v; want %q", mode, names(found), err, secrets)
		}
	}
	var wrong *Error
	if _, err := try(0o602); !errors.As(err, &wrong) {
		t.Fatalf("files that anybody can write are taken: %v", err)
	}
	want := slices.Sorted(slices.Values(append(public, secrets...)))
	written := slices.DeleteFunc(wrong.Problems, func(p Problem) bool { return !strings.Contains(p.Detail, "can be written by anybody") })
	if got := names(written); !slices.Equal(got, want) {
		t.Errorf("refused %q, want %q", got, want)
	}
}
