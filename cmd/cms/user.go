package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"cms/auth"
	"cms/config"
	"cms/content"
	"cms/state"
)

// userCommand groups what an operator does with the accounts of people.
func (p *program) userCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "Manage the accounts of people who log in with a password",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(p.userAdd(), p.userInvite(), p.userReset(), p.userPasswd(), p.userRole(), p.userDisable(), p.userDelete(), p.userSessions(), p.userPasskeys(), p.userResetFactor(), p.userList())
	return c
}

// userWork is a subcommand that works with the accounts. It takes the address
// of an account, unless it is one about them all.
func (p *program) userWork(c *cobra.Command, all bool, work func(ctx context.Context, accounts *auth.Accounts, email string) error) *cobra.Command {
	c.Args = func(cmd *cobra.Command, args []string) error {
		if all {
			return noArgs(cmd, args)
		}
		if len(args) != 1 {
			return &usageError{fmt.Errorf("%s takes one argument, the e-mail address of the account", cmd.CommandPath())}
		}
		return nil
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := p.loadWith(config.NoSecrets)
		if err != nil {
			return err
		}
		return p.withAccounts(cmd.Context(), cfg, func(accounts *auth.Accounts) error {
			return work(cmd.Context(), accounts, strings.Join(args, ""))
		})
	}
	p.configFlag(c)
	return c
}

// withAccounts works with the accounts of a configuration.
func (p *program) withAccounts(ctx context.Context, c *config.Config, work func(*auth.Accounts) error) error {
	return p.withState(ctx, c, func(db *state.DB) error {
		return work(auth.NewAccounts(db, slices.Sorted(maps.Keys(c.Auth.Roles))))
	})
}

func (p *program) userAdd() *cobra.Command {
	var (
		a      auth.Account
		claims []string
	)
	c := p.userWork(&cobra.Command{
		Use:     "add EMAIL",
		Short:   "Create an account; the password is asked for, or read from standard input",
		Example: `  cms user add camille@example.org --name "Camille Moreau" --role editor`,
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		password, err := p.password()
		if err != nil {
			return err
		}
		if a.Claims, err = claimsOf(claims); err != nil {
			return err
		}
		a.Email = email
		return accounts.Add(ctx, a, password)
	})
	c.Flags().StringVar(&a.Name, "name", "", "the `name` that commits show")
	rightsFlags(c, &a.Roles, &claims)
	return c
}

func (p *program) userPasswd() *cobra.Command {
	return p.userWork(&cobra.Command{
		Use:   "passwd EMAIL",
		Short: "Change the password of an account and end its sessions",
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		password, err := p.password()
		if err != nil {
			return err
		}
		return accounts.SetPassword(ctx, email, password)
	})
}

func (p *program) userRole() *cobra.Command {
	var roles, claims []string
	c := p.userWork(&cobra.Command{
		Use:     "role EMAIL",
		Short:   "Set the roles and claims of an account, also for its sessions",
		Example: `  cms user role camille@example.org --role editor --claim organisation=Valmont`,
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		given, err := claimsOf(claims)
		if err != nil {
			return err
		}
		return accounts.SetRoles(ctx, email, roles, given)
	})
	rightsFlags(c, &roles, &claims)
	return c
}

func (p *program) userDisable() *cobra.Command {
	var enable bool
	c := p.userWork(&cobra.Command{
		Use:   "disable EMAIL",
		Short: "Disable an account and end its sessions",
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		return accounts.SetDisabled(ctx, email, !enable)
	})
	c.Flags().BoolVar(&enable, "undo", false, "enable it again")
	return c
}

func (p *program) userDelete() *cobra.Command {
	return p.userWork(&cobra.Command{
		Use:   "delete EMAIL",
		Short: "Delete an account with its sessions; what it has written stays",
		Long: "Deletes an account with all that is only its own: its sessions, and what it logs in with.\n" +
			"Commits keep its name. Who logs in at an identity provider has a new account at the next\n" +
			"login there: disable such an account instead.",
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		return accounts.Delete(ctx, email)
	})
}

func (p *program) userSessions() *cobra.Command {
	var end bool
	c := p.userWork(&cobra.Command{
		Use:   "sessions EMAIL",
		Short: "List the sessions of an account, or end them",
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		if end {
			ended, err := accounts.EndSessions(ctx, email)
			if err == nil {
				_, err = fmt.Fprintf(p.stdout, "ended sessions: %d\n", ended)
			}
			return err
		}
		all, err := accounts.Sessions(ctx, email)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "BEGAN\tLAST USE\tADDRESS\tBROWSER")
		for _, s := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", moment(s.Begun), moment(s.Used), orDash(s.Client.Address), orDash(printable(s.Client.Browser)))
		}
		return w.Flush()
	})
	c.Flags().BoolVar(&end, "end", false, "end them all")
	return c
}

func (p *program) userResetFactor() *cobra.Command {
	return p.userWork(&cobra.Command{
		Use:   "reset-factor EMAIL",
		Short: "Take the second factor from an account whose owner has lost it, and end its sessions",
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		return accounts.ResetFactor(ctx, email)
	})
}

func (p *program) userPasskeys() *cobra.Command {
	var remove string
	c := p.userWork(&cobra.Command{
		Use:   "passkeys EMAIL",
		Short: "List the passkeys of an account, or remove one and end its sessions",
	}, false, func(ctx context.Context, accounts *auth.Accounts, email string) error {
		if remove != "" {
			return accounts.RemovePasskey(ctx, email, remove)
		}
		all, err := accounts.Passkeys(ctx, email)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tADDED\tLAST USE\tID")
		for _, k := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(k.Name), moment(k.Created), moment(k.Used), k.ID)
		}
		return w.Flush()
	})
	c.Flags().StringVar(&remove, "remove", "", "remove the passkey of this `name` or id")
	return c
}

// moment is a time to the minute, in UTC.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04Z")
}

func orDash(s string) string { return cmp.Or(s, "-") }

func (p *program) userList() *cobra.Command {
	return p.userWork(&cobra.Command{
		Use:   "list",
		Short: "List the accounts, also of those who log in at an identity provider",
	}, true, func(ctx context.Context, accounts *auth.Accounts, _ string) error {
		all, err := accounts.List(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "EMAIL\tNAME\tROLES\tSTATE\tISSUER\tSUBJECT\tFACTOR\tLAST LOGIN")
		for _, a := range all {
			status := "active"
			switch {
			case a.Disabled:
				status = "disabled"
			case a.Invited:
				status = "invited"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(a.Email), printable(a.Name), printable(strings.Join(a.Roles, ",")), status,
				orDash(printable(a.Issuer)), printable(a.Subject), factorText(a.Factor), moment(a.Login))
		}
		return w.Flush()
	})
}

// factorText says what there is beside a password.
func factorText(f auth.Factor) string {
	var all []string
	if f.TOTP {
		all = append(all, "app")
	}
	if f.Passkeys > 0 {
		all = append(all, fmt.Sprintf("passkeys:%d", f.Passkeys))
	}
	return orDash(strings.Join(all, ","))
}

// printable keeps what an identity provider says from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

func rightsFlags(c *cobra.Command, roles, claims *[]string) {
	c.Flags().StringSliceVar(roles, "role", nil, "a `role` of the configuration; may be repeated")
	c.Flags().StringArrayVar(claims, "claim", nil, "a `name=value` for the conditions of roles; may be repeated")
}

// claimsOf reads name=value; a name that is given twice has a list.
func claimsOf(given []string) (*content.Object, error) {
	lists := map[string][]content.Value{}
	for _, claim := range given {
		name, value, ok := strings.Cut(claim, "=")
		if !ok || name == "" {
			return nil, &usageError{errors.New("--claim needs the form name=value")}
		}
		lists[name] = append(lists[name], value)
	}
	o := &content.Object{}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		var v content.Value = lists[name]
		if len(lists[name]) == 1 {
			v = lists[name][0]
		}
		o.Members = append(o.Members, content.Member{Key: name, Value: v})
	}
	return o, nil
}

// password is asked for twice at a terminal; otherwise it is the first line of
// standard input.
func (p *program) password() (string, error) {
	if f, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var typed [2]string
		for i, prompt := range []string{"Password: ", "Again: "} {
			fmt.Fprint(p.stderr, prompt)
			b, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(p.stderr)
			if err != nil {
				return "", fmt.Errorf("read the password: %w", err)
			}
			typed[i] = string(b)
		}
		if typed[0] != typed[1] {
			return "", errors.New("the two passwords differ")
		}
		return typed[0], nil
	}
	line, err := bufio.NewReader(io.LimitReader(p.stdin, 1<<16)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
