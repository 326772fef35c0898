// Package demosite hides a little static site: sample consultations, and the
// builder that would stand on the other side of a webhook. The builder knows
// of the service only what any site's build knows, the events it is sent and
// the repository it can read.
package demosite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	maxHook    = 1 << 20 // bytes of a webhook's body
	retryAfter = 5 * time.Second
	current    = "current" // the link to the newest build in the output folder
)

// Options are the parts of a Builder. All but Built are required.
type Options struct {
	Repository string            // path of the repository on disk
	Branch     string            // what is built, "main"
	Output     string            // folder of the builds; made when missing
	Secret     string            // of the webhook, as Standard Webhooks write it: whsec_ and base64
	Log        func(line string) // is told of each build

	Built func(ctx context.Context, commit string) // is told what the site shows; may be nil
}

// Builder renders the branch to static pages whenever a signed webhook says
// that there is something new, and serves them. A build is rendered to a
// folder of its own beside the former one and put in its place by renaming a
// link, so that a reader finds one build or the other.
type Builder struct {
	o      Options
	verify *standardwebhooks.Webhook
	theme  *theme
	mux    *http.ServeMux
	wake   chan struct{} // holds one value when a webhook came since the last build began
	built  string        // the commit; owned by Run
}

// New checks o and makes the output folder.
func New(o Options) (*Builder, error) {
	if o.Repository == "" || o.Branch == "" || o.Output == "" || o.Secret == "" || o.Log == nil {
		return nil, errors.New("demo site: every option is required")
	}
	verify, err := standardwebhooks.NewWebhook(o.Secret)
	if err != nil {
		return nil, errors.New("demo site: the secret is not whsec_ and base64")
	}
	if err := os.MkdirAll(o.Output, 0o755); err != nil {
		return nil, fmt.Errorf("demo site: %w", err)
	}
	b := &Builder{o: o, verify: verify, theme: newTheme(), mux: http.NewServeMux(), wake: make(chan struct{}, 1)}
	b.mux.HandleFunc("POST /hook", b.hook)
	b.mux.Handle("GET /", headers(http.FileServer(http.Dir(filepath.Join(o.Output, current)))))
	return b, nil
}

// Run builds the tip of the branch, and builds it again after each webhook
// that finds it moved, until ctx ends. Webhooks that come during a build lead
// to one more. A build that fails leaves the former one in place and is tried
// again. Run returns nil.
func (b *Builder) Run(ctx context.Context) error {
	for {
		var again <-chan time.Time
		if err := b.build(ctx); err != nil && ctx.Err() == nil {
			b.o.Log(fmt.Sprintf("not rebuilt: %v", err))
			again = time.After(retryAfter)
		}
		select {
		case <-b.wake:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// build renders the tip unless it is what was built last. An event is taken
// for news of the tip and not for an order to build its own commit, so that
// one that is repeated or late never takes the site back.
func (b *Builder) build(ctx context.Context) error {
	began := time.Now()
	s, err := readSource(ctx, b.o.Repository, b.o.Branch)
	if err != nil {
		return err
	}
	if s.Commit == b.built {
		return nil
	}
	if err := s.readEntries(ctx); err != nil {
		return err
	}
	if err := b.publish(s); err != nil {
		return err
	}
	b.built = s.Commit
	if b.o.Built != nil {
		b.o.Built(ctx, s.Commit)
	}
	for _, skipped := range s.Skipped {
		b.o.Log("left out: " + skipped)
	}
	b.o.Log(fmt.Sprintf("rebuilt %d pages from %s by %s in %d ms", len(s.Entries)+1, s.Short(), s.Author, time.Since(began).Milliseconds()))
	return nil
}

// publish writes a build and makes it the current one.
func (b *Builder) publish(s *source) (err error) {
	dir, err := os.MkdirTemp(b.o.Output, "build-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := b.theme.render(dir, s); err != nil {
		return err
	}
	link := dir + ".link"
	if err := os.Symlink(filepath.Base(dir), link); err != nil {
		return err
	}
	if err := os.Rename(link, filepath.Join(b.o.Output, current)); err != nil {
		return errors.Join(err, os.Remove(link))
	}
	return b.sweep(dir)
}

// sweep removes all builds but keep.
func (b *Builder) sweep(keep string) error {
	builds, err := filepath.Glob(filepath.Join(b.o.Output, "build-*"))
	if err != nil {
		return err
	}
	for _, dir := range builds {
		if dir != keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	return err
}

// ServeHTTP takes webhooks at /hook and serves the site at every other path.
func (b *Builder) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }

// hook takes a signed webhook and answers at once; Run builds.
func (b *Builder) hook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	if err := b.verify.Verify(body, r.Header); err != nil {
		http.Error(w, "the signature is not valid", http.StatusUnauthorized)
		return
	}
	select {
	case b.wake <- struct{}{}:
	default: // a build is due anyway
	}
	w.WriteHeader(http.StatusNoContent)
}

// headers keeps pages out of caches, which tell builds of one second apart by
// nothing, and limits them to their own style and the videos let through.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; frame-src https://www.dailymotion.com; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
