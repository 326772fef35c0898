// Package config turns a file and the environment into checked values.
//
// The file is YAML. Every key is one of those of [Config]; config.example.yaml
// says in plain words what each is for. A key that is not part of a list can be
// overridden by the environment: CMS_ and its path in capitals, so that
// CMS_SERVER_LISTEN stands for server.listen. An empty variable overrides
// nothing. Secrets are named, never written down: by the variable (secret_env)
// or the file (secret_file) that holds them.
//
// Paths that are relative, in the file or in the environment, start from the
// folder of the file. In a [Config] they are absolute.
//
// [Load] reports everything that is wrong at once, each with the line and
// column, or the variable, where it stands.
package config

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"time"

	"go.yaml.in/yaml/v3"

	"cms/content"
	"cms/githubapp"
	"cms/signing"
)

// Config is a configuration without mistakes, as far as they can be told from
// it alone. Paths in it are ready for use.
//
// Tags of the fields: yaml is the key, default what stands when there is none,
// required that there must be one, oneof the values that are allowed (of each
// item, for a list), words the vocabulary of another package that has them, alone
// that a list in the place of the whole mapping is the value of this key.
type Config struct {
	Server      Server       `yaml:"server"`
	Repository  Repository   `yaml:"repository"`
	State       State        `yaml:"state"`
	Collections []Collection `yaml:"collections"`
	Media       Media        `yaml:"media"`
	Auth        Auth         `yaml:"auth"`
	Webhooks    []Webhook    `yaml:"webhooks"`
	Hooks       []Hook       `yaml:"hooks"`
	Log         Log          `yaml:"log"`
	Audit       Audit        `yaml:"audit"`
	Tracing     Tracing      `yaml:"tracing"`
	Git         Git          `yaml:"git"`
	Mail        *Mail        `yaml:"mail"` // nil: nothing is mailed
	Site        Site         `yaml:"site"`
	Editor      Editor       `yaml:"editor"`
	Preview     Preview      `yaml:"preview"`
	YAML        string       `yaml:"yaml" default:"1.1" words:"yaml"` // by what the site reads front matter

	Warnings []Problem // what is no mistake, and had better be otherwise

	source source
}

// Site is the site that is kept in the repository, as people know it.
type Site struct {
	Name     string `yaml:"name" default:"CMS"`
	Language string `yaml:"language" default:"en" words:"texts"` // of what the service writes for everyone: the subjects of commits
	TimeZone string `yaml:"time_zone" default:"UTC"`             // by its name in the IANA database
}

// Git is clones and pushes by Git over HTTP, at /git/.
type Git struct {
	Enabled      bool          `yaml:"enabled"`
	Check        string        `yaml:"check" default:"refuse" oneof:"off warn refuse"` // what becomes of a push that breaks rules of the schema
	MaxPushBytes int64         `yaml:"max_push_bytes" default:"104857600"`
	Processes    int64         `yaml:"processes" default:"4"` // how many requests are served at once
	Timeout      time.Duration `yaml:"timeout" default:"15m"` // of a request
}

// Editor is how the pages for people look.
type Editor struct {
	Theme string `yaml:"theme"` // a folder; "" for the look that they come with
}

// Preview is how texts are shown before they are on the site.
type Preview struct {
	BaseURL    string `yaml:"base_url"`   // of the site, which links and images of texts are relative to
	Stylesheet string `yaml:"stylesheet"` // its address, absolute or below BaseURL
	Wrapper    string `yaml:"wrapper"`    // a file: HTML around a text, which {{content}} stands for

	HTML string // what Wrapper holds
}

// Server is where and how HTTP is served.
type Server struct {
	Listen       string `yaml:"listen" default:"127.0.0.1:8080"` // host:port
	PublicURL    string `yaml:"public_url"`                      // absolute, without a slash at the end; made of Listen when not given
	MaxBodyBytes int64  `yaml:"max_body_bytes" default:"10485760"`
	BodyMemory   int64  `yaml:"body_memory" default:"67108864"` // bytes of bodies that are held at once, by all requests; MaxBodyBytes at least

	MaxTokenBytes int64 `yaml:"max_token_bytes" default:"32768"` // of a bearer token

	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"` // whose X-Forwarded-For is believed
	CORSOrigins    []string       `yaml:"cors_origins"`    // "*" is all; none: no page of another origin may call
	RateLimit      RateLimit      `yaml:"rate_limit"`
	Streams        Streams        `yaml:"streams"`
	Metrics        bool           `yaml:"metrics" default:"true"` // at /metrics of Listen
	DebugListen    string         `yaml:"debug_listen"`           // host:port of this machine for profiles and metrics; "": none

	PrivateWebhooks bool `yaml:"private_webhooks"` // those that operators make may use plain http and private addresses
}

// RateLimit bounds how many requests are answered in a window; 0 is no limit.
type RateLimit struct {
	Window     time.Duration `yaml:"window" default:"1m"`
	PerCaller  int64         `yaml:"per_caller"`  // of whom a token names, by all its tokens
	PerAddress int64         `yaml:"per_address"` // an IPv6 network of 64 bits counts as one
}

// Streams bounds how many event streams are open at once.
type Streams struct {
	PerCaller int64 `yaml:"per_caller" default:"100"` // of whom a token names, by all its tokens
	Total     int64 `yaml:"total" default:"2000"`
}

// Repository is the Git repository that holds the content.
type Repository struct {
	Path      string    `yaml:"path" default:"./data/site.git"`
	Branch    string    `yaml:"branch"` // "": the one that the repository's HEAD names, main for a new one
	Committer Committer `yaml:"committer"`
	Signing   *Signing  `yaml:"signing"` // nil: commits are not signed
	Remote    *Remote   `yaml:"remote"`  // nil: there is none
	LFS       LFS       `yaml:"lfs"`
	Memory    int64     `yaml:"memory" default:"268435456"` // bytes of files and fields kept in memory; more are read when needed

	KeepPacks    time.Duration `yaml:"keep_packs" default:"2m"` // how long packs stay after they were joined, for who reads them
	Protect      bool          `yaml:"protect"`                 // put the hook that protects the branch into a repository that was not made here
	AllowRewrite bool          `yaml:"allow_rewrite"`           // let pushes take commits away from the branch
	Create       bool          `yaml:"create"`                  // make a new repository where there is none
}

// LFS bounds the files that Git LFS keeps.
type LFS struct {
	MaxObjectBytes int64 `yaml:"max_object_bytes" default:"536870912"` // of one
	StoreBytes     int64 `yaml:"store_bytes" default:"10737418240"`    // of those that are kept here alone, all together
	CacheBytes     int64 `yaml:"cache_bytes" default:"1073741824"`     // of those of the Git host that are kept here
}

// Remote is the repository at a Git host that others push to.
type Remote struct {
	URL        string `yaml:"url" required:"true"`
	Username   string `yaml:"username"`
	TokenEnv   string `yaml:"token_env"`
	TokenFile  string `yaml:"token_file"`
	SSHKeyFile string `yaml:"ssh_key_file"` // a private key; "" asks the agent
	KnownHosts string `yaml:"known_hosts"`  // which keys hosts may have over ssh
	Insecure   bool   `yaml:"insecure"`     // send the token over plain http

	GitHubApp *GitHubApp `yaml:"github_app"` // in place of a token; nil: none

	FetchInterval time.Duration `yaml:"fetch_interval" default:"30s"` // how often to look for what was pushed there, beside hooks

	Push          string `yaml:"push" default:"off" oneof:"off async sync"` // whether edits go there: once they are durable here, or before they are done
	Linear        bool   `yaml:"linear"`                                    // make edits again upon what others pushed, in place of merges
	PushConflicts bool   `yaml:"push_conflicts"`                            // push the branches of what was set aside, too

	AlarmAfter time.Duration `yaml:"alarm_after" default:"15m"` // from which age on what is not pushed is an error in the log

	Token Secret // what TokenEnv or TokenFile holds
}

// GitHubApp is an app that is installed on the repository at GitHub, by whose tokens that is
// read and written.
type GitHubApp struct {
	AppID          int64  `yaml:"app_id" required:"true"`
	InstallationID int64  `yaml:"installation_id" required:"true"`
	KeyFile        string `yaml:"key_file" required:"true"`
	APIURL         string `yaml:"api_url"` // "": that of the remote's host

	App *githubapp.App // nil where no secrets are read
}

// Pushes says whether edits go to the remote, of which there may be none.
func (m *Remote) Pushes() bool { return m != nil && m.Push != "off" }

// Signing is the key by which the commits that the service makes are signed.
type Signing struct {
	Format         string `yaml:"format" required:"true" words:"signatures"`
	KeyFile        string `yaml:"key_file" required:"true"`
	PassphraseEnv  string `yaml:"passphrase_env"`
	PassphraseFile string `yaml:"passphrase_file"`

	Key *signing.Key // of all of them
}

// Committer is the committer of every commit; its author is who made the edit.
type Committer struct {
	Name  string `yaml:"name" default:"CMS"`
	Email string `yaml:"email" default:"cms@localhost"`
}

// State is the small database beside the repository.
type State struct {
	URL Secret `yaml:"url" default:"sqlite:./data/state.db"` // sqlite:PATH or postgres://…, which may hold a password
}

// Collection is a folder of entries.
type Collection struct {
	Name      string            `yaml:"name" required:"true"`
	Folder    string            `yaml:"folder" required:"true"` // below the repository's root; "" is the root, written "."
	Extension string            `yaml:"extension" default:".md"`
	Label     map[string]string `yaml:"label"` // by language
	Strict    bool              `yaml:"strict"`
	Fields    []Field           `yaml:"fields"`                                  // none: there is no schema
	Publish   []string          `yaml:"publish"`                                 // the fields that only who may publish changes
	Language  string            `yaml:"language" default:"fr" words:"languages"` // by whose stems searches find
	YAML      string            `yaml:"yaml" words:"yaml"`                       // by what the site reads the files; that of the configuration where it is left out
	Slug      string            `yaml:"slug"`                                    // what slugs of new entries are made of; "": {title}
	Templates []Template        `yaml:"templates"`                               // that new entries may begin with
	Page      string            `yaml:"page"`                                    // where the site has the pages of entries: a URL, or a path below that of the preview; "" where that is not told
}

// Template is what a new entry may begin with.
type Template struct {
	Name   string            `yaml:"name" required:"true"`
	Label  map[string]string `yaml:"label"`  // by language
	Fields json.RawMessage   `yaml:"fields"` // an object as JSON, in the order of the file; nil for none
	Body   string            `yaml:"body"`
}

// Field is a key of the front matter and what is expected of its value.
type Field struct {
	Name       string            `yaml:"name"` // empty only in Of
	Type       string            `yaml:"type" required:"true"`
	Of         *Field            `yaml:"of"`     // of a list: what its items are; a type's name alone will do
	Fields     []Field           `yaml:"fields"` // of an object
	Required   bool              `yaml:"required"`
	Default    json.RawMessage   `yaml:"default"` // as JSON, in the order of the file; nil when there is none
	Min        content.Number    `yaml:"min"`     // with all of its digits; "" when there is none
	Max        content.Number    `yaml:"max"`
	Pattern    string            `yaml:"pattern"`
	Options    []json.RawMessage `yaml:"options"`
	Unique     bool              `yaml:"unique"`
	ReadOnly   bool              `yaml:"read_only"`
	Hidden     bool              `yaml:"hidden"`
	Collection string            `yaml:"collection"` // of a reference: where it points
	Label      map[string]string `yaml:"label"`      // by language
	Hint       map[string]string `yaml:"hint"`       // by language
}

// Media is the folder of images and other files. Without a folder there is none.
type Media struct {
	Folder     string            `yaml:"folder"`
	MaxBytes   int64             `yaml:"max_bytes" default:"10485760"`
	MaxPixels  int64             `yaml:"max_pixels" default:"50000000"` // of an image, width × height
	Extensions []string          `yaml:"extensions"`                    // that package media knows, or Types; none: jpg, jpeg, png, gif, webp, pdf
	Types      map[string]string `yaml:"types"`                         // media types of other extensions, which are accepted too; without their dots once they are checked
}

// Auth is whose tokens are accepted and what roles may do.
type Auth struct {
	Issuers      []Issuer     `yaml:"issuers"`
	Sessions     Sessions     `yaml:"sessions"`
	SecondFactor SecondFactor `yaml:"second_factor"`
	Personal     Personal     `yaml:"personal_tokens"`
	// Roles has, for each role and each collection, "media" or "*" (every other
	// collection), what the role may do there.
	Roles map[string]map[string]Grant `yaml:"roles"`
}

// Sessions are how long people who have logged in stay so.
type Sessions struct {
	Access   time.Duration `yaml:"access" default:"10m"`    // how long an access token is good for
	Idle     time.Duration `yaml:"idle" default:"24h"`      // how long a session lasts without being refreshed
	Lifetime time.Duration `yaml:"lifetime" default:"168h"` // how long it lasts at most
}

// Personal is about the tokens that people make for their programs.
type Personal struct {
	Lifetime time.Duration `yaml:"lifetime" default:"8760h"` // how long one lasts at most
}

// SecondFactor is what people prove themselves by beside their password.
type SecondFactor struct {
	Required []string `yaml:"required"` // the roles whose accounts need one; others may have one
}

// Login is how people log in at an issuer (OpenID Connect).
type Login struct {
	Name       string   `yaml:"name" required:"true"` // in URLs
	ClientID   string   `yaml:"client_id" required:"true"`
	SecretEnv  string   `yaml:"secret_env"`
	SecretFile string   `yaml:"secret_file"`
	Scopes     []string `yaml:"scopes"`                // none: openid, profile, email
	Logout     bool     `yaml:"logout" default:"true"` // who logs out here logs out there

	Secret Secret // what SecretEnv or SecretFile holds; "" for a public client
}

// Grant is what a role may do in a collection, or with media. The list of the
// actions alone will do.
type Grant struct {
	Actions  []string             `yaml:"actions" required:"true" alone:"true" words:"actions"`
	Hide     []string             `yaml:"hide"`      // fields that the role neither sees nor sets
	ReadOnly []string             `yaml:"read_only"` // fields that it sees and does not set
	Where    map[string]Condition `yaml:"where"`     // by field: the entries that the grant is for meet all
	Paths    []string             `yaml:"paths"`     // of media: the folders below the media folder; none: all of it
}

// Condition is what the field of an entry has to be. The list of the values
// alone will do.
type Condition struct {
	Values []json.RawMessage `yaml:"values" alone:"true"` // one of these, as JSON
	Claim  string            `yaml:"claim"`               // or one of those in this claim of the caller's token
}

// Issuer issues tokens. It has exactly one source of keys.
type Issuer struct {
	Issuer     string            `yaml:"issuer" required:"true"`
	Audience   string            `yaml:"audience" required:"true"`
	Algorithms []string          `yaml:"algorithms" required:"true" words:"algorithms"`
	SecretEnv  string            `yaml:"secret_env"`
	SecretFile string            `yaml:"secret_file"`
	JWKSFile   string            `yaml:"jwks_file"`
	JWKSURL    string            `yaml:"jwks_url"`
	Discovery  bool              `yaml:"discovery"` // true where the issuer is a URL and no source of keys is named
	RolesClaim string            `yaml:"roles_claim" default:"roles"`
	RoleMap    map[string]string `yaml:"role_map"` // what the claim holds → role
	NameClaim  string            `yaml:"name_claim" default:"name"`
	EmailClaim string            `yaml:"email_claim" default:"email"`
	Leeway     time.Duration     `yaml:"leeway" default:"10s"`
	Type       string            `yaml:"typ"`
	Login      *Login            `yaml:"login"` // nil: nobody logs in there

	Secret Secret // what SecretEnv or SecretFile holds
	JWKS   []byte // what JWKSFile holds
}

// Webhook is an endpoint that hears of changes.
type Webhook struct {
	Name         string   `yaml:"name" required:"true"`
	URL          string   `yaml:"url" required:"true"`
	SecretEnv    string   `yaml:"secret_env"`
	SecretFile   string   `yaml:"secret_file"`
	Events       []string `yaml:"events" words:"events"` // none: all
	Collections  []string `yaml:"collections"`           // none: all
	AllowPrivate bool     `yaml:"allow_private"`

	Fields        []string      `yaml:"fields"`              // none: all
	Type          string        `yaml:"type" words:"builds"` // "": events
	Coalesce      time.Duration `yaml:"coalesce"`
	Ref           string        `yaml:"ref"`
	TokenEnv      string        `yaml:"token_env"`
	TokenFile     string        `yaml:"token_file"`
	OldSecretEnv  string        `yaml:"old_secret_env"`
	OldSecretFile string        `yaml:"old_secret_file"`

	Headers         map[string]Header `yaml:"headers"`           // of every request
	EventTypePrefix string            `yaml:"event_type_prefix"` // org.example.cms

	Secret    Secret // what SecretEnv or SecretFile holds
	OldSecret Secret
	Token     Secret
}

// Header is the value of a header that a webhook or a collector is sent.
type Header struct {
	Value      string `yaml:"value"`
	SecretEnv  string `yaml:"secret_env"`
	SecretFile string `yaml:"secret_file"`

	Secret Secret // what one of them holds
}

// Hook is a push hook that a Git host sends here.
type Hook struct {
	Provider   string `yaml:"provider" required:"true" words:"hosts"`
	SecretEnv  string `yaml:"secret_env"`
	SecretFile string `yaml:"secret_file"`

	Secret Secret // what SecretEnv or SecretFile holds
}

// Log is what is logged and how.
type Log struct {
	Level  slog.Level `yaml:"level" default:"info" oneof:"debug info warn error"`
	Format string     `yaml:"format" default:"auto" oneof:"auto json text"` // auto: text at a terminal, else JSON
}

// Audit is what is kept of the audit log, in the database.
type Audit struct {
	Keep time.Duration `yaml:"keep" default:"2160h"` // 0: nothing is kept
}

// Tracing is where traces of requests are told. Without an endpoint they are told nobody.
type Tracing struct {
	Endpoint    string            `yaml:"endpoint"` // of a collector, by OTLP over HTTP
	Headers     map[string]Header `yaml:"headers"`  // of each request to it
	ServiceName string            `yaml:"service_name" default:"cms"`
	Sample      float64           `yaml:"sample" default:"1"` // of the traces that begin here, from 0 to 1
}

// Mail is how links for accounts are mailed.
type Mail struct {
	From string `yaml:"from" required:"true"` // the address of the sender
	SMTP SMTP   `yaml:"smtp"`
}

// SMTP is the server that takes mails.
type SMTP struct {
	Host         string `yaml:"host" required:"true"`
	Port         int64  `yaml:"port" default:"587"`
	TLS          string `yaml:"tls" default:"starttls" oneof:"starttls tls none"`
	Username     string `yaml:"username"` // "": it asks for none
	PasswordEnv  string `yaml:"password_env"`
	PasswordFile string `yaml:"password_file"`

	Password Secret // what PasswordEnv or PasswordFile holds
}

// Secret is a text that prints as "***". Convert it to use it.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "***" }

// MarshalText hides the secret from encoders, slog's among them.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// source is where the values come from.
type source struct {
	file      string
	root      *yaml.Node        // nil for an empty file
	overrides map[string]string // variable by the key that it overrode
}
