package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// firstPage is how long a list may take to be there for the first time.
const firstPage = 15 * time.Minute

// million measures a site of a hundred times as many entries as the second shape's.
func (b *bench) million(ctx context.Context) error {
	sh := b.plan.million
	small := b.plan.shapes[1]
	few, _, _, err := b.site(ctx, "million", small)
	if err != nil {
		return err
	}
	yardstick, err := few.edit(ctx, small, 16, b.plan.duration)
	if err = errors.Join(err, few.stop()); err != nil {
		few.kill()
		return err
	}

	fmt.Fprintf(os.Stderr, "million: %s\n", sh.name)
	work := filepath.Join(b.dir, "million")
	repository := filepath.Join(work, "site.git")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	size, err := makeSite(ctx, repository, sh)
	if err != nil {
		return err
	}
	b.printf("\n## %s entries (%d MB)\n\nThe first page is 100 of a list, filtered and sorted by two fields, asked for as soon\nas the service is ready. Memory is what the process holds for itself when it was\nanswered, with garbage that waits and as much as there is then of the index for searches;\nbeside it, what it has mapped of the saved index, which the system takes back where it\nneeds it. Then the same is asked for again, for which\nthe whole order is made.\n\n| | ready | first page | memory | of an entry | mapped | again |\n|---|---|---|---|---|---|---|\n", sh.name, size>>20)
	var svc *service
	for _, from := range []string{"from nothing", "with the saved index"} {
		var ready time.Duration
		if svc, ready, err = b.start(ctx, work, repository); err != nil {
			return err
		}
		began := time.Now()
		if err := svc.until(ctx, sortedList); err != nil {
			svc.kill()
			return err
		}
		first, held, mapped := time.Since(began), svc.ownMemory(), svc.mappedMemory()
		began = time.Now()
		if err := svc.until(ctx, sortedList); err != nil { // as costs any other page
			svc.kill()
			return err
		}
		b.printf("| %s | %.1f s | %.1f s | %d MB | %.2f KB | %d MB | %.1f s |\n", from, ready.Seconds(), first.Seconds(), held>>20, float64(held)/1024/float64(sh.entries), mapped>>20, time.Since(began).Seconds())
		if from == "from nothing" {
			if err := svc.stop(); err != nil {
				return err
			}
		}
	}
	edits, err := svc.edit(ctx, sh, 16, b.plan.duration)
	peak := svc.peakMemory()
	if err = errors.Join(err, svc.stop()); err != nil {
		svc.kill()
		return err
	}
	b.printf("\n%.0f edits/s by 16 clients, %.0f %% of the %.0f of %s entries; median %.1f ms, 99th percentile %.1f ms. The process took %d MB at most.\n",
		edits.rate, 100*edits.rate/yardstick.rate, yardstick.rate, small.name, milliseconds(edits.median), milliseconds(edits.p99), peak>>20)
	return nil
}

// until asks for a path until it is answered.
func (s *service) until(ctx context.Context, path string) error {
	for began := time.Now(); ; {
		_, err := s.get(ctx, http.DefaultClient, s.url+path)
		if err == nil || time.Since(began) > firstPage || ctx.Err() != nil {
			return err
		}
		rest(ctx, 100*time.Millisecond)
	}
}
