package site_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"cms/site"
)

// TestCodesAreAll: a code that Codes leaves out would escape the tests that ask each door for
// its status.
func TestCodesAreAll(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var defined []site.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Code" {
			return true
		}
		for _, x := range spec.Values {
			text, err := strconv.Unquote(x.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			defined = append(defined, site.Code(text))
		}
		return true
	})
	slices.Sort(defined)
	if got := slices.Sorted(slices.Values(site.Codes())); !slices.Equal(got, defined) || len(got) == 0 {
		t.Errorf("Codes has\n%q, the constants are\n%q", got, defined)
	}
}
