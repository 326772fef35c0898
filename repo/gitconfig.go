package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A gitConfig is the settings in a repository's own file config, in their order, by the syntax
// of git-config(1). What they mean is not looked at, so that a setting which is not asked for
// cannot be wrong, and neither are the files that the file includes: Git takes what decides of
// a repository's form from the file alone.
type gitConfig []gitSetting

type gitSetting struct {
	section, key string // in lower case
	subsection   string
	value        string // "true" where none is given, which is what that means
}

// readGitConfig reads the settings of the repository at path, with those that it has beside
// its other working trees (extensions.worktreeConfig, as of git sparse-checkout).
func readGitConfig(path string) (gitConfig, error) {
	c, err := readGitConfigFile(path, "config")
	if err != nil || !gitTrue(c.last("extensions", "worktreeconfig")) {
		return c, err
	}
	own, err := readGitConfigFile(path, worktreeSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	return append(c, own...), err
}

const worktreeSettings = "config.worktree"

func readGitConfigFile(path, name string) (gitConfig, error) {
	raw, err := os.ReadFile(filepath.Join(path, name))
	if err != nil {
		return nil, err
	}
	c, err := parseGitConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return c, nil
}

// last is the value of a setting that counts, "" for one that is not there.
func (c gitConfig) last(section, key string) (value string) {
	for _, s := range c {
		if s.section == section && s.subsection == "" && s.key == key {
			value = s.value
		}
	}
	return value
}

// has says whether a setting is there.
func (c gitConfig) has(section, key string) bool {
	return slices.ContainsFunc(c, func(s gitSetting) bool { return s.section == section && s.subsection == "" && s.key == key })
}

// gitTrue and gitFalse say whether a value is one of those that Git takes for it.
func gitTrue(value string) bool {
	switch strings.ToLower(value) {
	case "true", "yes", "on":
		return true
	}
	n, err := strconv.Atoi(value)
	return err == nil && n != 0
}

func gitFalse(value string) bool {
	switch strings.ToLower(value) {
	case "false", "no", "off", "":
		return true
	}
	n, err := strconv.Atoi(value)
	return err == nil && n == 0
}

func parseGitConfig(raw []byte) (gitConfig, error) {
	raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	p := configParser{rest: bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))}
	total := bytes.Count(p.rest, []byte("\n"))
	if err := p.parse(); err != nil {
		return nil, fmt.Errorf("line %d: %w", 1+total-bytes.Count(p.rest, []byte("\n")), err)
	}
	return p.found, nil
}

type configParser struct {
	rest  []byte
	at    gitSetting // its section
	found gitConfig
}

func (p *configParser) parse() (err error) {
	for err == nil {
		p.rest = bytes.TrimLeft(p.rest, " \t\n\v\f\r")
		switch {
		case len(p.rest) == 0:
			return nil
		case p.rest[0] == '#' || p.rest[0] == ';':
			p.skipLine()
		case p.rest[0] == '[':
			err = p.head()
		default:
			err = p.setting()
		}
	}
	return err
}

// skipLine goes to the end of the line.
func (p *configParser) skipLine() {
	if i := bytes.IndexByte(p.rest, '\n'); i >= 0 {
		p.rest = p.rest[i:]
		return
	}
	p.rest = nil
}

// word takes the letters, digits and other bytes that come next.
func (p *configParser) word(other string) string {
	n := 0
	for n < len(p.rest) && (isAlphanumeric(p.rest[n]) || strings.IndexByte(other, p.rest[n]) >= 0) {
		n++
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return strings.ToLower(string(w))
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// next takes the byte c, if that comes next.
func (p *configParser) next(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

var errSection = errors.New("a section has no proper name")

// head reads the name of a section, and of its part: [section], [section "part"] or
// [section.part].
func (p *configParser) head() error {
	p.rest = p.rest[1:]
	name := p.word("-.")
	p.at.section, p.at.subsection, _ = strings.Cut(name, ".")
	if p.next(']') && name != "" {
		return nil
	}
	p.rest = bytes.TrimLeft(p.rest, " \t")
	if !p.next('"') {
		return errSection
	}
	var part []byte
	for !p.next('"') {
		p.next('\\')
		if len(p.rest) == 0 || p.rest[0] == '\n' {
			return errSection
		}
		part = append(part, p.rest[0])
		p.rest = p.rest[1:]
	}
	if !p.next(']') {
		return errSection
	}
	p.at.section, p.at.subsection = name, string(part)
	return nil
}

// setting reads a key, and its value if it has one.
func (p *configParser) setting() error {
	s := p.at
	if s.key = p.word("-"); s.key == "" || s.key[0] < 'a' {
		return errors.New("a setting has no proper name")
	}
	p.rest = bytes.TrimLeft(p.rest, " \t")
	var err error
	switch {
	case len(p.rest) == 0 || p.rest[0] == '\n':
		s.value = "true"
	case p.next('='):
		s.value, err = p.value()
	default:
		err = errors.New("what follows is no value")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.key, err)
	}
	p.found = append(p.found, s)
	return nil
}

// value reads on to the end of a value: of its line, or of one that this one goes on in. What
// stands in quotes keeps its spaces at both ends, and what begins a comment elsewhere.
func (p *configParser) value() (string, error) {
	p.rest = bytes.TrimLeft(p.rest, " \t")
	var b []byte
	quoted, end := false, 0 // where the last byte is that stays
	for len(p.rest) > 0 && p.rest[0] != '\n' {
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case c == '"':
			quoted = !quoted
			end = len(b)
			continue
		case !quoted && (c == '#' || c == ';'):
			p.skipLine()
			return string(b[:end]), nil
		case c == '\\':
			if len(p.rest) == 0 || p.next('\n') {
				continue
			}
			i := strings.IndexByte(`tbn\"`, p.rest[0])
			if i < 0 {
				return "", errors.New("no such escape")
			}
			c = "\t\b\n\\\""[i]
			p.rest = p.rest[1:]
			b = append(b, c)
			end = len(b)
			continue
		}
		b = append(b, c)
		if quoted || !strings.ContainsRune(" \t\v\f\r", rune(c)) {
			end = len(b)
		}
	}
	if quoted {
		return "", errors.New("a quote does not end")
	}
	return string(b[:end]), nil
}
