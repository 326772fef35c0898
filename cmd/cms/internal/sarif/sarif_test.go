package sarif

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/jsonschema/v6"
)

// TestSARIF: what is written is as the schema of SARIF 2.1.0 has it, whatever was found. The
// validator stays out of the tests of cmd/cms, whose every start of the program would
// compile the schemas that it brings.
func TestSARIF(t *testing.T) {
	t.Parallel()
	if os.Getenv("CMS_CLIENTS") == "" {
		t.Skip("NOT TESTED AGAINST THE SCHEMA OF SARIF: CMS_CLIENTS is not set")
	}
	schema := sarifSchema(t)
	for name, found := range map[string][]Result{
		"nothing": nil,
		"all": {
			{Level: "error", Rule: "type", File: "notes/un deux%#?.md", Line: 3, Column: 8, Message: `ordre: must be a number; line 3 has "é"`},
			{Level: "error", Rule: "type", File: "notes/é\n\x01.md", Line: 3, Message: "ordre: must be a number"},
			{Level: "warning", Rule: "missing_folder", Message: "the branch has no folder"},
			{Level: "note", Rule: "misplaced", File: "a:b/c.MD", Message: "is not an entry"},
		},
	} {
		var b bytes.Buffer
		if err := Write(&b, "cms check", "dev", found); err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v: %s", name, err, b.String())
		}
	}
	wrong, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"version": "2.1.0", "runs": [{}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if schema.Validate(wrong) == nil {
		t.Error("the schema takes what is wrong")
	}
}

// TestSARIFPlaces: a path is no address of another scheme.
func TestSARIFPlaces(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Write(&b, "cms check", "dev", []Result{{Level: "note", Rule: "misplaced", File: "a:b/c d.MD"}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"uri":"./a:b/c%20d.MD"`) {
		t.Errorf("got %s", b.String())
	}
}

// sarifSchema is the schema, which a module of Go's has in a constant.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/owenrumney/go-sarif/v3@v3.3.1").Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		t.Fatalf("fetch the schema: %v: %s", err, out)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(module.Dir, "pkg/report/v210/sarif/schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && len(lit.Value) > len(text) {
			text = lit.Value
		}
		return true
	})
	if text, err = strconv.Unquote(text); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
