// Package cms_test holds the packages of this module to the table of docs/design.md.
package cms_test

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what follows from docs/design.md into .golangci.yml")

const module = "cms"

// A layer is a row of the table: a package, with those below its folder, and the
// packages of ours that it may import.
type layer struct {
	name  string
	may   []string
	tests []string // what its tests may import besides
	all   bool     // may import all that stand below it
}

// layers reads the table, highest first.
func layers(t *testing.T) []layer {
	t.Helper()
	doc, err := os.ReadFile("docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## Packages\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var all []layer
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.*\\|([^|]*)\\|$").FindAllStringSubmatch(section, -1) {
		may, tests, _ := strings.Cut(row[2], "; in tests ")
		all = append(all, layer{name: row[1], may: named(may), tests: named(tests), all: strings.TrimSpace(may) == "all"})
	}
	if len(all) == 0 {
		t.Fatal("docs/design.md has no table of packages")
	}
	return all
}

// named lists what stands between backquotes.
func named(text string) (names []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// An arrow is an import of a package of ours by a file of another.
type arrow struct{ file, imports string } // the import without the module's name

func (a arrow) test() bool { return strings.HasSuffix(a.file, "_test.go") }

// arrows reads the imports of all files, whatever system they are for.
func arrows(t *testing.T) (all []arrow) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && file != "." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata"):
			return fs.SkipDir
		case e.IsDir() || path.Ext(file) != ".go":
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		all = append(all, arrow{file: filepath.ToSlash(file)}) // also of a file that imports nothing of ours
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(name, module+"/"); ok {
				all = append(all, arrow{filepath.ToSlash(file), ours})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// of is the place in the table of a package, or of one that it is below.
func of(table []layer, name string) int {
	return slices.IndexFunc(table, func(l layer) bool { return name == l.name || strings.HasPrefix(name, l.name+"/") })
}

// refuse says what is wrong with an arrow.
func refuse(table []layer, a arrow) error {
	folder := path.Dir(a.file)
	if folder == "." && a.test() && a.imports == "" {
		return nil // this file
	}
	from := of(table, folder)
	if from < 0 {
		return fmt.Errorf("%s: the package does not stand in the table of docs/design.md", a.file)
	}
	if a.imports == "" {
		return nil
	}
	to, may := of(table, a.imports), table[from].may
	if a.test() {
		may = append(slices.Clone(may), table[from].tests...)
	}
	switch {
	case to < 0:
		return fmt.Errorf("%s imports %s, which does not stand in the table of docs/design.md", a.file, a.imports)
	case from == to, to > from && table[from].all, slices.Contains(may, table[to].name):
		return nil
	}
	return fmt.Errorf("%s imports %s, which the table of docs/design.md does not let %s", a.file, a.imports, table[from].name)
}

func TestLayers(t *testing.T) {
	table, found := layers(t), arrows(t)
	for _, a := range found {
		if err := refuse(table, a); err != nil {
			t.Error(err)
		}
	}
	for i, l := range table {
		if !slices.ContainsFunc(found, func(a arrow) bool { return path.Dir(a.file) == l.name }) {
			t.Errorf("docs/design.md has a package %s, which is not there", l.name)
		}
		used := func(test bool, may string) bool {
			return slices.ContainsFunc(found, func(a arrow) bool {
				return a.test() == test && of(table, path.Dir(a.file)) == i && of(table, a.imports) == of(table, may)
			})
		}
		for _, may := range slices.Concat(l.may, l.tests) {
			if of(table, may) <= i {
				t.Errorf("docs/design.md lets %s import %s, which does not stand below it", l.name, may)
			}
			if test := slices.Contains(l.tests, may); !used(test, may) || test && used(false, may) {
				t.Errorf("docs/design.md lets %s import %s, which it does not", l.name, may)
			}
		}
	}
}

// TestLayersRefuse breaks the layers on purpose.
func TestLayersRefuse(t *testing.T) {
	table := layers(t)
	for _, a := range []arrow{
		{"content/layers_probe.go", "repo"},
		{"content/layers_probe_test.go", "repo"},
		{"repo/layers_probe.go", "auth"},
		{"state/statetest/layers_probe.go", "auth"},
		{"auth/layers_probe.go", "config"},
		{"webhooks/layers_probe.go", "auth"},
		{"api/layers_probe.go", "repo"},
		{"repo/layers_probe_test.go", "state"},
		{"api/layers_probe.go", "cmd/cms/internal/listener"},
		{"newcomer/layers_probe.go", ""},
		{"newcomer/layers_probe.go", "content"},
		{"cmd/cms/layers_probe.go", "newcomer"},
		{"cmd/other/layers_probe.go", ""},
		{"layers_probe.go", "content"},
	} {
		if err := refuse(table, a); err == nil {
			t.Errorf("%s may import %q", a.file, a.imports)
		}
	}
	for _, a := range []arrow{{"api/layers_probe_test.go", "repo"}, {"cmd/cms/layers_probe.go", "content"}, {"repo/layers_probe.go", "content"}} {
		if err := refuse(table, a); err != nil {
			t.Error(err)
		}
	}
}

// The rules of depguard that follow from the table stand between two lines.
const (
	rulesBegin = "        # From the table of docs/design.md, by: go test . -update\n"
	rulesEnd   = "        # End of what is from the table.\n"
)

// TestLayersOfLinter: depguard tells at the line what TestLayers tells too.
func TestLayersOfLinter(t *testing.T) {
	var b strings.Builder
	b.WriteString(rulesBegin)
	table := layers(t)
	allow := func(name string) string { // depguard takes what begins with it
		if slices.ContainsFunc(table, func(l layer) bool { return l.name != name && strings.HasPrefix(l.name, name) }) {
			return module + "/" + name + "$, " + module + "/" + name + "/"
		}
		return module + "/" + name
	}
	rule := func(name, files string, l layer, may []string) {
		fmt.Fprintf(&b, "        %s:\n          list-mode: lax\n          files: [%s]\n          allow: [%s", name, files, allow(l.name))
		for _, m := range may {
			b.WriteString(", " + allow(m))
		}
		fmt.Fprintf(&b, "]\n          deny: [{pkg: %s/, desc: docs/design.md does not let %s import it}]\n", module, l.name)
	}
	for _, l := range table {
		folder := "${base-path}/" + l.name
		switch {
		case l.all:
		case l.tests == nil:
			rule(l.name, fmt.Sprintf("%q, %q", folder+"/*.go", folder+"/**/*.go"), l, l.may)
		default:
			rule(l.name, fmt.Sprintf("%q, %q, \"!$test\"", folder+"/*.go", folder+"/**/*.go"), l, l.may)
			rule(l.name+" in tests", fmt.Sprintf("%q, %q", folder+"/*_test.go", folder+"/**/*_test.go"), l, slices.Concat(l.may, l.tests))
		}
	}
	b.WriteString(rulesEnd)
	const file = ".golangci.yml"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(raw), rulesBegin)
	_, after, ends := strings.Cut(rest, rulesEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for the rules of the table", file)
	}
	want := before + b.String() + after
	switch {
	case string(raw) == want:
	case *update:
		if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what follows from docs/design.md; write it with: go test . -update", file)
	}
}

// TestDesignNamesFiles: what docs/design.md says of a file is said of one that is there.
func TestDesignNamesFiles(t *testing.T) {
	doc, err := os.ReadFile("docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]bool{}
	for _, a := range arrows(t) {
		folders[path.Dir(a.file)] = true
	}
	for _, m := range regexp.MustCompile("`([A-Za-z0-9_./-]+\\.(?:go|sql|txt|toml|yaml|yml|html|js|md))`").FindAllStringSubmatch(string(doc), -1) {
		name, there := m[1], false
		if _, err := os.Stat(name); err == nil {
			there = true
		}
		for folder := range folders { // those beside what was named before
			if _, err := os.Stat(path.Join(folder, name)); err == nil && !strings.Contains(name, "/") {
				there = true
			}
		}
		if !there {
			t.Errorf("docs/design.md names %s, which is not there", name)
		}
	}
}
