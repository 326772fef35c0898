package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/auth"
	"cms/config"
	"cms/state"
)

func (p *program) tokenCommand() *cobra.Command {
	var (
		issuer               string
		claims               auth.Claims
		collections, actions []string
	)
	c := &cobra.Command{
		Use:   "token",
		Short: "Print a token for someone, or for a bot",
		Long: "Prints a token of an issuer whose secret or private key the configuration names.\n" +
			"With --collection and --action it may do less than its roles allow.",
		Example: `  cms token --issuer cms --subject bot --name "Content bot" --email bot@example.org --role editor --ttl 1h
  cms token --subject watcher --role editor --collection consultations --action read`,
		RunE: func(*cobra.Command, []string) error {
			if claims.Subject == "" || len(claims.Roles) == 0 {
				return &usageError{errors.New("a token needs --subject and at least one --role")}
			}
			c, err := p.loadWith(config.NoSecrets)
			if err != nil {
				return err
			}
			for _, role := range claims.Roles {
				if _, ok := c.Auth.Roles[role]; !ok {
					return &usageError{fmt.Errorf("there is no role %q in the configuration", role)}
				}
			}
			if claims.Limits, err = limits(c, collections, actions); err != nil {
				return &usageError{err}
			}
			claims.ID = rand.Text()
			if issuer, err = signer(c, issuer); err != nil {
				return err
			}
			at := slices.IndexFunc(c.Auth.Issuers, func(is config.Issuer) bool { return is.Issuer == issuer })
			if c, err = p.loadWith(config.NoSecrets, fmt.Sprintf("auth.issuers[%d]", at)); err != nil {
				return err
			}
			token, err := mint(c, issuer, claims)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "cms: to revoke it: cms token revoke --issuer %q --id %s\n", issuer, claims.ID)
			_, err = fmt.Fprintln(p.stdout, token)
			return err
		},
	}
	c.AddCommand(p.revokeCommand(), p.personalCommand())
	p.configFlag(c)
	f := c.Flags()
	f.StringVar(&issuer, "issuer", "", "the `issuer`, as configured (default: the only one that can sign)")
	f.StringVar(&claims.Subject, "subject", "", "who the token is for: a short `id`")
	f.StringVar(&claims.Name, "name", "", "the `name` that commits show")
	f.StringVar(&claims.Email, "email", "", "the `address` that commits show")
	f.StringSliceVar(&claims.Roles, "role", nil, "a `role` of the configuration; may be repeated")
	f.StringSliceVar(&collections, "collection", nil, "limit the token to this `collection`, or media, webhooks or repository; may be repeated")
	f.StringSliceVar(&actions, "action", nil, "limit the token to this `action`: read, create, update, delete or publish; may be repeated")
	f.DurationVar(&claims.TTL, "ttl", time.Hour, "how long the token is valid")
	return c
}

// limits are those of a token that is only for these actions in these collections, as
// [auth.Narrow] has them.
func limits(c *config.Config, collections, actions []string) (auth.Limits, error) {
	if len(collections) == 0 && len(actions) == 0 {
		return nil, nil
	}
	known := auth.Beside()
	for _, col := range c.Collections {
		known = append(known, col.Name)
	}
	for _, name := range collections {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no collection %q in the configuration", name)
		}
	}
	var allowed []auth.Action
	for _, name := range actions {
		if !slices.Contains(auth.Actions(), auth.Action(name)) {
			return nil, fmt.Errorf("there is no action %q", name)
		}
		allowed = append(allowed, auth.Action(name))
	}
	ofEntries := len(collections) == 0 || slices.ContainsFunc(collections, func(name string) bool { return !slices.Contains(auth.Beside(), name) })
	if ofEntries && len(allowed) > 0 && !slices.Contains(allowed, auth.Read) {
		return nil, errors.New("a token for entries needs --action read too: nothing can be edited or answered without it")
	}
	return auth.Narrow(collections, allowed), nil
}

// revokeCommand revokes a token.
func (p *program) revokeCommand() *cobra.Command {
	var (
		issuer, id string
		until      string
	)
	c := &cobra.Command{
		Use:   "revoke",
		Short: "Revoke a token before it expires",
		Long: "Revokes the token on standard input or, with --id, the one with that id (its claim\n" +
			"jti), of any issuer. Running services refuse it within seconds.",
		Example: "  cms token revoke <token.txt\n  cms token revoke --issuer https://id.example.org --id 4f2c",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var expires time.Time
			var err error
			if until != "" {
				if expires, err = time.Parse(time.RFC3339, until); err != nil {
					return &usageError{errors.New("--until is not a time such as 2026-12-31T00:00:00Z")}
				}
			}
			if (issuer == "") != (id == "") {
				return &usageError{errors.New("give --issuer and --id together, or the token on standard input")}
			}
			c, err := p.loadWith(config.NoSecrets)
			if err != nil {
				return err
			}
			if id == "" {
				token, err := io.ReadAll(io.LimitReader(p.stdin, 1<<16))
				if err != nil {
					return fmt.Errorf("read the token: %w", err)
				}
				if issuer, id, expires, err = auth.TokenID(strings.TrimSpace(string(token))); err != nil {
					return err
				}
			}
			return p.withState(cmd.Context(), c, func(db *state.DB) error {
				revoked, err := auth.OpenRevocations(cmd.Context(), db, nil)
				if err != nil {
					return err
				}
				return revoked.Revoke(cmd.Context(), issuer, id, expires)
			})
		},
	}
	p.configFlag(c)
	f := c.Flags()
	f.StringVar(&issuer, "issuer", "", "who issued the token: its claim `iss`")
	f.StringVar(&id, "id", "", "the token's claim `jti`")
	f.StringVar(&until, "until", "", "when the token expires by itself, a `time` such as 2026-12-31T00:00:00Z (default: never)")
	return c
}

// withState works with the database beside the repository.
func (p *program) withState(ctx context.Context, c *config.Config, work func(*state.DB) error) error {
	db, err := state.Open(ctx, string(c.State.URL))
	if err != nil {
		return fmt.Errorf("%w; state.url in the configuration says where it is", err)
	}
	return errors.Join(work(db), db.Close())
}

// signer is the name of the issuer that signs: the given one or, without one,
// the only one that can.
func signer(c *config.Config, name string) (string, error) {
	var able, names []string
	for _, is := range c.Auth.Issuers {
		names = append(names, is.Issuer)
		if is.SecretEnv+is.SecretFile+is.JWKSFile != "" {
			able = append(able, is.Issuer)
		}
	}
	switch {
	case name == "" && len(able) == 1:
		return able[0], nil
	case name == "":
		return "", &usageError{fmt.Errorf("say which --issuer: %s", strings.Join(names, ", "))}
	case !slices.Contains(names, name):
		return "", &usageError{fmt.Errorf("there is no issuer %q in the configuration; there are %s", name, strings.Join(names, ", "))}
	}
	return name, nil
}

// mint signs a token with the configured issuer of that name.
func mint(c *config.Config, name string, claims auth.Claims) (string, error) {
	p, err := partsOf(c)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(p.issuers, func(is auth.Issuer) bool { return is.Issuer == name })
	if i < 0 {
		return "", fmt.Errorf("there is no issuer %q in the configuration", name)
	}
	return auth.Mint(p.issuers[i], claims)
}
