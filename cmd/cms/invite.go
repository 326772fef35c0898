package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/auth"
	"cms/config"
	"cms/editor"
)

func (p *program) userInvite() *cobra.Command {
	var (
		a       auth.Account
		claims  []string
		lasting time.Duration
	)
	c := p.linkWork(&cobra.Command{
		Use:   "invite EMAIL",
		Short: "Create an account, and print a link by which its owner chooses a password",
		Long: "Creates an account and prints a link by which its owner chooses a password, once. Who was\n" +
			"invited and has not chosen one can be invited anew: only the newest link is good.",
		Example: `  cms user invite camille@example.org --name "Camille Moreau" --role editor`,
	}, &lasting, auth.InviteTime, func(ctx context.Context, accounts *auth.Accounts, email string) (string, error) {
		var err error
		if a.Claims, err = claimsOf(claims); err != nil {
			return "", err
		}
		a.Email = email
		return accounts.Invite(ctx, a, lasting)
	})
	c.Flags().StringVar(&a.Name, "name", "", "the `name` that commits show")
	rightsFlags(c, &a.Roles, &claims)
	return c
}

func (p *program) userReset() *cobra.Command {
	var lasting time.Duration
	return p.linkWork(&cobra.Command{
		Use:   "reset EMAIL",
		Short: "Print a link by which the owner of an account chooses another password",
		Long: "Prints a link by which the owner of an account chooses another password, once. Until then\n" +
			"the one that there is stays good; cms user passwd or disable ends it at once.",
	}, &lasting, auth.ResetTime, func(ctx context.Context, accounts *auth.Accounts, email string) (string, error) {
		return accounts.Reset(ctx, email, lasting)
	})
}

// linkWork is a subcommand that makes a link of the account that it is given the address of.
func (p *program) linkWork(c *cobra.Command, lasting *time.Duration, usual time.Duration, work func(context.Context, *auth.Accounts, string) (string, error)) *cobra.Command {
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &usageError{fmt.Errorf("%s takes one argument, the e-mail address of the account", cmd.CommandPath())}
		}
		return nil
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if *lasting <= 0 {
			return &usageError{errors.New("--ttl has to be longer than nothing")}
		}
		cfg, err := p.loadWith(config.NoSecrets, "mail")
		if err != nil {
			return err
		}
		return p.withAccounts(cmd.Context(), cfg, func(accounts *auth.Accounts) error {
			token, err := work(cmd.Context(), accounts, args[0])
			if err != nil {
				return err
			}
			link, until := cfg.Server.PublicURL+editor.LinkPath(token), time.Now().Add(*lasting)
			fmt.Fprintf(p.stderr, "cms: good once, until %s\n", moment(until))
			if _, err := fmt.Fprintln(p.stdout, link); err != nil || cfg.Mail == nil {
				return err
			}
			if err := mailLink(cmd.Context(), cfg, strings.TrimSpace(args[0]), link, until); err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "cms: mailed to %s\n", printable(args[0]))
			return nil
		})
	}
	p.configFlag(c)
	c.Flags().DurationVar(lasting, "ttl", usual, "how long the link is good")
	return c
}
