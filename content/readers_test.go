package content

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What readers differ about is no way past a guarded field, whichever of them reads.
func TestContestedValuesAreGuardedByBothVersions(t *testing.T) {
	const before = "---\ntitle: Un parc\npubliee: false\nordre: 1\n---\nTexte\n"
	for _, version := range []Version{YAML11, YAML12} {
		as := func(src string) *Document { return ParseAs(version, []byte(src)) }
		for _, tt := range plainScalars {
			if !contested(tt.text) {
				continue
			}
			for _, after := range []string{
				strings.Replace(before, "ordre: 1", "ordre: "+tt.text, 1),
				strings.Replace(before, "publiee: false", "publiee: "+tt.text, 1),
				strings.Replace(before, "publiee: false\n", "publiee: false\n? "+tt.text+"\n: 1\n", 1),
			} {
				if d := as(after); d.Err() == nil && accepted(as(before), d) {
					t.Errorf("by %s, a writer could save\n%s", version, after)
				}
			}
			if d := as("---\nordre: " + tt.text + "\n---\n"); d.Err() == nil && accepted(nil, d) {
				t.Errorf("by %s, a writer could create ordre: %s", version, tt.text)
			}
			free := strings.Replace(before, "Un parc", tt.text, 1) // which is their own
			if d := as(free); d.Err() == nil && !accepted(as(before), d) {
				t.Errorf("by %s, a writer could not save title: %s", version, tt.text)
			}
		}
	}
}

// What is written is read alike by every reader, whichever the site is read by.
func TestWhatIsWrittenIsReadAlike(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, version Version, v Value) {
		d := ParseAs(version, []byte("---\ntitle: x\nvieux: 0o7654321\nliste: [yes, 08000]\n---\n"))
		patch := &Object{Members: []Member{{"fields", &Object{Members: []Member{{"title", v}, {"neuf", []Value{v}}, {"vieux", v}}}}}}
		out, err := d.MergePatch(patch, nil)
		if err != nil && strings.Contains(err.Error(), "out of range") {
			return
		}
		if err != nil {
			t.Errorf("by %s, %v: %v", version, v, err)
			return
		}
		fresh, err := NewAs(version, &Object{Members: []Member{{"title", v}, {"vieux", v}, {"neuf", []Value{v}}}}, "", nil)
		if err != nil {
			t.Errorf("by %s, %v: %v", version, v, err)
			return
		}
		for _, src := range [][]byte{out.Source(), fresh.Source()} {
			for _, reader := range []Version{YAML11, YAML12} {
				read := ParseAs(reader, src)
				for _, p := range read.Problems() {
					if !strings.HasPrefix(p.Field, "liste") {
						t.Errorf("by %s, %v is written so that readers differ: %s", version, v, src)
					}
				}
				for _, name := range []string{"title", "vieux"} {
					if got, _ := read.Fields().Get(name); !Equal(got, v) {
						t.Errorf("by %s, %v was set, and is read by %s as %v: %s", version, v, reader, got, src)
					}
				}
			}
		}
	}
	for _, version := range []Version{YAML11, YAML12} {
		for _, tt := range plainScalars {
			check(t, version, tt.text)
			for _, said := range []string{tt.old, tt.now} {
				if v, err := ParseJSON([]byte(said)); err == nil {
					check(t, version, v)
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.SampledFrom([]Version{YAML11, YAML12}).Draw(t, "version")
		check(t, version, rapid.StringMatching(`[-+0-9.]?[0-9_.:xobeE+-]{0,7}`).Draw(t, "text"))
		v, err := ParseJSON([]byte(rapid.StringMatching(`-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,4})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "number")))
		if err != nil {
			t.Fatal(err)
		}
		check(t, version, v)
	})
}

// A problem says what a value is here, what to others, and how to mend it.
func TestDisputesSayWhatCountsHere(t *testing.T) {
	for _, tt := range []struct{ text, old, now string }{
		{"08000", "is a text here and to readers of YAML 1.1, as Jekyll, and a number to readers of YAML 1.2", "is a number here and to readers of YAML 1.2, and a text to readers of YAML 1.1, as Jekyll"},
		{"yes", "is true or false here and to readers of YAML 1.1, as Jekyll, and a text to readers of YAML 1.2", "is a text here and to readers of YAML 1.2, and true or false to readers of YAML 1.1, as Jekyll"},
		{"010", "is a number here and to readers of YAML 1.1, as Jekyll, and another one to readers of YAML 1.2", "is a number here and to readers of YAML 1.2, and another one to readers of YAML 1.1, as Jekyll"},
		{"1__0", "is a text here and to readers of YAML 1.1, as Jekyll, and a number to js-yaml 3, as Eleventy has it", "is a text here and to readers of YAML 1.2, and a number to js-yaml 3, as Eleventy has it"},
	} {
		for version, want := range map[Version]string{"": tt.old, YAML11: tt.old, YAML12: tt.now} {
			d := ParseAs(version, []byte("---\na: "+tt.text+"\n---\n"))
			if got := d.Problems(); len(got) != 1 || got[0].Detail.String() != want+": put it in quotes to make it a text, or write it unambiguously" {
				t.Errorf("%s by %q: got %+v, want %s", tt.text, version, got, want)
			}
		}
	}
}
