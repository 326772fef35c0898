package editor

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// The texts of the pages, by language and by key. A text whose number matters is a table
// with the forms one and other.
//
//go:embed words/*.toml
var wordFiles embed.FS

// languages are those that the pages speak; the first one to who asks for none of them.
var languages = []string{"en", "fr"}

// words give texts in one language.
type words struct {
	language string
	printer  *message.Printer
	has      map[string]bool
	scripts  string              // those that scripts say, as JSON
	plain    map[string]string   // those without arguments
	pieces   map[string][]string // what stands around the arguments, of those that only put them in
}

// allWords are what the catalogues say, which are read once, as nothing changes them.
var allWords = sync.OnceValues(loadWords)

// loadWords reads the catalogues.
func loadWords() (map[string]*words, error) {
	all := map[string]*words{}
	b := catalog.NewBuilder(catalog.Fallback(language.English))
	for _, name := range languages {
		texts, err := catalogue(name)
		if err != nil {
			return nil, err
		}
		w := &words{language: name, has: make(map[string]bool, len(texts)), plain: map[string]string{}, pieces: map[string][]string{}}
		tag := language.MustParse(name)
		for key, text := range texts {
			w.has[key] = true
			switch text := text.(type) {
			case string:
				if pieces := argument.Split(text, -1); !strings.Contains(text, "%") {
					w.plain[key] = text
				} else if !strings.Contains(strings.Join(pieces, ""), "%") {
					w.pieces[key] = pieces
				}
				err = b.SetString(tag, key, text)
			case map[string]any:
				err = b.Set(tag, key, plural.Selectf(1, "%d", plural.One, text["one"], plural.Other, text["other"]))
			default:
				err = fmt.Errorf("is a %T", text)
			}
			if err != nil {
				return nil, fmt.Errorf("the text %s in %s: %w", key, name, err)
			}
		}
		scripts, err := json.Marshal(said(texts))
		if err != nil {
			return nil, err
		}
		w.scripts = string(scripts)
		all[name] = w
	}
	for name, w := range all {
		w.printer = message.NewPrinter(language.MustParse(name), message.Catalog(b))
	}
	return all, nil
}

// said are the texts that scripts say, by their keys there.
func said(texts map[string]any) map[string]any {
	some := map[string]any{}
	for key, text := range texts {
		if name, ok := strings.CutPrefix(key, "js."); ok {
			some[name] = text
		}
	}
	return some
}

// catalogue is the texts of a language by their keys.
func catalogue(language string) (map[string]any, error) {
	src, err := wordFiles.ReadFile("words/" + language + ".toml")
	if err != nil {
		return nil, err
	}
	texts := map[string]any{}
	if err := toml.Unmarshal(src, &texts); err != nil {
		return nil, fmt.Errorf("the texts in %s: %w", language, err)
	}
	return texts, nil
}

// argument is what stands for an argument that is put in as it is.
var argument = regexp.MustCompile(`%[sd]`)

// T is the text of a key, with its arguments. There are many on a page, and formatting
// takes its time: so most are put together here.
func (w *words) T(key string, args ...any) string {
	if text, ok := w.plain[key]; ok && len(args) == 0 {
		return text
	}
	if pieces := w.pieces[key]; len(pieces) == len(args)+1 {
		if text, ok := between(pieces, args); ok {
			return text
		}
	}
	return w.printer.Sprintf(message.Key(key, key), args...)
}

// between puts arguments between the pieces of a text; false where one is written
// differently from language to language, as numbers of four digits are.
func between(pieces []string, args []any) (string, bool) {
	var b strings.Builder
	b.Grow(64)
	for i, arg := range args {
		b.WriteString(pieces[i])
		switch arg := arg.(type) {
		case string:
			b.WriteString(arg)
		case int:
			if arg < 0 || arg > 999 {
				return "", false
			}
			b.WriteString(strconv.Itoa(arg))
		default:
			return "", false
		}
	}
	b.WriteString(pieces[len(args)])
	return b.String(), true
}

// Scripts are the texts that scripts say, as JSON.
func (w *words) Scripts() string { return w.scripts }

// Has says whether there is a text of the key.
func (w *words) Has(key string) bool { return w.has[key] }

// of is the text in the language of w, or in another that there is; "" for none.
func (w *words) of(texts map[string]string) string {
	if text := texts[w.language]; text != "" {
		return text
	}
	for _, name := range []string{"fr", "en"} {
		if text := texts[name]; text != "" {
			return text
		}
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		return texts[name]
	}
	return ""
}
