package content

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"pgregory.net/rapid"
)

func TestJSONPatch(t *testing.T) {
	d := doc("title: Le port # nom\ndate: 2021-06-01 18:30:00 +0200\nliste:\n- a # 1\n- b # 2\n- c # 3\n")
	got, err := d.JSONPatch(t.Context(), []byte(`[{"op":"test","path":"/fields/date","value":"2021-06-01T18:30:00+02:00"},
		{"op":"replace","path":"/fields/title","value":"Le phare"},{"op":"move","from":"/fields/liste/2","path":"/fields/liste/0"},
		{"op":"add","path":"/fields/liste/-","value":"d"},{"op":"replace","path":"/body","value":"Corps\nneuf\n"}]`), nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "---\ntitle: Le phare # nom\ndate: 2021-06-01 18:30:00 +0200\nliste:\n- c # 3\n- a # 1\n- b # 2\n- d\n---\nCorps\nneuf\n"
	if string(got.Source()) != want {
		t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
	}
	if _, err := d.JSONPatch(t.Context(), []byte(`[{"op":"test","path":"/fields/title","value":"x"}]`), nil); !errors.Is(err, ErrTestFailed) {
		t.Errorf("got %v, want a failed test", err)
	}
	for patch, want := range map[string]Kind{
		`[{"op":"remove","path":"/fields/absent"}]`: KindNotFound, `[{"op":"remove","path":"/fields"}]`: KindRefused, `{}`: KindRefused, `[`: KindRefused,
		`[{"op":"add","path":"/autre","value":1}]`: KindRefused, `[{"op":"nage","path":"/body"}]`: KindRefused,
	} {
		if _, err := d.JSONPatch(t.Context(), []byte(patch), nil); kindOf(err) != want {
			t.Errorf("%s: got %v, want %s", patch, err, want)
		}
	}
}

// A refusal says which operation it is about and why, in words that hold
// nothing of the patch.
func TestJSONPatchRefusals(t *testing.T) {
	d := doc("titre: Le port\nliste: [a, b]\n\"01\": janvier\n")
	const secret = "SECRET"
	for _, tt := range []struct {
		patch string
		kind  Kind
		want  string
	}{
		{`[1,2]`, KindRefused, "operation 0 of the patch: it is not an object"},
		{`{"op":"SECRET"}`, KindRefused, "the patch: it is not an array of operations"},
		{"[\n {\"SECRET\":1,\"SECRET\":2}]", KindRefused, "the patch: it is not JSON that can be read, from line 2, column 14"},
		{`[{"op":"SECRET","path":"/x"}]`, KindRefused, "its op is none of"},
		{`[{"path":"/x"}]`, KindRefused, "its op is none of"},
		{`[{"op":"remove"}]`, KindRefused, "its path is not a JSON Pointer"},
		{`[{"op":"remove","path":"SECRET"}]`, KindRefused, "its path is not a JSON Pointer"},
		{`[{"op":"remove","path":"/SECRET~2"}]`, KindRefused, "its path is not a JSON Pointer"},
		{`[{"op":"remove","path":"/SECRET~"}]`, KindRefused, "its path is not a JSON Pointer"},
		{`[{"op":"copy","path":"/fields/x"}]`, KindRefused, "its from is not a JSON Pointer"},
		{`[{"op":"move","path":"/fields/x","from":5}]`, KindRefused, "its from is not a JSON Pointer"},
		{`[{"op":"add","path":"/fields/x"}]`, KindRefused, "it has no value"},
		{`[{"op":"replace","path":"/fields/titre"}]`, KindRefused, "it has no value"},
		{`[{"op":"test","path":"/fields/titre"}]`, KindRefused, "it has no value"},
		{`[{"op":"remove","path":""}]`, KindRefused, "it takes the whole document away"},
		{`[{"op":"move","from":"","path":"/fields"}]`, KindRefused, "it takes the whole document away"},
		{`[{"op":"move","from":"/fields","path":"/fields/x"}]`, KindRefused, "it moves a value into itself"},
		{`[{"op":"replace","path":"","value":5}]`, KindRefused, "the patch: its result is not an object of fields"},
		{`[{"op":"replace","path":"","value":{"fields":{},"body":"","SECRET":1}}]`, KindRefused, "the patch: its result is not"},
		{`[{"op":"test","path":"/fields/titre","value":"Le port"},{"op":"remove","path":"/fields/SECRET"}]`, KindNotFound, "operation 1 of the patch: there is no value"},
		{`[{"op":"replace","path":"/fields/SECRET","value":"SECRET"}]`, KindNotFound, "there is no value"},
		{`[{"op":"add","path":"/fields/titre/SECRET","value":"SECRET"}]`, KindNotFound, "there is no value"},
		{`[{"op":"add","path":"/fields/liste/01","value":"SECRET"}]`, KindRefused, "is not valid"},
		{`[{"op":"add","path":"/fields/liste/+1","value":"SECRET"}]`, KindRefused, "is not valid"},
		{`[{"op":"add","path":"/fields/liste/-1","value":"SECRET"}]`, KindRefused, "is not valid"},
		{`[{"op":"add","path":"/fields/liste/","value":"SECRET"}]`, KindRefused, "is not valid"},
		{`[{"op":"add","path":"/fields/liste/3","value":"SECRET"}]`, KindNotFound, "there is no value"},
		{`[{"op":"add","path":"/fields/liste/99999999999999999999","value":"SECRET"}]`, KindNotFound, "there is no value"},
		{`[{"op":"remove","path":"/fields/liste/2"}]`, KindNotFound, "there is no value"},
		{`[{"op":"remove","path":"/fields/liste/-"}]`, KindNotFound, "there is no value"},
		{`[{"op":"replace","path":"/fields/liste/-","value":"SECRET"}]`, KindNotFound, "there is no value"},
		{"[" + strings.Repeat(`{"op":"copy","from":"/fields","path":"/fields/x"},`, 40) + `{"op":"remove","path":"/fields/x"}]`, KindRefused, "the copies of the patch are too large"},
		{"[" + strings.Repeat(`{"op":"test","path":"","value":0},`, maxOperations) + `0]`, KindRefused, "the patch: it has more than 10000 operations"},
	} {
		_, err := d.JSONPatch(t.Context(), []byte(tt.patch), nil)
		if kindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%.90s: got %q (%s), want %q (%s)", tt.patch, err, kindOf(err), tt.want, tt.kind)
		}
	}
	for _, patch := range []string{
		`[{"op":"test","path":"/fields/titre","value":"SECRET"}]`, `[{"op":"test","path":"/fields/SECRET","value":null}]`,
		`[{"op":"test","path":"/fields/titre/SECRET","value":null}]`,
	} {
		if _, err := d.JSONPatch(t.Context(), []byte(patch), nil); !errors.Is(err, ErrTestFailed) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want a failed test", patch, err)
		}
	}
	got, err := d.JSONPatch(t.Context(), []byte(`[{"op":"replace","path":"/fields/01","value":"mai"},{"op":"add","path":"/fields/liste/2","value":"c"},{"op":"add","path":"/fields/","value":"vide"}]`), nil)
	want := parse(t, `{"titre":"Le port","liste":["a","b","c"],"01":"mai","":"vide"}`)
	if err != nil || !Equal(got.Fields(), want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// Thousands of operations, each of which moves 60,000 items, are refused, as is a
// patch of more values than a request may have.
func TestJSONPatchBoundsItsWork(t *testing.T) {
	for items, want := range map[int]Kind{60_000: KindRefused, 1_000_000: KindTooLarge} {
		b := []byte(`[{"op":"add","path":"/fields/liste","value":[` + strings.Repeat("0,", items) + `0]}`)
		b = append(b, strings.Repeat(`,{"op":"add","path":"/fields/liste/0","value":1}`, maxOperations-1)...)
		_, err := doc("titre: Le port\n").JSONPatch(t.Context(), append(b, ']'), nil)
		if kindOf(err) != want || want == KindRefused && !strings.Contains(err.Error(), "too many operations") {
			t.Errorf("%d items: got %v, want it to be %s", items, err, want)
		}
	}
}

// Patches mean what another implementation makes of them.
func TestJSONPatchAgrees(t *testing.T) {
	d := doc("a: 1\nb: {a: x, b: [1, 2]}\nc: [{a: null}, [], z]\n")
	before, err := appendJSON(nil, &Object{Members: []Member{{"fields", d.Fields()}, {"body", d.Body()}}})
	if err != nil {
		t.Fatal(err)
	}
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.SampledFrom([]string{"a", "b", "c", "0", "1", "2", "-", "d~1e"})
		path := func(label string) string {
			return "/fields/" + strings.Join(rapid.SliceOfN(token, 1, 3).Draw(t, label), "/")
		}
		var operations []string
		for range rapid.IntRange(1, 4).Draw(t, "operations") {
			op := rapid.SampledFrom([]string{"add", "remove", "replace", "move", "copy", "test"}).Draw(t, "op")
			value := rapid.SampledFrom([]string{"1", `"x"`, "[1,2]", `{"a":"x"}`, "[]"}).Draw(t, "value")
			operations = append(operations, fmt.Sprintf(`{"op":%q,"path":%q,"from":%q,"value":%s}`, op, path("path"), path("from"), value))
		}
		patch := "[" + strings.Join(operations, ",") + "]"
		patched, err := d.JSONPatch(t.Context(), []byte(patch), nil)
		other, err2 := jsonpatch.DecodePatch([]byte(patch))
		var after []byte
		if err2 == nil {
			after, err2 = other.ApplyWithOptions(before, options)
		}
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%s: got %v, the other says %v", patch, err, err2)
		}
		if err != nil {
			return
		}
		want, err := ParseJSON(after)
		if got := (&Object{Members: []Member{{"fields", patched.Fields()}, {"body", patched.Body()}}}); err != nil || !Equal(got, want) {
			t.Fatalf("%s: got %v, want %s", patch, got, after)
		}
	})
}

// What a patch says of the structure keeps the lines of what it moves, renames and
// leaves, where a difference of before and after could not tell.
func TestJSONPatchKeepsLines(t *testing.T) {
	const fm = "titre: 'Le port' # nom\nnom: x\nl:\n- a # 1\n- b # 2\n- a # 3\nm: {k: 0x1f, n: 1}\n"
	schema := &Schema{Fields: []Field{{Name: "jours", Type: TypeList, Of: &Field{Type: TypeDate}}}}
	for name, tt := range map[string]struct{ patch, want string }{
		"rename":            {`{"op":"move","from":"/fields/titre","path":"/fields/title"}`, "title: 'Le port' # nom\nnom: x\nl:\n- a # 1\n- b # 2\n- a # 3\nm: {k: 0x1f, n: 1}\n"},
		"rename inside":     {`{"op":"move","from":"/fields/m/k","path":"/fields/m/kk"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- a # 1\n- b # 2\n- a # 3\nm: {kk: 0x1f, n: 1}\n"},
		"rename and set":    {`{"op":"move","from":"/fields/titre","path":"/fields/title"},{"op":"replace","path":"/fields/title","value":"Le phare"}`, "title: 'Le phare' # nom\nnom: x\nl:\n- a # 1\n- b # 2\n- a # 3\nm: {k: 0x1f, n: 1}\n"},
		"rename onto":       {`{"op":"move","from":"/fields/titre","path":"/fields/nom"}`, "nom: 'Le port' # nom\nl:\n- a # 1\n- b # 2\n- a # 3\nm: {k: 0x1f, n: 1}\n"},
		"remove one of two": {`{"op":"remove","path":"/fields/l/0"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- b # 2\n- a # 3\nm: {k: 0x1f, n: 1}\n"},
		"remove the other":  {`{"op":"remove","path":"/fields/l/2"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- a # 1\n- b # 2\nm: {k: 0x1f, n: 1}\n"},
		"move equals":       {`{"op":"move","from":"/fields/l/2","path":"/fields/l/0"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- a # 3\n- a # 1\n- b # 2\nm: {k: 0x1f, n: 1}\n"},
		"move to the end":   {`{"op":"move","from":"/fields/l/0","path":"/fields/l/-"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- b # 2\n- a # 3\n- a # 1\nm: {k: 0x1f, n: 1}\n"},
		"insert an equal":   {`{"op":"add","path":"/fields/l/0","value":"a"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- a\n- a # 1\n- b # 2\n- a # 3\nm: {k: 0x1f, n: 1}\n"},
		"append":            {`{"op":"add","path":"/fields/l/-","value":"a"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- a # 1\n- b # 2\n- a # 3\n- a\nm: {k: 0x1f, n: 1}\n"},
		"of another list":   {`{"op":"move","from":"/fields/l/0","path":"/fields/premier"}`, "titre: 'Le port' # nom\nnom: x\nl:\n- b # 2\n- a # 3\nm: {k: 0x1f, n: 1}\npremier: a\n"},
		"new, then renamed": {`{"op":"add","path":"/fields/n","value":1},{"op":"move","from":"/fields/n","path":"/fields/o"}`, fm + "o: 1\n"},
		"a list of days":    {`{"op":"add","path":"/fields/jours","value":["2024-01-02"]},{"op":"add","path":"/fields/jours/0","value":"2024-01-01"}`, fm + "jours:\n- 2024-01-01\n- 2024-01-02\n"},
	} {
		got, err := doc(fm).JSONPatch(t.Context(), []byte("["+tt.patch+"]"), schema)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := string(doc(tt.want).Source()); string(got.Source()) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.Source(), want)
		}
	}
}
