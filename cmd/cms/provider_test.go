package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cms/web/browsertest"
)

const providerConfig = `
server: {listen: "%[1]s", public_url: "http://%[1]s"}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}}
state: {url: "sqlite:state.db"}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
auth:
  issuers:
    - {issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}
    - issuer: "%[2]s"
      audience: cms
      algorithms: [RS256]
      typ: at+jwt
      roles_claim: groups
      role_map: {/editors: editor}
      login: {name: id, client_id: cms, secret_env: CMS_OIDC_SECRET}
  roles: {editor: {consultations: [read, create, update, delete]}}
`

// TestLoginAtOIDCProvider has people log in and out, with Chromium, at the npm package
// oidc-provider as it comes. It fetches that, so it runs only where CMS_CLIENTS is set.
func TestLoginAtOIDCProvider(t *testing.T) {
	if os.Getenv("CMS_CLIENTS") == "" {
		t.Skip("SKIPPED: CMS_CLIENTS is not set, so nobody logs in at oidc-provider.")
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: there is no %s here, so nobody logs in at oidc-provider. Install it to run this test.", program)
		}
	}
	if _, err := browsertest.Find(); err != nil {
		t.Skipf("SKIPPED: %v, so nobody logs in at oidc-provider. Install it to run this test.", err)
	}
	t.Setenv("CMS_OIDC_SECRET", "s3cret")
	issuer, tell := startProvider(t)
	p := newProcess(t, 3, providerConfig, issuer)
	tell(p.url) // another site than that of the provider, as 127.0.0.1 is not localhost
	p.serve()
	b := startBrowser(t)

	// Given up: a page that leads to another try.
	b.do(chromedp.Navigate(p.url+"/v1/auth/oidc/id/start?return_to=/docs"), chromedp.WaitVisible(`input[name=login]`),
		chromedp.Click(`a[href$="/abort"]`))
	b.until(p.url + "/v1/auth/oidc/id/callback?")
	if text := b.text("body"); !strings.Contains(text, "You are not logged in") || !strings.Contains(text, "denied") || !strings.Contains(text, "Try again") {
		t.Errorf("who gives up sees %q", text)
	}

	// The link leads to another try, which leads to where the first was to.
	b.do(chromedp.Click(`a[href]`))
	b.logIn("ann")
	b.until(p.url + "/docs")
	for _, want := range []string{"200 ", `"subject":"ann"`, `"name":"ann Éditrice"`, `"email":"ann@example.org"`, `"roles":["editor"]`, `"issuer":"` + issuer} {
		if got := b.fetch("GET", "/v1/me"); !strings.Contains(got, want) {
			t.Errorf("who logs in is %s, want %s", got, want)
		}
	}

	// Out here, and there.
	var out struct {
		LogoutURL string `json:"logout_url"`
	}
	answer := b.fetch("POST", "/v1/auth/logout?return_to=/docs")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(answer, "200 ")), &out); err != nil {
		t.Fatalf("the logout: %s", answer)
	}
	if got := b.fetch("GET", "/v1/me"); !strings.HasPrefix(got, "401 ") {
		t.Errorf("who logs out is %s", got)
	}
	b.do(chromedp.Navigate(out.LogoutURL), chromedp.WaitVisible(`button[value=yes]`), chromedp.Click(`button[value=yes]`))
	b.until(p.url + "/docs")

	// So the next one is asked who they are; and has no role here.
	b.do(chromedp.Navigate(p.url + "/v1/auth/oidc/id/start"))
	b.logIn("eve")
	b.until(p.url + "/v1/auth/oidc/id/callback?")
	if text := b.text("body"); !strings.Contains(text, "gives you no role here") {
		t.Errorf("who has no role sees %q", text)
	}
	b.do(chromedp.Navigate(p.url + "/docs")) // as that page may fetch nothing
	if got := b.fetch("GET", "/v1/me"); !strings.HasPrefix(got, "401 ") {
		t.Errorf("who has no role is %s", got)
	}
	logInForEditing(t, p, b)
	p.stop()
}

// logInForEditing has people log in at the provider from the page for editors, which then
// leads to the page that they had asked for.
func logInForEditing(t *testing.T, p *process, b *chromium) {
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	defer cancel()
	b = &chromium{t, ctx}
	const entry = "/editor/entry/consultations/donnees-sante"
	b.do(chromedp.Navigate(p.url + entry))
	b.until(p.url + "/editor/login?to=")
	b.do(chromedp.Click(`main a[href*="/v1/auth/oidc/id/start"]`))
	b.logIn("ann")
	b.until(p.url + entry)
	b.wait(`document.documentElement.matches(".ready")`)
	if got := b.text(`.who .name`); got != "ann Éditrice" {
		t.Errorf("who edits is %q", got)
	}
	if ask[bool](b, `document.cookie.includes("cms_")`) {
		t.Error("scripts see the session")
	}
	b.fill(title, "Par un fournisseur d’identité")
	b.leave(chromedp.Click(saveButton))
	b.wait(`document.querySelector(".banner.ok")`)
	if by, err := git(p.git, "log", "-1", "--format=%an <%ae>", "main"); err != nil || strings.TrimSpace(by) != "ann Éditrice <ann@example.org>" {
		t.Errorf("the author is %q (%v)", by, err)
	}
	b.do(chromedp.Navigate(p.url + "/editor/account")) // no password can be changed here
	b.wait(`document.documentElement.matches(".ready")`)
	if ask[bool](b, `!!document.querySelector("#old")`) {
		t.Error("who logs in elsewhere could change a password here")
	}
	b.do(chromedp.Click(`main form[action$="/logout"] button`), chromedp.WaitVisible(`button[value=yes]`), chromedp.Click(`button[value=yes]`)) // out there, too
	b.until(p.url + "/editor/login")
	b.do(chromedp.Navigate(p.url + entry))
	b.until(p.url + "/editor/login?to=")
}

// startProvider gives where the provider is; tell tells it where its client is.
func startProvider(t *testing.T) (issuer string, tell func(client string)) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/provider")); err != nil {
		t.Fatal(err)
	}
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED, as it could not be fetched: %v\n%s", err, out)
	}
	cmd := exec.Command("node", "provider.js")
	cmd.Dir = dir
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the provider says: %s", log.Bytes())
		}
	})
	lines := bufio.NewScanner(out)
	line := func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the provider has ended: %v\n%s", lines.Err(), log.Bytes())
		}
		return lines.Text()
	}
	return line(), func(client string) {
		t.Helper()
		fmt.Fprintln(in, client)
		if got := line(); got != "ready" {
			t.Fatalf("the provider says %q", got)
		}
	}
}

// a chromium is a browser that asks nobody but this machine.
type chromium struct {
	*testing.T
	ctx context.Context
}

// inBrowser skips a test of pages where nobody asks for a browser: such tests take longer
// than all others together, so .ci/run has each of them once, beside what compiles. It knows
// them by their calls of this function, of inDemo or of servePages.
func inBrowser(t *testing.T) {
	t.Helper()
	browsertest.Asked(t)
}

func startBrowser(t *testing.T) *chromium { t.Helper(); return startBrowserFor(t, 10*time.Minute) }

func startBrowserFor(t *testing.T, limit time.Duration) *chromium {
	t.Helper()
	return &chromium{t, browsertest.Start(t, limit)}
}

func (b *chromium) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		where, _ := chromedp.Run(b.ctx, chromedp.Location())
		b.Fatalf("at %s: %v", where, err)
	}
}

func (b *chromium) text(selector string) string {
	b.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.TextContent(selector))
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// until waits for a page whose address begins so to be there.
func (b *chromium) until(where string) {
	b.Helper()
	for {
		at, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.readyState == "complete" ? location.href : ""`))
		if strings.HasPrefix(at, where) {
			return
		}
		if b.ctx.Err() != nil {
			b.Fatalf("is at %q, want %s: %v", at, where, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// fetch asks the service from a page of it, and gives status and body.
func (b *chromium) fetch(method, path string) string {
	b.Helper()
	script := fmt.Sprintf(`fetch(%q, {method: %q}).then(async r => r.status + " " + await r.text())`, path, method)
	answer, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", script, err)
	}
	return answer
}

// logIn fills in the provider's pages.
func (b *chromium) logIn(who string) {
	b.Helper()
	b.do(chromedp.WaitVisible(`input[name=login]`), chromedp.SendKeys(`input[name=login]`, who), chromedp.SendKeys(`input[name=password]`, "x"), chromedp.Click(`button[type=submit]`),
		chromedp.WaitVisible(`input[name=prompt][value=consent] ~ button`), chromedp.Click(`button[type=submit]`))
}
