package editor_test

import (
	"strings"
	"testing"
)

// TestChecks looks at what a form tells authors about their text, and makes the repairs
// that it offers, which change the form and nothing else.
func TestChecks(t *testing.T) {
	t.Parallel()
	const body = "Avant.\n\n![](img/a.png)\n\n**Points forts**\n\nDu texte.\n"
	s := newService(t, map[string]string{entryFile: "---\ntitle: T\n---\n" + body})
	tip := s.Tip()
	p := s.get(s.http, "entry/consultations/velo")
	for _, want := range []string{"Image sans texte de remplacement", "Texte en gras qui sert de titre", "Ligne 3", "Ligne 5", "RGAA 1.1", "En faire un titre", "Décrire"} {
		if !strings.Contains(p.text(), want) {
			t.Errorf("the form does not say %s: %s", want, p.text())
		}
	}
	button := func(p *page, label string) (value, answer string) {
		t.Helper()
		for _, b := range all(p.root, "button") {
			if text(b) == label {
				value, _ = attr(b, "value")
				id, _, _ := strings.Cut(strings.TrimPrefix(value, "repair:"), ":")
				return value, "answer." + id
			}
		}
		t.Fatalf("no button says %s", label)
		return "", ""
	}
	f := p.form("velo")
	value, _ := button(p, "En faire un titre")
	p = f.submit(value)
	f = p.form("velo")
	if got, want := f.get("body"), newlines(strings.Replace(body, "**Points forts**", "## Points forts", 1)); got != want {
		t.Errorf("the repaired text is %q, want %q", got, want)
	}
	value, answer := button(p, "Décrire")
	if again := f.submit(value).form("velo"); again.get("body") != f.get("body") {
		t.Errorf("a repair without its answer made %q", again.get("body"))
	}
	f.set(answer, "Une carte [du centre]")
	f = f.submit(value).form("velo")
	if got := f.get("body"); !strings.Contains(got, "](img/a.png)") || strings.Contains(got, "![]") {
		t.Errorf("the described image is %q", got)
	}
	if s.Tip() != tip {
		t.Error("a repair was saved by itself")
	}
	if p := f.submit("save"); !strings.Contains(p.at, "saved=1") {
		t.Fatalf("saving says (%d) %s", p.status, p.text())
	}
	if got := s.file(entryFile); !strings.Contains(got, "## Points forts") || !strings.HasPrefix(got, "---\ntitle: T\n---\nAvant.\n") {
		t.Errorf("the file became %q", got)
	}

	// One that is not there any more changes nothing.
	f = s.get(s.http, "entry/consultations/velo").form("velo")
	before := f.get("body")
	for _, odd := range []string{"repair:", "repair:0.0:999", "repair:9999.0:0", "repair:-1.-1:0", "repair:x"} {
		if p := f.submit(odd); p.status != 200 || p.form("velo").get("body") != before {
			t.Errorf("%s says (%d) %s", odd, p.status, p.text())
		}
	}
}
