package content

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adrg/frontmatter"

	"cms/say"
)

func TestParse(t *testing.T) {
	d := Parse([]byte("\ufeff---\r\ntitle: Le port\r\ndate: 2021-06-01 18:30:00 +0200\r\njour: 2021-06-01\r\ntexte: \"2021-06-01\"\r\n" +
		"n: [0x1F, 1_000, 1.50, .5, 0o17, 9007199254740993, .inf, +3, 1e3]\r\nvide:\r\noui: yes\r\n---  \r\nCorps\r\n"))
	if d.Err() != nil || !Valid(d.Problems()) {
		t.Fatalf("got error %v, problems %v", d.Err(), d.Problems())
	}
	got, err := d.Fields().MarshalJSON()
	const want = `{"title":"Le port","date":"2021-06-01T18:30:00+02:00","jour":"2021-06-01","texte":"2021-06-01",` +
		`"n":[31,1000,1.50,0.5,"0o17",9007199254740993,".inf",3,"1e3"],"vide":null,"oui":true}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if d.Body() != "Corps\r\n" || d.block.format != YAML {
		t.Errorf("got body %q in format %s", d.Body(), d.block.format)
	}
	if v, _ := d.Fields().Get("jour"); !v.(Time).DateOnly {
		t.Errorf("got %v, want a date", v)
	}
}

func TestParseAliasesAndMergeKeys(t *testing.T) {
	d := Parse([]byte("---\na: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: *x\n  c: 3\nf:\n  c: 4\n  <<: [{g: 5}, *x]\n---\n"))
	got, err := d.Fields().MarshalJSON()
	const want = `{"a":{"b":1,"c":2},"d":{"b":1,"c":2},"e":{"c":3,"b":1},"f":{"c":4,"g":5,"b":1}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestProblems(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for _, c := range []string{"b", "c", "d", "e"} {
		before := string(c[0] - 1)
		bomb += c + ": &" + c + " [" + strings.Repeat("*"+before+", ", 9) + "*" + before + "]\n"
	}
	for name, c := range map[string]struct {
		src  string
		want Problem // without Detail
	}{
		"invalid":        {"---\ntitle: Port : Nord\n---\n", Problem{Rule: "syntax", Line: 2, Column: 13}},
		"tab":            {"---\na:\n\tb: 1\n---\n", Problem{Rule: "syntax", Line: 3, Column: 1}},
		"not UTF-8":      {"---\nt: \xe9\n---\n", Problem{Rule: "syntax", Line: 2, Column: 4}},
		"body":           {"---\nt: a\n---\né\xe9\n", Problem{Rule: "syntax", Line: 4, Column: 2}},
		"unterminated":   {"---\nt: a\n", Problem{Rule: "syntax", Line: 1, Column: 1}},
		"duplicate":      {"---\nt: a\nm:\n  k: 1\n  k: 2\n---\n", Problem{Rule: "duplicate_key", Field: "m.k", Pointer: "/m/k", Line: 5, Column: 3}},
		"duplicate JSON": {"{\"t\": 1,\n \"t\": 2}\n", Problem{Rule: "duplicate_key", Field: "t", Pointer: "/t", Line: 2, Column: 2}},
		"second":         {"---\nt: a\n--- b\n---\n", Problem{Rule: "syntax", Line: 3, Column: 1}},
		"trailing":       {"---\n{t: a}\nu: b\n---\n", Problem{Rule: "syntax", Line: 3, Column: 1}},
		"list":           {"---\n# x\n- a\n---\n", Problem{Rule: "syntax", Line: 3, Column: 1}},
		"bomb":           {"---\n" + bomb + "---\n", Problem{Rule: "syntax", Line: 5, Column: 36}},
		"own alias":      {"---\na: &a [*a]\n---\n", Problem{Rule: "syntax", Line: 2, Column: 8}},
		"deep":           {"---\na: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n---\n", Problem{Rule: "syntax", Line: 2, Column: 103}},
		"TOML":           {"+++\na = 1\na = 2\n+++\n", Problem{Rule: "syntax", Line: 3, Column: 1}},
	} {
		d := Parse([]byte(c.src))
		if len(d.Problems()) != 1 {
			t.Errorf("%s: got problems %+v", name, d.Problems())
			continue
		}
		got := d.Problems()[0]
		if got.Detail.IsZero() {
			t.Errorf("%s: no detail", name)
		}
		got.Detail = say.Text{}
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v (%s)", name, got, c.want, d.Problems()[0].Detail)
		}
		if at := new(SyntaxError); d.Err() != nil && !errors.As(d.Err(), &at) {
			t.Errorf("%s: error %T", name, d.Err())
		}
		raw := []byte("---\ntitle: Neuf\n---\n")
		if out, err := d.ReplaceSource(raw, nil); err != nil || name != "body" && !bytes.Equal(out.Source(), raw) {
			t.Errorf("%s: raw replacement gives %v", name, err)
		}
	}
}

// The library's own search for the front matter is a second opinion on ours,
// where it is known to be right.
func TestSplitAsTheLibraryDoes(t *testing.T) {
	differs := map[string]string{
		"indented-delimiter":         "it cuts at an indented delimiter",
		"closed-by-dots":             "it does not know ...",
		"byte-order-mark":            "it misses a byte order mark",
		"body-behind-open-delimiter": "it wants a line ending",
	}
	keep := func(b []byte, into any) error {
		*into.(*[]byte) = bytes.Clone(b)
		return nil
	}
	files, err := filepath.Glob("testdata/cases/*.md")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, name := range files {
		_, kind, _ := strings.Cut(filepath.Base(name), "-")
		kind, _, _ = strings.Cut(kind, ".")
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := differs[kind]; ok || src[0] == '{' {
			continue
		}
		var formats []*frontmatter.Format
		for _, forms := range registry {
			formats = append(formats, frontmatter.NewFormat(forms[0].Start, forms[0].End, keep))
		}
		var want []byte
		rest, err := frontmatter.Parse(bytes.NewReader(src), &want, formats...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d := Parse(src)
		got := src[d.block.from:d.block.to]
		if d.block.format != None && (string(trimLines(got)) != string(trimLines(want)) || string(trimLines([]byte(d.Body()))) != string(trimLines(rest))) {
			t.Errorf("%s: got %q, %q, want %q, %q", name, got, d.Body(), want, rest)
		}
		compared++
	}
	if compared < 100 {
		t.Errorf("compared %d files only", compared)
	}
}

// trimLines drops what the library does: blanks and line endings at the ends.
func trimLines(b []byte) []byte {
	return bytes.TrimSpace(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
}

// lfsPointer is one of Git LFS.
const lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

// TestPointers are no documents, and what looks like one is.
func TestPointers(t *testing.T) {
	d := Parse([]byte(lfsPointer))
	if d.Err() == nil || len(d.Problems()) != 1 || d.Problems()[0].Rule != RulePointer || d.Fields().Len() != 0 || string(d.Source()) != lfsPointer {
		t.Errorf("got %v, %v", d.Err(), d.Problems())
	}
	title := &Object{Members: []Member{{Key: "title", Value: "a"}}}
	for name, edit := range map[string]func() (*Document, error){
		"a field":      func() (*Document, error) { return d.Apply(Set(FieldPath{"title"}, "a")) },
		"the body":     func() (*Document, error) { return d.Apply(SetBody("a")) },
		"all of it":    func() (*Document, error) { return d.Replace(title, "a", nil) },
		"a body alone": func() (*Document, error) { return d.Replace(&Object{}, "a", nil) },
	} {
		if out, err := edit(); err == nil {
			t.Errorf("an edit of %s makes %q", name, out.Source())
		}
	}
	const src = "---\ntitle: a\n---\n"
	if out, err := d.ReplaceSource([]byte(src), nil); err != nil || string(out.Source()) != src {
		t.Errorf("another file: got %v", err)
	}
	for _, src := range []string{"---\ntitle: a\n---\n" + lfsPointer, lfsPointer + "more\n", "\n" + lfsPointer} {
		if d := Parse([]byte(src)); d.Err() != nil || len(d.Problems()) != 0 {
			t.Errorf("%q: got %v, %v", src, d.Err(), d.Problems())
		}
	}
}
