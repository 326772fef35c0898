package say

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sources parses the files of the module, without its tests.
func sources(t *testing.T) (*token.FileSet, map[string][]*ast.File) {
	t.Helper()
	files, folders := token.NewFileSet(), make(map[string][]*ast.File)
	err := filepath.WalkDir("..", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != ".." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata"):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		folders[filepath.Dir(name)] = append(folders[filepath.Dir(name)], file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, folders
}

// constants are the texts of the constants of a package.
func constants(files []*ast.File) map[string]ast.Expr {
	all := make(map[string]ast.Expr)
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && len(v.Names) == len(v.Values) {
						for i := range v.Names {
							all[v.Names[i].Name] = v.Values[i]
						}
					}
				}
			}
			return true
		})
	}
	return all
}

// constant is the text of a constant expression.
func constant(x ast.Expr, known map[string]ast.Expr) (string, bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil && x.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok1 := constant(x.X, known)
		b, ok2 := constant(x.Y, known)
		return a + b, ok1 && ok2 && x.Op == token.ADD
	case *ast.Ident:
		if value, ok := known[x.Name]; ok {
			return constant(value, nil)
		}
	}
	return "", false
}

// said are the formats that the sources make texts of, and where.
func said(t *testing.T) map[string]string {
	t.Helper()
	files, folders := sources(t)
	all := make(map[string]string)
	for folder, parsed := range folders {
		known := constants(parsed)
		for _, file := range parsed {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				switch f := call.Fun.(type) {
				case *ast.SelectorExpr:
					if p, ok := f.X.(*ast.Ident); !ok || p.Name != "say" || f.Sel.Name != "New" {
						return true
					}
				case *ast.Ident:
					if f.Name != "New" || folder != "../say" {
						return true
					}
				default:
					return true
				}
				where := files.Position(call.Pos()).String()
				format, ok := constant(call.Args[0], known)
				if !ok {
					t.Errorf("%s: the format is not a constant", where)
				}
				all[format] = where
				return true
			})
		}
	}
	if len(all) < 100 {
		t.Fatalf("only %d texts were found", len(all))
	}
	return all
}

var verbs = regexp.MustCompile(`%(?:\[(\d+)\])?[-+# 0-9.]*([a-zA-Z%])`)

// verbsOf are the verbs of a format, by the arguments that they are for.
func verbsOf(format string) map[int]string {
	all, next := make(map[int]string), 1
	for _, m := range verbs.FindAllStringSubmatch(format, -1) {
		if m[2] == "%" {
			continue
		}
		if m[1] != "" {
			next, _ = strconv.Atoi(m[1])
		}
		all[next] = m[2]
		next++
	}
	return all
}

// TestCatalogue: each text that the product says is there in each language, and no other.
func TestCatalogue(t *testing.T) {
	formats := said(t)
	for status := http.StatusBadRequest; status < 600; status++ {
		if t := Status(status); !t.IsZero() {
			formats[t.format] = "net/http"
		}
	}
	for language, c := range speakers() {
		for format, where := range formats {
			if _, ok := c.texts[format]; !ok {
				t.Errorf("%s: %q is not said in %s", where, format, language)
			}
		}
		for format, forms := range c.texts {
			if _, ok := formats[format]; !ok {
				t.Errorf("%q is said by nobody, and stands in the catalogue of %s", format, language)
			}
			if len(forms) != 1 && len(forms) != 2 {
				t.Errorf("%q has %d forms in %s", format, len(forms), language)
			}
			for _, form := range forms {
				if want, got := verbsOf(format), verbsOf(form); !maps.Equal(want, got) {
					t.Errorf("%q has the verbs %v, in %s %v: %q", format, want, language, got, form)
				}
			}
		}
	}
}

// TestFrenchTypography: what stands before double punctuation and in quotes does not
// break, and apostrophes are curved.
func TestFrenchTypography(t *testing.T) {
	odd := regexp.MustCompile(`(?: [:;!?»]|« |[a-zé]'|\.\.\.|  |^ | $)`)
	for _, forms := range speakers()[French].texts {
		for _, form := range forms {
			if at := odd.FindString(form); at != "" {
				t.Errorf("%q has %q", form, at)
			}
		}
	}
}

// TestVerbatim: what is the same in every language is no sentence of ours.
func TestVerbatim(t *testing.T) {
	files, folders := sources(t)
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		for _, file := range folders[folder] {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Verbatim" {
					if _, ok := call.Args[0].(*ast.BasicLit); ok {
						t.Errorf("%s: a sentence is not translated", files.Position(call.Pos()))
					}
				}
				return true
			})
		}
	}
}
