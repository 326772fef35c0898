package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"cms/media"
)

// Each problem is told in full: where, which key, what, and what to do.
func TestProblems(t *testing.T) {
	const start = "collections: [{name: a, folder: a}, {name: b, folder: b}]\n"
	issuer := func(more string) string {
		return "auth: {issuers: [{issuer: cms, audience: cms, " + more + "}]}"
	}
	hook := func(more string) string { return start + "webhooks: [{name: site, " + more + "}]" }
	field := func(more string) string {
		return "collections: [{name: a, folder: a, fields: [{name: f, " + more + "}]}]"
	}
	tests := []struct {
		name    string
		text    string
		environ []string
		want    []string // lines, without the file's name
	}{
		{"not YAML", "server: {listen: :8080\nlog: {}\n", nil, []string{":2:4: is not YAML: did not find expected ',' or '}'"}},
		{"tab", "server:\n\tlisten: :8080\n", nil, []string{":2:1: is not YAML: found character that cannot start any token"}},
		{"two documents", "server: {}\n---\nlog: {}\n", nil, []string{":2:1: a second YAML document begins here; remove it"}},
		{"a list", "- server\n", nil, []string{":1:1: is a list, not a mapping; write each key on a line of its own"}},
		{"a text", "server", nil, []string{":1:1: is a text, not a mapping; write each key on a line of its own"}},

		{"unknown key", "server:\n  liste: :8080\n", nil, []string{`:2:3: server.liste: there is no such key; did you mean "listen"?`}},
		{"packs kept for no time", "repository: {keep_packs: 0s}\n", nil, []string{":1:26: repository.keep_packs: is not more than 0"}},
		{"no room for objects at all", "repository: {lfs: {store_bytes: 0}}\n", nil, []string{":1:33: repository.lfs.store_bytes: is not more than 0"}},
		{"no room for the largest object", "repository: {lfs: {max_object_bytes: 2147483648}}\n", nil, []string{":1:19: repository.lfs.cache_bytes: is less than max_object_bytes, 2147483648: the largest object has to have room"}},
		{"no object", "repository: {lfs: {max_object_bytes: 0}}\n", nil, []string{":1:38: repository.lfs.max_object_bytes: is not more than 0"}},
		{"packs kept for a bare number", "repository: {keep_packs: 2}\n", nil, []string{":1:26: repository.keep_packs: is a number, not a text; put it in quotes"}},
		{"token over plain http", "repository: {remote: {url: 'http://git.example.org/site.git', token_env: T}}\n", []string{"T=x"}, []string{
			":1:28: repository.remote.url: is not https, and a token would be sent in the clear; insecure: true says that the network is one's own",
		}},
		{"token in a plain address", "repository: {remote: {url: 'http://glpat-x@git.example.org/site.git'}}\n", nil, []string{
			":1:28: repository.remote.url: is not https, and the name in it, which hosts take for a token, would be sent in the clear; insecure: true says that the network is one's own",
		}},
		{"token over ssh", "repository: {remote: {url: 'git@git.example.org:site.git', token_env: T}}\n", []string{"T=x", "SSH_AUTH_SOCK=/agent"}, []string{
			":1:28: repository.remote.url: is not https, where alone a token is sent",
		}},
		{"ssh without a key", "repository: {remote: {url: 'git@git.example.org:site.git'}}\n", nil, []string{
			":1:22: repository.remote: has an SSH address and no key: name the file of a private key without a passphrase as ssh_key_file, of which the host has the public one as a deploy key",
		}},
		{"key without ssh", "repository: {remote: {url: 'https://git.example.org/site.git', ssh_key_file: x}}\n", nil, []string{
			":1:78: repository.remote.ssh_key_file: is for addresses such as ssh://git@HOST/PATH; url is none",
		}},
		{"fetched at all times", "repository: {remote: {url: /srv/site.git, fetch_interval: 0s}}\n", nil, []string{
			":1:59: repository.remote.fetch_interval: is not more than 0",
		}},
		{"signatures of no kind", "repository: {signing: {format: x509, key_file: key}}\n", nil, []string{`:1:32: repository.signing.format: "x509" is not one of ssh, openpgp`}},
		{"a key that is not there", "repository: {signing: {format: ssh, key_file: /nowhere/key}}\n", nil, []string{":1:47: repository.signing.key_file: /nowhere/key cannot be read: no such file or directory"}},
		{"two passphrases", "repository: {signing: {format: ssh, passphrase_env: A, passphrase_file: b}}\n", nil, []string{
			":1:23: repository.signing.key_file: is missing",
			":1:23: repository.signing: has two passphrases: name one with either passphrase_env or passphrase_file"}},
		{"unknown key, unlike any", "repository:\n  worktree: x\n", nil, []string{":2:3: repository.worktree: there is no such key; the keys here are path, branch, committer, signing, remote, lfs, memory, keep_packs, protect, allow_rewrite, create"}},
		{"unknown key in a list", start + "webhooks:\n  - {name: site, uri: x}\n", nil, []string{
			":3:5: webhooks[0].url: is missing",
			":3:5: webhooks[0]: needs a secret that signs its events: either secret_env or secret_file",
			`:3:18: webhooks[0].uri: there is no such key; did you mean "url"?`,
		}},
		{"twice", "log: {level: info}\nserver: {}\nlog: {level: debug}\n", nil, []string{":3:1: log: is duplicated, here and in line 1; remove one"}},
		{"key is a list", "server: {[a]: b}\n", nil, []string{":1:10: server: has a key that is a list; use a text"}},
		{"merge key", "log: &l {level: info}\nserver: {<<: *l}\n", nil, []string{":2:10: server.<<: there is no such key; the keys here are listen, public_url, max_body_bytes, body_memory, max_token_bytes, trusted_proxies, cors_origins, rate_limit, streams, metrics, debug_listen, private_webhooks"}},

		{"number for a text", "repository: {branch: 2024}", nil, []string{":1:22: repository.branch: is a number, not a text; put it in quotes"}},
		{"date for a text", "repository: {branch: 2024-01-01}", nil, []string{":1:22: repository.branch: is a date, not a text; put it in quotes"}},
		{"truth for a text", "repository: {branch: true}", nil, []string{":1:22: repository.branch: is true or false, not a text; put it in quotes"}},
		{"list for a text", "repository: {branch: [main]}", nil, []string{":1:22: repository.branch: is a list, not a text"}},
		{"text for a number", "server: {max_body_bytes: 10MB}", nil, []string{":1:26: server.max_body_bytes: is a text, not a whole number"}},
		{"fraction for a whole number", "server: {max_body_bytes: 1.5}", nil, []string{":1:26: server.max_body_bytes: is a number, not a whole number"}},
		{"number too large", "server: {max_body_bytes: 18446744073709551615}", nil, []string{":1:26: server.max_body_bytes: is not a whole number that fits into 64 bits"}},
		{"yes for true", "collections: [{name: a, folder: a, strict: yes}]", nil, []string{":1:44: collections[0].strict: is a text, not true or false"}},
		{"text for a list", "collections: consultations", nil, []string{":1:14: collections: is a text, not a list; write [first, second], or each item on a line of its own after a dash"}},
		{"list for a mapping", "auth: {roles: [editor]}", nil, []string{":1:15: auth.roles: is a list, not a mapping; write {key: value}, or each key on a line of its own"}},
		{"text for a label", field("type: t, label: Titre"), nil, []string{":1:71: collections[0].fields[0].label: is a text, not a mapping; write {key: value}, or each key on a line of its own"}},
		{"empty item", "collections:\n  -\n  - {name: a, folder: a}\n", nil, []string{":2:4: collections[0]: is empty; remove it or give it a value"}},
		{"infinite minimum", field("type: t, min: .inf"), nil, []string{":1:69: collections[0].fields[0].min: is not a number that can be compared with"}},
		{"infinite default", field("type: t, default: [.nan]"), nil, []string{":1:73: collections[0].fields[0].default: is not a number that JSON can hold"}},
		{"cycle", "collections: [{name: a, folder: a, fields: &f [{name: x, type: object, fields: *f, of: *f}]}]", nil, []string{
			":1:80: the alias *f refers to itself; write it out",
		}},
		{"cycle in a default", field("type: t, default: &d [*d]"), nil, []string{":1:77: the alias *d refers to itself; write it out"}},
		{"a billion values", "server: &a [1,2,3,4,5,6,7,8,9]\nmedia: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nlog: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"auth: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\nstate: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nwebhooks: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", nil, []string{
			":1:1: has aliases that expand to more than 100000 values; write them out",
		}},

		{"address", "server: {listen: localhost}", nil, []string{`:1:18: server.listen: "localhost" is not host:port; write 127.0.0.1:8080, or :8080 for every address`}},
		{"port", "server: {listen: ':99999'}", nil, []string{`:1:18: server.listen: ":99999" is not host:port; write 127.0.0.1:8080, or :8080 for every address`}},
		{"no room for a token", "server: {max_token_bytes: 1023}", nil, []string{":1:27: server.max_token_bytes: is not between 1024 and 1048576"}},
		{"too large a token", "server: {max_token_bytes: 1048577}", nil, []string{":1:27: server.max_token_bytes: is not between 1024 and 1048576"}},
		{"public URL with a path", "server: {public_url: https://example.org/cms}", nil, []string{":1:22: server.public_url: has a path, under which the service cannot be reached; give it a host of its own, such as https://cms.example.org"}},
		{"public URL", "server: {public_url: cms.example.org}", nil, []string{":1:22: server.public_url: is not an absolute http or https URL without a query; write https://cms.example.org"}},
		{"no room", "server: {body_memory: -1}", nil, []string{":1:23: server.body_memory: is not more than 0"}},
		{"no bytes", "server: {max_body_bytes: 0}\nmedia: {max_bytes: -1}", nil, []string{":1:26: server.max_body_bytes: is not more than 0", ":2:20: media.max_bytes: is not more than 0"}},
		{"templates", "collections:\n  - name: a\n    folder: a\n    fields: [{name: title, type: string}]\n    templates:\n      - {name: x, fields: {titel: A}}\n      - {name: x, fields: [title]}\n      - {name: 'a b'}\n", nil, []string{
			`:6:27: collections[0].templates[0].fields: collection a has no field "titel"; did you mean "title"?`,
			`:7:16: collections[0].templates[1].name: "x" is duplicated; choose another name`,
			`:7:27: collections[0].templates[1].fields: is no map of fields to values; write {title: Title}`,
			`:8:16: collections[0].templates[2].name: "a b" is not a name of letters, digits, - and _`,
		}},
		{"pages", "collections:\n  - {name: a, folder: a, page: /a/}\n  - {name: b, folder: b, page: 'https://example.org/{titre}/'}\n  - {name: c, folder: c, page: '/c/{slug}/'}\n  - {name: d, folder: d, page: 'ftp://example.org/{slug}'}\n  - {name: e, folder: e, page: 'https://example.org/{year}/{name}'}\n", nil, []string{
			`:2:32: collections[0].page: the pattern of pages needs {slug} or {name}: "/a/" is the same for every entry`,
			`:3:32: collections[1].page: the pattern of pages has {titre}; there are {collection}, {slug}, {name}, {year}, {month}, {day}`,
			`:4:32: collections[2].page: is a path, and there is no preview.base_url that it is below; write https://consultations.example.org/c/{slug}/`,
			`:5:32: collections[3].page: the pattern of pages is no http or https URL and no path: "ftp://example.org/{slug}"`,
		}},
		{"slugs", "collections:\n  - {name: a, folder: a, slug: '{date:2006-01-02}-{titre}', fields: [{name: title, type: string}]}\n  - {name: b, folder: b, slug: '{date:YYYY}-{title}'}\n" +
			"  - {name: c, folder: c, slug: fixe}\n  - {name: d, folder: d, slug: '{title:2006}', fields: [{name: title, type: string}]}\n  - {name: e, folder: e, slug: '{tags}', fields: [{name: tags, type: list, of: string}]}\n", nil, []string{
			`:2:32: collections[0].slug: collection a has no field "titre"; did you mean "title"?`,
			`:3:32: collections[1].slug: "YYYY" is not a layout of dates; write {date:2006-01-02}: the year is 2006, the month 01, the day 02`,
			":4:32: collections[2].slug: names no field, so that all entries would have the same slug; write {title}",
			`:5:32: collections[3].slug: the field "title" has no layout of dates, as it is of the type string; write {title}`,
			`:6:32: collections[4].slug: the field "tags" is of the type list, of which no slug can be made`,
		}},
		{"media of everything", "media: {folder: ./}", nil, []string{`:1:17: media.folder: "./" is the repository itself, whose every file would be media; give them a folder of their own, such as img`}},
		{"media where none can be", "media: {folder: \"i\\u0007mg\"}", nil, []string{`:1:17: media.folder: "i\amg" cannot hold media: the path holds a control or an invisible character`}},
		{"variables", "webhooks: [{name: w, url: 'https://a.example', secret_env: CMS_WEBHOOKS_KEY}]", []string{
			"CMS_WEBHOOKS_KEY=" + secret, "CMS_LOG_LEVLE=debug", "CMS_LOG_FILE=x", "CMS_AUTH_ROLES_EDITOR=x", "CMS_AUTH_ROLES=x", "CMS_COLLECTIONS=x", "CMS_SERVER=x", "CMS_REPOSITORY_REMOTE=x", "CMS_AUTH_SESSIONS_IDLE=48h", "CMS_SITE_SERVICE_PORT=80", "CMS_TRACING_X=", "CMS_OTHER=x",
		}, []string{
			"environment variable CMS_AUTH_ROLES: names a key of the configuration that holds others, or a list or mapping, which a variable cannot set; write it into the file",
			"environment variable CMS_AUTH_ROLES_EDITOR: names no key of the configuration that a variable can set, as those of lists and mappings cannot; write it into the file",
			"environment variable CMS_COLLECTIONS: names a key of the configuration that holds others, or a list or mapping, which a variable cannot set; write it into the file",
			"environment variable CMS_LOG_FILE: names no key of the configuration; call it otherwise, or remove it",
			"environment variable CMS_LOG_LEVLE: names no key of the configuration; did you mean CMS_LOG_LEVEL?",
			"environment variable CMS_REPOSITORY_REMOTE: names a key of the configuration that holds others, or a list or mapping, which a variable cannot set; write it into the file",
			"environment variable CMS_SERVER: names a key of the configuration that holds others, or a list or mapping, which a variable cannot set; write it into the file",
		}},
		{"types of media", "media:\n  extensions: [png, exe, gpx]\n  types:\n    .gpx: application/gpx+xml\n    GPX: application/gpx+xml\n    .html: text/html\n    .csv: text/plain\n    .mjs: text/javascript\n    .a b: x/y\n    .stl: stl\n", nil, []string{
			":2:21: media.extensions[1]: \"exe\" is not one of " + strings.Join(media.Known(), ", ") + "; give others a media type in types",
			":5:10: media.types.GPX: is duplicated: it is gpx; remove one",
			":6:12: media.types..html: text/html is a type that browsers run or apply to pages, so it cannot be accepted",
			":7:11: media.types..csv: is known as text/csv; add csv to extensions instead",
			":8:11: media.types..mjs: text/javascript is a type that browsers run or apply to pages, so it cannot be accepted",
			":9:11: media.types..a b: is not an extension; write .gpx",
			":10:11: media.types..stl: \"stl\" is not a media type; write application/gpx+xml",
		}},
		{"origins", "server: {cors_origins: [https://a.example.org, 'https://a.example.org/x', a.example.org]}", nil, []string{
			`:1:48: server.cors_origins[1]: "https://a.example.org/x" is not an origin; write https://edit.example.org, without a path, or * for all`,
			`:1:75: server.cors_origins[2]: "a.example.org" is not an origin; write https://edit.example.org, without a path, or * for all`,
		}},
		{"rate limit", "server: {rate_limit: {window: 10ms, per_caller: -1}}", nil, []string{
			":1:31: server.rate_limit.window: is less than 1s",
			":1:49: server.rate_limit.per_caller: is not between 0, for no limit, and 1000000",
		}},
		{"streams", "server: {streams: {per_caller: 0, total: 100001}}", nil, []string{
			":1:32: server.streams.per_caller: is not between 1 and 100000",
			":1:42: server.streams.total: is not between 1 and 100000",
		}},
		{"profiles for everyone", "server: {debug_listen: ':6060'}", nil, []string{
			`:1:24: server.debug_listen: ":6060" is not host:port of this machine alone; write 127.0.0.1:6060: what is served there tells much about the service`,
		}},
		{"profiles by name", "server: {debug_listen: 'cms.example.org:6060'}", nil, []string{
			`:1:24: server.debug_listen: "cms.example.org:6060" is not host:port of this machine alone; write 127.0.0.1:6060: what is served there tells much about the service`,
		}},
		{"branch", "repository: {branch: a..b}", nil, []string{`:1:22: repository.branch: "a..b" cannot be the name of a branch`}},
		{"committer", "repository: {committer: {name: 'a <b>', email: root}}", nil, []string{
			":1:32: repository.committer.name: is not a name that Git can hold; it has < or > in it, or nothing",
			`:1:48: repository.committer.email: "root" is not an e-mail address`,
		}},
		{"state", "state: {url: 'mysql://cms:hunter2@db/cms'}", nil, []string{":1:14: state.url: is neither sqlite:PATH nor postgres://HOST/DATABASE"}},
		{"log", "log: {level: verbose, format: xml}", nil, []string{
			`:1:14: log.level: "verbose" is not one of debug, info, warn, error`,
			`:1:31: log.format: "xml" is not one of auto, json, text`,
		}},

		{"environment", "server:\n  listen: :8080\nlog: {level: loud}\n",
			[]string{"CMS_SERVER_LISTEN=nowhere", "CMS_SERVER_MAX_BODY_BYTES=much"}, []string{
				`environment variable CMS_SERVER_LISTEN: server.listen: "nowhere" is not host:port; write 127.0.0.1:8080, or :8080 for every address`,
				"environment variable CMS_SERVER_MAX_BODY_BYTES: server.max_body_bytes: is a text, not a whole number",
				`:3:14: log.level: "loud" is not one of debug, info, warn, error`,
			}},

		{"collection without anything", "collections:\n  - strict: true\n", nil, []string{
			":2:5: collections[0].name: is missing", ":2:5: collections[0].folder: is missing",
		}},
		{"collections twice", "collections:\n  - {name: a, folder: a}\n  - {name: a, folder: b}\n", nil, []string{`:3:12: collections[1].name: "a" is duplicated; choose another name`}},
		{"collection called media", "collections: [{name: media, folder: a}]", nil, []string{`:1:22: collections[0].name: "media" has another meaning in roles; choose another name`}},
		{"collection's name", "collections: [{name: a/b, folder: a}]", nil, []string{`:1:22: collections[0].name: "a/b" is not a name of letters, digits, - and _`}},
		{"same folder", "collections: [{name: a, folder: x}, {name: b, folder: x/}]", nil, []string{
			`:1:55: collections[1].folder: overlaps with that of collection "a", so that a file would be an entry of both; give them separate folders, or different extensions`,
		}},
		{"folder within a folder", "collections: [{name: a, folder: x/y}, {name: b, folder: x}]", nil, []string{
			`:1:57: collections[1].folder: overlaps with that of collection "a", so that a file would be an entry of both; give them separate folders, or different extensions`,
		}},
		{"root", "collections: [{name: a, folder: .}, {name: b, folder: x, extension: .fr.md}]", nil, []string{
			`:1:55: collections[1].folder: overlaps with that of collection "a", so that a file would be an entry of both; give them separate folders, or different extensions`,
		}},
		{"folders apart", "collections: [{name: a, folder: x}, {name: b, folder: xy}, {name: c, folder: x, extension: .html}]", nil, nil},
		{"folder outside", "collections: [{name: a, folder: ../x}, {name: b, folder: /y}, {name: c, folder: z/.GIT/hooks}]", nil, []string{
			`:1:33: collections[0].folder: "../x" is not a folder within the repository; write one such as _consultations, or . for the repository itself`,
			`:1:58: collections[1].folder: "/y" is not a folder within the repository; write one such as _consultations, or . for the repository itself`,
			`:1:81: collections[2].folder: "z/.GIT/hooks" is not a folder within the repository; write one such as _consultations, or . for the repository itself`,
		}},
		{"extension", "collections: [{name: a, folder: a, extension: md}]", nil, []string{`:1:47: collections[0].extension: "md" is not an extension; write .md`}},
		{"extensions", "collections: [{name: a, folder: a, extension: .}, {name: b, folder: b, extension: .md.}, {name: c, folder: c, extension: a.md}]", nil, []string{
			`:1:47: collections[0].extension: "." is not an extension; write .md`,
			`:1:83: collections[1].extension: ".md." is not an extension; write .md`,
			`:1:122: collections[2].extension: "a.md" is not an extension; write .md`,
		}},
		{"extensions of data", "collections: [{name: a, folder: a, extension: .json}, {name: b, folder: b, extension: .YML}, {name: c, folder: c, extension: .fr.yaml}, {name: d, folder: d, extension: .toml}, {name: e, folder: e, extension: .csv}]", nil, []string{
			`:1:47: collections[0].extension: ".json" is the extension of data files, which have no front matter: entries are texts that begin with it; write .md`,
			`:1:87: collections[1].extension: ".YML" is the extension of data files, which have no front matter: entries are texts that begin with it; write .md`,
			`:1:126: collections[2].extension: ".fr.yaml" is the extension of data files, which have no front matter: entries are texts that begin with it; write .md`,
			`:1:169: collections[3].extension: ".toml" is the extension of data files, which have no front matter: entries are texts that begin with it; write .md`,
			`:1:209: collections[4].extension: ".csv" is the extension of data files, which have no front matter: entries are texts that begin with it; write .md`,
		}},
		{"extensions of texts", "collections: [{name: a, folder: a, extension: .html}, {name: b, folder: b, extension: .fr.md}, {name: c, folder: c, extension: .markdown}, {name: d, folder: d, extension: .txt}, {name: e, folder: e, extension: .xml}, {name: f, folder: f, extension: .yml.md}]", nil, nil},

		{"references", "collections:\n- name: a\n  folder: a\n  fields:\n  - {name: r, type: reference, collection: as}\n  - {name: l, type: list, of: {type: object, fields: [{name: r, type: reference, collection: b}]}}\n", nil, []string{
			`:5:44: collections[0].fields[0].collection: there is no collection "as"; the collections are a`,
			`:6:94: collections[0].fields[1].of.fields[0].collection: there is no collection "b"; the collections are a`,
		}},

		{"no secret", issuer("algorithms: [HS256], secret_env: CMS_NONE"), nil, []string{
			":1:80: auth.issuers[0].secret_env: the environment variable CMS_NONE is not set; set it, or name a file with secret_file",
		}},
		{"short secret", issuer("algorithms: [HS256], secret_env: CMS_SHORT"), []string{"CMS_SHORT=hunter2"}, []string{
			":1:80: auth.issuers[0].secret_env: names a secret of 7 bytes; HS256 needs at least 32: make one with openssl rand -hex 32",
		}},
		{"no secret file", issuer("algorithms: [HS256], secret_file: /nowhere/token"), nil, []string{
			":1:81: auth.issuers[0].secret_file: /nowhere/token cannot be read: no such file or directory",
		}},
		{"no key", issuer("algorithms: [HS256]"), nil, []string{":1:18: auth.issuers[0]: has no key: name its secret with secret_env or secret_file"}},
		{"no key set", issuer("algorithms: [EdDSA]"), nil, []string{":1:18: auth.issuers[0]: has no key: name its key set with jwks_url or jwks_file, or its URL as issuer"}},
		{"discovery of a name", issuer("algorithms: [EdDSA], discovery: true"), nil, []string{":1:27: auth.issuers[0].issuer: is not an absolute URL without credentials"}},
		{"discovery with a secret", issuer("algorithms: [HS256], discovery: true"), nil, []string{
			":1:79: auth.issuers[0].discovery: does not go with the algorithms: HS256 needs secret_env or secret_file",
		}},
		{"discovery beside a key set", issuer("algorithms: [EdDSA], discovery: true, jwks_url: https://id.example.org/jwks"), nil, []string{
			":1:95: auth.issuers[0].jwks_url: cannot be used together with discovery; an issuer has one source of keys: remove one",
		}},
		{"map to no role", issuer("algorithms: [EdDSA], jwks_url: https://id.example.org/jwks, role_map: {/editors: editr}"), nil, []string{
			`:1:128: auth.issuers[0].role_map./editors: there is no role "editr"; add it to auth.roles`,
		}},
		{"two keys", issuer("algorithms: [EdDSA], jwks_url: https://id.example.org/, jwks_file: x"), nil, []string{
			":1:78: auth.issuers[0].jwks_url: cannot be used together with jwks_file; an issuer has one source of keys: remove one",
		}},
		{"secret for a key pair", issuer("algorithms: [RS256], secret_env: CMS_JWT_SECRET"), nil, []string{
			":1:80: auth.issuers[0].secret_env: does not go with the algorithms: HS256 needs secret_env or secret_file, the others need jwks_url or jwks_file",
		}},
		{"keys for HS256", issuer("algorithms: [HS256], jwks_url: https://id.example.org/"), nil, []string{
			":1:78: auth.issuers[0].jwks_url: does not go with the algorithms: HS256 needs secret_env or secret_file, the others need jwks_url or jwks_file",
		}},
		{"mixed algorithms", issuer("algorithms: [HS256, RS256], secret_env: CMS_JWT_SECRET"), []string{"CMS_JWT_SECRET=" + secret}, []string{
			":1:59: auth.issuers[0].algorithms: has to be [HS256], with a secret, or some of the others, with a key set",
		}},
		{"none", issuer("algorithms: [none], jwks_url: https://id.example.org/"), nil, []string{
			`:1:60: auth.issuers[0].algorithms[0]: "none" is not one of HS256, EdDSA, Ed25519, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512`,
		}},
		{"plain key URL", issuer("algorithms: [EdDSA], jwks_url: http://id.example.org/"), nil, []string{
			":1:78: auth.issuers[0].jwks_url: begins with http://, so that anyone on the way could change the keys; use https://",
		}},
		{"local key URL", issuer("algorithms: [EdDSA], jwks_url: 'http://localhost:8081/'"), nil, nil},
		{"key URL with a password", issuer("algorithms: [EdDSA], jwks_url: 'https://a:hunter2@id.example.org/'"), nil, []string{
			":1:78: auth.issuers[0].jwks_url: is not an absolute URL without credentials",
		}},
		{"leeway", issuer("algorithms: [EdDSA], jwks_url: https://id.example.org/, leeway: 5m"), nil, []string{
			":1:111: auth.issuers[0].leeway: is not between 0s and 30s",
		}},
		{"leeway without unit", issuer("algorithms: [EdDSA], jwks_url: https://id.example.org/, leeway: '5'"), nil, []string{
			`:1:111: auth.issuers[0].leeway: "5" is not a duration; write 30s or 1h30m`,
		}},
		{"roles", start + "auth:\n  roles:\n    editor: {c: [read], a: [write], '*': [read], media: [read]}\n    bot: {consultation: [read]}\n", nil, []string{
			`:4:17: auth.roles.editor.c: there is no collection "c"; the collections are a, b`,
			`:4:29: auth.roles.editor.a[0]: "write" is not one of read, create, update, delete, publish`,
			`:5:25: auth.roles.bot.consultation: there is no collection "consultation"; the collections are a, b`,
		}},
		{"conditions of roles", "collections:\n  - {name: a, folder: a, fields: [{name: org, type: string}], publish: [publie]}\nauth:\n  roles:\n    bot: {a: {hide: [note], where: {orga: [x], org: {claims: [y]}}}}\n", nil, []string{
			`:2:73: collections[0].publish[0]: collection a has no field "publie"; its fields are org`,
			`:5:14: auth.roles.bot.a.actions: is missing`,
			`:5:22: auth.roles.bot.a.hide[0]: collection a has no field "note"; its fields are org`,
			`:5:43: auth.roles.bot.a.where.orga: collection a has no field "orga"; did you mean "org"?`,
			`:5:54: auth.roles.bot.a.where.org.claims: there is no such key; did you mean "claim"?`,
		}},

		{"hook", hook("url: builds.example.org, secret_env: CMS_HOOK_SECRET, secret_file: x, events: [entry.saved], collections: [a, c]"), nil, []string{
			":2:12: webhooks[0]: needs a secret that signs its events: either secret_env or secret_file",
			":2:30: webhooks[0].url: is not an absolute http or https URL",
			`:2:104: webhooks[0].events[0]: "entry.saved" is not one of *, entry.*, entry.created, entry.updated, entry.deleted, entry.moved, entry.set_aside, media.*, media.created, media.updated, media.deleted, media.moved, repository.*, repository.updated`,
			`:2:135: webhooks[0].collections[1]: there is no collection "c"; the collections are a, b`,
		}},
		{"plain hook", hook("url: 'http://builds.example.org/?token=hunter2', secret_env: CMS_NONE"), nil, []string{
			":2:30: webhooks[0].url: is plain http; use https, or say allow_private: true",
			":2:86: webhooks[0].secret_env: the environment variable CMS_NONE is not set; set it, or name a file with secret_file",
		}},
		{"other secrets of a hook", hook("url: https://builds.example.org, secret_env: S, type: github, token_env: CMS_NONE, old_secret_env: CMS_NONE"), []string{"S=" + secret}, []string{
			":2:98: webhooks[0].token_env: the environment variable CMS_NONE is not set; set it, or name a file with token_file",
			":2:124: webhooks[0].old_secret_env: the environment variable CMS_NONE is not set; set it, or name a file with old_secret_file",
		}},
		{"headers", hook("url: https://builds.example.org, secret_env: S, headers: {A: {}, B: {value: x, secret_env: S}, C: {secret_env: CMS_NONE}, D: {secret_env: S}}"), []string{"S=" + secret}, []string{
			":2:86: webhooks[0].headers.A: needs one of value, secret_env and secret_file",
			":2:93: webhooks[0].headers.B: needs one of value, secret_env and secret_file",
			":2:136: webhooks[0].headers.C.secret_env: the environment variable CMS_NONE is not set; set it, or name a file with secret_file",
		}},
		{"tracing", "tracing: {endpoint: 'http://ann:hunter2@collector.example.org', sample: 1.5, service_name: ' ', headers: {A: {}}}\n", nil, []string{
			":1:21: tracing.endpoint: holds a login; name it under headers, as Authorization",
			":1:73: tracing.sample: is not between 0, for none, and 1, for all",
			":1:92: tracing.service_name: is empty",
			":1:110: tracing.headers.A: needs one of value, secret_env and secret_file",
		}},
		{"tracing elsewhere", "tracing: {endpoint: 'localhost:4318'}\n", nil, []string{
			":1:21: tracing.endpoint: is not an absolute http or https URL without a query; write http://localhost:4318",
		}},
		{"hooks twice", "webhooks:\n- &w {name: site, url: https://builds.example.org/, secret_env: S}\n- *w\n", []string{"S=" + secret}, []string{
			`:2:13: webhooks[1].name: "site" is duplicated; choose another name`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, dir, err := load(t, test.text, test.environ...)
			var got []string
			if err != nil {
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("got %T %v, want an *Error", err, err)
				}
				got = strings.Split(strings.ReplaceAll(err.Error(), dir+"/cms.yaml", ""), "\n")
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if (c == nil) != (err != nil) {
				t.Errorf("got %v beside the error %v", c, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestPosition(t *testing.T) {
	c, dir, err := load(t, `server:
  listen: :8080
collections:
  - name: a
    folder: a
    fields:
      - {name: f, type: list, of: string}
auth:
  roles: {editor: {a: [read]}}
`, "CMS_SERVER_LISTEN=:9090")
	if err != nil {
		t.Fatal(err)
	}
	file := dir + "/cms.yaml"
	tests := []struct {
		path []any
		want string
	}{
		{nil, file + ":1:1"},
		{[]any{"server", "listen"}, "environment variable CMS_SERVER_LISTEN"},
		{[]any{"collections", 0, "fields", 0, "type"}, file + ":7:25"},
		{[]any{"collections", 0, "fields", 0, "of", "type"}, file + ":7:35"},
		{[]any{"collections", 0, "extension"}, file + ":4:5"}, // not there: the collection
		{[]any{"collections", 7}, file + ":4:3"},
		{[]any{"auth", "roles", "editor", "a", 0}, file + ":9:24"},
		{[]any{"media"}, file + ":1:1"},
	}
	for _, test := range tests {
		if got := c.Position(test.path...).String(); got != test.want {
			t.Errorf("Position(%v) = %s, want %s", test.path, got, test.want)
		}
	}

	err = Report([]Problem{
		c.Problem("no such type\nno such thing", "collections", 0, "fields", 0),
		c.Problem("is taken", "server", "listen"),
		c.Problem("is odd", "collections", 0, "name"),
	})
	want := `environment variable CMS_SERVER_LISTEN: server.listen: is taken
` + file + `:4:11: collections[0].name: is odd
` + file + `:7:9: collections[0].fields[0]: no such type; no such thing`
	if err == nil || err.Error() != want {
		t.Errorf("got error\n%v\nwant\n%s", err, want)
	}
	if got := Report(nil); got != nil {
		t.Errorf("got %v, want nil", got)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("server: {listen: :8080}\nlog: {level: debug}\n")
	f.Add("collections:\n- {name: a, folder: a, fields: [{name: f, type: list, of: {type: object, fields: []}, default: [1, {a: 2}]}]}\n")
	f.Add("auth: {issuers: [{issuer: a, audience: b, algorithms: [HS256], secret_env: S, leeway: 1s}], roles: {a: {'*': [read]}}}\n")
	f.Add("collections: [{fields: &f [{fields: *f, of: *f, default: *f}]}]")
	f.Add("a: &a\n<<: *a\n? [b]\n: c\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, dir, err := load(t, text, "S="+secret)
		var e *Error
		if (c == nil) != (err != nil) || err != nil && (!errors.As(err, &e) || len(e.Problems) == 0) {
			t.Fatalf("Load(%q) = %v, %v", text, c, err)
		}
		if e != nil {
			for _, p := range e.Problems {
				if p.File != dir+"/cms.yaml" || p.Detail == "" {
					t.Errorf("problem %q does not say where or what", p)
				}
			}
		}
	})
}
