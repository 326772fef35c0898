package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/config"
)

func (p *program) healthcheckCommand() *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running service whether it is ready, for containers and monitors",
		Long: "Asks /readyz of the service that the configuration describes, or of --url.\n" +
			"Exits with 0 when it is ready, 1 when it is not.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				c, err := p.loadWith(config.NoSecrets)
				if err != nil {
					return err
				}
				url = "http://" + reachable(c.Server.Listen)
			}
			return healthcheck(cmd.Context(), strings.TrimRight(url, "/")+"/readyz")
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&url, "url", "", "where the service is, such as http://127.0.0.1:8080")
	return c
}

// reachable is an address at which a listener on addr can be reached from its
// own machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func healthcheck(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return &usageError{err}
	}
	// Not through a proxy: the question is about this machine.
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s: %s", res.Status, body)
	}
	return nil
}
