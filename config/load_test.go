package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cms/content"
)

const secret = "vingt-quatre-octets-au-moins,et-trente-deux"

func environ(more ...string) []string {
	return append([]string{"CMS_JWT_SECRET=" + secret, "CMS_HOOK_SECRET=" + secret, "CMS_OIDC_SECRET=" + secret, "HOME=/root"}, more...)
}

// load loads text from a file of its own, called cms.yaml in dir.
func load(t *testing.T, text string, environ ...string) (c *Config, dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "cms.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err = Load(file, environ)
	return c, dir, err
}

func TestLoadExample(t *testing.T) {
	c, err := Load("../config.example.yaml", environ())
	if err != nil {
		t.Fatal(err)
	}
	c.source = source{}
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mark := func(name string) Field { return Field{Name: name, Type: "integer", Min: "0", Max: "5"} }
	want := &Config{
		Server: Server{
			Listen: "127.0.0.1:8080", PublicURL: "http://localhost:8080", MaxBodyBytes: 10 << 20, BodyMemory: 64 << 20, MaxTokenBytes: 32 << 10,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")},
			CORSOrigins:    []string{"https://edit.example.org"},
			RateLimit:      RateLimit{Window: time.Minute, PerCaller: 600, PerAddress: 1200},
			Streams:        Streams{PerCaller: 100, Total: 2000},
			Metrics:        true, DebugListen: "127.0.0.1:6060",
		},
		Repository: Repository{Path: here + "/data/site.git", Branch: "main", Committer: Committer{Name: "CMS", Email: "cms@example.org"}, LFS: LFS{MaxObjectBytes: 512 << 20, StoreBytes: 10 << 30, CacheBytes: 1 << 30}, Memory: 256 << 20, KeepPacks: 2 * time.Minute},
		State:      State{URL: Secret("sqlite:" + here + "/data/state.db")},
		Collections: []Collection{{
			Name: "consultations", Folder: "_consultations", Extension: ".md", Language: "fr", YAML: "1.1", Page: "/consultations/{slug}/",
			Templates: []Template{{Name: "concertation", Label: map[string]string{"fr": "Concertation avec réunions", "en": "Consultation with meetings"},
				Fields: json.RawMessage(`{"methodes":["Réunion publique","Questionnaire"],"in_progress":true}`), Body: "## Pourquoi cette concertation\n\n## Le calendrier\n"}},
			Label: map[string]string{"fr": "Consultations", "en": "Consultations"},
			Fields: []Field{
				{Name: "title", Type: "string", Required: true, Label: map[string]string{"fr": "Titre"}},
				{Name: "link", Type: "url"},
				{Name: "description", Type: "text"},
				{Name: "organisateur", Type: "string"},
				{Name: "methodes", Type: "list", Of: &Field{Type: "string"}},
				{Name: "screenshot", Type: "image"},
				{Name: "date", Type: "datetime", Required: true},
				{Name: "in_progress", Type: "boolean", Default: json.RawMessage("true")},
				mark("note-citoyenne"), mark("note-decidee"),
				{Name: "ordre", Type: "integer"},
				{Name: "publiee", Type: "boolean", Default: json.RawMessage("false")},
				{Name: "notes-internes", Type: "text"},
			},
			Publish: []string{"publiee"},
		}, {
			Name: "rencontres", Folder: "_rencontres", Extension: ".md", Language: "fr", YAML: "1.1",
			Fields: []Field{
				{Name: "reference", Type: "string", Unique: true, Pattern: "R-[0-9]{4}"},
				{Name: "forme", Type: "select", Options: []json.RawMessage{[]byte(`"atelier"`), []byte(`"réunion publique"`), []byte(`"balade"`)}},
				{Name: "consultation", Type: "reference", Collection: "consultations"},
				{
					Name: "etapes", Type: "list", Hint: map[string]string{"fr": "Du début à la fin", "en": "From first to last"},
					Of: &Field{Type: "object", Fields: []Field{{Name: "titre", Type: "string", Required: true}, {Name: "date", Type: "date"}}},
				},
				{Name: "import-id", Type: "string", ReadOnly: true, Hidden: true},
			},
		}},
		Media: Media{Folder: "img", MaxBytes: 10 << 20, MaxPixels: 50_000_000, Extensions: []string{"jpg", "jpeg", "png", "gif", "webp", "pdf"}},
		Auth: Auth{
			Issuers: []Issuer{{
				Issuer: "https://id.example.org", Audience: "cms", Algorithms: []string{"EdDSA", "ES256", "RS256"},
				JWKSURL: "https://id.example.org/.well-known/jwks.json", RolesClaim: "groups", NameClaim: "preferred_username", EmailClaim: "upn", RoleMap: map[string]string{"/editors": "editor", "/staff": "reader"}, Leeway: 10 * time.Second, Type: "at+jwt",
				Login: &Login{Name: "id", ClientID: "cms", SecretEnv: "CMS_OIDC_SECRET", Scopes: []string{"openid", "profile", "email"}, Logout: true, Secret: secret},
			}, {
				Issuer: "cms", Audience: "cms", Algorithms: []string{"HS256"},
				SecretEnv: "CMS_JWT_SECRET", RolesClaim: "roles", NameClaim: "name", EmailClaim: "email", Leeway: 10 * time.Second, Secret: secret,
			}},
			Sessions: Sessions{Access: 10 * time.Minute, Idle: 24 * time.Hour, Lifetime: 168 * time.Hour},
			Personal: Personal{Lifetime: 8760 * time.Hour},
			Roles: map[string]map[string]Grant{
				"editor": {
					"consultations": {Actions: []string{"read", "create", "update", "delete", "publish"}},
					"media":         {Actions: []string{"read", "create"}},
				},
				"operator": {"webhooks": {Actions: []string{"read", "create", "update", "delete"}}},
				"reader":   {"*": {Actions: []string{"read"}}},
				"developer": {
					"*": {Actions: []string{"read", "create", "update", "delete", "publish"}}, "media": {Actions: []string{"read", "create", "update", "delete"}},
					"repository": {Actions: []string{"read", "create", "update", "delete"}},
				},
				"organisation": {
					"consultations": {
						Actions: []string{"read", "create", "update"}, Hide: []string{"notes-internes"},
						ReadOnly: []string{"note-citoyenne", "note-decidee"},
						Where: map[string]Condition{
							"organisateur": {Claim: "organisation"},
							"in_progress":  {Values: []json.RawMessage{[]byte("true")}},
						},
					},
					"media": {Actions: []string{"read", "create"}, Paths: []string{"organisations"}},
				},
			},
		},
		Webhooks: []Webhook{
			{Name: "site", URL: "https://builds.example.org/hook", SecretEnv: "CMS_HOOK_SECRET", Events: []string{"entry.*"}, Collections: []string{"consultations"}, Secret: secret},
			{Name: "local", URL: "http://127.0.0.1:9000/hook", SecretEnv: "CMS_HOOK_SECRET", Events: []string{"entry.*"}, AllowPrivate: true, Secret: secret},
			{Name: "build", Type: "netlify", URL: "https://api.netlify.com/build_hooks/0123456789abcdef01234567", Coalesce: 30 * time.Second},
		},
		Log:     Log{Level: slog.LevelInfo, Format: "auto"},
		Audit:   Audit{Keep: 2160 * time.Hour},
		Tracing: Tracing{ServiceName: "cms", Sample: 1},
		Git:     Git{Enabled: true, Check: "refuse", MaxPushBytes: 100 << 20, Processes: 4, Timeout: 15 * time.Minute},
		Site:    Site{Name: "Consultations citoyennes", Language: "en", TimeZone: "Europe/Paris"},
		Editor:  Editor{Theme: here + "/docs/theme"},
		Preview: Preview{
			BaseURL: "https://consultations.example.org", Stylesheet: "https://consultations.example.org/assets/main.css",
			Wrapper: here + "/docs/theme/preview.html", HTML: "<main class=\"consultation\">\n<article>{{content}}</article>\n</main>\n",
		},
		YAML: "1.1",
	}
	if !reflect.DeepEqual(c, want) {
		got, _ := json.MarshalIndent(c, "", " ")
		wanted, _ := json.MarshalIndent(want, "", " ")
		t.Errorf("got\n%s\nwant\n%s", got, wanted)
	}
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "server:\nlog: {}\n"} {
		c, dir, err := load(t, text)
		if err != nil {
			t.Fatal(err)
		}
		c.source = source{}
		want := &Config{
			Server:     Server{Listen: "127.0.0.1:8080", PublicURL: "http://127.0.0.1:8080", MaxBodyBytes: 10 << 20, BodyMemory: 64 << 20, MaxTokenBytes: 32 << 10, RateLimit: RateLimit{Window: time.Minute}, Streams: Streams{PerCaller: 100, Total: 2000}, Metrics: true},
			Repository: Repository{Path: dir + "/data/site.git", Committer: Committer{Name: "CMS", Email: "cms@localhost"}, LFS: LFS{MaxObjectBytes: 512 << 20, StoreBytes: 10 << 30, CacheBytes: 1 << 30}, Memory: 256 << 20, KeepPacks: 2 * time.Minute},
			State:      State{URL: Secret("sqlite:" + dir + "/data/state.db")},
			Auth:       Auth{Sessions: Sessions{Access: 10 * time.Minute, Idle: 24 * time.Hour, Lifetime: 168 * time.Hour}, Personal: Personal{Lifetime: 8760 * time.Hour}},
			Media:      Media{MaxBytes: 10 << 20, MaxPixels: 50_000_000},
			Log:        Log{Format: "auto"},
			Audit:      Audit{Keep: 2160 * time.Hour},
			Tracing:    Tracing{ServiceName: "cms", Sample: 1},
			Git:        Git{Check: "refuse", MaxPushBytes: 100 << 20, Processes: 4, Timeout: 15 * time.Minute},
			Site:       Site{Name: "CMS", Language: "en", TimeZone: "UTC"},
			YAML:       "1.1",
		}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%q: got %+v, want %+v", text, c, want)
		}
	}
}

func TestPublicURLFollowsListen(t *testing.T) {
	for listen, want := range map[string]string{
		":8080": "http://localhost:8080", "0.0.0.0:80": "http://localhost:80", "[::]:8080": "http://localhost:8080",
		"[::1]:8080": "http://[::1]:8080", "cms.example.org:8080": "http://cms.example.org:8080",
	} {
		c, _, err := load(t, fmt.Sprintf("server: {listen: %q}", listen))
		if err != nil || c.Server.PublicURL != want {
			t.Errorf("listen %q: got %+v, %v; want %q", listen, c, err, want)
		}
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	text := "server: {listen: 127.0.0.1:1, max_body_bytes: 1}\nrepository: {branch: main}\n"
	c, dir, err := load(t, text,
		"CMS_SERVER_LISTEN=:9090", "CMS_SERVER_PUBLIC_URL=https://cms.example.org/", "CMS_SERVER_MAX_BODY_BYTES=2048",
		"CMS_REPOSITORY_PATH=/srv/site.git", "CMS_REPOSITORY_BRANCH=", "CMS_REPOSITORY_COMMITTER_NAME=0123",
		"CMS_STATE_URL=sqlite:other.db", "CMS_LOG_LEVEL=warn", "CMS_LOG_FORMAT=json", "CMS_MEDIA_FOLDER=assets/img/",
		"CMS_SERVER_PORT=tcp://10.0.0.1:80",
	)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Server, c.Repository, c.State.URL == Secret("sqlite:"+filepath.Join(dir, "other.db")), c.Log, c.Media.Folder}
	want := []any{
		Server{Listen: ":9090", PublicURL: "https://cms.example.org", MaxBodyBytes: 2048, BodyMemory: 64 << 20, MaxTokenBytes: 32 << 10, RateLimit: RateLimit{Window: time.Minute}, Streams: Streams{PerCaller: 100, Total: 2000}, Metrics: true},
		Repository{Path: "/srv/site.git", Branch: "main", Committer: Committer{Name: "0123", Email: "cms@localhost"}, LFS: LFS{MaxObjectBytes: 512 << 20, StoreBytes: 10 << 30, CacheBytes: 1 << 30}, Memory: 256 << 20, KeepPacks: 2 * time.Minute},
		true, Log{Level: slog.LevelWarn, Format: "json"}, "assets/img",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"token": secret + "\r\n", "jwks.json": `{"keys":[]}`,
		"cms.yaml": `
auth:
  issuers:
    - {issuer: a, audience: cms, algorithms: [HS256], secret_file: token}
    - {issuer: b, audience: cms, algorithms: [EdDSA], jwks_file: ./jwks.json}
webhooks:
  - {name: site, url: https://builds.example.org/, secret_file: ` + dir + `/token}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir()) // relative paths do not start from here
	c, err := Load(filepath.Join(dir, "cms.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Auth.Issuers; got[0].Secret != secret || string(got[1].JWKS) != `{"keys":[]}` || c.Webhooks[0].Secret != secret {
		t.Errorf("got %#v, %#v", got, c.Webhooks)
	}
}

// TestPathsAreAbsolute, every one of them, and lead where opening the file leads: by a
// name that is relative, climbs, or goes through links, from a folder that is one.
func TestPathsAreAbsolute(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"real/site.v1..2", "elsewhere/deep"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := filepath.Join(root, "real/site.v1..2")
	for name, text := range map[string]string{
		"token": secret, "jwks.json": `{"keys":[]}`, "around.html": "{{content}}",
		"cms.yaml": `
repository: {path: ../../data/./site.git}
state: {url: "sqlite:../state.db"}
editor: {theme: .}
preview: {wrapper: ../site.v1..2/around.html}
auth:
  issuers:
    - {issuer: a, audience: cms, algorithms: [HS256], secret_file: ../site.v1..2/token}
    - {issuer: b, audience: cms, algorithms: [EdDSA], jwks_file: jwks.json}
`,
	} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real/site.v1..2", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ from, file string }{
		{at, "cms.yaml"},
		{at, "./cms.yaml"},
		{at, "../site.v1..2/cms.yaml"},
		{root, "real/site.v1..2/cms.yaml"},
		{filepath.Join(root, "elsewhere/deep"), "../../real/site.v1..2/cms.yaml"},
		{root, at + "/cms.yaml"},
		{root, root + "/elsewhere/../real/site.v1..2/cms.yaml"},
		{filepath.Join(root, "link"), "cms.yaml"},               // the current folder is known by its own name
		{filepath.Join(root, "link"), "../site.v1..2/cms.yaml"}, // and ".." is what is above that
		{root, "link/../site.v1..2/cms.yaml"},                   // as it is behind a link
		{root, root + "/link/../site.v1..2/cms.yaml"},
	}
	for _, test := range tests {
		t.Chdir(test.from)
		c, err := Load(test.file, nil)
		if err != nil {
			t.Errorf("%s from %s: %v", test.file, test.from, err)
			continue
		}
		got := []string{c.Repository.Path, string(c.State.URL), c.Editor.Theme, c.Preview.Wrapper}
		want := []string{
			filepath.Join(at, "../../data/site.git"), "sqlite:" + filepath.Join(at, "../state.db"),
			at, filepath.Join(at, "../site.v1..2/around.html"),
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s from %s: got %q, want %q", test.file, test.from, got, want)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c, err := Load("../config.example.yaml", environ("CMS_STATE_URL=postgres://cms:"+secret+"@db.example.org/cms"))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "config", c, "url", c.State.URL)
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "config", c, "url", c.State.URL)
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Auth.Issuers[1].Secret), string(j), log.String()} {
		if strings.Contains(got, secret) || !strings.Contains(got, "***") {
			t.Errorf("got %s", got)
		}
	}
	if string(c.Auth.Issuers[1].Secret) != secret {
		t.Errorf("the secret itself is gone")
	}
}

// Defaults and options come as JSON, in the order of the file.
func TestFieldValuesAsJSON(t *testing.T) {
	tests := []struct{ yaml, want string }{
		{"true", "true"},
		{"12", "12"},
		{"0x1F", "31"},
		{"1_000", "1000"},
		{"1.50", "1.5"},
		{".5", "0.5"},
		{"texte", `"texte"`},
		{`"12"`, `"12"`},
		{"'yes'", `"yes"`},
		{"yes", `"yes"`},
		{"2019-01-15", `"2019-01-15"`},
		{"2019-01-15 09:29:08 +0000", `"2019-01-15 09:29:08 +0000"`},
		{"[a, 1, null, [true]]", `["a",1,null,[true]]`},
		{"{z: 1, a: {c: deux, b: null}}", `{"z":1,"a":{"c":"deux","b":null}}`},
		{"{}", "{}"},
		{"null", "null"},
	}
	for _, test := range tests {
		c, _, err := load(t, "collections: [{name: a, folder: a, fields: [{name: f, type: t, default: "+test.yaml+", options: ["+test.yaml+"]}]}]")
		if err != nil {
			t.Errorf("%s: %v", test.yaml, err)
			continue
		}
		if f := c.Collections[0].Fields[0]; string(f.Default) != test.want || len(f.Options) != 1 || string(f.Options[0]) != test.want {
			t.Errorf("%s: got default %s and options %s, want %s", test.yaml, f.Default, f.Options, test.want)
		}
	}
}

// Bounds keep all of their digits, in whatever way YAML has them.
func TestBoundsAreExact(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]content.Number{
		"5": "5", "-0.50": "-0.50", "9007199254740993": "9007199254740993", "123456789012345678901234567890": "123456789012345678901234567890", "1e3": "1e3",
		"9_007_199_254_740_993": "9007199254740993", "0x20000000000001": "9007199254740993", "0o17": "15", ".5": "0.5", "+5": "5", "1.": "1",
	} {
		c, _, err := load(t, "collections: [{name: a, folder: a, fields: [{name: n, type: number, min: "+written+"}]}]")
		if err != nil {
			t.Errorf("%s: %v", written, err)
		} else if got := c.Collections[0].Fields[0].Min; got == "" || content.CompareNumbers(got, want) != 0 {
			t.Errorf("%s: got %s, want %s", written, got, want)
		}
	}
}

func TestAliases(t *testing.T) {
	c, _, err := load(t, `
collections:
  - {name: a, folder: a, fields: &fields [{name: title, type: string}]}
  - {name: b, folder: b, fields: *fields}
`)
	if err != nil || !reflect.DeepEqual(c.Collections[0].Fields, c.Collections[1].Fields) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "cms.yaml"), nil)
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Error(), "cms.yaml: cannot be read: no such file") {
		t.Errorf("got %v", err)
	}
}

// Types of media are known by their extensions, as package media has them, which
// extensions may name too.
func TestTypesOfMedia(t *testing.T) {
	c, _, err := load(t, "collections: [{name: a, folder: a}]\nmedia: {extensions: [png, gpx], types: {.GPX: Application/GPX+xml, log: 'text/plain; charset=utf-8', .png: image/png}}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"gpx": "application/gpx+xml", "log": "text/plain; charset=utf-8", "png": "image/png"}
	if !reflect.DeepEqual(c.Media.Types, want) {
		t.Errorf("got %v, want %v", c.Media.Types, want)
	}
}
