package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	attackers    = 200
	savesPerTurn = 5 // a second, by an honest editor beside them
)

// attacks measures how long an editor's saves take while others ask for what costs
// much, or never come to an end, on many connections at once.
func (b *bench) attacks(ctx context.Context) error {
	sh := b.plan.shapes[0]
	svc, _, _, err := b.site(ctx, "attacks", sh)
	if err != nil {
		return err
	}
	defer svc.kill()
	b.printf(`
## Saves beside %d hostile connections, %s entries

Each connection sends the same again and again, as fast as it is answered; an editor
saves %d times a second.

| | saves: median | 99th percentile | answers to the attack, a second | memory |
|---|---|---|---|---|
`, attackers, sh.name, savesPerTurn)
	const entry = "/v1/collections/consultations/entries/"
	for _, a := range []struct {
		name, method, path, media string
		body                      func() io.Reader // nil for nobody attacks
	}{
		{name: "nobody attacks"},
		{"previews of nested lists", http.MethodPost, "/v1/preview", "application/json", func() io.Reader {
			return strings.NewReader(`{"collection": "consultations", "body": "` + strings.Repeat("- ", 8<<10) + `x"}`)
		}},
		{"a field of 5 million zeros", http.MethodPatch, entry + sh.slug(1), "application/merge-patch+json", func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"fields": {"title": [`), io.LimitReader(repeating("0,"), 9<<20), strings.NewReader("0]}}"))
		}},
		{"bodies that come byte by byte", http.MethodPatch, entry + sh.slug(1), "application/merge-patch+json", func() io.Reader { return &slowly{ctx, repeating(" ")} }},
		{"searches of many words", http.MethodGet, "/v1/search?q=" + strings.TrimSuffix(strings.Repeat("atelier+", 60), "+"), "", func() io.Reader { return http.NoBody }},
	} {
		ctx, stop := context.WithTimeout(ctx, b.plan.duration)
		var (
			wg       sync.WaitGroup
			mu       sync.Mutex
			answered int
		)
		if a.body != nil {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: attackers}}
			for range attackers {
				wg.Go(func() {
					for ctx.Err() == nil {
						if svc.attack(ctx, client, a.method, a.path, a.media, a.body()) {
							mu.Lock()
							answered++
							mu.Unlock()
						}
					}
				})
			}
		}
		edits := svc.edits(ctx, shape{sh.name, sh.entries - 2, sh.folders}, savesPerTurn)
		<-ctx.Done()
		r, err := edits.stop()
		memory := svc.memory()
		stop()
		wg.Wait()
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		b.printf("| %s | %.1f ms | %.1f ms | %.0f | %d MB |\n", a.name, milliseconds(r.median), milliseconds(r.p99), float64(answered)/b.plan.duration.Seconds(), memory>>20)
	}
	return svc.stop()
}

// attack sends one request, and says whether it was answered.
func (s *service) attack(ctx context.Context, client *http.Client, method, path, media string, body io.Reader) bool {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("If-Match", "*")
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil
}

// repeating is a text without an end.
type repeating string

func (r repeating) Read(p []byte) (int, error) {
	n := 0
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

// slowly gives ten bytes a second.
type slowly struct {
	ctx  context.Context //nolint:containedctx // of one request
	from io.Reader
}

func (s *slowly) Read(p []byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(100 * time.Millisecond):
		return s.from.Read(p[:1])
	}
}
