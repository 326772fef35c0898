package content

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cms/bounded"
)

const mergeBase = `---
title: Forêt communale   # provisoire
date: 2019-01-15 09:29:08 +0000
ordre: 2
methodes:
- Atelier
- Vote   # en ligne
- Réunion
contact: {nom: 'Mairie', tel: "04 00"}
etapes:
  - nom: Diagnostic
    date: 2019-02-01
  - nom: Débat   # public
    date: 2019-03-01
link:
---

# Démarche

Un paragraphe.

Un autre paragraphe.
`

// edited is the base with strings replaced, each of which must occur once.
func edited(t testing.TB, base string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if n := strings.Count(base, oldnew[i]); n != 1 {
			t.Fatalf("%q occurs %d times in\n%s", oldnew[i], n, base)
		}
		base = strings.Replace(base, oldnew[i], oldnew[i+1], 1)
	}
	return base
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name               string
		ours, theirs, want []string // replacements in base
	}{
		{"two fields",
			[]string{"communale ", "de Brocéliande "}, []string{"ordre: 2", "ordre: 3"},
			[]string{"communale ", "de Brocéliande ", "ordre: 2", "ordre: 3"}},
		{"the same change",
			[]string{"ordre: 2", "ordre: 3"}, []string{"ordre: 2", "ordre: 3.0", "04 00", "04 01"},
			[]string{"ordre: 2", "ordre: 3", "04 00", "04 01"}},
		{"noise of theirs is left out",
			[]string{"ordre: 2", "ordre: 3"}, []string{"   # provisoire", "", "'Mairie'", "Mairie", "link:\n", "link: null\n", "04 00", "04 01"},
			[]string{"ordre: 2", "ordre: 3", "04 00", "04 01"}},
		{"members of one mapping",
			[]string{"'Mairie'", "'Préfecture'"}, []string{"04 00", "04 01"},
			[]string{"'Mairie'", "'Préfecture'", "04 00", "04 01"}},
		{"removed on both sides",
			[]string{"ordre: 2\n", ""}, []string{"ordre: 2\n", "", "04 00", "04 01"},
			[]string{"ordre: 2\n", "", "04 00", "04 01"}},
		{"removed by theirs",
			[]string{"04 00", "04 01"}, []string{"ordre: 2\n", ""},
			[]string{"ordre: 2\n", "", "04 00", "04 01"}},
		{"added on both sides",
			[]string{"ordre: 2\n", "ordre: 2\nnote: 4\n"}, []string{"ordre: 2\n", "ordre: 2\nstatut: close\n"},
			[]string{"ordre: 2\n", "ordre: 2\nstatut: close\nnote: 4\n"}},
		{"list: appended and removed",
			[]string{"- Réunion\n", "- Réunion\n- Jury\n"}, []string{"- Atelier\n", ""},
			[]string{"- Réunion\n", "- Réunion\n- Jury\n", "- Atelier\n", ""}},
		{"list: neighbors replaced",
			[]string{"- Atelier\n", "- Ateliers\n"}, []string{"- Vote ", "- Scrutin "},
			[]string{"- Atelier\n", "- Ateliers\n", "- Vote ", "- Scrutin "}},
		{"list: both append",
			[]string{"- Réunion\n", "- Réunion\n- Jury\n"}, []string{"- Réunion\n", "- Réunion\n- Enquête\n"},
			[]string{"- Réunion\n", "- Réunion\n- Jury\n- Enquête\n"}},
		{"list: both append the same",
			[]string{"- Réunion\n", "- Réunion\n- Jury\n"}, []string{"- Réunion\n", "- Réunion\n- Jury\n- Enquête\n"},
			[]string{"- Réunion\n", "- Réunion\n- Jury\n- Enquête\n"}},
		{"list: members of one item",
			[]string{"nom: Débat", "nom: Grand débat"}, []string{"2019-03-01", "2019-03-02"},
			[]string{"nom: Débat", "nom: Grand débat", "2019-03-01", "2019-03-02"}},
		{"list: an item of each",
			[]string{"nom: Débat", "nom: Grand débat"}, []string{"nom: Diagnostic", "nom: État des lieux"},
			[]string{"nom: Débat", "nom: Grand débat", "nom: Diagnostic", "nom: État des lieux"}},
		{"null made a list on both sides",
			[]string{"link:\n", "link:\n- a\n"}, []string{"link:\n", "link:\n- b\n"},
			[]string{"link:\n", "link:\n- a\n- b\n"}},
		{"two parts of the body",
			[]string{"# Démarche", "# La démarche"}, []string{"Un autre", "Encore un"},
			[]string{"# Démarche", "# La démarche", "Un autre", "Encore un"}},
		{"field and body",
			[]string{"ordre: 2", "ordre: 3"}, []string{"Un autre paragraphe.\n", "Fin"},
			[]string{"ordre: 2", "ordre: 3", "Un autre paragraphe.\n", "Fin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs, want := edited(t, mergeBase, tt.ours...), edited(t, mergeBase, tt.theirs...), edited(t, mergeBase, tt.want...)
			got, clashes, err := mergeOf(Parse([]byte(mergeBase)), Parse([]byte(ours)), Parse([]byte(theirs)))
			if err != nil || len(clashes) > 0 {
				t.Fatalf("got clashes %v, error %v", clashes, err)
			}
			if string(got.Source()) != want {
				t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
			}
		})
	}
}

func TestMergeClashes(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ours, theirs []string // replacements in base
		want         string
		merged       []string
	}{
		{"a value", []string{"ordre: 2", "ordre: 3"}, []string{"ordre: 2", "ordre: 4"},
			`[{"field":"ordre","pointer":"/ordre","base":2,"ours":3,"theirs":4}]`, nil},
		{"all else is merged", []string{"ordre: 2", "ordre: 3"}, []string{"ordre: 2", "ordre: 4", "04 00", "04 01", "Un autre", "Encore un"},
			`[{"field":"ordre","pointer":"/ordre","base":2,"ours":3,"theirs":4}]`,
			[]string{"ordre: 2", "ordre: 3", "04 00", "04 01", "Un autre", "Encore un"}},
		{"removed and changed", []string{"ordre: 2\n", ""}, []string{"ordre: 2", "ordre: null"},
			`[{"field":"ordre","pointer":"/ordre","base":2,"theirs":null}]`, nil},
		{"changed and removed", []string{"ordre: 2", "ordre: 3"}, []string{"ordre: 2\n", ""},
			`[{"field":"ordre","pointer":"/ordre","base":2,"ours":3}]`, nil},
		{"added", []string{"link:\n", "link:\na/b: 1\n"}, []string{"link:\n", "link:\na/b: 2\n"},
			`[{"field":"a/b","pointer":"/a~1b","ours":1,"theirs":2}]`, nil},
		{"within a mapping", []string{"'Mairie'", "'Préfecture'"}, []string{"'Mairie'", "'Région'", "04 00", "04 01"},
			`[{"field":"contact.nom","pointer":"/contact/nom","base":"Mairie","ours":"Préfecture","theirs":"Région"}]`,
			[]string{"'Mairie'", "'Préfecture'", "04 00", "04 01"}},
		{"a mapping and a text", []string{"'Mairie'", "'Préfecture'"}, []string{`{nom: 'Mairie', tel: "04 00"}`, "Mairie"},
			`[{"field":"contact","pointer":"/contact","base":{"nom":"Mairie","tel":"04 00"},"ours":{"nom":"Préfecture","tel":"04 00"},"theirs":"Mairie"}]`, nil},
		{"within an item, where it is now", []string{"  - nom: Diagnostic\n", "  - nom: Annonce\n  - nom: Diagnostic\n", "nom: Débat", "nom: Grand débat"}, []string{"nom: Débat", "nom: Petit débat", "2019-03-01", "2019-03-02"},
			`[{"field":"etapes[2].nom","pointer":"/etapes/2/nom","base":"Débat","ours":"Grand débat","theirs":"Petit débat"}]`,
			[]string{"  - nom: Diagnostic\n", "  - nom: Annonce\n  - nom: Diagnostic\n", "nom: Débat", "nom: Grand débat", "2019-03-01", "2019-03-02"}},
		{"an item replaced on both sides", []string{"- Vote ", "- Scrutin "}, []string{"- Vote ", "- Référendum "},
			`[{"field":"methodes","pointer":"/methodes","base":["Atelier","Vote","Réunion"],"ours":["Atelier","Scrutin","Réunion"],"theirs":["Atelier","Référendum","Réunion"]}]`, nil},
		{"an item moved and removed", []string{"- Atelier\n", "", "- Réunion\n", "- Réunion\n- Atelier\n"}, []string{"- Atelier\n", ""},
			`[{"field":"methodes","pointer":"/methodes","base":["Atelier","Vote","Réunion"],"ours":["Vote","Réunion","Atelier"],"theirs":["Vote","Réunion"]}]`, nil},
		{"an item changed and removed", []string{"nom: Débat", "nom: Grand débat"}, []string{"  - nom: Débat   # public\n    date: 2019-03-01\n", ""},
			`[{"field":"etapes","pointer":"/etapes",` +
				`"base":[{"nom":"Diagnostic","date":"2019-02-01"},{"nom":"Débat","date":"2019-03-01"}],` +
				`"ours":[{"nom":"Diagnostic","date":"2019-02-01"},{"nom":"Grand débat","date":"2019-03-01"}],` +
				`"theirs":[{"nom":"Diagnostic","date":"2019-02-01"}]}]`, nil},
		{"a line of the body", []string{"Un paragraphe", "Le paragraphe", "ordre: 2", "ordre: 3"}, []string{"Un paragraphe", "Ce paragraphe", "04 00", "04 01"},
			`[{"field":"body","pointer":"","base":"\n# Démarche\n\nUn paragraphe.\n\nUn autre paragraphe.\n","ours":"\n# Démarche\n\nLe paragraphe.\n\nUn autre paragraphe.\n","theirs":"\n# Démarche\n\nCe paragraphe.\n\nUn autre paragraphe.\n"}]`,
			[]string{"Un paragraphe", "Le paragraphe", "ordre: 2", "ordre: 3", "04 00", "04 01"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := edited(t, mergeBase, tt.ours...), edited(t, mergeBase, tt.theirs...)
			want := ours
			if tt.merged != nil {
				want = edited(t, mergeBase, tt.merged...)
			}
			got, clashes, err := mergeOf(Parse([]byte(mergeBase)), Parse([]byte(ours)), Parse([]byte(theirs)))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := json.Marshal(clashes); err != nil || string(text) != tt.want {
				t.Errorf("clashes:\ngot  %s, %v\nwant %s", text, err, tt.want)
			}
			if string(got.Source()) != want {
				t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
			}
		})
	}
}

func TestMergeLists(t *testing.T) {
	for _, tt := range []struct{ base, ours, theirs, want string }{ // an empty want is a clash
		{`[]`, `[1]`, `[2]`, `[1,2]`},
		{`[]`, `[1,2]`, `[2,3,1]`, `[1,2,3]`},
		{`[]`, `[[1]]`, `[[2]]`, ``},
		{`[]`, `[{"a":1}]`, `[{"a":2}]`, ``},
		{`[1,2]`, `[]`, `[]`, `[]`},
		{`[1,2]`, `[2]`, `[1]`, `[]`},
		{`[1,2]`, `[2]`, `[1.0,2.0,3]`, `[2,3]`},
		{`[1,2]`, `[]`, `[1,3]`, ``},
		{`[1,2]`, `[9,2]`, `[0,1,2]`, `[0,9,2]`},
		{`[1,2,3,4]`, `[2,3,4,1]`, `[2,3,1,4]`, ``},
		{`[1,2,3,4]`, `[2,3,4,1]`, `[2,3,4]`, ``},
		{`[1,2,3,4]`, `[1,5,2,3,4]`, `[1,2,3,5,4]`, ``},
		{`[1,2,3,4]`, `[0,1,2,3,4]`, `[1,2,4,3]`, `[0,1,2,4,3]`},
		{`[1,1,1]`, `[1,1]`, `[1,1,1,2]`, `[1,1,2]`},
		{`[{"a":1,"b":1},{"a":2}]`, `[{"a":1,"b":2},{"a":3}]`, `[{"a":0,"b":1},{"a":2,"b":2}]`, `[{"a":0,"b":2},{"a":3,"b":2}]`},
		{`[[1,2],[3]]`, `[[1,2,0],[3]]`, `[[1,2],[3,4]]`, `[[1,2,0],[3,4]]`},
		{`[[1,2]]`, `[[1]]`, `[[2]]`, ``},
		{`[{"a":1},{"b":1},{"c":1}]`, `[{"a":2},{"b":1},{"c":2}]`, `[{"a":3},{"b":1}]`, ``}, // within an item, and of the list
	} {
		document := func(list string) *Document { return Parse([]byte("---\na: " + list + "\n---\n")) }
		got, clashes, err := mergeOf(document(tt.base), document(tt.ours), document(tt.theirs))
		if err != nil {
			t.Errorf("%s, %s, %s: %v", tt.base, tt.ours, tt.theirs, err)
			continue
		}
		want := object(t, `{"a":`+cmp.Or(tt.want, tt.ours)+`}`)
		clash := len(clashes) == 1 && clashes[0].Pointer == "/a"
		if !Equal(got.Fields(), want) || clash != (tt.want == "") || !clash && len(clashes) > 0 {
			t.Errorf("%s, %s, %s: got %s with clashes %v, want %s", tt.base, tt.ours, tt.theirs, got.Source(), clashes, tt.want)
		}
	}
}

func TestMergeLineEndings(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for _, tt := range []struct {
		name                     string
		base, ours, theirs, want string
	}{
		{"theirs lost its own", crlf("---\na: 1\n---\nun\n\ndeux\n\ntrois\n"), crlf("---\na: 1\n---\n1\n\ndeux\n\ntrois\n"), "---\na: 2\n---\nun\n\ndeux\n\n3\n", crlf("---\na: 2\n---\n1\n\ndeux\n\n3\n")},
		{"ours got others", "---\na: 1\n---\nun\n\ndeux\n", crlf("---\na: 1\n---\nun\n\ndeux\n"), "---\na: 1\n---\nun\n\n2\n", crlf("---\na: 1\n---\nun\n\n2\n")},
		{"only theirs got others", "---\na: 1\n---\nun\n\ndeux\n", "---\na: 2\n---\nun\n\ndeux\n", crlf("---\na: 1\n---\nun\n\ndeux\n"), "---\na: 2\n---\nun\n\ndeux\n"},
		{"end of the file", "---\na: 1\n---\nun\n\ndeux", "---\na: 2\n---\nun\n\ndeux", "---\na: 1\n---\nun\n\ndeux\n", "---\na: 2\n---\nun\n\ndeux\n"},
		{"stray carriage returns", "un\n\r\r\n\ndeux\n", "1\n\r\r\n\ndeux\n", "un\n\n\n2\n", "1\n\r\r\n\n2\n"},
		{"no front matter", "un\n\ndeux\n", "1\n\ndeux\n", "un\n\n2\n", "1\n\n2\n"},
		{"front matter added", "un\n\ndeux\n", "1\n\ndeux\n", "---\na: 1\n---\nun\n\ndeux\n", "---\na: 1\n---\n1\n\ndeux\n"},
	} {
		got, clashes, err := mergeOf(Parse([]byte(tt.base)), Parse([]byte(tt.ours)), Parse([]byte(tt.theirs)))
		if err != nil || len(clashes) > 0 {
			t.Errorf("%s: got clashes %v, error %v", tt.name, clashes, err)
		} else if string(got.Source()) != tt.want {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got.Source(), tt.want)
		}
	}
}

func TestMergeUnreadable(t *testing.T) {
	fine, other, broken := Parse([]byte("---\na: 1\n---\n")), Parse([]byte("---\na: 2\n---\n")), Parse([]byte("---\na: [\n---\n"))
	for _, tt := range []struct {
		name                     string
		base, ours, theirs, want *Document
	}{
		{"theirs breaks it, ours did nothing", fine, fine, broken, broken},
		{"theirs mends it, ours did nothing", broken, broken, fine, fine},
		{"ours broke it, theirs did nothing", fine, broken, fine, broken},
		{"both did the same", fine, broken, broken, broken},
		{"theirs breaks it", fine, other, broken, nil},
		{"ours broke it", fine, broken, other, nil},
		{"both mend it", broken, fine, other, nil},
	} {
		got, clashes, err := mergeOf(tt.base, tt.ours, tt.theirs)
		var at *SyntaxError
		switch {
		case tt.want == nil && !errors.As(err, &at):
			t.Errorf("%s: got %v, want a SyntaxError", tt.name, err)
		case tt.want != nil && (got != tt.want || clashes != nil || err != nil):
			t.Errorf("%s: got %v, %v, %v", tt.name, got, clashes, err)
		}
	}
}

// diff3 divides all of its sequences, and says rightly who changed what.
func TestDiff3Regions(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sequence := rapid.SliceOfN(rapid.IntRange(1, 4), 0, 10)
		base, ours, theirs := sequence.Draw(rt, "base"), sequence.Draw(rt, "ours"), sequence.Draw(rt, "theirs")
		touching := rapid.Bool().Draw(rt, "touching")
		var end region
		for i, r := range (&budget{Work: bounded.New(t.Context())}).diff3(base, ours, theirs, touching) {
			if r.base.from != end.base.to || r.ours.from != end.ours.to || r.theirs.from != end.theirs.to {
				rt.Fatalf("region %d, %+v, does not follow %+v", i, r, end)
			}
			b, o, u := base[r.base.from:r.base.to], ours[r.ours.from:r.ours.to], theirs[r.theirs.from:r.theirs.to]
			if !r.changedOurs && !slices.Equal(b, o) || !r.changedTheirs && !slices.Equal(b, u) {
				rt.Fatalf("region %+v: %v, %v, %v", r, b, o, u)
			}
			if touching && i > 0 && (end.changedOurs || end.changedTheirs) && (r.changedOurs || r.changedTheirs) {
				rt.Fatalf("region %+v touches %+v", r, end)
			}
			end = r
		}
		if end.base.to != len(base) || end.ours.to != len(ours) || end.theirs.to != len(theirs) {
			rt.Fatalf("the last region is %+v of %d, %d, %d", end, len(base), len(ours), len(theirs))
		}
	})
}

// mergeBases are files in the habits of several people.
func mergeBases() []string {
	return []string{
		mergeBase,
		strings.ReplaceAll(mergeBase, "\n", "\r\n"),
		"\uFEFF---\ntitle :  'L''eau'\nlieux: [Brest, 'Lyon' , \"Nice\"] # trois\nbudget: {total: 1.50, part: {ville: 10, etat: 20}}\n...\nUn\nDeux\nTrois",
		"---\nresume: |\n  Une ligne.\n\n  Une autre.\nsuite: >-\n  pliée\n  en deux\n\nlieux:\n  -  Brest\n\n  # le sud\n  -  Nice\n  -  Lyon\nvide:\n\n---\n\n\nA\n\nB\n\nC\n",
		"---\n\"a b\": &x [1, 2, 3]\nc: *x\nd: !!str 2019-01-15\ne: 2019-01-15\n? f\n: g\n---\n---\na\nb\nc\n",
		"+++\ntitle = 'Eau'\nlieux = ['Brest', 'Lyon', 'Nice']\n[contact]\nnom = 'Mairie'\n+++\nUn\nDeux\nTrois\n",
		"{\"title\": \"Eau\", \"contact\": {\"nom\": \"Mairie\", \"tel\": null}}\nUn\nDeux\nTrois\n",
		"Un\nDeux\nTrois\n",
	}
}

func TestMergeDisjoint(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base := rapid.SampledFrom(mergeBases()).Draw(rt, "base")
		checkMerge(rt, []byte(base), rapid.SliceOfN(rapid.Byte(), 20, 60).Draw(rt, "script"), false)
	})
}

func FuzzMerge(f *testing.F) {
	for i, src := range mergeBases() {
		for j := range byte(6) {
			script := make([]byte, 24)
			for k := range script {
				script[k] = byte(i)*7 + j*41 + byte(k*k)*13
			}
			f.Add([]byte(src), script)
		}
	}
	f.Fuzz(func(t *testing.T, src, script []byte) {
		if len(src) > 1<<13 || len(script) > 1<<7 {
			return // slow, and no more telling
		}
		checkMerge(t, src, script, true)
	})
}

// checkMerge makes two sides of disjoint edits of a script. To merge them is to
// apply both, in either order, and to merge equal edits is that edit, whoever
// wrote it down. With odd, for documents that nobody would write, a merge may
// also be refused where one splice for both sides would touch other values.
func checkMerge(t rapid.TB, src, script []byte, odd bool) {
	base := Parse(src)
	if len(base.Problems()) > 0 {
		return
	}
	sides := readScript(base, script)
	ours, theirs := sides[0].apply(base), sides[1].apply(base)
	for range 2 {
		both := sides[1].apply(ours)
		if ours == nil || theirs == nil || both == nil {
			return // an edit is refused
		}
		if _, err := ours.Replace(both.Fields(), both.Body(), nil); err != nil {
			return // so is the sum of the edits
		}
		got, clashes, err := mergeOf(base, ours, theirs)
		if odd && kindOf(err) == KindRefused {
			return
		}
		if err != nil || len(clashes) > 0 {
			t.Fatalf("clashes %v, error %v of\n%s", clashes, err, show(base, ours, theirs))
		}
		if !Equal(got.Fields(), both.Fields()) || unixLines(got.Body()) != unixLines(both.Body()) {
			t.Fatalf("got\n%s\nwant\n%s\nof\n%s", got.Source(), both.Source(), show(base, ours, theirs))
		}
		checkEqualEdits(t, base, ours, odd)
		sides[0], sides[1] = sides[1], sides[0]
		ours, theirs = theirs, ours
	}
}

// checkEqualEdits merges an edit with the same one by a client that writes the
// whole file in its own way.
func checkEqualEdits(t rapid.TB, base, ours *Document, odd bool) {
	theirs, err := NewAs(YAML11, ours.Fields(), ours.Body(), nil)
	if err != nil || theirs.Body() != unixLines(ours.Body()) || string(ours.Source()) == string(base.Source()) {
		return
	}
	got, clashes, err := mergeOf(base, ours, theirs)
	if odd && kindOf(err) == KindRefused {
		return
	}
	if err != nil || len(clashes) > 0 || string(got.Source()) != string(ours.Source()) {
		t.Fatalf("equal edits: clashes %v, error %v, got\n%s\nof\n%s", clashes, err, got.Source(), show(base, ours, theirs))
	}
}

// unixLines is text with LF for line endings.
func unixLines(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if bare, ended := strings.CutSuffix(l, "\n"); ended {
			l = strings.TrimRight(bare, "\r") + "\n"
		}
		b.WriteString(l)
	}
	return b.String()
}

func show(base, ours, theirs *Document) string {
	return fmt.Sprintf("base\n%q\nours\n%q\ntheirs\n%q", base.Source(), ours.Source(), theirs.Source())
}

// side is the edits of one editor, each made for the document it is applied to.
type side []func(d *Document) Edit

// apply is nil where an edit is refused, or d is nil.
func (s side) apply(d *Document) *Document {
	for _, edit := range s {
		if d == nil {
			return nil
		}
		d, _ = d.Apply(edit(d))
	}
	return d
}

// scriptReader makes edits of the bytes of a script, in such a way that the two
// sides never touch the same thing.
type scriptReader struct {
	script []byte
	owners map[string]int // of a key, or of a key and a member: side, or shared
	made   int            // values, so that each differs from all others
}

const shared = 2

func readScript(base *Document, script []byte) (sides [2]side) {
	r := scriptReader{script: script, owners: make(map[string]int)}
	for len(r.script) > 0 {
		who := r.next(2)
		edits := r.edits(base, who)
		sides[who] = append(sides[who], edits...)
	}
	return sides
}

// next is a number below n.
func (r *scriptReader) next(n int) int {
	if len(r.script) == 0 {
		return 0
	}
	x := int(r.script[0]) % n
	r.script = r.script[1:]
	return x
}

func (r *scriptReader) edits(base *Document, who int) side {
	fields := base.Fields()
	at := r.next(fields.Len() + 2)
	switch at {
	case fields.Len(): // a new field
		r.made++
		path, v := FieldPath{fmt.Sprintf("neuf %d", r.made)}, r.value(2)
		return side{func(*Document) Edit { return Set(path, v) }}
	case fields.Len() + 1:
		return r.body(base, who)
	}
	m := fields.Members[at]
	switch x := m.Value.(type) {
	case *Object:
		if x.Len() > 0 && r.next(3) > 0 {
			member := x.Members[r.next(x.Len())].Key
			if r.next(4) == 0 {
				member = fmt.Sprintf("neuf %d", who)
			}
			if r.own(m.Key, shared) && r.own(m.Key+"\x00"+member, who) {
				return r.replace(FieldPath{m.Key, member})
			}
			return nil
		}
	case []Value:
		if distinct(x) && len(x) >= 3 && r.next(3) > 0 {
			if r.own(m.Key, shared) && r.own(m.Key+"\x00"+fmt.Sprint(who), who) {
				return r.item(m.Key, who)
			}
			return nil
		}
	}
	if !r.own(m.Key, who) {
		return nil
	}
	return r.replace(FieldPath{m.Key})
}

// own claims a place, and says whether that was possible.
func (r *scriptReader) own(place string, who int) bool {
	owner, owned := r.owners[place]
	if !owned {
		r.owners[place] = who
	}
	return !owned || owner == who && who == shared
}

// replace sets or removes what is at path.
func (r *scriptReader) replace(path FieldPath) side {
	if r.next(4) == 0 {
		return side{func(*Document) Edit { return Remove(path) }}
	}
	v := r.value(2)
	return side{func(*Document) Edit { return Set(path, v) }}
}

// item edits a list at its beginning, for the one side, or at its end.
func (r *scriptReader) item(key string, who int) side {
	op, v := r.next(3), r.value(1)
	return side{func(d *Document) Edit {
		list, _ := d.Fields().Get(key)
		items := list.([]Value)
		at := who * (len(items) - 1)
		switch path := (FieldPath{key, at}); op {
		case 0:
			return Set(path, v)
		case 1:
			return Remove(path)
		default:
			return Insert(FieldPath{key, at + who}, v)
		}
	}}
}

// body edits the first line, for the one side, or the last, where a line that
// occurs once lies between.
func (r *scriptReader) body(base *Document, who int) side {
	text := slices.Collect(strings.Lines(unixLines(base.Body())))
	occurs := make(map[string]int)
	for _, line := range text {
		occurs[line]++
	}
	if len(text) < 3 || !slices.ContainsFunc(text[1:len(text)-1], func(s string) bool { return occurs[s] == 1 }) ||
		!r.own(fmt.Sprint("\x00", who), who) {
		return nil
	}
	r.made++
	op, fresh := r.next(3), fmt.Sprintf("Ligne %d.\n", r.made)
	return side{func(d *Document) Edit {
		now := slices.Collect(strings.Lines(d.Body()))
		at := who * (len(now) - 1)
		switch op {
		case 0:
			now[at] = fresh
		case 1:
			now = slices.Delete(now, at, at+1)
		default:
			now = slices.Insert(now, at, fresh)
		}
		return SetBody(strings.Join(now, ""))
	}}
}

func distinct(values []Value) bool {
	names := newIdentities(nil, exactKey).all(values)
	slices.Sort(names)
	return len(slices.Compact(names)) == len(values)
}

// value makes one that occurs nowhere else.
func (r *scriptReader) value(depth int) Value {
	r.made++
	switch r.next(8 + depth) {
	case 0:
		return Number(fmt.Sprintf("%d.5e3", 100+r.made))
	case 1:
		return fmt.Sprintf("Une phrase : la n° %d # \"%s\"", r.made, "l'une")
	case 2:
		return fmt.Sprintf("Deux lignes,\n\n  la %de.\n", r.made)
	case 3:
		return fmt.Sprintf("%d", 1000+r.made) // a text that reads as a number
	case 4:
		return fmt.Sprintf("2019-01-15T09:%02d:%02dZ", r.made/60%60, r.made%60)
	case 5:
		return fmt.Sprintf("- %d", r.made)
	case 6:
		return []Value{Number(fmt.Sprint(1000 + r.made)), true, nil}
	case 7:
		return fmt.Sprintf(" no %d\t", r.made)
	case 8:
		return &Object{Members: []Member{{"nom", r.value(depth - 1)}, {"clé : " + fmt.Sprint(r.made), nil}}}
	}
	return []Value{r.value(depth - 1), &Object{Members: []Member{{"a", r.value(depth - 1)}}}}
}

// mergeOf is [Merge] for as long as it takes.
func mergeOf(base, ours, theirs *Document) (*Document, []Clash, error) {
	m, err := Merge(context.Background(), base, ours, theirs)
	if err != nil {
		return nil, nil, err
	}
	return m.Document, m.Clashes, nil
}

// TestTextParts: what clashes in a text is told apart from what merges around it.
func TestTextParts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, base, ours, theirs string
		want                     []TextPart
	}{
		{"between two merges", "1\n\n2\n\n3\n", "1\n\nb\n\nc\n", "A\n\nB\n\n3\n", []TextPart{{Merged: "A\n\n"}, {true, "", "2\n", "b\n", "B\n"}, {Merged: "\nc\n"}}},
		{"at both ends", "1\n\n2\n\n3", "a\n\n2\n\nc", "A\n\n2\n\nC", []TextPart{{true, "", "1\n", "a\n", "A\n"}, {Merged: "\n2\n\n"}, {true, "", "3", "c", "C"}}},
		{"taken away", "1\n2\n3\n", "1\n3\n", "1\nB\n3\n", []TextPart{{Merged: "1\n"}, {true, "", "2\n", "", "B\n"}, {Merged: "3\n"}}},
		{"no clash", "1\n\n2\n", "a\n\n2\n", "1\n\nB\n", []TextPart{{Merged: "a\n\nB\n"}}},
		{"too many lines", "1\n" + strings.Repeat("\n", maxLines), "a\n", "A\n", nil},
	} {
		parts, err := TextParts(t.Context(), c.base, c.ours, c.theirs)
		if err != nil {
			t.Fatal(err)
		}
		want := c.want
		if want == nil {
			want = []TextPart{{true, "", c.base, c.ours, c.theirs}}
		}
		if !slices.Equal(parts, want) {
			t.Errorf("%s: got\n%+v, want\n%+v", c.name, parts, want)
		}
	}
}
