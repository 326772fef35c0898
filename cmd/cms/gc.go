package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"cms/config"
	"cms/repo"
)

func (p *program) gcCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "gc",
		Short: "Compact the repository",
		Long: "Repacks the repository's objects into few packs, loose ones too where the git\n" +
			"program is installed, removes what a killed service left behind, rewrites the\n" +
			"index, and prints the numbers before and after. No object is dropped, whether\n" +
			"something refers to it or not, so pushes may continue. It refuses to run beside\n" +
			"a service, which repacks by itself.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.loadWith(config.NoSecrets)
			if err != nil {
				return err
			}
			parts, err := partsOf(c)
			if err != nil {
				return err
			}
			if _, err := os.Lstat(filepath.Join(c.Repository.Path, "HEAD")); err != nil {
				return fmt.Errorf("no repository to compact: %w", err)
			}
			_, r, err := openSite(cmd.Context(), c, parts, newLogger(p.stderr, c.Log.Level, c.Log.Format), nil, false, nil)
			if errors.Is(err, repo.ErrInUse) {
				return fmt.Errorf("%w; stop the service first", err)
			} else if err != nil {
				return err
			}
			before, after, err := r.Compact(cmd.Context())
			if err = errors.Join(err, r.Close()); err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "packs: %d, now %d\nloose objects: %d, now %d\nbytes: %d, now %d\n",
				before.Packs, after.Packs, before.Loose, after.Loose, before.Bytes, after.Bytes)
			return nil
		},
	}
	p.configFlag(c)
	return c
}
