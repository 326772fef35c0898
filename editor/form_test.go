package editor_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"cms/content"
	"cms/race"
)

const entryFile = "_consultations/velo.md"

// odd are files with the habits that edits must not touch.
var odd = map[string]string{
	"every type": "---\ntitle: Plan vélo   # comment\ndescription: >\n  Plié\n  en deux\n\nlink:   https://example.org/a?b=c&d=é\ncontact: a@example.org\ndate: 2023-09-18 09:30:00 +0200\nfin: 2023-10-01\nin_progress: yes\nnote: 03\npoids: 1.50\netat: 'ouverte'\nmethodes: [ \"L'atelier\",  En ligne ]\netapes:\n  - nom: Un\n    jour: 2023-01-02\n  - {nom: Deux, jour: 2023-02-03}\nlieu:\n    ville:  Lyon\n    code: '69001'\nimage: img/a.png\nsuite: autre\nvisites: 12\ninterne: caché\nautre: {a: 1, b: [2, 3]}\nlibre: ~\n---\nTexte\n",
	"absent":     "---\ntitle: Seul\n---\n\n\nDeux lignes vides\n",
	"null":       "---\ntitle: Nul\ndescription:\nlink: ~\ndate: null\nnote:\netat:\nmethodes:\netapes: []\nlieu:\nin_progress:\n---\n",
	"crlf":       "---\r\ntitle: Windows\r\ndescription: |\r\n  a\r\n  b\r\n---\r\nune\r\ndeux\r\n",
	"mixed ends": "---\ntitle: Mêlé\n---\nune\r\ndeux\ntrois\rquatre\r\n\r\nfin",
	"newline":    "---\ntitle: T\n---\n\n\n\nAprès\n\n\n",
	"nul":        "---\ntitle: T\n---\nun\x00e\ndeux\n",
	"toml":       "+++\ntitle = 'T'\nnote = 3\ndate = 2023-09-18T09:30:00.123+02:00\nin_progress = false\n+++\nTexte\n",
	"json":       "{\n  \"title\": \"T\",\n  \"note\": 3\n}\n\nTexte\n",
	"anchors":    "---\ntitle: &t Vrai\ndescription: *t\nlieu: &l\n  ville: Lyon\nautre: *l\n---\nTexte\n",
	"wrong":      "---\ntitle: [a, b]\nnote: beaucoup\ndate: demain\nin_progress: peut-être\nmethodes: un\nlieu: [1]\netat: {a: 1}\nfin: 2023-09-18 09:30:00\n---\nTexte\n",
	"lines":      "---\ntitle: \"a\\nb\"\nlink: \"https://example.org/\\u00a0\"\n---\nTexte\n",
	"bare":       "Un texte sans en-tête.\n",
	"spaces":     "---\ntitle: '  autour  '\ndescription: \"fin \"\n---\n  Texte  \n\tTab\n",
	"zones":      "---\ntitle: T\ndate: 2023-09-18T09:30:00Z\n---\n",
	"day":        "---\ntitle: T\ndate: 2023-09-18\n---\n",
}

// TestSavingUnchanged opens each file, sends its form back as a browser does, and finds
// the branch as it was.
func TestSavingUnchanged(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for name, src := range odd {
		files["_consultations/"+strings.ReplaceAll(name, " ", "-")+".md"] = src
	}
	s := newService(t, files)
	tip := s.Tip()
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		slug := strings.ReplaceAll(name, " ", "-")
		p := s.get(s.http, "entry/consultations/"+slug)
		if p = p.form(slug).submit("save"); p.status != 200 || !strings.Contains(p.text(), "rien n’a été enregistré") {
			t.Errorf("%s: saved unchanged it says (%d) %s", name, p.status, p.text())
		}
		if s.Tip() != tip {
			t.Fatalf("%s: saved unchanged it became\n%q", name, s.file("_consultations/"+slug+".md"))
		}
	}
}

// TestEditingOneField edits one control of each kind, and finds that the lines of this
// field alone differ.
func TestEditingOneField(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	cases := []struct {
		file, control, value string
		old, new             string // what of the file becomes what
	}{
		{"every type", "f/title", "Plan piéton", "title: Plan vélo ", "title: Plan piéton "},
		{"every type", "f/description", "Plié\nen trois\n", "  Plié\n  en deux\n\n", ""},
		{"every type", "f/link", "https://example.org/z", "https://example.org/a?b=c&d=é", "https://example.org/z"},
		{"every type", "f/contact", "b@example.org", "a@example.org", "b@example.org"},
		{"every type", "f/date", "2023-09-18T10:45", "2023-09-18 09:30:00 +0200", "2023-09-18 10:45:00 +0200"},
		{"every type", "f/fin", "2023-10-02", "fin: 2023-10-01", "fin: 2023-10-02"},
		{"every type", "f/note", "4", "note: 03", "note: 4"},
		{"every type", "f/poids", "1,75", "poids: 1.50", "poids: 1.75"},
		{"every type", "f/etat", `"fermée"`, "etat: 'ouverte'", "etat: 'fermée'"},
		{"every type", "f/methodes/1", "Sur place", "  En ligne ]", "  Sur place ]"},
		{"every type", "f/etapes/1/nom", "Trois", "{nom: Deux,", "{nom: Trois,"},
		{"every type", "f/etapes/0/jour", "2023-01-03", "jour: 2023-01-02", "jour: 2023-01-03"},
		{"every type", "f/lieu/ville", "Paris", "ville:  Lyon", "ville:  Paris"},
		{"every type", "f/image", "img/b.png", "img/a.png", "img/b.png"},
		{"every type", "f/link", "", "link:   https://example.org/a?b=c&d=é\n", ""},
		{"null", "f/note", "2", "note:\n", "note: 2\n"},
		{"day", "f/date", "2023-09-19T00:00", "date: 2023-09-18", "date: 2023-09-19"},
		{"toml", "f/note", "4", "note = 3", "note = 4"},
		{"json", "f/note", "4", `"note": 3`, `"note": 4`},
		{"crlf", "body", "une\ndeux et demi\n", "deux\r\n", "deux et demi\r\n"},
		{"mixed ends", "body", "une\ndeux\ntrois\nquatre\n\nla fin", "\r\n\r\nfin", "\r\n\r\nla fin"},
		{"newline", "body", "\n\n\nAvant\n\n\n", "Après", "Avant"},
		{"nul", "body", "un\ufffde\ndeux !\n", "deux\n", "deux !\n"},
		{"bare", "body", "Un texte.\n", "Un texte sans en-tête.\n", "Un texte.\n"},
	}
	slug := func(i int) string { return fmt.Sprintf("velo-%02d", i) }
	path := func(i int) string { return "_consultations/" + slug(i) + ".md" }
	files := map[string]string{}
	for i, c := range cases {
		files[path(i)] = odd[c.file]
	}
	s := newService(t, files)
	for i, c := range cases {
		at := c.file + " " + c.control + " " + c.value
		tip := s.Tip()
		f := s.get(s.http, "entry/consultations/"+slug(i)).form(slug(i))
		f.set(c.control, c.value)
		p := f.submit("save")
		if p.status != 200 || !strings.Contains(p.at, "saved=1") {
			t.Errorf("%s: saving says (%d) at %s: %s", at, p.status, p.at, p.text())
			continue
		}
		if changed := strings.TrimSpace(s.RunGit("diff", "--name-only", tip, "main")); changed != path(i) {
			t.Errorf("%s: the files that changed are %s", at, changed)
		}
		got, want := s.file(path(i)), strings.Replace(odd[c.file], c.old, c.new, 1)
		if c.control == "f/description" { // written as a block again, in whichever way
			if before, after := content.Parse([]byte(odd[c.file])), content.Parse([]byte(got)); len(content.Changes(before, after)) != 1 || before.Body() != after.Body() {
				t.Errorf("%s: the file became\n%s", at, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%s: the file became\n%q, want\n%q", at, got, want)
		}
	}
}

// TestRealFiles does both with each file of the folders that the environment names, at
// once for each title.
func TestRealFiles(t *testing.T) {
	race.Sequential(t)
	files := documents(t, "CMS_CORPUS", "CMS_SEED", "CMS_HARD_CASES")
	if len(files) == 0 {
		t.Skip("SKIPPED: none of CMS_CORPUS, CMS_SEED and CMS_HARD_CASES names a folder of files to open in forms.")
	}
	written, source := map[string]string{}, map[string]string{}
	for i, path := range slices.Sorted(maps.Keys(files)) {
		slug := fmt.Sprintf("f%04d", i)
		written["_consultations/"+slug+".md"], source[slug] = files[path], path
	}
	schema := content.Collection{Name: "consultations", Folder: "_consultations", Extension: ".md"}
	s := newService(t, written, schema)
	edited := 0
	for _, slug := range slices.Sorted(maps.Keys(source)) {
		file := "_consultations/" + slug + ".md"
		p := s.get(s.http, "entry/consultations/"+slug)
		if strings.Contains(p.at, "/source/") {
			continue // its front matter cannot be read
		}
		tip := s.Tip()
		f := p.form(slug)
		if p := f.submit("save"); p.status != 200 || s.Tip() != tip {
			t.Errorf("%s: saved unchanged it says (%d) %s\nand is\n%s", source[slug], p.status, p.text(), s.file(file))
			continue
		}
		title := slices.IndexFunc(f.values, func(v field) bool { return v.name == "f/title" })
		if title < 0 {
			continue
		}
		f.values[title].value += " bis"
		if p := f.submit("save"); p.status != 200 {
			t.Logf("%s: refused (%d): %s", source[slug], p.status, p.text())
			continue
		}
		edited++
		before, after := content.Parse([]byte(written[file])), content.Parse([]byte(s.file(file)))
		changes := content.Changes(before, after)
		if len(changes) != 1 || changes[0].Field != "title" || before.Body() != after.Body() {
			t.Errorf("%s: another title changed %v", source[slug], changes)
		}
	}
	t.Logf("%d files, %d titles edited", len(files), edited)
	if os.Getenv("CMS_CORPUS") != "" && edited < 100 {
		t.Errorf("only %d of %d files were edited", edited, len(files))
	}
}
