package content

import (
	"errors"
	"path"
	"slices"
	"strings"
)

// Collection is a folder of entries and what is expected of them.
type Collection struct {
	Name      string
	Folder    string            // below the repository's root; "" is the root
	Extension string            // of the files that are entries, with its dot
	Label     map[string]string // by language tag; may be empty
	Schema    Schema
	Publish   []string // the top-level fields that publish an entry, which not everyone may change
	Language  string   // of the texts, ISO 639-1; "" is French
	YAML      Version  // by which what makes the site reads the files
	Slugs     SlugPattern
	Templates []Template // that new entries may begin with
}

// Template is what a new entry begins with, instead of the defaults of the schema alone.
type Template struct {
	Name   string
	Label  map[string]string // by language tag; may be empty
	Fields *Object           // beside the defaults, and in their place; nil for none
	Body   string
}

// Parse reads a file of the collection.
func (c *Collection) Parse(src []byte) *Document { return ParseAs(c.YAML, src) }

// dataExtensions are those of files that are data as a whole, so that no reader of theirs
// knows front matter. They are read only.
var dataExtensions = []string{
	".json", ".json5", ".jsonc", ".jsonl", ".jsonld", ".ndjson", ".hjson", ".geojson", ".topojson", ".webmanifest", ".ipynb",
	".yml", ".yaml", ".toml", ".ini",
	".csv", ".tsv", ".psv", ".xls", ".xlsx", ".ods", ".db", ".sqlite", ".bib", ".ics", ".vcf",
}

// CheckExtension says why files with the extension, which has its dot, cannot be
// entries, or nil.
func CheckExtension(extension string) error {
	switch last := strings.ToLower(path.Ext(extension)); {
	case !strings.HasPrefix(extension, ".") || last == "." || strings.ContainsAny(extension, `/\ `):
		return errors.New("is not an extension; write .md")
	case slices.Contains(dataExtensions, last):
		return errors.New("is the extension of data files, which have no front matter: entries are texts that begin with it; write .md")
	}
	return nil
}

// Path is where the entry s is kept.
func (c *Collection) Path(s Slug) (Path, error) {
	name := s.s + c.Extension
	if c.Folder != "" {
		name = c.Folder + "/" + name
	}
	return ParsePath(name)
}

// Slug names the entry kept at p. It is false for a file that is no entry of
// this collection: elsewhere, hidden, or with another extension.
func (c *Collection) Slug(p Path) (Slug, bool) {
	rest := p.s
	if c.Folder != "" {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, c.Folder+"/"); !ok {
			return Slug{}, false
		}
	}
	rest, ok := strings.CutSuffix(rest, c.Extension)
	if !ok {
		return Slug{}, false
	}
	s, err := ParseSlug(rest)
	return s, err == nil
}

// Resembles says whether p is in the folder of c, however deep, and has its
// extension in whatever case: an entry, or what some tools take for one.
func (c *Collection) Resembles(p Path) bool {
	rest, inside := p.s, true
	if c.Folder != "" {
		rest, inside = strings.CutPrefix(rest, c.Folder+"/")
	}
	at := len(rest) - len(c.Extension)
	return inside && at > 0 && strings.EqualFold(rest[at:], c.Extension)
}
