package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"cms/config"
	"cms/repo"
)

func (p *program) acceptCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "accept",
		Short: "Start over after the branch was deleted",
		Long: "Accepts the repository as it is when the service refuses to start because its\n" +
			"branch was deleted: the next start begins with an empty branch. The newest known\n" +
			"commit of the old one is kept below refs/cms/backup/. To get the branch back,\n" +
			"restore it instead, as the refusal says.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.loadWith(config.NoSecrets)
			if err != nil {
				return err
			}
			parts, err := partsOf(c)
			if err != nil {
				return err
			}
			known, kept, err := repo.Accept(cmd.Context(), repoOptions(c, parts, newLogger(p.stderr, c.Log.Level, c.Log.Format)))
			switch {
			case errors.Is(err, repo.ErrInUse):
				return fmt.Errorf("%w; stop the service first", err)
			case err != nil:
				return err
			case known.IsZero():
				fmt.Fprintln(p.stdout, "nothing to accept: the branch is there, or never was")
			case kept == "":
				fmt.Fprintf(p.stdout, "the branch is accepted as empty; its commit %s is gone too\n", known)
			default:
				fmt.Fprintf(p.stdout, "the branch is accepted as empty; its commit %s is kept as %s\n", known, kept)
			}
			return nil
		},
	}
	p.configFlag(c)
	return c
}
