package content

import (
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"cms/say"
)

// Limits of names, in bytes. A segment with its extension fits the 255 bytes
// that common filesystems give to a name.
const (
	maxSegment = 240
	maxPath    = 1024
)

// Path is the path of a file in the repository: relative, slash-separated,
// clean, valid UTF-8, and never into a Git directory. The zero Path names no
// file.
type Path struct{ s string }

// ParsePath checks s and makes it a Path.
func ParsePath(s string) (Path, error) {
	if err := checkName(s); err != nil {
		return Path{}, say.Error(say.New("path %s", err))
	}
	return Path{s}, nil
}

func (p Path) String() string { return p.s }

// IsZero says whether p names no file.
func (p Path) IsZero() bool { return p.s == "" }

// Dir is the folder that holds the file, "" for the repository's root.
func (p Path) Dir() string {
	if d := path.Dir(p.s); d != "." {
		return d
	}
	return ""
}

// MarshalText implements [encoding.TextMarshaler].
func (p Path) MarshalText() ([]byte, error) { return []byte(p.s), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Path) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePath(string(b))
	return err
}

// Slug names an entry within its collection: the path of its file below the
// collection's folder, without the extension. It may hold "/". No segment of a
// slug begins with a dot. The zero Slug names no entry.
type Slug struct{ s string }

// ParseSlug checks s and makes it a Slug.
func ParseSlug(s string) (Slug, error) {
	if err := checkName(s); err != nil {
		return Slug{}, say.Error(say.New("slug %s", err))
	}
	for seg := range strings.SplitSeq(s, "/") {
		if seg[0] == '.' {
			return Slug{}, say.Error(say.New("slug has a segment that begins with a dot"))
		}
	}
	return Slug{s}, nil
}

func (s Slug) String() string { return s.s }

// Portable says why a file of this name could not be checked out everywhere,
// or nil. Entries that are there already may have such names; new ones should
// not.
func (s Slug) Portable() error {
	if !norm.NFC.IsNormalString(s.s) {
		return say.Error(say.New("slug is not in the Unicode normal form C"))
	}
	if strings.ContainsFunc(s.s, invisible) {
		return say.Error(say.New("slug holds an invisible character"))
	}
	if strings.ContainsAny(s.s, `:?*"<>|`) {
		return say.Error(say.New(`slug holds one of : ? * " < > |`))
	}
	for seg := range strings.SplitSeq(s.s, "/") {
		if strings.TrimFunc(seg, unicode.IsSpace) != seg || strings.HasSuffix(seg, ".") {
			return say.Error(say.New("slug has a segment that begins or ends with a blank, or ends with a dot"))
		}
		if device(seg) {
			return say.Error(say.New("slug has a segment that Windows keeps for a device"))
		}
	}
	return nil
}

// invisible runes leave no trace where a name is shown: two names could look the same.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || r == '\u2800' // a Braille pattern without dots
}

// device says whether seg, whatever its extension, names a device on Windows, where
// blanks before the extension do not count.
func device(seg string) bool {
	name, _, _ := strings.Cut(strings.ToLower(seg), ".")
	name = strings.TrimRight(name, " ")
	switch name {
	case "con", "prn", "aux", "nul", "conin$", "conout$", "clock$":
		return true
	}
	port, ok := strings.CutPrefix(name, "com")
	if !ok {
		port, ok = strings.CutPrefix(name, "lpt")
	}
	return ok && slices.Contains([]string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"}, port)
}

// IsZero says whether s names no entry.
func (s Slug) IsZero() bool { return s.s == "" }

// checkName says what is wrong with s as a relative path in a repository. The
// names that reach a Git directory through the quirks of NTFS and HFS+ are
// those of git's own verify_path and fsck.
func checkName(s string) error {
	switch {
	case s == "":
		return say.Error(say.New("is empty"))
	case len(s) > maxPath:
		return say.Error(say.New("is longer than %d bytes", maxPath))
	case !utf8.ValidString(s):
		return say.Error(say.New("is not UTF-8"))
	case strings.ContainsRune(s, '\\'):
		return say.Error(say.New("holds a backslash"))
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || ignorable(r) }); i >= 0 {
		return say.Error(say.New("holds a control or an invisible character"))
	}
	for seg := range strings.SplitSeq(s, "/") {
		switch {
		case seg == "":
			return say.Error(say.New("begins or ends with a slash, or has two in a row"))
		case seg == "." || seg == "..":
			return say.Error(say.New(`has a segment "." or ".."`))
		case len(seg) > maxSegment:
			return say.Error(say.New("has a segment longer than %d bytes", maxSegment))
		case gitDirectory(seg):
			return say.Error(say.New("leads into a Git directory"))
		}
	}
	return nil
}

// ignorable runes vanish in HFS+ names, so that ".g\u200cit" is ".git" there.
func ignorable(r rune) bool {
	return r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e ||
		r >= 0x206a && r <= 0x206f || r == 0xfeff
}

// gitDirectory says whether seg is ".git" or the short name of it, in any
// case, with what NTFS drops or adds at the end.
func gitDirectory(seg string) bool {
	if seg[0] != '.' && seg[0]|0x20 != 'g' {
		return false // most are told by this
	}
	s := strings.ToLower(seg)
	s, _, _ = strings.Cut(s, ":")
	s = strings.TrimRight(s, ". ")
	return s == ".git" || s == "git~1"
}
