package editor

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/message"

	"cms/advice"
)

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-z]`)

// forms are the texts of a key: one, or one for each number.
func forms(t *testing.T, text any) map[string]string {
	t.Helper()
	switch text := text.(type) {
	case string:
		return map[string]string{"": text}
	case map[string]any:
		all := map[string]string{}
		for form, text := range text {
			all[form] = text.(string)
		}
		return all
	}
	t.Fatalf("a text is a %T", text)
	return nil
}

// only are keys that one language has alone.
var only = map[string]string{"time.first": "fr"} // of the first day of a month

// TestCatalogues have the same keys, and the same verbs in each form of a text.
func TestCatalogues(t *testing.T) {
	all := map[string]map[string]any{}
	for _, name := range languages {
		texts, err := catalogue(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = texts
	}
	for name, texts := range all {
		for key, text := range texts {
			for other, theirs := range all {
				also, ok := theirs[key]
				if !ok {
					if only[key] != name {
						t.Errorf("%s has no text for %s, which %s has", other, key, name)
					}
					continue
				}
				mine, others := forms(t, text), forms(t, also)
				if !slices.Equal(slices.Sorted(maps.Keys(mine)), slices.Sorted(maps.Keys(others))) {
					t.Errorf("%s: the forms are %v in %s, %v in %s", key, mine, name, others, other)
					continue
				}
				for form := range mine {
					if a, b := verb.FindAllString(mine[form], -1), verb.FindAllString(others[form], -1); !slices.Equal(a, b) {
						t.Errorf("%s %s: the verbs are %v in %s, %v in %s", key, form, a, name, b, other)
					}
					if strings.TrimSpace(mine[form]) == "" {
						t.Errorf("%s %s: there is no text in %s", key, form, name)
					}
				}
			}
		}
	}
}

// made are keys that a page or a script puts together, by what they begin with, and what
// may follow.
var made = map[string][]string{
	"action.":       {"created", "updated", "deleted", "moved"},
	"state.":        {"building", "failed", "missing", "queued", "pending"},
	"month.":        {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"},
	"refusal.":      {"session", "forbidden", "missing", "conflict", "large", "slow", "unavailable", "unsure", "full", "fault", "malformed"},
	"refusal.text.": {"session", "forbidden", "missing", "slow", "unavailable", "fault", "large", "full", "unsure"}, // the others have a text of their own
	"bulk.":         {"deleted.done", "set.done"},
	"js.":           {"page", "source", "choose.file", "choose.image"},
	"js.kind.":      {"paragraph", "heading", "list", "quote", "table", "code", "html", "frame", "rule", "liquid", "definition", "footnote", "other"},
	"js.tool.":      {},
	"check.":        eachRule(),
	"repair.":       {"describe", "decorate", "retitle", "reword", "remove", "restyle", "relevel", "heading", "list", "head", "announce", "language"},
	"ask.":          {"alternative", "title", "text"},
}

// eachRule are the ends of the keys about the rules for authors.
func eachRule() (ends []string) {
	for _, about := range advice.Rules() {
		ends = append(ends, string(about.Rule), string(about.Rule)+".why")
	}
	return ends
}

// TestEachTextIsUsed, and each that is used is there.
func TestEachTextIsUsed(t *testing.T) {
	texts, err := catalogue("fr")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]string{} // keys, and where
	asks := []struct {
		files  string
		prefix string
		asked  *regexp.Regexp
	}{
		{"*.go", "", regexp.MustCompile(`\bT\("([^"]+)"|\bv\.Has\("([^"]+)"`)},
		{"templates/*.html", "", regexp.MustCompile(`\.T "([^"]+)"`)},
		{"assets/*.js", "js.", regexp.MustCompile(`\bsay\('([^']+)'`)},
		{"assets/*.js", "js.", regexp.MustCompile(`\bsay\([^']*\? '([^']+)' : '`)}, // one text or another
		{"assets/*.js", "js.", regexp.MustCompile(`\bsay\([^']*\? '[^']+' : '([^']+)'`)},
		{"assets/*.js", "js.", regexp.MustCompile(`\bbutton\('([^']+)'`)},
	}
	var scripts strings.Builder
	for _, ask := range asks {
		files, err := filepath.Glob(ask.files)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files are %s: %v", ask.files, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if ask.prefix != "" {
				scripts.Write(src)
			}
			for _, found := range ask.asked.FindAllStringSubmatch(string(src), -1) {
				used[ask.prefix+strings.Join(found[1:], "")] = file
			}
		}
	}
	for key, file := range used {
		if _, ok := texts[key]; !ok && made[key] == nil {
			t.Errorf("%s says %s, for which there is no text", file, key)
		}
	}
	for begin, ends := range made {
		for _, end := range ends {
			if _, ok := texts[begin+end]; !ok {
				t.Errorf("there is no text for %s", begin+end)
			}
			used[begin+end] = "made"
		}
	}
	for key := range texts {
		if name, ok := strings.CutPrefix(key, "js.tool."); ok && regexp.MustCompile(`(?m)^\s*`+name+`:`).MatchString(scripts.String()) {
			continue
		}
		if used[key] == "" {
			t.Errorf("nothing says %s", key)
		}
	}
}

// TestFrenchTypography is that of the Imprimerie nationale: no-break spaces before : ; ! ?
// and within guillemets, and apostrophes that are none of a typewriter.
func TestFrenchTypography(t *testing.T) {
	texts, err := catalogue("fr")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []struct {
		is  *regexp.Regexp
		why string
	}{
		{regexp.MustCompile(`[^\x{a0}\x{202f}][;!?]`), "no no-break space before a sign"},
		{regexp.MustCompile(`[^\x{a0}\x{202f}]:(?:[^/]|$)`), "no no-break space before a colon"},
		{regexp.MustCompile(`«[^\x{a0}\x{202f}]|[^\x{a0}\x{202f}]»`), "no no-break space within guillemets"},
		{regexp.MustCompile(`'`), "a straight apostrophe"},
		{regexp.MustCompile(`"|“|”`), "quotation marks that are not French"},
		{regexp.MustCompile(`\.\.\.`), "three dots for an ellipsis"},
		{regexp.MustCompile(`[0-9] [0-9]{3}| [%€]`), "a space that can break in a number"},
		{regexp.MustCompile(`\x{a0}$|^\s| $|  `), "a space that nobody sees"},
	} {
		for key, text := range texts {
			for form, text := range forms(t, text) {
				text = verb.ReplaceAllString(text, "x")
				if wrong.is.MatchString(text) && text != "\u00a0:" {
					t.Errorf("%s %s: %s: %q", key, form, wrong.why, text)
				}
			}
		}
	}
	english, err := catalogue("en")
	if err != nil {
		t.Fatal(err)
	}
	for key, text := range english {
		for form, text := range forms(t, text) {
			if regexp.MustCompile(`'|\.\.\.| [:;!?]|\x{a0}`).MatchString(text) {
				t.Errorf("%s %s in English: %q", key, form, text)
			}
		}
	}
}

// TestTextsPutTogether: what words put together themselves is what formatting makes of it.
func TestTextsPutTogether(t *testing.T) {
	all, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range all {
		if len(w.pieces) < 50 {
			t.Errorf("%s: only %d texts are put together", name, len(w.pieces))
		}
		texts, err := catalogue(name)
		if err != nil {
			t.Fatal(err)
		}
		for key := range w.pieces {
			for _, number := range []int{0, 1, 7, 999, 1000, -3, 1234567} {
				var args []any
				for _, is := range argument.FindAllString(texts[key].(string), -1) {
					args = append(args, map[string]any{"%s": "l’été <b> %d", "%d": number}[is])
				}
				if got, want := w.T(key, args...), w.printer.Sprintf(message.Key(key, key), args...); got != want {
					t.Errorf("%s: %s is %q, want %q", name, key, got, want)
				}
			}
		}
	}
}
