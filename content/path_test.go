package content

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/rangetable"
)

func TestParsePath(t *testing.T) {
	for name, ok := range map[string]bool{
		"_consultations/budget-2019.md": true, "à propos.md": true, ".github/x.md": true, "a/..b": true,
		"": false, "/a": false, "a/": false, "a//b": false, ".": false, "a/../b": false, "./a": false,
		".git/config": false, "a/.GIT/b": false, ".git ": false, ".git./x": false, "git~1/x": false, ".git::$INDEX": false,
		".g\u200cit/x": false, "a\\b": false, "a\x00b": false, "a\nb": false, "a\u0085b": false, "\xff": false,
		strings.Repeat("a", 240): true, strings.Repeat("a", 241): false, strings.Repeat("a/", 600) + "a": false,
	} {
		if _, err := ParsePath(name); (err == nil) != ok {
			t.Errorf("ParsePath(%q): got error %v, want ok %v", name, err, ok)
		}
	}
}

func TestParseSlug(t *testing.T) {
	for name, ok := range map[string]bool{
		"budget-2019": true, "2019/budget": true, "a.b": true, "": false, ".draft": false, "a/.b": false, "../a": false, "a/": false,
	} {
		if _, err := ParseSlug(name); (err == nil) != ok {
			t.Errorf("ParseSlug(%q): got error %v, want ok %v", name, err, ok)
		}
	}
}

func TestCheckExtension(t *testing.T) {
	for _, data := range dataExtensions {
		for _, extension := range []string{data, strings.ToUpper(data), strings.ToUpper(data[:2]) + data[2:], ".fr" + data, ".md" + data} {
			if err := CheckExtension(extension); err == nil || !strings.Contains(err.Error(), "data files") {
				t.Errorf("%s: got %v", extension, err)
			}
		}
	}
	for extension, ok := range map[string]bool{
		".md": true, ".markdown": true, ".html": true, ".htm": true, ".txt": true, ".xml": true, ".svg": true, ".adoc": true, ".fr.md": true, ".yml.md": true, ".json.txt": true, ".MD": true,
		"": false, "md": false, ".": false, ".md.": false, "a.md": false, "./md": false, `.\md`: false, ".m d": false,
	} {
		if err := CheckExtension(extension); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", extension, err, ok)
		}
	}
}

func TestCollectionPath(t *testing.T) {
	for _, c := range []Collection{{Folder: "_consultations", Extension: ".md"}, {Extension: ".markdown"}} {
		slug, err := ParseSlug("2019/budget")
		if err != nil {
			t.Fatal(err)
		}
		path, err := c.Path(slug)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Slug(path); !ok || got != slug {
			t.Errorf("folder %q: path %s leads to slug %s, %v", c.Folder, path, got, ok)
		}
	}
	c := Collection{Folder: "_consultations", Extension: ".md"}
	for _, name := range []string{"budget.md", "_consultations/budget.txt", "_consultations/.budget.md", "_consultations/.md", "_consultations2/a.md"} {
		p, err := ParsePath(name)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := c.Slug(p); ok {
			t.Errorf("%s is taken for the entry %s", name, s)
		}
	}
}

// A path that was accepted stays below the folder that it is joined to.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"a/b.md", "../a", ".git/x", "a/./b", "a\\..\\b", "\u200b", ".GIT \t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		for seg := range strings.SplitSeq(p.String(), "/") {
			if seg == "" || seg == "." || seg == ".." || strings.EqualFold(strings.TrimRight(seg, ". "), ".git") {
				t.Errorf("%q was accepted", s)
			}
		}
		if again, err := ParsePath(p.String()); err != nil || again != p {
			t.Errorf("%q: read again as %q, %v", p, again, err)
		}
	})
}

func TestSlugPortable(t *testing.T) {
	for _, s := range []string{"plan-velo", "été-2019", "2019/été", "a.b", "construction", "com", "com0", "c++", "l'eau", "日本",
		"a\u00a0b", "a\u202fb", "conin", "conout", "com10", "lpt", "auxiliaire.b", "com⁴", "prix$", "한글", "naïve", "ﬁn"} {
		slug, err := ParseSlug(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := slug.Portable(); err != nil {
			t.Errorf("%q: got %v, want nil", s, err)
		}
	}
	for _, s := range []string{"e\u0301", "a\u200bb", "a\ufe0f", "a:b", "a?", "a*b", `a"b`, "a<b", "a|b", "a ", " a", "a/b /c", "a.", "con", "NUL.x", "x/com1", "lpt9",
		"a\u00a0", "\u3000a", "a/\u2003b"} {
		checkNotPortable(t, s)
	}
	for _, name := range []string{"con", "PRN", "Aux", "nul", "CONIN$", "conout$", "CLOCK$", "com1", "COM9", "com¹", "COM²", "lpt³", "Lpt1"} {
		for _, s := range []string{name, name + ".a", name + ".a.b", name + " .a", name + "..a", "x/" + name, name + "/x", "x/" + name + " /y"} {
			checkNotPortable(t, s)
		}
	}
	hidden := []rune{'\u2800'}
	for _, table := range []*unicode.RangeTable{unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point} {
		rangetable.Visit(table, func(r rune) { hidden = append(hidden, r) })
	}
	for _, r := range []rune{'\u00ad', '\u034f', '\u061c', '\u115f', '\u1160', '\u17b4', '\u180e', '\u200b', '\u200d', '\u202e', '\u2060', '\u2066', '\u3164', '\ufe0f', '\ufeff', '\uffa0', '\U000e0001', '\U000e0061', '\U000e01ef'} {
		if !slices.Contains(hidden, r) {
			t.Errorf("%U is not tried", r)
		}
	}
	for _, r := range hidden {
		checkNotPortable(t, "a"+string(r)+"b")
		checkNotPortable(t, "x/"+string(r)+"b.c")
	}
}

// checkNotPortable makes sure that no new entry may be called s.
func checkNotPortable(t *testing.T, s string) {
	t.Helper()
	if slug, err := ParseSlug(s); err == nil && slug.Portable() == nil {
		t.Errorf("%q: got nil, want an error", s)
	}
}
