package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestScreenshots makes pictures of the main pages from the demo's site, in the folder
// that CMS_SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("CMS_SCREENSHOTS")
	if dir == "" {
		t.Skip("SKIPPED: CMS_SCREENSHOTS names no folder for pictures of the pages.")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("SKIPPED: there is no chromium here to make pictures with.")
	}
	said, stop := startDemo(t, filepath.Join(t.TempDir(), "demo"))
	defer stop()
	url := regexp.MustCompile(`The API +(http://[^/]+)`).FindStringSubmatch(said)[1]
	password := regexp.MustCompile(`PASSWORD=(\S+)`).FindStringSubmatch(said)[1]
	b := startBrowser(t)
	b.as(1280, 860, false, "light")
	b.do(chromedp.Navigate(url+"/"), chromedp.WaitVisible(`#email`), chromedp.SendKeys(`#email`, "camille@example.org"), chromedp.SendKeys(`#password`, password),
		chromedp.Click(`.btn.primary`), chromedp.WaitVisible(`.cards`), chromedp.Navigate(url+"/editor/account"), chromedp.Click(`main button[value=fr]`), chromedp.WaitVisible(`html[lang=fr]`))
	const entry = "consultations/plan-velo-pays-des-trois-rivieres"
	for _, page := range []struct {
		name, path, ready string
		phone             bool
		theme             string
	}{
		{"editor", "entry/" + entry, ".page .block", false, "light"},
		{"editor-list", "list/consultations", "tbody tr", false, "light"},
		{"editor-home", "", ".cards", false, "light"},
		{"editor-history", "history/" + entry, ".history", false, "light"},
		{"editor-media", "media/", "[data-files]", false, "light"},
		{"editor-dark", "entry/" + entry, ".page .block", false, "dark"},
		{"editor-phone", "entry/" + entry, ".page .block", true, "light"},
	} {
		if b.as(1280, 860, false, page.theme); page.phone {
			b.as(390, 844, true, page.theme)
		}
		b.do(chromedp.Navigate(url+"/editor/"+page.path), chromedp.WaitVisible(page.ready))
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, page.name+".png"), png, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// as makes the browser one of a size, of a phone or not, for a light or a dark page.
func (b *chromium) as(width, height int64, phone bool, theme string) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: phone}); err != nil {
		b.Fatal(err)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.Fatal(err)
	}
}
