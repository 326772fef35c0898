package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // as small images have none

	"cms/auth"
	"cms/config"
	"cms/content"
	"cms/editor"
	"cms/media"
	"cms/site"
	"cms/trace"
	"cms/web"
	"cms/web/login"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// parts are what the configuration says, in the terms of the packages that do
// it.
type parts struct {
	issuers     []auth.Issuer
	providers   []*auth.Provider
	policy      *auth.Policy
	collections []content.Collection
	endpoints   []webhooks.Endpoint
	inbound     []inbound.Hook
}

// partsOf translates the configuration. The error is a *config.Error that tells
// all that those packages find wrong, and where.
func partsOf(c *config.Config) (*parts, error) {
	var (
		p     parts
		wrong []config.Problem
	)
	for i, is := range c.Auth.Issuers {
		a := auth.Issuer{
			Issuer: is.Issuer, Audience: is.Audience, Algorithms: is.Algorithms,
			Secret: []byte(string(is.Secret)), JWKS: is.JWKS, JWKSURL: is.JWKSURL, Discovery: is.Discovery,
			RolesClaim: is.RolesClaim, RoleMap: is.RoleMap, NameClaim: is.NameClaim, EmailClaim: is.EmailClaim, Leeway: is.Leeway, Type: is.Type,
		}
		if len(is.JWKS) == 0 && is.JWKSFile != "" { // which the command has no use for
			continue
		}
		a.Secret = []byte(standIn(is.Secret, is.SecretEnv, is.SecretFile))
		for _, err := range each(a.Check()) {
			wrong = append(wrong, c.Problem(err.Error(), "auth", "issuers", i))
		}
		p.issuers = append(p.issuers, a)
		if l := is.Login; l != nil && config.Report(wrong) == nil {
			at := c.Server.PublicURL + login.Path + l.Name
			o := auth.ProviderOptions{
				Name: l.Name, Issuer: a, ClientID: l.ClientID, ClientSecret: string(l.Secret), Scopes: l.Scopes,
				Knows:       func(pr *auth.Principal) bool { return p.policy.Knows(pr) }, // which is there before anybody logs in
				RedirectURL: at + "/callback", MaxToken: max(int(c.Server.MaxTokenBytes), auth.DefaultMaxToken),
			}
			if l.Logout {
				o.LogoutURL = at + "/" + login.LoggedOut
			}
			provider, err := auth.NewProvider(o)
			for _, err := range each(err) {
				wrong = append(wrong, c.Problem(err.Error(), "auth", "issuers", i, "login"))
			}
			p.providers = append(p.providers, provider)
		}
	}
	var names []string
	for i, col := range c.Collections {
		names = append(names, col.Name)
		made, err := collection(&col)
		for _, err := range each(err) {
			at, detail := []any{"collections", i}, err.Error()
			if schema := (*content.SchemaError)(nil); errors.As(err, &schema) {
				at, detail = append(at, schema.At...), schema.Detail
			}
			wrong = append(wrong, c.Problem(detail, at...))
		}
		p.collections = append(p.collections, made)
	}
	roles, err := roles(c.Auth.Roles)
	if err == nil {
		p.policy, err = auth.NewPolicy(roles, names)
	}
	for _, err := range each(err) {
		wrong = append(wrong, c.Problem(err.Error(), "auth", "roles"))
	}
	for i, w := range c.Webhooks {
		e := webhooks.Endpoint{
			Name: w.Name, URL: w.URL, Secret: standIn(w.Secret, w.SecretEnv, w.SecretFile),
			Events: w.Events, Collections: w.Collections, AllowPrivate: w.AllowPrivate,
			Fields: w.Fields, Type: w.Type, Coalesce: w.Coalesce, Ref: w.Ref,
			OldSecret: standIn(w.OldSecret, w.OldSecretEnv, w.OldSecretFile), Token: standIn(w.Token, w.TokenEnv, w.TokenFile), EventTypePrefix: w.EventTypePrefix,
			Headers: headers(w.Headers),
		}
		for _, err := range each(e.Check()) {
			wrong = append(wrong, c.Problem(err.Error(), "webhooks", i))
		}
		p.endpoints = append(p.endpoints, e)
	}
	for i, h := range c.Hooks {
		hook := inbound.Hook{Provider: h.Provider, Secrets: strings.Split(strings.ReplaceAll(standIn(h.Secret, h.SecretEnv, h.SecretFile), "\r", ""), "\n")}
		if err := hook.Check(); err != nil {
			wrong = append(wrong, c.Problem(err.Error(), "hooks", i))
		}
		p.inbound = append(p.inbound, hook)
	}
	return &p, config.Report(wrong)
}

// standIn is a secret or, where a command has not read it and so makes no use of it, a text
// that could be one, so that the rest of the configuration is checked nevertheless.
func standIn(secret config.Secret, env, file string) string {
	if secret == "" && env+file != "" {
		return "unread:" + strings.Repeat("-", auth.MinSecret)
	}
	return string(secret)
}

// each takes apart what errors.Join has joined.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // only the outermost is a list
		return joined.Unwrap()
	}
	return []error{err}
}

func roles(in map[string]map[string]config.Grant) (map[string]map[string]auth.Grant, error) {
	out := make(map[string]map[string]auth.Grant, len(in))
	for role, grants := range in {
		out[role] = make(map[string]auth.Grant, len(grants))
		for target, g := range grants {
			made, err := grant(g)
			if err != nil {
				return nil, fmt.Errorf("role %q, %q: %w", role, target, err)
			}
			out[role][target] = made
		}
	}
	return out, nil
}

func grant(in config.Grant) (auth.Grant, error) {
	out := auth.Grant{Hide: in.Hide, ReadOnly: in.ReadOnly, Paths: in.Paths}
	for _, a := range in.Actions {
		out.Actions = append(out.Actions, auth.Action(a))
	}
	for _, field := range slices.Sorted(maps.Keys(in.Where)) {
		c := auth.Condition{Field: field, Claim: in.Where[field].Claim}
		for _, raw := range in.Where[field].Values {
			v, err := content.ParseJSON(raw)
			if err != nil {
				return out, fmt.Errorf("where: %w", err)
			}
			c.Values = append(c.Values, v)
		}
		out.Where = append(out.Where, c)
	}
	return out, nil
}

func collection(in *config.Collection) (content.Collection, error) {
	fields, err := fields(in.Fields)
	c := content.Collection{
		Name: in.Name, Folder: in.Folder, Extension: in.Extension, Label: in.Label, Publish: in.Publish, Language: in.Language, YAML: content.Version(in.YAML),
		Schema: content.Schema{Defined: len(fields) > 0 || in.Strict, Strict: in.Strict, Fields: fields},
	}
	if err == nil {
		err = c.Schema.Check()
	}
	if err == nil && in.Slug != "" {
		c.Slugs, err = content.ParseSlugPattern(in.Slug)
	}
	for _, t := range in.Templates {
		if err == nil {
			c.Templates, err = withTemplate(c, t)
		}
	}
	return c, err
}

// withTemplate are the templates of a collection and one more, whose values are as the
// schema has them: what a new entry still lacks, whoever makes it adds.
func withTemplate(c content.Collection, in config.Template) ([]content.Template, error) {
	t := content.Template{Name: in.Name, Label: in.Label, Body: in.Body}
	if in.Fields != nil {
		v, err := content.ParseJSON(in.Fields)
		if err != nil {
			return nil, fmt.Errorf("%s: template %s: %w", c.Name, in.Name, err)
		}
		fields, _ := v.(*content.Object)
		t.Fields = c.Schema.Coerce(fields)
		for _, p := range c.Schema.Validate(t.Fields, nil) {
			if p.Rule != "required" {
				return nil, fmt.Errorf("%s: template %s: %s %s", c.Name, in.Name, p.Field, p.Detail)
			}
		}
	}
	return append(c.Templates, t), nil
}

func fields(in []config.Field) ([]content.Field, error) {
	var out []content.Field
	for i := range in {
		f, err := field(&in[i])
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func field(in *config.Field) (content.Field, error) {
	out := content.Field{
		Name: in.Name, Type: content.Type(in.Type), Collection: in.Collection,
		Required: in.Required, Unique: in.Unique, ReadOnly: in.ReadOnly, Hidden: in.Hidden,
		Min: in.Min, Max: in.Max, Pattern: in.Pattern, Label: in.Label, Hint: in.Hint,
	}
	var err error
	if in.Default != nil {
		if out.Default, err = content.ParseJSON(in.Default); err != nil {
			return out, fmt.Errorf("%s: default: %w", in.Name, err)
		}
	}
	for _, o := range in.Options {
		v, err := content.ParseJSON(o)
		if err != nil {
			return out, fmt.Errorf("%s: options: %w", in.Name, err)
		}
		out.Options = append(out.Options, v)
	}
	if in.Of != nil {
		of, err := field(in.Of)
		if err != nil {
			return out, err
		}
		out.Of = &of
	}
	out.Fields, err = fields(in.Fields)
	return out, err
}

// tracerOf is who is told of traces, nil for nobody.
func tracerOf(c *config.Config, log *slog.Logger) (*trace.Tracer, error) {
	if c.Tracing.Endpoint == "" {
		return nil, nil //nolint:nilnil // which tells nobody
	}
	return trace.New(trace.Options{
		Endpoint: c.Tracing.Endpoint, Headers: headers(c.Tracing.Headers), Service: c.Tracing.ServiceName, Version: versionOf(),
		Sample: c.Tracing.Sample, Logger: log,
	})
}

// editorOf are the pages for people.
func editorOf(c *config.Config, s *service, floor *web.Floor, logins *login.Logins) (*editor.Editor, error) {
	zone, err := time.LoadLocation(c.Site.TimeZone)
	if err != nil {
		return nil, err
	}
	keys := s.state.Keys()
	var providers []editor.Provider
	for _, is := range c.Auth.Issuers {
		if is.Login != nil {
			providers = append(providers, editor.Provider{Name: is.Login.Name, Label: is.Login.Name})
		}
	}
	var theme fs.FS
	if c.Editor.Theme != "" {
		root, err := os.OpenRoot(c.Editor.Theme) // links out of it lead nowhere
		if err != nil {
			return nil, err
		}
		theme = root.FS()
	}
	addresses, err := pagesOf(c)
	if err != nil {
		return nil, err
	}
	return editor.New(editor.Options{
		Address: addresses,
		Theme:   theme, Preview: editor.Look{BaseURL: c.Preview.BaseURL, Stylesheet: c.Preview.Stylesheet, Wrapper: c.Preview.HTML},
		Web: floor, Site: s.site, Name: c.Site.Name, Zone: zone, Providers: providers, Logins: logins,
		Accounts: auth.NewAccounts(s.state, slices.Collect(maps.Keys(c.Auth.Roles))),
		Tokens:   s.personal,
		Resets:   s.resets,
		Keys:     &keys,
		Builds:   builds{s.builds},
		Streams:  s.streams,
		Logger:   s.log,
	})
}

// pagesOf tells where the site has the pages of entries, "" where nobody says.
func pagesOf(c *config.Config) (func(site.Ref) string, error) {
	patterns := map[string]content.PagePattern{}
	for i := range c.Collections {
		if in := &c.Collections[i]; in.Page != "" {
			p, err := content.ParsePagePattern(in.Page)
			if err != nil {
				return nil, err
			}
			if !p.IsURL() {
				if p, err = content.ParsePagePattern(strings.TrimSuffix(c.Preview.BaseURL, "/") + "/" + strings.TrimPrefix(in.Page, "/")); err != nil {
					return nil, err
				}
			}
			patterns[in.Name] = p
		}
	}
	return func(r site.Ref) string {
		p, known := patterns[r.Collection]
		if !known {
			return ""
		}
		at, ok := p.Page(r.Collection, r.Slug.String())
		if !ok {
			return ""
		}
		return at
	}, nil
}

// builds are the builds that were reported, for pages.
type builds struct{ *webhooks.Deployments }

// Of implements [editor.Builds].
func (b builds) Of(ctx context.Context, entry site.Ref, commit string) (editor.Build, bool) {
	d, ok := b.OfEntry(ctx, entry.String(), commit)
	return editor.Build{State: d.State, At: d.At, URL: d.URL}, ok
}

// News implements [editor.Builds].
func (b builds) News(ctx context.Context) <-chan struct{} {
	_, news := b.Since(ctx, time.Now())
	return news
}

// headers are the values that a configuration names.
func headers(in map[string]config.Header) map[string]string {
	out := map[string]string{}
	for name, h := range in {
		out[name] = standIn(h.Secret, h.SecretEnv, h.SecretFile)
	}
	return out
}

// mediaOf is the media folder of the configuration, which has checked its path.
func mediaOf(c *config.Config) site.MediaOptions {
	folder, err := content.ParsePath(c.Media.Folder)
	if err != nil {
		return site.MediaOptions{}
	}
	return site.MediaOptions{
		Folder: folder, MaxBytes: c.Media.MaxBytes, Scratch: filepath.Dir(c.Repository.Path),
		Rules: media.Rules{Extensions: c.Media.Extensions, Types: c.Media.Types, MaxPixels: c.Media.MaxPixels},
	}
}
