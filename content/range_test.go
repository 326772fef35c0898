package content

import (
	"fmt"
	"strings"
	"testing"
)

// A new number that a reader would take for another one is refused with its
// path; one that the file has stays.
func TestNumbersOutOfRange(t *testing.T) {
	sources := map[Format]string{
		YAML: "---\ntitre: Le port\nliste: [a]\nvieux: %s\n---\n",
		TOML: "+++\ntitre = \"Le port\"\nliste = [\"a\"]\nvieux = %s\n+++\n",
		JSON: "{\n  \"titre\": \"Le port\",\n  \"liste\": [\"a\"],\n  \"vieux\": %s\n}\n",
	}
	for format, source := range sources {
		d := Parse(fmt.Appendf(nil, source, "1.5"))
		for _, number := range []string{"1e400", "-1.5e309", "1e-400", "-0.01e-330", "1" + strings.Repeat("0", 400) + ".0", "9223372036854775808"} {
			integer := number == "9223372036854775808"
			for path, patch := range map[string]string{
				"dans.nombres[1]": `[{"op":"add","path":"/fields/dans","value":{"nombres":[1,%s]}}]`,
				"titre":           `[{"op":"replace","path":"/fields/titre","value":%s}]`,
				"liste[1]":        `[{"op":"add","path":"/fields/liste/-","value":%s}]`,
			} {
				got, err := d.JSONPatch(t.Context(), fmt.Appendf(nil, patch, number), nil)
				if integer && format != TOML {
					if err != nil || !strings.Contains(string(got.Source()), number) {
						t.Errorf("%s, %s at %s: got %v, want it to be written", format, number, path, err)
					}
					continue
				}
				if kindOf(err) != KindRefused || !strings.HasPrefix(err.Error(), path+": the number is out of range") {
					t.Errorf("%s, %.20s at %s: got %v, want it to be out of range", format, number, path, err)
				}
			}
		}
		for _, number := range []string{"0", "-0.0", "0e5", "0.0e-999", "1.7976931348623157e308", "5e-324"} {
			if _, err := d.JSONPatch(t.Context(), fmt.Appendf(nil, `[{"op":"add","path":"/fields/n","value":%s}]`, number), nil); err != nil {
				t.Errorf("%s, %s: got %v, want it to be written", format, number, err)
			}
		}
	}
	d := Parse(fmt.Appendf(nil, sources[YAML], "1.0e+400"))
	got, err := d.JSONPatch(t.Context(), []byte(`[{"op":"replace","path":"/fields/titre","value":"Le phare"}]`), nil)
	if err != nil || !strings.Contains(string(got.Source()), "vieux: 1.0e+400\n") {
		t.Errorf("got %v, %v; want the number to stay", got, err)
	}
}
