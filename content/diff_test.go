package content

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDiff(t *testing.T) {
	before := Parse([]byte("---\ntitle: Forêt\nnote: 1.50\nlink:\nmethodes:\n- Atelier\nordre: 2\n---\nUn.\n"))
	after := Parse([]byte("---\ntitle: Forêt communale\nlink: # à venir\nordre: null\nmethodes: [Atelier]\nstatut: ouverte\ndate: 2019-01-15\n---\nUn.\n"))
	got, err := json.Marshal(Diff(before, after, "_consultations/foret.md"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Changed     json.RawMessage
		BodyChanged *bool `json:"body_changed"`
		Unified     string
	}
	if err := json.Unmarshal(got, &d); err != nil {
		t.Fatal(err)
	}
	want := `[{"field":"title","old":"Forêt","new":"Forêt communale"},` +
		`{"field":"note","old":1.50},` +
		`{"field":"ordre","old":2,"new":null},` +
		`{"field":"statut","new":"ouverte"},{"field":"date","new":"2019-01-15"}]`
	if string(d.Changed) != want {
		t.Errorf("changed:\ngot  %s\nwant %s", d.Changed, want)
	}
	if d.BodyChanged == nil || *d.BodyChanged {
		t.Errorf("body_changed: got %s, want false", got)
	}
	unified := `--- a/_consultations/foret.md
+++ b/_consultations/foret.md
@@ -1,9 +1,9 @@
 ---
-title: Forêt
-note: 1.50
-link:
-methodes:
-- Atelier
-ordre: 2
+title: Forêt communale
+link: # à venir
+ordre: null
+methodes: [Atelier]
+statut: ouverte
+date: 2019-01-15
 ---
 Un.
`
	if d.Unified != unified {
		t.Errorf("unified:\ngot\n%s\nwant\n%s", d.Unified, unified)
	}
}

func TestDiffEdges(t *testing.T) {
	some, broken := Parse([]byte("---\na: 1\n---\nb\n")), Parse([]byte("---\na: [\n---\nb\n"))
	for _, tt := range []struct {
		name          string
		before, after *Document
		want          string
	}{
		{"nothing", nil, nil, `{"changed":[],"body_changed":false,"unified":""}`},
		{"no change", some, some, `{"changed":[],"body_changed":false,"unified":""}`},
		{"created", nil, some, `{"changed":[{"field":"a","new":1}],"body_changed":true,"unified":"--- /dev/null\n+++ b/n\n@@ -0,0 +1,4 @@\n+---\n+a: 1\n+---\n+b\n"}`},
		{"deleted", some, nil, `{"changed":[{"field":"a","old":1}],"body_changed":true,"unified":"--- a/n\n+++ /dev/null\n@@ -1,4 +0,0 @@\n----\n-a: 1\n----\n-b\n"}`},
		{"broken", some, broken, `{"changed":[],"body_changed":false,"unified":"--- a/n\n+++ b/n\n@@ -1,4 +1,4 @@\n ---\n-a: 1\n+a: [\n ---\n b\n"}`},
	} {
		got, err := json.Marshal(Diff(tt.before, tt.after, "n"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// What Diff writes, git and patch read: whatever the bytes are, and whether
// the file is changed, created or deleted.
func TestUnifiedApplies(t *testing.T) {
	t.Parallel()
	for _, program := range [][]string{
		{"git", "apply", "--whitespace=nowarn", "-"},
		{"patch", "--binary", "--quiet", "--remove-empty-files", "-p1"},
	} {
		t.Run(program[0], func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(program[0]); err != nil {
				t.Skip(err)
			}
			dir := t.TempDir()
			var (
				patches strings.Builder
				files   []string
				want    []*Document
				drawn   int
			)
			rapid.Check(t, func(rt *rapid.T) {
				drawn++
				name := rapid.SampledFrom([]string{"a.md", "dossier un/a b.md", "été.md", `dit "oui".md`}).Draw(rt, "name")
				name = fmt.Sprintf("%03d/%s", len(files), name)
				before, after := drawFile(rt, "before"), drawFile(rt, "after")
				d := Diff(before, after, name)
				if d.Unified == "" {
					return
				}
				if rapid.Bool().Draw(rt, "of many lines") { // which are told as one change
					header, _, _ := strings.Cut(d.Unified, "@@")
					d.Unified = header + replaced(string(orEmpty(before).Source()), string(orEmpty(after).Source()))
				}
				writeFile(rt, filepath.Join(dir, name), before)
				patches.WriteString(d.Unified)
				files, want = append(files, name), append(want, after)
			})
			// All at once, as each process takes longer than what it is asked.
			cmd := exec.Command(program[0], program[1:]...)
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(patches.String())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s\n%s", err, out, patches.String())
			}
			for i, name := range files {
				got, err := os.ReadFile(filepath.Join(dir, name))
				switch after := want[i]; {
				case after == nil && !os.IsNotExist(err):
					t.Errorf("%s is still there: %q, %v\n%s", name, got, err, patches.String())
				case after != nil && !bytes.Equal(got, after.Source()):
					t.Errorf("%s: got %q, want %q\n%s", name, got, after.Source(), patches.String())
				}
			}
			if len(files) < drawn/2 {
				t.Errorf("%d differences of %d were applied", len(files), drawn)
			}
		})
	}
}

// drawFile draws a file of a few lines, many of them equal, or none. A file
// that is there is not empty, as patch takes that for one that is not.
func drawFile(rt *rapid.T, label string) *Document {
	lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "\n", "c\r\n", "- d\n", "+ \u00e9\n", "\t\xff \n"}), 0, 12).Draw(rt, label)
	text := strings.Join(lines, "")
	if rapid.Bool().Draw(rt, label+" ends without a line ending") {
		text = strings.TrimSuffix(text, "\n")
	}
	if text == "" {
		return nil
	}
	return Parse([]byte(text))
}

func writeFile(rt *rapid.T, file string, d *Document) {
	err := os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		if err = os.Remove(file); os.IsNotExist(err) {
			err = nil
		}
	}
	if err == nil && d != nil {
		err = os.WriteFile(file, d.Source(), 0o666)
	}
	if err != nil {
		rt.Fatal(err)
	}
}

// Large texts, at their worst, take no quadratic time to compare and to merge.
func BenchmarkDiffLarge(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(line func(i int) int) string {
		var s strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&s, "ligne %d\n", line(i))
		}
		return s.String()
	}
	for _, bb := range []struct {
		name string
		x, y func(i int) int
	}{
		{"different", func(i int) int { return i }, func(i int) int { return -1 - i }},
		{"reversed", func(i int) int { return i }, func(i int) int { return 100_000 - i }},
		{"repeated", func(int) int { return random.IntN(20) }, func(int) int { return random.IntN(20) }},
		{"one in ten", func(i int) int { return i }, func(i int) int { return i - i*(i%10/9) }},
	} {
		x, y := Parse([]byte(text(bb.x))), Parse([]byte(text(bb.y)))
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				Diff(x, y, "n")
			}
		})
	}
}
