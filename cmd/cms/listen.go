package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"cms/cmd/cms/internal/listener"
)

func (p *program) listenCommand() *cobra.Command {
	var (
		o         listener.Options
		listen    string
		secretEnv string
	)
	c := &cobra.Command{
		Use:   "listen",
		Short: "Build a site on this machine whenever its content changes",
		Long: `Receives the webhooks of a service and runs a command for them: one at a time, once
for events that come close together, and again for what came in the meantime, so
the last build is of the newest commit. The command finds that commit in
$CMS_COMMIT. Each build is reported back to the service.

With --repository, the folder is a clone that is kept at the newest commit, and
the site is built once at the start too. Where it lacks the commit of an event, as a
Git host does that gets it in a moment, it is asked again until it has it. Without it, give the endpoint the type
generic: its events come one at a time and are of the newest commit, whereas the
commits of one second cannot be ordered when events of several entries cross.

With --page-url, the page of each entry that an event told of is looked for after the
build, and an entry without one is not called live. A pattern has {collection}, {slug},
{name} (the end of the slug, without a date before it), and {year}, {month} and {day}
of that date. Events of type generic tell of the last entry alone.`,
		Example: `  cms listen --secret-env CMS_HOOK_SECRET --repository git@example.org:site.git --dir site --exec "bundle exec jekyll build"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if secretEnv == "" || o.Command == "" {
				return &usageError{errors.New("listen needs --secret-env and --exec")}
			}
			if o.Repository != "" && o.Dir == "" {
				return &usageError{errors.New("--repository needs --dir, the folder of its clone")}
			}
			o.Secrets = strings.Fields(p.getenv(secretEnv))
			if len(o.Secrets) == 0 {
				return &usageError{fmt.Errorf("the variable %s is empty: it must hold the secret of the webhook", secretEnv)}
			}
			o.Output, o.Logger = p.stdout, newLogger(p.stderr, slog.LevelInfo, "auto")
			l, err := listener.New(o)
			if err != nil {
				return &usageError{err}
			}
			return receive(cmd.Context(), listen, l, o.Logger)
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9000", "the `address` to receive webhooks at")
	f.StringVar(&secretEnv, "secret-env", "", "the `variable` with the webhook's secret; during a rotation with both, the new one first")
	f.StringVar(&o.Command, "exec", "", "the shell `command` that builds")
	f.StringVar(&o.Dir, "dir", "", "the `folder` it runs in (default: this one)")
	f.StringVar(&o.Repository, "repository", "", "`path or URL` of the repository to check out in --dir")
	f.StringVar(&o.Branch, "branch", "", "the `branch` of --repository (default: the one that its HEAD names, as of the service)")
	f.DurationVar(&o.Coalesce, "coalesce", time.Second, "how long a build waits for more events")
	f.StringVar(&o.Report, "report", "", "the service's `URL`, to report builds to, or none (default: where the event came from)")
	f.StringVar(&o.SiteURL, "site", "", "the site's `URL`, for the report")
	f.StringArrayVar(&o.PageURLs, "page-url", nil, "`pattern` of where the page of an entry is, as https://www.example.org/{slug}/ or, in --dir, _site/{slug}.html; of one collection as posts=…; may be repeated")
	f.DurationVar(&o.PageWait, "page-wait", 10*time.Second, "how long after a build a page is looked for that is not there")
	return c
}

// receive serves l at the address, and builds, until ctx ends.
func receive(ctx context.Context, address string, l *listener.Listener, log *slog.Logger) error {
	listening, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log.Info("listening for webhooks", "address", listening.Addr().String())
	server := &http.Server{Handler: l, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.Run(ctx) })
	g.Go(func() error {
		if err := server.Serve(listening); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("listen: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		return server.Shutdown(timeout)
	})
	return g.Wait()
}
