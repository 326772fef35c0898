package editor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"cms/web/browsertest"
)

// TestPasskeyInBrowser adds a passkey to Chromium's virtual device, is asked for it behind
// the password, logs in by it alone, and is offered none without JavaScript.
func TestPasskeyInBrowser(t *testing.T) {
	t.Parallel()
	browsertest.Asked(t)
	s := serveAt(t, "localhost")
	ctx := browsertest.Start(t, 2*time.Minute)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			at, _ := chromedp.Run(ctx, chromedp.Location())
			text, _ := chromedp.Run(ctx, chromedp.TextContent("main"))
			t.Fatalf("at %s: %v: %s", at, err, strings.Join(strings.Fields(text), " "))
		}
	}
	shows := func(selector string) chromedp.Action[chromedp.Void] { return chromedp.WaitVisible(selector) }
	do(chromedp.Navigate(s.url + "/editor/login?to=/editor/account"))
	device := &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: device}); err != nil {
		t.Fatal(err)
	}
	secret := password
	password := func() {
		t.Helper()
		do(shows(`html.ready #email`), chromedp.SendKeys(`#email`, "camille@example.org"), chromedp.SendKeys(`#password`, secret), chromedp.Click(`form[action$="/login"] button`))
	}
	password()
	do(shows(`html.ready #passkey-password`), chromedp.SendKeys(`#passkey-password`, secret), chromedp.Click(`button[value=passkey]`),
		shows(`html.ready #name`), chromedp.SendKeys(`#name`, "This browser"), chromedp.Click(`button[value=add]`), shows(`main li code`),
		chromedp.Navigate(s.url+"/editor/account"), shows(`html.ready button[value^="remove-passkey"]`))

	// Other recovery codes are made for it, with no code typed.
	do(chromedp.Click(`button[value=codes]`), shows(`main li code`))

	out := func() {
		t.Helper()
		do(chromedp.Navigate(s.url+"/editor/account"), shows(`html.ready`), chromedp.Click(`main form[action$="/logout"] button`), shows(`html.ready #email`),
			chromedp.Navigate(s.url+"/editor/login?to=/editor/account"))
	}
	out()
	password()
	do(shows(`html.ready form[action$="/login/factor"] button.primary`),
		chromedp.Click(`form[action$="/login/factor"] button.primary`), shows(`html.ready [value^="remove-passkey"]`))
	out()
	do(shows(`html.ready form[action$="/login/passkey"] button`), chromedp.Click(`form[action$="/login/passkey"] button`), shows(`html.ready [value^="remove-passkey"]`))
	text, err := chromedp.Run(ctx, chromedp.TextContent(`main`))
	if err != nil || !strings.Contains(text, "This browser") {
		t.Errorf("got %q, %v", text, err)
	}
	out()
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	do(chromedp.Navigate(s.url+"/editor/login"), shows(`#email`), chromedp.WaitNotVisible(`form[action$="/login/passkey"] button`),
		chromedp.SendKeys(`#email`, "camille@example.org"), chromedp.SendKeys(`#password`, secret), chromedp.Click(`form[action$="/login"] button`),
		shows(`#code`), shows(`form + .without-script`), chromedp.WaitNotVisible(`form[data-key] button`))
}
