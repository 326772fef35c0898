package content

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// corpus reads the Markdown files of the folders that the environment names.
func corpus(t *testing.T) map[string]*Document {
	t.Helper()
	files := make(map[string]*Document)
	for _, name := range []string{"CMS_CORPUS", "CMS_SEED"} {
		folder := os.Getenv(name)
		if folder == "" {
			t.Skipf("%s names no folder of Markdown files", name)
		}
		err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(path) != ".md" {
				return err
			}
			src, err := os.ReadFile(path)
			files[strings.TrimPrefix(path, filepath.Dir(folder))] = Parse(src)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// share counts how many of all were right, and names the first that were not.
type share struct {
	t          *testing.T
	what       string
	right, all int
}

func (s *share) count(ok bool, format string, args ...any) {
	s.all++
	if ok {
		s.right++
	} else if s.all-s.right <= 10 {
		s.t.Errorf(format, args...)
	}
}

func (s *share) print() {
	s.t.Logf("%s: %.2f %% (%d of %d)", s.what, 100*float64(s.right)/float64(max(s.all, 1)), s.right, s.all)
}

func TestCorpusUnchanged(t *testing.T) {
	files := corpus(t)
	noop := share{t: t, what: "byte-identical when written unchanged"}
	for name, d := range files {
		noop.count(unchanged(d) == nil, "%s: %v", name, unchanged(d))
	}
	noop.print()
}

// unchanged writes back what was read, in all the ways that clients do.
func unchanged(d *Document) error {
	same := func(how string, got *Document, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", how, err)
		}
		if got != d {
			return fmt.Errorf("%s: got\n%s", how, lineDiff(d.Source(), got.Source()))
		}
		return nil
	}
	got, err := d.MergePatch(&Object{Members: []Member{{"fields", d.Fields()}, {"body", d.Body()}}}, nil)
	if err := same("a merge patch of what was read", got, err); err != nil {
		return err
	}
	got, err = d.Replace(d.Fields(), d.Body(), nil)
	if err := same("replace", got, err); err != nil {
		return err
	}
	b, err := json.Marshal(d.Fields())
	if err != nil {
		return err
	}
	ordered := &Object{}
	if err := json.Unmarshal(b, ordered); err != nil {
		return err
	}
	got, err = d.Replace(ordered, d.Body(), nil)
	if err := same("through JSON", got, err); err != nil {
		return err
	}
	var m map[string]any // keys sorted, numbers as float64 where that can hold them
	dec := json.NewDecoder(bytes.NewReader(b))
	if regexp.MustCompile(`\d{16}|\d[eE]`).Match(b) {
		dec.UseNumber()
	}
	if err := dec.Decode(&m); err != nil {
		return err
	}
	b, _ = json.Marshal(m)
	sorted := &Object{}
	if err := json.Unmarshal(b, sorted); err != nil {
		return err
	}
	got, err = d.Replace(sorted, d.Body(), nil)
	if err := same("through a map", got, err); err != nil {
		return err
	}
	got, err = d.ReplaceSource(slices.Clone(d.Source()), nil)
	return same("as source", got, err)
}

// lineDiff is the lines between the common beginning and the common end.
func lineDiff(a, b []byte) string {
	from, toA, toB := changedLines(a, b)
	x, y := strings.SplitAfter(string(a), "\n"), strings.SplitAfter(string(b), "\n")
	return "- " + strings.Join(x[from:toA], "- ") + "+ " + strings.Join(y[from:toB], "+ ")
}

// changedLines are the lines from from to toA of a that became those to toB.
func changedLines(a, b []byte) (from, toA, toB int) {
	x, y := strings.SplitAfter(string(a), "\n"), strings.SplitAfter(string(b), "\n")
	for from < min(len(x), len(y)) && x[from] == y[from] {
		from++
	}
	toA, toB = len(x), len(y)
	for toA > from && toB > from && x[toA-1] == y[toB-1] {
		toA--
		toB--
	}
	return from, toA, toB
}

// trial is one edit of a file of the corpus, and what must come of it.
type trial struct {
	edit  Edit
	field *node // whose lines may change
	first int   // offset where its lines begin
	want  func(any) any
}

// trials are edits of everything in a front matter. reader says how the values
// look that want puts into the tree that another library has read.
func trials(n *node, path FieldPath, start int, all []trial) []trial {
	switch n.kind {
	case scalar:
		v := another(n.value)
		all = append(all, trial{Set(path, v), n, start, func(any) any { return v }})
	case mapping:
		for i := range n.pairs {
			p := &n.pairs[i]
			if !p.merge {
				all = trials(p.val, append(slices.Clone(path), p.name), p.start, all)
			}
		}
	case list:
		for i, item := range n.items {
			here := append(slices.Clone(path), i)
			all = trials(item, here, item.start, all)
			all = append(all, trial{Remove(here), n, start, func(old any) any { return slices.Delete(slices.Clone(old.([]any)), i, i+1) }})
		}
		v := Value("Une étape : la suite")
		all = append(all, trial{Append(path, v), n, start, func(old any) any { return append(slices.Clone(old.([]any)), v) }})
	}
	return all
}

// another value of the kind of v.
func another(v Value) Value {
	switch x := v.(type) {
	case bool:
		return !x
	case Number:
		if strings.ContainsAny(string(x), ".eE") {
			return Number("12.25")
		}
		return Number("1" + strings.TrimPrefix(string(x), "-"))
	case string:
		return x + " et l'été"
	case Time:
		return Time{Time: x.AddDate(0, 1, 1), DateOnly: x.DateOnly}
	}
	return "une valeur"
}

// substitute puts what change makes of the old value at path into a copy of v.
func substitute(v any, path FieldPath, change func(any) any) any {
	if len(path) == 0 {
		return change(v)
	}
	switch x := v.(type) {
	case map[string]any:
		x = maps.Clone(x)
		x[path[0].(string)] = substitute(x[path[0].(string)], path[1:], change)
		return x
	case []any:
		x = slices.Clone(x)
		x[path[0].(int)] = substitute(x[path[0].(int)], path[1:], change)
		return x
	}
	panic(fmt.Sprintf("no %s in %T", path, v))
}

// target is the path to the value that an edit changes.
func (e Edit) target() FieldPath {
	if e.Op == OpRemove {
		return e.Path[:len(e.Path)-1]
	}
	return e.Path
}

func TestCorpusEdits(t *testing.T) {
	files := corpus(t)
	sets := share{t: t, what: "scalar edits within the lines of their field, read as intended by yaml.v3"}
	lists := share{t: t, what: "list edits within the lines of their list, read as intended by yaml.v3"}
	psych := share{t: t, what: "edits read as intended by Psych"}
	ruby := startRuby(t)
	for name, d := range files {
		if d.Err() != nil || d.block.format != YAML || d.root == nil {
			continue
		}
		if _, err := d.edit(nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		before := decodeAny(t, d)
		rubyBefore, rubyErr := ruby.load(d)
		if rubyErr != nil {
			t.Logf("%s: not tried with Psych, which refuses it: %v", name, rubyErr)
		}
		for _, tr := range trials(d.root, nil, 0, nil) {
			s := &sets
			if tr.edit.Op != OpSet {
				s = &lists
			}
			what := fmt.Sprintf("%s: %s %s", name, tr.edit.Op, tr.edit.Path)
			got, err := d.Apply(tr.edit)
			if err != nil {
				s.count(false, "%s: %v", what, err)
				continue
			}
			err = within(d, got, tr)
			if want := substitute(before, tr.edit.target(), tr.want); err == nil && !means(want, decodeAny(t, got)) {
				err = fmt.Errorf("yaml.v3 reads something else:\n%s", lineDiff(d.Source(), got.Source()))
			}
			s.count(err == nil, "%s: %v", what, err)
			if ruby == nil || rubyErr != nil {
				continue
			}
			after, err := ruby.load(got)
			ok := err == nil && means(substitute(rubyBefore, tr.edit.target(), tr.want), after)
			psych.count(ok, "%s: Psych reads something else, or fails: %v\n%s", what, err, lineDiff(d.Source(), got.Source()))
		}
	}
	sets.print()
	lists.print()
	psych.print()
}

// within says whether the edit changed lines of its field only.
func within(d, got *Document, tr trial) error {
	from, to, _ := changedLines(d.Source(), got.Source())
	first := strings.Count(string(d.src[:tr.first]), "\n")
	last := strings.Count(string(d.src[:tr.field.end]), "\n")
	if to == from && from == last+1 { // inserted behind it
		return nil
	}
	if from < first || to > last+1 {
		return fmt.Errorf("lines %d to %d changed, the field has %d to %d:\n%s", from+1, to, first+1, last+1, lineDiff(d.Source(), got.Source()))
	}
	return nil
}

func decodeAny(t *testing.T, d *Document) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(d.src[d.block.from:d.block.to], &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// means compares a value of ours, in a tree that a library has read, with what
// the library reads there.
func means(want, got any) bool {
	switch x := want.(type) {
	case map[string]any:
		y, ok := got.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if v, ok := y[k]; !ok || !means(x[k], v) {
				return false
			}
		}
		return true
	case []any:
		y, ok := got.([]any)
		return ok && slices.EqualFunc(x, y, means)
	case Number:
		return Equal(x, Number(fmt.Sprint(got)))
	case Time:
		switch y := got.(type) {
		case time.Time:
			return x.Equal(y)
		case string: // Ruby's layout is a string to yaml.v3
			return Equal(x, y)
		}
		return false
	case time.Time:
		y, ok := got.(time.Time)
		return ok && x.Equal(y)
	}
	return want == got
}

// rubyScript loads each front matter that comes in as a line of JSON.
const rubyScript = `
require 'psych'; require 'json'; require 'date'
$stdout.sync = true
def show(v)
  case v
  when Hash then {'h' => v.to_h { |k, x| [k.to_s, show(x)] }}
  when Array then v.map { |x| show(x) }
  when Time then {'t' => v.utc.strftime('%Y-%m-%dT%H:%M:%S.%NZ')}
  when Date then {'d' => v.iso8601}
  when Symbol then {'y' => v.to_s}
  when Float then {'n' => v.to_s}
  when Integer then {'n' => v.to_s}
  else v
  end
end
while line = $stdin.gets
  begin
    v = Psych.safe_load(JSON.parse(line), permitted_classes: [Date, Time, Symbol], aliases: true)
    puts JSON.generate({'v' => show(v)})
  rescue StandardError, SyntaxError => e
    puts JSON.generate({'e' => e.message})
  end
end`

// rubyReader is a Ruby process that reads YAML.
type rubyReader struct {
	in  io.Writer
	out *bufio.Reader
}

func startRuby(t *testing.T) *rubyReader {
	path, err := exec.LookPath("ruby")
	if err != nil {
		t.Run("Psych", func(t *testing.T) { t.Skip("there is no ruby on this machine: nothing is read with Psych") })
		return nil
	}
	cmd := exec.CommandContext(t.Context(), path, "-EUTF-8", "-e", rubyScript)
	in, out := startAnswering(t, cmd)
	return &rubyReader{in, bufio.NewReader(out)}
}

// startAnswering starts a program that answers what it is asked, until the test ends.
func startAnswering(t *testing.T, cmd *exec.Cmd) (in io.WriteCloser, out io.Reader) {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return in, out
}

func (r *rubyReader) load(d *Document) (any, error) {
	if r == nil {
		return nil, nil
	}
	b, err := json.Marshal(string(d.src[d.block.from:d.block.to]))
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(r.in, "%s\n", b); err != nil {
		return nil, err
	}
	b, err = r.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var answer struct {
		V any
		E *string
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, err
	}
	if answer.E != nil {
		return nil, errors.New(*answer.E)
	}
	return fromRuby(answer.V), nil
}

// fromRuby makes values of what rubyScript shows.
func fromRuby(v any) any {
	switch x := v.(type) {
	case []any:
		for i := range x {
			x[i] = fromRuby(x[i])
		}
	case map[string]any:
		for kind, v := range x {
			switch kind {
			case "h":
				m := v.(map[string]any)
				for k := range m {
					m[k] = fromRuby(m[k])
				}
				return m
			case "t":
				t, _ := time.Parse(time.RFC3339Nano, v.(string))
				return t
			case "d":
				t, _ := time.Parse(time.DateOnly, v.(string))
				return t
			case "n":
				return Number(v.(string))
			case "y":
				return ":" + v.(string)
			}
		}
	}
	return v
}

func TestCorpusReserialized(t *testing.T) {
	files := corpus(t)
	titles := share{t: t, what: "title edits by a client that re-serialises, on the title's lines alone"}
	for name, d := range files {
		if d.Err() != nil || d.block.format != YAML {
			continue
		}
		var m map[string]any
		if err := yaml.Unmarshal(d.src[d.block.from:d.block.to], &m); err != nil || m["title"] == nil {
			continue
		}
		m["title"] = "Un autre titre : l'été"
		fm, err := yaml.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.ReplaceSource([]byte("---\n"+string(fm)+"---\n"+d.Body()), nil)
		if err == nil {
			err = onlyTitle(d, got)
		}
		titles.count(err == nil, "%s: %v", name, err)
	}
	titles.print()
}

func onlyTitle(d, got *Document) error {
	if _, err := d.edit(nil); err != nil {
		return err
	}
	if v, _ := got.Fields().Get("title"); v != "Un autre titre : l'été" {
		return fmt.Errorf("the title is %v", v)
	}
	i, _ := d.root.find("title")
	return within(d, got, trial{field: d.root.pairs[i].val, first: d.root.pairs[i].start})
}
