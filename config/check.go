package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"cms/auth"
	"cms/content"
	"cms/githubapp"
	"cms/media"
	"cms/signing"
	"cms/webhooks"
)

// check finds what is wrong with values that are each of the right type, and
// completes those that others follow from.
func (d *decoder) check(c *Config) {
	d.server(&c.Server)
	d.repository(&c.Repository)
	d.state(&c.State)
	if c.Audit.Keep < 0 {
		d.add([]any{"audit", "keep"}, "is less than 0; 0 keeps nothing")
	}
	d.collections(c.Collections)
	d.media(&c.Media)
	d.site(&c.Site)
	d.pages(&c.Editor, &c.Preview)
	d.pagesOf(c.Collections, c.Preview.BaseURL)
	for i := range c.Collections {
		c.Collections[i].YAML = cmp.Or(c.Collections[i].YAML, c.YAML)
	}
	d.issuers(c.Auth.Issuers, c.Auth.Roles)
	d.sessions(&c.Auth.Sessions)
	if c.Auth.Personal.Lifetime < time.Hour {
		d.add([]any{"auth", "personal_tokens", "lifetime"}, "is less than an hour")
	}
	d.roles(c.Auth.Roles, c.Collections)
	d.secondFactor(&c.Auth)
	d.webhooks(c.Webhooks, c.Collections)
	d.hooks(c.Hooks)
	d.tracing(&c.Tracing)
	d.git(&c.Git)
	if c.Mail != nil {
		d.mail(c.Mail)
	}
}

// mail checks how mails are sent.
func (d *decoder) mail(m *Mail) {
	at := []any{"mail", "smtp"}
	if a, err := mail.ParseAddress(m.From); m.From != "" && (err != nil || a.Address != m.From) {
		d.add([]any{"mail", "from"}, "%q is not an e-mail address", m.From)
	}
	s := &m.SMTP
	if s.Port < 1 || s.Port > 65535 {
		d.add(join(at, "port"), "is no port: 587 is the usual one, 465 with tls: tls")
	}
	named := s.PasswordEnv+s.PasswordFile != ""
	ip, err := netip.ParseAddr(s.Host)
	switch local := s.Host == "localhost" || err == nil && ip.IsLoopback(); {
	case s.PasswordEnv != "" && s.PasswordFile != "":
		d.add(at, "has two passwords: name one with either password_env or password_file")
	case named != (s.Username != ""):
		d.add(at, "needs username and a password, named with password_env or password_file, or neither")
	case s.TLS == "none" && !local:
		d.add(join(at, "tls"), "is none, so that whoever is on the way could read the links and let themselves in")
	case named:
		s.Password = d.secretOf("password", s.PasswordEnv, s.PasswordFile, at)
	}
}

// secondFactor checks whose accounts need one.
func (d *decoder) secondFactor(a *Auth) {
	for i, role := range a.SecondFactor.Required {
		if _, there := a.Roles[role]; there {
			continue
		}
		meant := ""
		if name := Nearest(role, slices.Sorted(maps.Keys(a.Roles))); name != "" {
			meant = fmt.Sprintf("; did you mean %q?", name)
		}
		d.add([]any{"auth", "second_factor", "required", i}, "there is no role %q%s", role, meant)
	}
}

// maxProcesses is the greatest number of processes of git at once.
const maxProcesses = 256

func (d *decoder) git(g *Git) {
	d.positive(g.MaxPushBytes, "git", "max_push_bytes")
	if g.Processes < 1 || g.Processes > maxProcesses {
		d.add([]any{"git", "processes"}, "is not between 1 and %d", maxProcesses)
	}
	if g.Timeout < time.Minute {
		d.add([]any{"git", "timeout"}, "is less than a minute")
	}
}

func (d *decoder) site(s *Site) {
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "" || s.TimeZone == "Local" {
		d.add([]any{"site", "time_zone"}, "%q is not a time zone; write Europe/Paris", s.TimeZone)
	}
}

// maxWrapper is how large the HTML around a preview may be, in bytes.
const maxWrapper = 1 << 20

// pages checks how pages look.
func (d *decoder) pages(e *Editor, p *Preview) {
	if e.Theme != "" {
		e.Theme = d.resolve(e.Theme)
		if at, err := os.Stat(e.Theme); err != nil || !at.IsDir() {
			d.add([]any{"editor", "theme"}, "%s is not a folder", e.Theme)
		}
	}
	base := absolute(p.BaseURL)
	if p.BaseURL != "" && (base == nil || base.User != nil || base.RawQuery != "" || base.Fragment != "") {
		d.add([]any{"preview", "base_url"}, "is not an absolute http or https URL without a query; write https://consultations.example.org")
		return
	}
	if p.Stylesheet != "" {
		u, err := url.Parse(p.Stylesheet)
		if err == nil && base != nil {
			u = base.ResolveReference(u)
		}
		if err != nil || absolute(u.String()) == nil {
			d.add([]any{"preview", "stylesheet"}, "is no address of a stylesheet; write https://consultations.example.org/main.css, or /main.css and base_url")
		} else {
			p.Stylesheet = u.String()
		}
	}
	if p.Wrapper != "" {
		p.Wrapper = d.resolve(p.Wrapper)
		switch b, err := os.ReadFile(p.Wrapper); {
		case err != nil:
			d.add([]any{"preview", "wrapper"}, "%s cannot be read: %v", p.Wrapper, reason(err))
		case len(b) > maxWrapper:
			d.add([]any{"preview", "wrapper"}, "%s is larger than %d bytes", p.Wrapper, maxWrapper)
		case strings.Count(string(b), "{{content}}") != 1:
			d.add([]any{"preview", "wrapper"}, "%s does not hold {{content}} once, which the text stands in the place of", p.Wrapper)
		default:
			p.HTML = string(b)
		}
	}
}

func (d *decoder) media(m *Media) {
	if m.Folder != "" {
		at := []any{"media", "folder"}
		given := m.Folder
		if m.Folder = d.folder(given, at); m.Folder == "" {
			d.add(at, "%q is the repository itself, whose every file would be media; give them a folder of their own, such as img", given)
		} else if _, err := content.ParsePath(m.Folder); err != nil {
			d.add(at, "%q cannot hold media: the %v", given, err)
		}
	}
	d.positive(m.MaxBytes, "media", "max_bytes")
	d.positive(m.MaxPixels, "media", "max_pixels")
	given := m.Types
	m.Types = nil
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at := []any{"media", "types", name}
		ext, checked, err := media.CheckType(name, given[name])
		switch _, taken := m.Types[ext]; {
		case taken:
			d.add(at, "is duplicated: it is %s; remove one", ext)
		case err != nil:
			d.add(at, "%v", err)
		case m.Types == nil:
			m.Types = map[string]string{ext: checked}
		default:
			m.Types[ext] = checked
		}
	}
	for i, ext := range m.Extensions {
		if _, typed := m.Types[ext]; !typed && !slices.Contains(words("extensions"), ext) {
			d.add([]any{"media", "extensions", i}, "%q is not one of %s; give others a media type in types", ext, strings.Join(words("extensions"), ", "))
		}
	}
}

// What the longest token may be set to, in bytes.
const (
	minTokenBytes = 1 << 10
	maxTokenBytes = 1 << 20
)

func (d *decoder) server(s *Server) {
	d.positive(s.MaxBodyBytes, "server", "max_body_bytes")
	d.positive(s.BodyMemory, "server", "body_memory")
	if s.MaxTokenBytes < minTokenBytes || s.MaxTokenBytes > maxTokenBytes {
		d.add([]any{"server", "max_token_bytes"}, "is not between %d and %d", minTokenBytes, maxTokenBytes)
	}
	host, port, err := net.SplitHostPort(s.Listen)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		d.add([]any{"server", "listen"}, "%q is not host:port; write 127.0.0.1:8080, or :8080 for every address", s.Listen)
	} else if s.PublicURL == "" {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			host = "localhost"
		}
		s.PublicURL = "http://" + net.JoinHostPort(host, strconv.FormatUint(n, 10))
	}
	s.PublicURL = strings.TrimRight(s.PublicURL, "/")
	if u := absolute(s.PublicURL); s.PublicURL != "" && (u == nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		d.add([]any{"server", "public_url"}, "is not an absolute http or https URL without a query; write https://cms.example.org")
	} else if u != nil && u.Path != "" {
		d.add([]any{"server", "public_url"}, "has a path, under which the service cannot be reached; give it a host of its own, such as https://cms.example.org")
	}
	for i, origin := range s.CORSOrigins {
		if u := absolute(origin); origin != "*" && (u == nil || u.Scheme+"://"+u.Host != origin) {
			d.add([]any{"server", "cors_origins", i}, "%q is not an origin; write https://edit.example.org, without a path, or * for all", origin)
		}
	}
	if l := s.RateLimit; l.Window < time.Second {
		d.add([]any{"server", "rate_limit", "window"}, "is less than 1s")
	}
	d.limit(s.RateLimit.PerCaller, "server", "rate_limit", "per_caller")
	d.limit(s.RateLimit.PerAddress, "server", "rate_limit", "per_address")
	d.streams(s.Streams.PerCaller, "server", "streams", "per_caller")
	d.streams(s.Streams.Total, "server", "streams", "total")
	if s.DebugListen != "" && !loopback(s.DebugListen) {
		d.add([]any{"server", "debug_listen"}, "%q is not host:port of this machine alone; write 127.0.0.1:6060: what is served there tells much about the service", s.DebugListen)
	}
}

// limit checks a number of requests.
func (d *decoder) limit(n int64, at ...any) {
	if n < 0 || n > maxRequests {
		d.add(at, "is not between 0, for no limit, and %d", maxRequests)
	}
}

// streams checks a number of event streams.
func (d *decoder) streams(n int64, at ...any) {
	if n < 1 || n > maxStreams {
		d.add(at, "is not between 1 and %d", maxStreams)
	}
}

// maxStreams is the greatest number of event streams.
const maxStreams = 100_000

// maxRequests is the greatest number of requests in a window of a rate limit.
const maxRequests = 1_000_000

// loopback says whether an address to listen at is reached from this machine
// only.
func loopback(listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (d *decoder) repository(r *Repository) {
	r.Path = d.resolve(r.Path)
	d.positive(r.Memory, "repository", "memory")
	d.positive(int64(r.KeepPacks), "repository", "keep_packs")
	d.positive(r.LFS.MaxObjectBytes, "repository", "lfs", "max_object_bytes")
	d.positive(r.LFS.StoreBytes, "repository", "lfs", "store_bytes")
	if r.LFS.CacheBytes < r.LFS.MaxObjectBytes {
		d.add([]any{"repository", "lfs", "cache_bytes"}, "is less than max_object_bytes, %d: the largest object has to have room", r.LFS.MaxObjectBytes)
	}
	if r.Branch != "" && !branchName(r.Branch) {
		d.add([]any{"repository", "branch"}, "%q cannot be the name of a branch", r.Branch)
	}
	if r.Signing != nil {
		d.signing(r.Signing)
	}
	if r.Remote != nil {
		d.remote(r.Remote)
	}
	if strings.TrimSpace(r.Committer.Name) == "" || strings.ContainsAny(r.Committer.Name, "<>\n\x00") {
		d.add([]any{"repository", "committer", "name"}, "is not a name that Git can hold; it has < or > in it, or nothing")
	}
	if local, host, ok := strings.Cut(r.Committer.Email, "@"); !ok || local == "" || host == "" || strings.ContainsAny(r.Committer.Email, "<> \t\n\x00") {
		d.add([]any{"repository", "committer", "email"}, "%q is not an e-mail address", r.Committer.Email)
	}
}

func (d *decoder) signing(s *Signing) {
	at := []any{"repository", "signing"}
	var passphrase Secret
	switch {
	case s.PassphraseEnv != "" && s.PassphraseFile != "":
		d.add(at, "has two passphrases: name one with either passphrase_env or passphrase_file")
	case s.PassphraseEnv+s.PassphraseFile != "":
		passphrase = d.secretOf("passphrase", s.PassphraseEnv, s.PassphraseFile, at)
	}
	if s.KeyFile == "" || !slices.Contains(signing.Formats(), s.Format) {
		return // which is said already
	}
	private := d.private(s.KeyFile, join(at, "key_file"))
	if len(bytes.TrimSpace(private)) == 0 {
		return
	}
	var err error
	if s.Key, err = signing.Open(s.Format, private, []byte(passphrase)); err != nil {
		d.add(join(at, "key_file"), "%s: %v", d.resolve(s.KeyFile), err)
	}
}

func (d *decoder) remote(r *Remote) {
	at := []any{"repository", "remote"}
	plain := strings.HasPrefix(strings.ToLower(r.URL), "http://")
	if u, err := url.Parse(r.URL); err == nil && u.User != nil {
		if _, ok := u.User.Password(); ok {
			d.add(join(at, "url"), "holds a password; name it with token_env or token_file")
		} else if plain && !r.Insecure {
			d.add(join(at, "url"), "is not https, and the name in it, which hosts take for a token, would be sent in the clear; insecure: true says that the network is one's own")
		}
	}
	switch {
	case r.TokenEnv != "" && r.TokenFile != "":
		d.add(at, "has two tokens: name one with either token_env or token_file")
	case r.TokenEnv+r.TokenFile != "" && plain && !r.Insecure:
		d.add(join(at, "url"), "is not https, and a token would be sent in the clear; insecure: true says that the network is one's own")
	case r.TokenEnv+r.TokenFile != "" && !plain && !strings.HasPrefix(strings.ToLower(r.URL), "https://"):
		d.add(join(at, "url"), "is not https, where alone a token is sent")
	case r.TokenEnv+r.TokenFile != "":
		r.Token = d.secretOf("token", r.TokenEnv, r.TokenFile, at)
	}
	d.positive(int64(r.FetchInterval), "repository", "remote", "fetch_interval")
	d.positive(int64(r.AlarmAfter), "repository", "remote", "alarm_after")
	if r.GitHubApp != nil {
		d.githubApp(r, plain)
	}
	if r.Linear && !r.Pushes() {
		d.add(join(at, "linear"), "says how edits come to the host, and none do; push: async or push: sync has them pushed")
	}
	d.ssh(r)
}

// githubApp checks an app's address, and opens its key.
func (d *decoder) githubApp(r *Remote, plain bool) {
	at, g := []any{"repository", "remote", "github_app"}, r.GitHubApp
	switch {
	case r.TokenEnv+r.TokenFile != "":
		d.add(at, "has tokens of its own; take out token_env and token_file")
		return
	case r.Username != "":
		d.add(at, "has a name of its own; take out username")
		return
	case plain && !r.Insecure:
		d.add([]any{"repository", "remote", "url"}, "is not https, and a token would be sent in the clear; insecure: true says that the network is one's own")
		return
	case !plain && !strings.HasPrefix(strings.ToLower(r.URL), "https://"):
		d.add([]any{"repository", "remote", "url"}, "is not https, where alone a token is sent")
		return
	}
	api, err := g.APIURL, error(nil)
	if api == "" {
		if api, err = githubapp.APIOf(r.URL); err != nil {
			d.add(at, "%v; name that of the API as api_url", err)
			return
		}
	}
	if u, err := url.Parse(api); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		d.add(join(at, "api_url"), "is not an address such as https://git.example.org/api/v3")
		return
	} else if u.Scheme != "https" && (u.Scheme != "http" || !r.Insecure) {
		d.add(join(at, "api_url"), "is not https, and tokens would come in the clear; insecure: true says that the network is one's own")
		return
	}
	d.positive(g.AppID, "repository", "remote", "github_app", "app_id")
	d.positive(g.InstallationID, "repository", "remote", "github_app", "installation_id")
	raw := d.private(g.KeyFile, join(at, "key_file"))
	if len(raw) == 0 || g.AppID <= 0 || g.InstallationID <= 0 {
		return // which is said already
	}
	key, err := githubapp.ParseKey(raw)
	if err == nil {
		g.App, err = githubapp.New(githubapp.Options{AppID: strconv.FormatInt(g.AppID, 10), InstallationID: g.InstallationID, Key: key, API: api})
	}
	if err != nil {
		d.add(join(at, "key_file"), "%s %v", d.resolve(g.KeyFile), err)
	}
}

// ssh checks what an SSH address needs.
func (d *decoder) ssh(r *Remote) {
	at := []any{"repository", "remote"}
	r.SSHKeyFile, r.KnownHosts = d.resolve(r.SSHKeyFile), d.resolve(r.KnownHosts)
	if !overSSH(r.URL) {
		if r.SSHKeyFile != "" {
			d.add(join(at, "ssh_key_file"), "is for addresses such as ssh://git@HOST/PATH; url is none")
		}
		return
	}
	if r.SSHKeyFile == "" {
		if d.environ["SSH_AUTH_SOCK"] == "" {
			d.add(at, "has an SSH address and no key: name the file of a private key without a passphrase as ssh_key_file, of which the host has the public one as a deploy key")
		}
		return
	}
	if raw := d.private(r.SSHKeyFile, join(at, "ssh_key_file")); len(raw) > 0 {
		if _, err := ssh.ParsePrivateKey(raw); errors.As(err, new(*ssh.PassphraseMissingError)) {
			d.add(join(at, "ssh_key_file"), "%s has a passphrase, which nobody is there to type; make a key of its own without (ssh-keygen -t ed25519 -N '')", r.SSHKeyFile)
		} else if err != nil {
			d.add(join(at, "ssh_key_file"), "%s holds no private key of SSH", r.SSHKeyFile)
		}
	}
	if r.KnownHosts == "" {
		d.add(at, "has no known_hosts: the key of the host is always checked; put it into a file (ssh-keyscan HOST, held against what the host publishes) and name that")
	} else {
		d.contents(r.KnownHosts, join(at, "known_hosts"))
	}
}

// overSSH says whether Git reaches the address by SSH: ssh://…, or user@host:path.
func overSSH(address string) bool {
	if scheme, _, ok := strings.Cut(address, "://"); ok {
		return scheme == "ssh" || scheme == "git+ssh" || scheme == "ssh+git"
	}
	host, _, ok := strings.Cut(address, ":")
	return ok && !strings.Contains(host, "/")
}

// branchName follows git check-ref-format.
func branchName(s string) bool {
	return s != "" && s != "@" && s[0] != '-' && s[len(s)-1] != '.' &&
		!strings.ContainsAny(s, " ~^:?*[\\\x7f") && !strings.Contains(s, "..") && !strings.Contains(s, "@{") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) &&
		!slices.ContainsFunc(strings.Split(s, "/"), func(part string) bool {
			return part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock")
		})
}

func (d *decoder) state(s *State) {
	if file, ok := strings.CutPrefix(string(s.URL), "sqlite:"); ok && file != "" && !strings.HasPrefix(file, "//") {
		s.URL = Secret("sqlite:" + d.resolve(file))
		return
	}
	u, err := url.Parse(string(s.URL))
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" {
		d.add([]any{"state", "url"}, "is neither sqlite:PATH nor postgres://HOST/DATABASE") // it may hold a password
	}
}

func (d *decoder) collections(all []Collection) {
	for i := range all {
		c, at := &all[i], []any{"collections", i}
		d.name(c.Name, join(at, "name"), slices.ContainsFunc(all[:i], func(o Collection) bool { return o.Name == c.Name }))
		if slices.Contains(auth.Beside(), c.Name) {
			d.add(join(at, "name"), "%q has another meaning in roles; choose another name", c.Name)
		}
		c.Folder = d.folder(c.Folder, join(at, "folder"))
		if err := content.CheckExtension(c.Extension); err != nil {
			d.add(join(at, "extension"), "%q %v", c.Extension, err)
		}
		for j := range i {
			if overlap(c, &all[j]) {
				d.add(join(at, "folder"), "overlaps with that of collection %q, so that a file would be an entry of both; give them separate folders, or different extensions", all[j].Name)
			}
		}
		d.references(c.Fields, join(at, "fields"), all)
		d.known(c.Publish, *c, join(at, "publish"))
		if c.Slug != "" {
			d.slugPattern(c, join(at, "slug"))
		}
		for j, t := range c.Templates {
			at := join(join(at, "templates"), j)
			d.name(t.Name, join(at, "name"), slices.ContainsFunc(c.Templates[:j], func(o Template) bool { return o.Name == t.Name }))
			if t.Fields == nil {
				continue
			}
			value, err := content.ParseJSON(t.Fields)
			fields, is := value.(*content.Object)
			if err != nil || !is {
				d.add(join(at, "fields"), "is no map of fields to values; write {title: Title}")
				continue
			}
			for _, m := range fields.Members {
				d.field(m.Key, *c, join(at, "fields"))
			}
		}
	}
}

// pagesOf checks where the pages of entries are.
func (d *decoder) pagesOf(all []Collection, base string) {
	for i, c := range all {
		if c.Page == "" {
			continue
		}
		at := []any{"collections", i, "page"}
		p, err := content.ParsePagePattern(c.Page)
		switch {
		case err != nil:
			d.add(at, "%v", err)
		case !p.IsURL() && base == "":
			d.add(at, "is a path, and there is no preview.base_url that it is below; write https://consultations.example.org%s", "/"+strings.TrimPrefix(c.Page, "/"))
		}
	}
}

// slugPattern checks what slugs are made of. The day can be in them whether the entries
// have a date or not.
func (d *decoder) slugPattern(c *Collection, at []any) {
	p, err := content.ParseSlugPattern(c.Slug)
	if err != nil {
		d.add(at, "%v", err)
		return
	}
	types := map[string]content.Type{}
	for _, f := range c.Fields {
		types[f.Name] = content.Type(f.Type)
	}
	for _, part := range p.Parts() {
		if part.Field != "" && part.Field != "date" {
			d.field(part.Field, *c, at)
		}
	}
	if err := p.Check(func(field string) content.Type { return types[field] }); err != nil {
		d.add(at, "%v", err)
	}
}

// overlap says whether a file may be an entry of both a and b.
func overlap(a, b *Collection) bool {
	within := func(folder, other string) bool {
		return other == "" || folder == other || strings.HasPrefix(folder, other+"/")
	}
	return (within(a.Folder, b.Folder) || within(b.Folder, a.Folder)) &&
		(strings.HasSuffix(a.Extension, b.Extension) || strings.HasSuffix(b.Extension, a.Extension))
}

// references finds the fields that point to a collection that is not there. All
// else that a schema can have wrong is for who compiles it to tell: see
// Config.Problem.
func (d *decoder) references(fields []Field, at []any, collections []Collection) {
	for i := range fields {
		d.reference(&fields[i], join(at, i), collections)
	}
}

func (d *decoder) reference(f *Field, at []any, collections []Collection) {
	if f.Collection != "" {
		d.collection(f.Collection, join(at, "collection"), collections)
	}
	d.references(f.Fields, join(at, "fields"), collections)
	if f.Of != nil {
		d.reference(f.Of, join(at, "of"), collections)
	}
}

func (d *decoder) collection(name string, at []any, collections []Collection) {
	if !slices.ContainsFunc(collections, func(c Collection) bool { return c.Name == name }) {
		var names []string
		for _, c := range collections {
			names = append(names, c.Name)
		}
		d.add(at, "there is no collection %q; %s", name, strings.Replace(suggest(name, names), "the keys here", "the collections", 1))
	}
}

// Serves finds what a service cannot do without, and nobody leaves out on purpose: content,
// and somebody who may do something with it. The error is an *Error.
func (c *Config) Serves() error {
	var found []Problem
	if err := (*Error)(nil); errors.As(c.Holds(), &err) {
		found = err.Problems
	}
	if len(c.Auth.Roles) == 0 {
		found = append(found, c.Problem("is missing, or empty: nobody may read or change anything; name a role, such as editor: {consultations: [read, create, update, delete]}", "auth", "roles"))
	}
	return Report(found)
}

// Holds finds that there is no content: neither a collection nor a folder of media. The
// error is an *Error.
func (c *Config) Holds() error {
	if len(c.Collections) > 0 || c.Media.Folder != "" {
		return nil
	}
	return Report([]Problem{c.Problem("is missing, or empty: there is no content; name a folder of entries, such as [{name: consultations, folder: _consultations}]", "collections")})
}

// folder checks a folder of the repository; the root is written ".".
func (d *decoder) folder(folder string, at []any) string {
	trimmed := strings.TrimPrefix(strings.TrimSuffix(folder, "/"), "./")
	if !fs.ValidPath(trimmed) || strings.ContainsAny(trimmed, "\\\x00") ||
		slices.ContainsFunc(strings.Split(trimmed, "/"), func(s string) bool { return strings.EqualFold(s, ".git") }) {
		d.add(at, "%q is not a folder within the repository; write one such as _consultations, or . for the repository itself", folder)
	}
	if trimmed == "." {
		return ""
	}
	return path.Clean(trimmed)
}

func (d *decoder) issuers(all []Issuer, roles map[string]map[string]Grant) {
	for i := range all {
		is, at := &all[i], []any{"auth", "issuers", i}
		if slices.ContainsFunc(all[:i], func(o Issuer) bool { return o.Issuer == is.Issuer }) {
			d.add(join(at, "issuer"), "%q is duplicated; give it all its settings in one place", is.Issuer)
		}
		if is.Leeway < 0 || is.Leeway > auth.MaxLeeway {
			d.add(join(at, "leeway"), "is not between 0s and %s", auth.MaxLeeway)
		}
		symmetric := slices.Contains(is.Algorithms, auth.HS256)
		if len(is.Algorithms) == 0 || symmetric && len(is.Algorithms) > 1 {
			d.add(join(at, "algorithms"), "has to be [HS256], with a secret, or some of the others, with a key set")
		}
		d.keys(is, at, symmetric)
		if is.Login != nil {
			d.login(is, join(at, "login"), slices.ContainsFunc(all[:i], func(o Issuer) bool { return o.Login != nil && o.Login.Name == is.Login.Name }))
		}
		d.roleMap(is.RoleMap, join(at, "role_map"), roles)
	}
}

// login checks how people log in at an issuer, and reads its secret.
func (d *decoder) login(is *Issuer, at []any, taken bool) {
	l := is.Login
	d.name(l.Name, join(at, "name"), taken)
	if absolute(is.Issuer) == nil {
		d.add(at, "needs an issuer that is a URL: nobody can log in at another one")
	}
	if l.SecretEnv != "" && l.SecretFile != "" {
		d.add(join(at, "secret_file"), "cannot be used together with secret_env; remove one")
	} else if l.SecretEnv+l.SecretFile != "" {
		l.Secret = d.secret(l.SecretEnv, l.SecretFile, at)
	}
}

func (d *decoder) sessions(s *Sessions) {
	for _, t := range []struct {
		key  string
		time time.Duration
	}{{"access", s.Access}, {"idle", s.Idle}, {"lifetime", s.Lifetime}} {
		if t.time < time.Minute {
			d.add([]any{"auth", "sessions", t.key}, "is less than a minute")
		}
	}
}

// roleMap finds what is translated into a role that is not there.
func (d *decoder) roleMap(roleMap map[string]string, at []any, roles map[string]map[string]Grant) {
	for name, role := range roleMap {
		if _, ok := roles[role]; !ok {
			d.add(join(at, name), "there is no role %q; add it to auth.roles", role)
		}
	}
}

// keys finds the one source of an issuer's keys, and reads it.
func (d *decoder) keys(is *Issuer, at []any, symmetric bool) {
	sources := map[string]string{"secret_env": is.SecretEnv, "secret_file": is.SecretFile, "jwks_file": is.JWKSFile, "jwks_url": is.JWKSURL}
	var given []string
	for _, name := range []string{"secret_env", "secret_file", "jwks_file", "jwks_url"} {
		if sources[name] != "" {
			given = append(given, name)
		}
	}
	switch {
	case is.Discovery && symmetric:
		d.add(join(at, "discovery"), "does not go with the algorithms: HS256 needs secret_env or secret_file")
	case is.Discovery && len(given) > 0:
		d.add(join(at, given[0]), "cannot be used together with discovery; an issuer has one source of keys: remove one")
	case len(given) == 0 && symmetric:
		d.add(at, "has no key: name its secret with secret_env or secret_file")
	case is.Discovery || len(given) == 0 && absolute(is.Issuer) != nil:
		is.Discovery = true
		d.keysURL(is.Issuer, join(at, "issuer"))
	case len(given) == 0:
		d.add(at, "has no key: name its key set with jwks_url or jwks_file, or its URL as issuer")
	case len(given) > 1:
		d.add(join(at, given[1]), "cannot be used together with %s; an issuer has one source of keys: remove one", given[0])
	case symmetric != strings.HasPrefix(given[0], "secret"):
		d.add(join(at, given[0]), "does not go with the algorithms: HS256 needs secret_env or secret_file, the others need jwks_url or jwks_file")
	case symmetric:
		is.Secret = d.secret(is.SecretEnv, is.SecretFile, at)
		if unread := is.Secret == "" && d.reads(at) != AllSecrets; !unread && len(is.Secret) < auth.MinSecret {
			d.add(join(at, given[0]), "names a secret of %d bytes; HS256 needs at least %d: make one with openssl rand -hex 32", len(is.Secret), auth.MinSecret)
		}
	case is.JWKSFile != "":
		is.JWKS = d.keySet(is.JWKSFile, join(at, "jwks_file"))
	default:
		d.keysURL(is.JWKSURL, join(at, "jwks_url"))
	}
}

// keysURL allows only places from which nobody on the way can change keys.
func (d *decoder) keysURL(s string, at []any) {
	u := absolute(s)
	if u == nil || u.User != nil {
		d.add(at, "is not an absolute URL without credentials")
		return
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if local := u.Hostname() == "localhost" || err == nil && ip.IsLoopback(); u.Scheme != "https" && !local {
		d.add(at, "begins with http://, so that anyone on the way could change the keys; use https://")
	}
}

func (d *decoder) roles(roles map[string]map[string]Grant, collections []Collection) {
	for role, grants := range roles {
		for target, grant := range grants {
			at := []any{"auth", "roles", role, target}
			i := slices.IndexFunc(collections, func(c Collection) bool { return c.Name == target })
			switch {
			case i >= 0:
				d.known(grant.Hide, collections[i], join(at, "hide"))
				d.known(grant.ReadOnly, collections[i], join(at, "read_only"))
				for field := range grant.Where {
					d.field(field, collections[i], join(join(at, "where"), field))
				}
			case target != auth.Every && !slices.Contains(auth.Beside(), target):
				d.collection(target, at, collections)
			}
		}
	}
}

func (d *decoder) known(names []string, c Collection, at []any) {
	for i, name := range names {
		d.field(name, c, join(at, i))
	}
}

// field makes sure that name is a field of a collection, where it lists some: a
// right that depends on a field must not depend on how it is spelled.
func (d *decoder) field(name string, c Collection, at []any) {
	var names []string
	for _, f := range c.Fields {
		names = append(names, f.Name)
	}
	if len(names) > 0 && !slices.Contains(names, name) {
		d.add(at, "collection %s has no field %q; %s", c.Name, name, strings.Replace(suggest(name, names), "the keys here", "its fields", 1))
	}
}

func (d *decoder) webhooks(all []Webhook, collections []Collection) {
	for i := range all {
		w, at := &all[i], []any{"webhooks", i}
		d.name(w.Name, join(at, "name"), slices.ContainsFunc(all[:i], func(o Webhook) bool { return o.Name == w.Name }))
		if u := absolute(w.URL); u == nil {
			d.add(join(at, "url"), "is not an absolute http or https URL")
		} else if u.Scheme == "http" && !w.AllowPrivate {
			d.add(join(at, "url"), "is plain http; use https, or say allow_private: true")
		}
		for j, name := range w.Collections {
			d.collection(name, join(join(at, "collections"), j), collections)
		}
		if w.OldSecretEnv != "" || w.OldSecretFile != "" {
			w.OldSecret = d.secretOf("old_secret", w.OldSecretEnv, w.OldSecretFile, at)
		}
		if w.TokenEnv != "" || w.TokenFile != "" {
			w.Token = d.secretOf("token", w.TokenEnv, w.TokenFile, at)
		}
		for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
			w.Headers[name] = d.header(w.Headers[name], join(join(at, "headers"), name))
		}
		if !webhooks.Signed(w.Type) && w.SecretEnv == "" && w.SecretFile == "" {
			continue // such a service is sent nothing that is signed
		}
		if (w.SecretEnv == "") == (w.SecretFile == "") {
			d.add(at, "needs a secret that signs its events: either secret_env or secret_file")
		} else {
			w.Secret = d.secret(w.SecretEnv, w.SecretFile, at)
		}
	}
}

func (d *decoder) tracing(t *Tracing) {
	at := []any{"tracing"}
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		t.Headers[name] = d.header(t.Headers[name], join(join(at, "headers"), name))
	}
	switch u := absolute(t.Endpoint); {
	case t.Endpoint == "":
	case u == nil || u.RawQuery != "" || u.Fragment != "":
		d.add(join(at, "endpoint"), "is not an absolute http or https URL without a query; write http://localhost:4318")
	case u.User != nil:
		d.add(join(at, "endpoint"), "holds a login; name it under headers, as Authorization")
	}
	if t.Sample < 0 || t.Sample > 1 {
		d.add(join(at, "sample"), "is not between 0, for none, and 1, for all")
	}
	if strings.TrimSpace(t.ServiceName) == "" {
		d.add(join(at, "service_name"), "is empty")
	}
}

// header is h with the value that it names.
func (d *decoder) header(h Header, at []any) Header {
	switch given := []bool{h.Value != "", h.SecretEnv != "", h.SecretFile != ""}; {
	case slices.Index(given, true) < 0 || slices.Contains(given[slices.Index(given, true)+1:], true):
		d.add(at, "needs one of value, secret_env and secret_file")
	case h.Value != "":
		h.Secret = Secret(h.Value)
	default:
		h.Secret = d.secret(h.SecretEnv, h.SecretFile, at)
	}
	return h
}

func (d *decoder) hooks(all []Hook) {
	for i := range all {
		h, at := &all[i], []any{"hooks", i}
		if slices.ContainsFunc(all[:i], func(o Hook) bool { return o.Provider == h.Provider }) {
			d.add(join(at, "provider"), "%q is duplicated; one variable may hold both secrets, each on a line of its own", h.Provider)
		}
		if (h.SecretEnv == "") == (h.SecretFile == "") {
			d.add(at, "needs the secret that was given to the host: either secret_env or secret_file")
		} else {
			h.Secret = d.secret(h.SecretEnv, h.SecretFile, at)
		}
	}
}

// name checks a name that stands in URLs and logs. Taken says whether another
// thing of its kind has it.
func (d *decoder) name(s string, at []any, taken bool) {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`).MatchString(s) {
		d.add(at, "%q is not a name of letters, digits, - and _", s)
	}
	if taken {
		d.add(at, "%q is duplicated; choose another name", s)
	}
}

func (d *decoder) positive(n int64, at ...any) {
	if n <= 0 {
		d.add(at, "is not more than 0")
	}
}

// absolute is s as an absolute http or https URL, nil when it is none.
func absolute(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

// join is path and one step more.
func join(path []any, step any) []any { return append(slices.Clip(path), step) }
