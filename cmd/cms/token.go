package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/auth"
	"cms/config"
)

func (p *program) tokenCommand() *cobra.Command {
	var (
		issuer string
		claims auth.Claims
	)
	c := &cobra.Command{
		Use:     "token",
		Short:   "Print a token for someone, or for a bot",
		Long:    "Prints a token of an issuer whose secret or private key the configuration names.",
		Example: `  cms token --issuer cms --subject bot --name "Content bot" --email bot@example.org --role editor --ttl 1h`,
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
	f.DurationVar(&claims.TTL, "ttl", time.Hour, "how long the token is valid")
	return c
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
