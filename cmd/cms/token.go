package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/auth"
	"cms/config"
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
			"With --collection and --action it can do less than its roles can.",
		Example: `  cms token --issuer cms --subject bot --name "Content bot" --email bot@example.org --role editor --ttl 1h
  cms token --subject watcher --role editor --collection consultations --action read`,
		RunE: func(*cobra.Command, []string) error {
			if claims.Subject == "" || len(claims.Roles) == 0 {
				return &usageError{errors.New("a token needs --subject and at least one --role")}
			}
			c, err := p.load()
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
			token, err := mint(c, issuer, claims)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, token)
			return err
		},
	}
	p.configFlag(c)
	f := c.Flags()
	f.StringVar(&issuer, "issuer", "", "the `issuer`, as configured (default: the only one that can sign)")
	f.StringVar(&claims.Subject, "subject", "", "who the token is for: a short `id`")
	f.StringVar(&claims.Name, "name", "", "the `name` that commits show")
	f.StringVar(&claims.Email, "email", "", "the `address` that commits show")
	f.StringSliceVar(&claims.Roles, "role", nil, "a `role` of the configuration; may be repeated")
	f.StringSliceVar(&collections, "collection", nil, "only this `collection`, or media; may be repeated")
	f.StringSliceVar(&actions, "action", nil, "only this `action`: read, create, update, delete or publish; may be repeated")
	f.DurationVar(&claims.TTL, "ttl", time.Hour, "how long the token is valid")
	return c
}

// limits are those of a token that is only for these actions in these
// collections; naming none of either means all of them.
func limits(c *config.Config, collections, actions []string) (auth.Limits, error) {
	if len(collections) == 0 && len(actions) == 0 {
		return nil, nil
	}
	known := []string{auth.Media}
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
	if len(allowed) == 0 {
		allowed = auth.Actions()
	}
	if len(collections) == 0 {
		collections = []string{auth.Every, auth.Media}
	}
	l := auth.Limits{}
	for _, name := range collections {
		if name != auth.Media && !slices.Contains(allowed, auth.Read) {
			return nil, errors.New("a token for entries needs --action read too: nothing can be edited or answered without it")
		}
		l[name] = allowed
	}
	return l, nil
}

// mint signs a token with the issuer of that name or, without a name, with the
// only one that can.
func mint(c *config.Config, name string, claims auth.Claims) (string, error) {
	p, err := partsOf(c)
	if err != nil {
		return "", err
	}
	var able, names []string
	for _, is := range p.issuers {
		names = append(names, is.Issuer)
		if len(is.Secret) > 0 || len(is.JWKS) > 0 {
			able = append(able, is.Issuer)
		}
	}
	if name == "" {
		if len(able) != 1 {
			return "", &usageError{fmt.Errorf("say which --issuer: %s", strings.Join(names, ", "))}
		}
		name = able[0]
	}
	for _, is := range p.issuers {
		if is.Issuer == name {
			return auth.Mint(is, claims)
		}
	}
	return "", &usageError{fmt.Errorf("there is no issuer %q in the configuration; there are %s", name, strings.Join(names, ", "))}
}
