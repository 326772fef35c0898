package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"cms/auth"
	"cms/config"
)

func (p *program) serveCommand() *cobra.Command {
	var initial bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the form, the API and, if enabled, Git",
		Long: "Serves the form, the API and, if git.enabled says so, Git, on the repository that the\n" +
			"configuration names. Where there is none it ends, unless a new one is asked for by\n" +
			"--init or repository.create: true. SIGTERM and Ctrl-C stop it once requests in\n" +
			"progress are done.",
		Example: "  cms serve --config config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.load()
			if err != nil {
				return err
			}
			c.Repository.Create = c.Repository.Create || initial
			log := newLogger(p.stderr, c.Log.Level, c.Log.Format)
			for _, w := range c.Warnings {
				log.Warn(w.String())
			}
			l, err := listen(cmd.Context(), c.Server.Listen)
			if err != nil {
				return err
			}
			f := newFront(c, log)
			f.serve(l)
			if _, set := os.LookupEnv("GOGC"); !set {
				go paceHeap(cmd.Context())
			}
			s, err := f.open(cmd.Context(), c, log, terminalOf(p.stderr, c.Log.Format))
			switch {
			case err != nil && errors.Is(err, context.Canceled) && cmd.Context().Err() != nil:
				log.Info("stopped before the start was over")
				return nil
			case err != nil:
				return err
			}
			commit, _ := s.site.Head()
			if nobody, err := s.nobodyEnters(cmd.Context(), c); err != nil {
				return errors.Join(err, f.close(), s.repo.Close(), s.state.Close())
			} else if nobody {
				log.Warn("nobody can log in to the pages for editors: add an account with cms user add ADDRESS --role ROLE, or configure auth.issuers[].login")
			}
			warnMisnamed(c, s.site, log)
			log.Info("serving", "address", l.Addr().String(), "repository", c.Repository.Path, "commit", commit)
			return s.run(cmd.Context())
		},
	}
	p.configFlag(c)
	c.Flags().BoolVar(&initial, "init", false, "make a new repository where there is none")
	return c
}

// nobodyEnters says whether there is neither an account to log in with nor a provider to
// log in at.
func (s *service) nobodyEnters(ctx context.Context, c *config.Config) (bool, error) {
	if slices.ContainsFunc(c.Auth.Issuers, func(is config.Issuer) bool { return is.Login != nil }) {
		return false, nil
	}
	anyone, err := auth.NewAccounts(s.state, nil).Anyone(ctx)
	return !anyone, err
}

// listen opens the address before anything else is: a second service then ends
// without having touched the repository.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; set server.listen to another address", err)
	}
	return l, nil
}
