package site_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/race"
	"cms/site"
)

// Whatever a writer can save, Jekyll reads the fields that they may not set as it
// did before. CMS_FAITHFUL_FILES says how many files Jekyll is to read.
func TestJekyllReadsGuardedFieldsAsBefore(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	jekyll, err := exec.LookPath("jekyll")
	if err != nil {
		t.Skip("NOT READ BY JEKYLL: the program jekyll is missing")
	}
	files := 100
	if testing.Short() {
		files = 25
	}
	if n, err := strconv.Atoi(os.Getenv("CMS_FAITHFUL_FILES")); err == nil {
		files = n
	}
	source := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"_layouts", "_consultations"} {
		if err := os.Mkdir(filepath.Join(source, folder), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	write("_config.yml", `
strict_front_matter: true
collections: {consultations: {output: true, permalink: "/:name.html"}}
defaults: [{scope: {type: consultations}, values: {layout: dump}}]
`)
	write("_layouts/dump.html", `{"publiee": {{ page.publiee | jsonify }}, "ordre": {{ page.ordre | jsonify }}}`)
	saved, tried := 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	want := make(map[string]string) // by the name of the file
	var f *fixture
	var writer *auth.Principal
	for round := 0; saved < files; round++ {
		if round%100 == 0 { // as each edit of a folder costs what all of it does
			f, writer = newGuardedSite(t)
		}
		r := ref(t, "consultations", fmt.Sprint("e", tried))
		base := guardedBases[tried%len(guardedBases)]
		if err := f.createSource(f.editor, r, base.source); err != nil {
			t.Fatal(err)
		}
		for range 6 { // each of what the one before left
			tried++
			if f.put(writer, r, tampered(random, f.source(r))) != nil {
				continue
			}
			name := fmt.Sprint("s", saved)
			write("_consultations/"+name+".md", f.source(r))
			want[name], saved = base.fields, saved+1
		}
	}
	out := t.TempDir()
	cmd := exec.Command(jekyll, "build", "--quiet", "--disable-disk-cache", "-s", source, "-d", out)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8")
	if told, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("jekyll does not build what writers could save: %v\n%s", err, told)
	}
	for name, fields := range want {
		got, err := os.ReadFile(filepath.Join(out, name+".html"))
		if errors.Is(err, fs.ErrNotExist) { // a file without front matter is copied
			got = []byte(`{"publiee": null, "ordre": null}`)
		} else if err != nil {
			t.Fatal(err)
		}
		if !sameJSON(got, []byte(fields)) {
			src, _ := os.ReadFile(filepath.Join(source, "_consultations", name+".md"))
			t.Errorf("Jekyll reads %s, not %s, from what a writer could save:\n%s", got, fields, src)
		}
	}
	t.Logf("%d of %d tampered files were saved; Jekyll read them as before", saved, tried)
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && content.Equal(fmt.Sprint(x), fmt.Sprint(y))
}

var guardedBases = []struct{ source, fields string }{
	{guardedEntry, `{"publiee": false, "ordre": 1}`},
	{"---\ntitle: Sans champs\n---\n", `{"publiee": null, "ordre": null}`},
	{"---\nbase: &b {ville: Valmont, note: 3}\n<<: *b\npubliee: 'oui'\nordre: 0o1\ntitle: Fusion\n---\nTexte\n", `{"publiee": "oui", "ordre": "0o1"}`},
	{"---\r\ntitle: Lignes\r\nordre: 1.50\r\npubliee: |\r\n  non\r\n---\r\n", `{"publiee": "non\n", "ordre": 1.5}`},
	{"Sans rien\n", `{"publiee": null, "ordre": null}`},
}

// tampered is a file with a few lines changed by someone who wants more than they
// may.
func tampered(r *rand.Rand, src string) string {
	lines := strings.SplitAfter(src, "\n")
	for range 1 + r.IntN(3) {
		at := r.IntN(len(lines))
		switch r.IntN(8) {
		case 0:
			lines[at] = pick(r, "---\n", "---\f\n", "--- \n", "---\t\n", "...\n", "---yaml\n", "+++\n", "\ufeff---\n", "---\v\n", "%YAML 1.1\n", "---\r", "\n", "# rien\n")
		case 1:
			lines = append(lines[:at:at], lines[min(at+1, len(lines)-1):]...)
		case 2:
			other := r.IntN(len(lines))
			lines[at], lines[other] = lines[other], lines[at]
		case 3:
			name, _, _ := strings.Cut(lines[at], ":")
			lines[at] = name + ": " + hostileValue(r) + "\n"
		default:
			lines[at] += hostileKey(r) + ": " + hostileValue(r) + "\n"
		}
	}
	return strings.Join(lines, "")
}

func hostileKey(r *rand.Rand) string {
	name := pick(r, "<<", "<<", "publiee", "ordre", "titre", "é", "yes", "12")
	return pick(r, name, name, "'"+name+"'", "? "+name+"\n", "!!str "+name, "!!merge "+name, "!x "+name, "! "+name, ":"+name, "  "+name,
		`"\x`+fmt.Sprintf("%02x", name[0])+name[1:]+`"`, "!!binary "+base64.StdEncoding.EncodeToString([]byte(name)),
		"k: &k "+name+"\n*k ", "["+name+"]", `"`+name+`"`, strings.ToUpper(name), name+" ", "&a "+name)
}

func hostileValue(r *rand.Rand) string {
	return pick(r, "true", "1", "0o1", "1e0", "0x1", "1.0", "'1'", "!!int 1", "!!bool true", "~", "", "*b", "*k", ":sym", "{publiee: true}", "[{publiee: true}]",
		"&k {publiee: true, ordre: 9}", "!ruby/object:Object {}", "!!float x", "|\n  publiee: true", "\"a\n---\npubliee: true\"", "a\n  publiee: true",
		"2024-99-99", "2024-01-01", "yes", "{<<: *b}", "{\"<<\": {publiee: true}}", "texte # publiee: true", "'un ''deux'''", "- a\n- b", "\n- a\n- publiee: true")
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// source is the file of an entry as it is now.
func (f *fixture) source(r site.Ref) string {
	f.Helper()
	e, ok := f.Repo.View().Entry(r.Collection, r.Slug)
	if !ok {
		f.Fatalf("%s is not there", r)
	}
	src, err := e.Source()
	if err != nil {
		f.Fatal(err)
	}
	return string(src)
}
