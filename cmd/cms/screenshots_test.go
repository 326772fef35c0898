package main

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"cms/web/browsertest"
)

// TestScreenshots makes pictures of the main pages from the demo's site, in the folder
// that CMS_SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("CMS_SCREENSHOTS")
	if dir == "" {
		t.Skip("SKIPPED: CMS_SCREENSHOTS names no folder for pictures of the pages.")
	}
	if _, err := browsertest.Find(); err != nil {
		t.Skipf("SKIPPED: %v, so nobody makes pictures.", err)
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
	b.do(chromedp.Navigate(url + "/editor/media/"))
	b.holds(`!!document.querySelector('[data-drop]:not([hidden])')`)
	b.do(chromedp.SetUploadFiles(`[data-upload] [name=files]`, landscapes(t)))
	b.holds(`document.querySelectorAll('[data-tiles] img').length === 8 && !document.querySelector('[data-progress] li')`)
	b.do(chromedp.Navigate(url + "/editor/entry/" + entry))
	b.holds(`document.documentElement.matches('.ready')`)
	b.script(`document.querySelector('[name="f/organisateur"]').value = 'Pays des Trois-Rivières'`)
	b.do(chromedp.Click(saveButton))
	b.holds(`!!document.querySelector('.banner.ok') && !!document.querySelector('[data-state] .chip.ok')`)
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
		b.holds(`[...document.images].every(i => i.complete || !i.getClientRects().length)`)
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, page.name+".png"), png, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// landscapes are pictures for the library: hills under skies of several colours.
func landscapes(t *testing.T) (files []string) {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"colline", "estuaire", "forêt", "marais", "plateau", "pré", "rivage", "vallée"} {
		img := image.NewRGBA(image.Rect(0, 0, 480, 360))
		for x := range 480 {
			near := 260 + 30*math.Sin(float64(x)/90+float64(i))
			far := 200 + 40*math.Sin(float64(x)/140+2*float64(i))
			for y := range 360 {
				sky := uint8(150 + y/4)
				c := color.RGBA{sky - uint8(8*i), sky, 235, 255}
				if float64(y) > far {
					c = color.RGBA{uint8(90 + 8*i), uint8(130 + 4*i), 120, 255}
				}
				if float64(y) > near {
					c = color.RGBA{uint8(50 + 9*i), uint8(100 - 3*i), 70, 255}
				}
				img.SetRGBA(x, y, c)
			}
		}
		var b bytes.Buffer
		file := filepath.Join(dir, name+".png")
		if err := errors.Join(png.Encode(&b, img), os.WriteFile(file, b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
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
