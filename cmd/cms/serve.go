package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"
)

func (p *program) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the HTTP API",
		Long: "Serves the HTTP API on the repository that the configuration names, which is\n" +
			"created if there is none. SIGTERM and Ctrl-C stop it once requests in progress are done.",
		Example: "  cms serve --config config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.load()
			if err != nil {
				return err
			}
			log := newLogger(p.stderr, c.Log.Level, c.Log.Format)
			l, err := listen(cmd.Context(), c.Server.Listen)
			if err != nil {
				return err
			}
			s, err := openService(cmd.Context(), c, log)
			if err != nil {
				l.Close()
				return err
			}
			commit, _ := s.site.Head()
			if _, set := os.LookupEnv("GOGC"); !set {
				go paceHeap(cmd.Context())
			}
			log.Info("serving", "address", l.Addr().String(), "repository", c.Repository.Path, "commit", commit)
			return s.run(cmd.Context(), l)
		},
	}
	p.configFlag(c)
	return c
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
