package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const pageVisits = 300 // of each page

// pages measures pages for editors, on a site of the second shape, each beside the answer
// of the API with the same data.
func (b *bench) pages(ctx context.Context) error {
	sh := b.plan.shapes[1]
	svc, work, _, err := b.site(ctx, "pages", sh)
	if err != nil {
		return err
	}
	defer svc.kill()
	editor, err := b.logIn(ctx, svc, work)
	if err != nil {
		return err
	}
	b.printf("\n## Pages for editors, %s entries\n\nEach page is asked for in turn with the answer of the API that holds the same data, by one\nclient. A list shows 50 entries; an entry is shown in its form, as it will look, with the\nadvice on its text.\n\n| | page: median | bytes | API: median | bytes | × API | at most |\n|---|---|---|---|---|---|---|\n", sh.name)
	slug := sh.slug(sh.entries / 3)
	const entries = "/v1/collections/consultations/entries"
	for _, row := range []struct {
		name, page, api string
		most            string
	}{
		{"a list", "/editor/list/consultations", entries + "?sort=-date&limit=50", "2"},
		{"a list that is searched", "/editor/list/consultations?q=mobilit%C3%A9s", entries + "?q=mobilit%C3%A9s&sort=-date&limit=50", "2"},
		{"an entry", "/editor/entry/consultations/" + slug, entries + "/" + slug, "3"},
	} {
		var took [2][]time.Duration
		var bytes [2]int
		began := time.Now()
		for range pageVisits {
			for i, ask := range []struct {
				client *http.Client
				path   string
			}{{editor, row.page}, {http.DefaultClient, row.api}} {
				start := time.Now()
				body, err := svc.get(ctx, ask.client, svc.url+ask.path)
				if err != nil {
					return fmt.Errorf("%s: %w", ask.path, err)
				}
				took[i], bytes[i] = append(took[i], time.Since(start)), len(body)
			}
		}
		page, api := resultOf(took[0], time.Since(began)), resultOf(took[1], time.Since(began))
		b.printf("| %s | %.2f ms | %d | %.2f ms | %d | %.1f | %s |\n", row.name, milliseconds(page.median), bytes[0], milliseconds(api.median), bytes[1], page.median.Seconds()/api.median.Seconds(), row.most)
	}
	return svc.stop()
}

// logIn makes an account and is a browser in which it has logged in.
func (b *bench) logIn(ctx context.Context, svc *service, work string) (*http.Client, error) {
	const password = "correct horse battery staple"
	add := exec.CommandContext(ctx, b.binary, "user", "add", "ann@example.org", "--name", "Ann", "--role", "editor", "--config", filepath.Join(work, "config.yaml"))
	add.Env, add.Stdin = environment(), strings.NewReader(password)
	if out, err := add.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cms user add: %w\n%s", err, out)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar}
	form := url.Values{"email": {"ann@example.org"}, "password": {password}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, svc.url+"/editor/login", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", svc.url)
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || strings.HasSuffix(res.Request.URL.Path, "/login") {
		return nil, errors.New("nobody is logged in")
	}
	return client, nil
}
