package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gitea is a real Git host, with a protected repository admin/site that the account cms may
// push to.
type gitea struct {
	*testing.T
	url, ssh, config string
	token            string // of cms
}

const giteaAdmin = "admin-password-1"

// startGitea starts the program that CMS_GITEA names. Where its templates are not within,
// CMS_GITEA_ROOT names the folder that has templates, options and public; where it has no
// SQLite, CMS_POSTGRES_URL a PostgreSQL.
func startGitea(t *testing.T) *gitea {
	t.Helper()
	program := os.Getenv("CMS_GITEA")
	if program == "" {
		t.Skip("SKIPPED: CMS_GITEA names no program of Gitea, so no real Git host is tried.")
	}
	dir := t.TempDir()
	address := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	at, ssh := address(), address()
	_, port, _ := net.SplitHostPort(at)
	_, sshPort, _ := net.SplitHostPort(ssh)
	database := "DB_TYPE = sqlite3\nPATH = " + filepath.Join(dir, "gitea.db")
	if at := os.Getenv("CMS_POSTGRES_URL"); at != "" {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		database = fmt.Sprintf("DB_TYPE = postgres\nHOST = %s\nNAME = %s\nUSER = %s\nSSL_MODE = disable", u.Host, strings.Trim(u.Path, "/"), u.User.Username())
	}
	config := filepath.Join(dir, "app.ini")
	root := os.Getenv("CMS_GITEA_ROOT")
	if root == "" {
		root = dir
	}
	ini := fmt.Sprintf(`RUN_MODE = prod
WORK_PATH = %[1]s
[server]
STATIC_ROOT_PATH = %[2]s
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[3]s
ROOT_URL = http://127.0.0.1:%[3]s/
START_SSH_SERVER = true
SSH_LISTEN_HOST = 127.0.0.1
SSH_LISTEN_PORT = %[4]s
BUILTIN_SSH_SERVER_USER = git
OFFLINE_MODE = true
[database]
%[5]s
[security]
INSTALL_LOCK = true
[service]
DISABLE_REGISTRATION = true
[webhook]
ALLOWED_HOST_LIST = *
[log]
MODE = file
ROOT_PATH = %[1]s
`, dir, root, port, sshPort, database)
	if err := os.WriteFile(config, []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, append(args, "--config", config)...)
		cmd.Env = append(os.Environ(), "GITEA_WORK_DIR="+dir, "HOME="+dir, "USER=git", "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT=true")
		return cmd
	}
	for _, args := range [][]string{
		{"migrate"},
		{"admin", "user", "create", "--username", "admin", "--password", giteaAdmin, "--email", "admin@example.org", "--admin", "--must-change-password=false"},
		{"admin", "user", "create", "--username", "cms", "--password", giteaAdmin, "--email", "cms@example.org", "--must-change-password=false"},
	} {
		if out, err := run(args...).CombinedOutput(); err != nil {
			t.Fatalf("gitea %s: %v\n%s", args[0], err, out)
		}
	}
	var log bytes.Buffer
	web := run("web")
	web.Stdout, web.Stderr = &log, &log
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = web.Process.Kill()
		_ = web.Wait()
	})
	g := &gitea{T: t, url: "http://" + at, ssh: ssh, config: config}
	for deadline := time.Now().Add(time.Minute); ; <-time.After(50 * time.Millisecond) {
		if res, err := http.Get(g.url + "/api/healthz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			_ = web.Process.Kill()
			_ = web.Wait()
			t.Fatalf("gitea does not answer\n%s", log.String())
		}
	}

	site := filepath.Join(dir, "made.git")
	if err := makeSite(site, 2); err != nil {
		t.Fatal(err)
	}
	g.api("admin", "POST", "/user/repos", `{"name": "site", "private": true, "default_branch": "main"}`)
	if _, err := git(site, "push", "-q", g.remote("admin"), "main"); err != nil {
		t.Fatal(err)
	}
	g.api("admin", "PUT", "/repos/admin/site/collaborators/cms", `{"permission": "write"}`)
	g.api("admin", "POST", "/repos/admin/site/branch_protections", `{"rule_name": "main", "enable_push": true, "enable_push_whitelist": true, "push_whitelist_usernames": ["cms"], "push_whitelist_deploy_keys": true}`)
	g.token, _ = g.api("cms", "POST", "/users/cms/tokens", `{"name": "service", "scopes": ["write:repository"]}`)["sha1"].(string)
	return g
}

// remote is the repository's address for an account with its password.
func (g *gitea) remote(account string) string {
	return strings.Replace(g.url, "://", "://"+account+":"+giteaAdmin+"@", 1) + "/admin/site.git"
}

// api asks Gitea's API as an account.
func (g *gitea) api(account, method, path, body string) map[string]any {
	g.Helper()
	req, err := http.NewRequest(method, g.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		g.Fatal(err)
	}
	req.SetBasicAuth(account, giteaAdmin)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		g.Fatal(err)
	}
	var is map[string]any
	if len(said) > 0 {
		_ = json.Unmarshal(said, &is) // what is no object is nothing that is looked at
	}
	if res.StatusCode >= 300 {
		g.Fatalf("%s %s: got %s\n%s", method, path, res.Status, said)
	}
	return is
}

// tip is the commit that the host's branch is at.
func (g *gitea) tip() string {
	g.Helper()
	out, err := git(filepath.Dir(g.config), "ls-remote", g.remote("admin"), "refs/heads/main")
	if err != nil {
		g.Fatal(err)
	}
	commit, _, _ := strings.Cut(out, "\t")
	return commit
}

// has waits until the host's branch is at a commit.
func (g *gitea) has(commit string) {
	g.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		switch tip := g.tip(); {
		case tip == commit:
			return
		case time.Now().After(deadline):
			g.Fatalf("the host is at %s, want %s", tip, commit)
		}
	}
}

// merge has the host merge a branch that a developer pushed, in one of its ways.
func (g *gitea) merge(branch, how string) {
	g.Helper()
	made := g.api("admin", "POST", "/repos/admin/site/pulls", `{"head": "`+branch+`", "base": "main", "title": "`+branch+`"}`)
	path := fmt.Sprintf("/repos/admin/site/pulls/%v", made["number"])
	for deadline := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
		if is := g.api("admin", "GET", path, ""); is["mergeable"] == true {
			break
		}
		if time.Now().After(deadline) {
			g.Fatalf("%s cannot be merged", branch)
		}
	}
	g.api("admin", "POST", path+"/merge", `{"Do": "`+how+`", "force_merge": true}`)
}

const giteaConfig = `
server: {listen: "%s"}
repository: {path: mine.git, committer: {name: CMS, email: cms@example.org}, remote: {%s, insecure: true, push: %s, fetch_interval: 1h}}
state: {url: "sqlite:state.db"}
hooks: [{provider: gitea, secret_env: CMS_HOOK_SECRET}]
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete]}}
`

// TestGitea has a site on a real Git host, whose branch is protected, edited on both sides:
// by its API and its webhook, with a token over HTTP and with a deploy key over SSH.
func TestGitea(t *testing.T) {
	g := startGitea(t)
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte(g.token), 0o600); err != nil {
		t.Fatal(err)
	}
	served := func(remote, push string) *process {
		t.Helper()
		p := newProcess(t, 0, giteaConfig, remote, push)
		p.git = filepath.Join(filepath.Dir(p.git), "mine.git")
		p.serve()
		return p
	}
	edit := func(p *process, slug, field string) string {
		t.Helper()
		res, said := p.send("PATCH", "/v1/collections/consultations/entries/"+slug, `{"fields": {`+field+`}}`, "If-Match", "*")
		if res.StatusCode != http.StatusOK {
			t.Fatalf("an edit: got %s\n%s", res.Status, said)
		}
		return res.Header.Get("Cms-Commit")
	}
	work := filepath.Join(t.TempDir(), "dana")
	if _, err := git(t.TempDir(), "clone", "-q", g.remote("admin"), work); err != nil {
		t.Fatal(err)
	}
	// develop commits a line of an entry in a branch of a developer's and pushes it.
	develop := func(branch, slug, was, is string) {
		t.Helper()
		for _, args := range [][]string{{"fetch", "-q"}, {"switch", "-q", "-c", branch, "origin/main"}} {
			if _, err := git(work, args...); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(work, "_consultations", slug+".md")
		src, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(src, []byte(was)) {
			t.Fatalf("%s has no %q: %v\n%s", slug, was, err, src)
		}
		if err := os.WriteFile(file, bytes.Replace(src, []byte(was), []byte(is), 1), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"commit", "-qam", branch}, {"push", "-q", "origin", branch}} {
			if _, err := git(work, args...); err != nil {
				t.Fatal(err)
			}
		}
	}

	p := served(`url: "`+g.url+`/admin/site.git", username: cms, token_file: "`+secret+`"`, "async")
	g.api("admin", "POST", "/repos/admin/site/hooks", `{"type": "gitea", "active": true, "events": ["push"], "config": {"url": "`+p.url+`/hooks/gitea", "content_type": "json", "secret": "`+hookSecret+`"}}`)
	g.has(edit(p, "mobilites-00000", `"ordre": 7`))

	// A developer cannot push to the branch; the host merges, and its webhook tells.
	develop("squashed", "mobilites-00001", "ordre: 1", "ordre: 11")
	if out, err := git(work, "push", "origin", "HEAD:main"); err == nil || !strings.Contains(err.Error(), "protected branch") {
		t.Errorf("a push to the protected branch: %v\n%s", err, out)
	}
	g.merge("squashed", "squash")
	p.sees(g.tip())

	// Both sides change an entry at once, and the host takes the developer's first.
	develop("merged", "mobilites-00000", "ordre: 7", "ordre: 8")
	edit(p, "mobilites-00000", `"title": "Autrement"`)
	g.merge("merged", "merge")
	p.sees(g.tip())
	g.has(edit(p, "mobilites-00001", `"title": "Ailleurs"`))
	if _, said := p.send("GET", "/v1/collections/consultations/entries/mobilites-00000", ""); !strings.Contains(said, `"ordre":8`) || !strings.Contains(said, `"title":"Autrement"`) {
		t.Errorf("what both sides changed is not there: %s", said)
	}
	p.stop()

	// A deploy key, over SSH: an edit is done when the host has it.
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	g.api("admin", "POST", "/repos/admin/site/keys", `{"title": "service", "read_only": false, "key": "`+strings.TrimSpace(string(public))+`"}`)
	host, port, _ := net.SplitHostPort(g.ssh)
	known, err := exec.Command("ssh-keyscan", "-p", port, host).Output()
	if err != nil || len(known) == 0 {
		t.Fatalf("ssh-keyscan: %v", err)
	}
	hosts := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(hosts, known, 0o600); err != nil {
		t.Fatal(err)
	}
	p = served(`url: "ssh://git@`+g.ssh+`/admin/site.git", ssh_key_file: "`+key+`", known_hosts: "`+hosts+`"`, "sync")
	for _, title := range []string{"Un", "Deux", "Trois"} {
		if commit := edit(p, "mobilites-00000", `"title": "`+title+`"`); g.tip() != commit {
			t.Errorf("the host is at %s, want %s", g.tip(), commit)
		}
	}
	p.stop()
}
