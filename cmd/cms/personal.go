package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"cms/auth"
	"cms/config"
	"cms/state"
)

// personalCommand groups what an operator does with the tokens that people have for
// programs of theirs.
func (p *program) personalCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "personal",
		Short: "Manage the personal tokens of accounts, for Git and other programs",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(p.personalAdd(), p.personalList(), p.personalRevoke())
	return c
}

// personalWork is a subcommand that works with the personal tokens of the account that its
// first argument names. It takes as many arguments as are named.
func (p *program) personalWork(c *cobra.Command, arguments string, work func(ctx context.Context, cfg *config.Config, tokens *auth.PersonalTokens, owner *auth.Principal, args []string) error) *cobra.Command {
	c.Use += " " + arguments
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != len(strings.Fields(arguments)) {
			return &usageError{fmt.Errorf("%s takes %s", cmd.CommandPath(), arguments)}
		}
		return nil
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := p.loadWith(config.NoSecrets)
		if err != nil {
			return err
		}
		return p.withState(cmd.Context(), cfg, func(db *state.DB) error {
			owner, err := auth.NewAccounts(db, slices.Sorted(maps.Keys(cfg.Auth.Roles))).Principal(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			tokens := auth.NewPersonalTokens(auth.PersonalOptions{State: db, Lifetime: cfg.Auth.Personal.Lifetime})
			return work(cmd.Context(), cfg, tokens, owner, args)
		})
	}
	p.configFlag(c)
	return c
}

func (p *program) personalAdd() *cobra.Command {
	var (
		name                 string
		ttl                  time.Duration
		collections, actions []string
	)
	c := p.personalWork(&cobra.Command{
		Use:   "add",
		Short: "Make a token for an account and print it, once",
		Long: "Makes a token for an account, and prints it once: only its hash is kept. It may do what\n" +
			"its account may at that moment, or less with --collection and --action. It is a bearer\n" +
			"token of the API, and the password of Git at /git/.",
		Example: "  cms token personal add camille@example.org --name laptop\n" +
			"  cms token personal add camille@example.org --name backup --action read --ttl 720h",
	}, "EMAIL", func(ctx context.Context, cfg *config.Config, tokens *auth.PersonalTokens, owner *auth.Principal, _ []string) error {
		if name == "" {
			return &usageError{errors.New("a token needs a --name, by which its owner knows it")}
		}
		narrow, err := limits(cfg, collections, actions)
		if err != nil {
			return &usageError{err}
		}
		ends := time.Now().Add(min(ttl, tokens.Lifetime()))
		if ttl == 0 {
			ends = time.Now().Add(min(defaultTokenTime, tokens.Lifetime()))
		} else if ttl > tokens.Lifetime() {
			return &usageError{fmt.Errorf("--ttl is longer than the %s that tokens last at most (auth.personal_tokens.lifetime)", tokens.Lifetime())}
		}
		token, err := tokens.Make(ctx, owner, name, narrow, ends)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "cms: it ends on %s, and is shown this once\n", ends.UTC().Format(time.DateOnly))
		_, err = fmt.Fprintln(p.stdout, token)
		return err
	})
	f := c.Flags()
	f.StringVar(&name, "name", "", "what it is for, a `name` by which its owner knows it")
	f.DurationVar(&ttl, "ttl", 0, "how long the token is valid (default 2160h, 90 days)")
	f.StringSliceVar(&collections, "collection", nil, "limit the token to this `collection`, or media, webhooks or repository; may be repeated")
	f.StringSliceVar(&actions, "action", nil, "limit the token to this `action`: read, create, update, delete or publish; may be repeated")
	return c
}

// defaultTokenTime is how long a personal token lasts where nothing else is asked for.
const defaultTokenTime = 90 * 24 * time.Hour

func (p *program) personalList() *cobra.Command {
	return p.personalWork(&cobra.Command{
		Use:   "list",
		Short: "List the tokens of an account, with what they may and when they were last used",
	}, "EMAIL", func(ctx context.Context, _ *config.Config, tokens *auth.PersonalTokens, owner *auth.Principal, _ []string) error {
		all, err := tokens.Of(ctx, owner)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tMAY\tENDS\tLAST USE")
		for _, t := range all {
			ends, used := t.Ends.UTC().Format(time.DateOnly), "never"
			if t.Ended {
				ends += " (ended)"
			}
			if !t.Used.IsZero() {
				used = t.Used.UTC().Format(time.DateOnly)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, printable(t.Name), printable(t.Limits.String()), ends, used)
		}
		return w.Flush()
	})
}

func (p *program) personalRevoke() *cobra.Command {
	return p.personalWork(&cobra.Command{
		Use:   "revoke",
		Short: "End a token of an account at once; its id is in the list",
	}, "EMAIL ID", func(ctx context.Context, _ *config.Config, tokens *auth.PersonalTokens, owner *auth.Principal, args []string) error {
		all, err := tokens.Of(ctx, owner)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(t auth.PersonalToken) bool { return t.ID == args[1] }) {
			return fmt.Errorf("%s has no token %q; cms token personal list shows them all", args[0], args[1])
		}
		return tokens.End(ctx, owner, args[1])
	})
}
