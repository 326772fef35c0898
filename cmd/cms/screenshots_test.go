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
	b.do(chromedp.Navigate(url+"/"), chromedp.WaitVisible(`#email`))
	shoot(b, dir, "login")
	b.do(chromedp.SendKeys(`#email`, "camille@example.org"), chromedp.SendKeys(`#password`, password), chromedp.Click(`.btn.primary`), chromedp.WaitVisible(`.cards`))
	const entry = "consultations/budget-participatif-villeneuve-sur-lys"
	for _, page := range [][2]string{
		{"home", ""}, {"list", "list/consultations"}, {"entry", "entry/" + entry}, {"history", "history/" + entry}, {"media", "media/"}, {"account", "account"},
		{"new", "new/consultations"}, {"source", "source/" + entry}, {"search", "search?q=velo"}, {"delete", "delete/" + entry},
	} {
		b.do(chromedp.Navigate(url+"/editor/"+page[1]), chromedp.WaitVisible(`h1`))
		shoot(b, dir, page[0])
	}
}

// shoot makes pictures of a page as a desk and a phone show it, light and dark.
func shoot(b *chromium, dir, name string) {
	b.Helper()
	for _, as := range []struct {
		name   string
		width  int64
		height int64
		phone  bool
		theme  string
	}{{"", 1280, 860, false, "light"}, {"-dark", 1280, 860, false, "dark"}, {"-phone", 390, 844, true, "light"}} {
		b.as(as.width, as.height, as.phone, as.theme)
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+as.name+".png"), png, 0o644); err != nil {
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
