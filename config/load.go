package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	yaml4 "go.yaml.in/yaml/v4"
)

// Load reads the configuration in the file at path, with the overrides and
// secrets in environ, whose form is that of os.Environ. The error is an *Error
// with everything that is wrong.
func Load(path string, environ []string) (*Config, error) {
	return LoadWith(path, environ, AllSecrets)
}

// Secrets says which of those that a configuration names are read: a command asks for what
// it uses alone. What was not read is empty.
type Secrets int

// Which secrets are read.
const (
	AllSecrets   Secrets = iota // and one that is missing is a mistake
	GivenSecrets                // those that are there
	NoSecrets
)

// LoadWith is Load with fewer secrets: those, and all of what stands at the keys that are
// needed, such as auth.issuers[0].
func LoadWith(path string, environ []string, secrets Secrets, needed ...string) (*Config, error) {
	d := &decoder{
		environ: map[string]string{},
		base:    folderOf(path),
		secrets: secrets,
		needed:  needed,
		problems: problems{
			source:   source{file: path, overrides: map[string]string{}},
			reported: map[string]bool{},
		},
	}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		d.environ[name] = value
	}
	src, err := os.ReadFile(path)
	if err != nil {
		d.add(nil, "cannot be read: %v; name another file with --config or CMS_CONFIG", reason(err))
		return nil, Report(d.found)
	}
	if d.root = d.parse(src); len(d.found) > 0 {
		return nil, Report(d.found)
	}
	c := &Config{}
	d.decode(d.root, place{value: reflect.ValueOf(c).Elem()})
	d.environment(c)
	d.check(c)
	if err := Report(d.found); err != nil {
		return nil, err
	}
	c.source, c.Warnings = d.source, d.warnings
	return c, nil
}

// parse reads the one YAML document in src, nil for an empty one.
func (d *decoder) parse(src []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var document, second yaml.Node
	switch err := dec.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(src, err)
		return nil
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		d.addAt(d.at(&second), nil, "a second YAML document begins here; remove it")
	case !errors.Is(err, io.EOF):
		d.syntax(src, err)
	}
	if len(document.Content) == 0 {
		return nil
	}
	root := document.Content[0]
	if d.size(root, map[*yaml.Node]int{}) > maxNodes {
		d.addAt(d.at(root), nil, "has aliases that expand to more than %d values; write them out", maxNodes)
	}
	return root
}

// maxNodes is how many values a configuration may have, those of an alias
// counted each time that it stands there.
const maxNodes = 100_000

// size counts n and what is below it, up to somewhat more than maxNodes, and
// notes an alias that stands within what it stands for. Seen has the sizes of
// the nodes before n, and 0 for those around it.
func (d *decoder) size(n *yaml.Node, seen map[*yaml.Node]int) int {
	if n.Kind == yaml.AliasNode {
		if seen[n.Alias] == 0 {
			d.addAt(d.at(n), nil, "the alias *%s refers to itself; write it out", n.Value)
		}
		return seen[n.Alias]
	}
	seen[n] = 0
	total := 1
	for _, inner := range n.Content {
		total = min(total+d.size(inner, seen), maxNodes+1)
	}
	seen[n] = total
	return total
}

// syntax notes err, with the line and column that only the next major version
// of the library tells.
func (d *decoder) syntax(src []byte, err error) {
	detail := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Position{File: d.file}
	if _, err := fmt.Sscanf(detail, "line %d:", &at.Line); err == nil {
		_, detail, _ = strings.Cut(detail, ": ")
	}
	dec := yaml4.NewDecoder(bytes.NewReader(src))
	var err4 error
	for err4 == nil {
		var document yaml4.Node
		err4 = dec.Decode(&document)
	}
	var load *yaml4.LoadError
	if errors.As(err4, &load) && load.Mark.Line > 0 {
		at.Line, at.Column, detail = load.Mark.Line, load.Mark.Column, load.Message
	}
	d.addAt(at, nil, "is not YAML: %s", detail)
}

// folderOf is the folder that holds a file, as an absolute path: the one that opening the
// file leads to, also where ".." follows a symbolic link or the shell's idea of the current
// folder. The file itself may be a link, which counts where it stands.
func folderOf(file string) string {
	folder, _ := filepath.Split(file)
	if !filepath.IsAbs(folder) {
		here, err := os.Getwd()
		if err != nil {
			return filepath.Clean(folder) // relative as it was, and as good
		}
		if resolved, err := filepath.EvalSymlinks(here); err == nil {
			here = resolved
		}
		folder = here + string(filepath.Separator) + folder
	}
	if slices.Contains(strings.Split(folder, string(filepath.Separator)), "..") {
		if resolved, err := filepath.EvalSymlinks(folder); err == nil {
			return resolved
		}
	}
	return filepath.Clean(folder)
}

// resolve makes a path of the configuration an absolute one, without "..".
func (d *decoder) resolve(path string) string {
	switch {
	case path == "":
		return ""
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	}
	return filepath.Join(d.base, path)
}

// secret is what the variable named env or the file named file holds. Exactly
// one of both names is given; owner is the path of the thing whose keys they are.
func (d *decoder) secret(env, file string, owner []any) Secret {
	return d.secretOf("secret", env, file, owner)
}

// secretOf is the same where the keys are kind_env and kind_file.
func (d *decoder) secretOf(kind, env, file string, owner []any) Secret {
	reads := d.reads(owner)
	if reads == NoSecrets {
		return ""
	}
	if env != "" {
		value := d.environ[env]
		if value == "" && reads == AllSecrets {
			d.add(join(owner, kind+"_env"), "the environment variable %s is not set; set it, or name a file with %s_file", env, kind)
		}
		return Secret(value)
	}
	return Secret(strings.TrimRight(string(d.private(file, join(owner, kind+"_file"))), "\r\n"))
}

// reads says which secrets are read of what stands at the path.
func (d *decoder) reads(owner []any) Secrets {
	for i := range owner {
		if slices.Contains(d.needed, key(owner[:i+1])) {
			return AllSecrets
		}
	}
	return d.secrets
}

// private is contents of a file that nobody else should read. Containers mount such files
// so that everybody can, so that is a warning.
func (d *decoder) private(name string, path []any) []byte {
	b := d.contents(name, path)
	if b != nil {
		d.secluded(name, path)
	}
	return b
}

// keySet is contents of a key set, which is a secret if it can sign.
func (d *decoder) keySet(name string, path []any) []byte {
	b := d.contents(name, path)
	if bytes.Contains(b, []byte(`"d"`)) || bytes.Contains(b, []byte(`"k"`)) {
		d.secluded(name, path)
	}
	return b
}

// secluded warns of a file that others than its owner can read.
func (d *decoder) secluded(name string, path []any) {
	if mode, err := d.mode(name); err == nil && mode&0o044 != 0 {
		d.warnings = append(d.warnings, Problem{Position: d.position(path), Key: key(path),
			Detail: fmt.Sprintf("%s holds a secret and can be read by others (%04o); chmod 600 keeps it to its owner", d.resolve(name), mode)})
	}
}

// mode is who may do what with a file that is named, where the system tells.
func (d *decoder) mode(name string) (fs.FileMode, error) {
	at, err := os.Stat(d.resolve(name))
	if err != nil || runtime.GOOS == "windows" {
		return 0, err
	}
	return at.Mode().Perm(), nil
}

// contents is what the file named by the key at path holds, nil where that is not read. On
// it depends who is believed: one that anybody can write is refused.
func (d *decoder) contents(name string, path []any) []byte {
	reads := d.reads(path)
	if reads == NoSecrets {
		return nil
	}
	b, err := os.ReadFile(d.resolve(name))
	var mode fs.FileMode
	if err == nil {
		mode, err = d.mode(name)
	}
	switch {
	case err != nil && reads == GivenSecrets:
		return nil
	case err != nil:
		d.add(path, "%s cannot be read: %v", d.resolve(name), reason(err))
	case mode&0o002 != 0:
		d.add(path, "%s can be written by anybody (%04o), and so is nobody's word; chmod 600 keeps it to its owner", d.resolve(name), mode)
		return nil
	case len(bytes.TrimSpace(b)) == 0:
		d.add(path, "%s is empty", d.resolve(name))
	}
	return b
}

// reason is err without the path, which stands beside it anyway.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
