package say

import (
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// The languages.
const (
	English = "en"
	French  = "fr"
)

// Languages are those that texts can be said in, by their primary tags. The first is that
// of those who ask for none.
func Languages() []string { return []string{English, French} }

// A speaker says texts in a language that has a catalogue.
type speaker struct {
	tag   language.Tag
	texts catalogue
	known catalog.Catalog
}

// frenchCatalogue is read only.
var frenchCatalogue = sync.OnceValue(func() catalogue {
	texts, err := parseCatalogue(frenchTexts, frenchTypography)
	if err != nil {
		panic("say: fr.txt: " + err.Error()) // which a test would have met
	}
	return texts
})

// speakers are made when the first text is translated. They are read only.
var speakers = sync.OnceValue(func() map[string]*speaker {
	return map[string]*speaker{French: newSpeaker(language.French, frenchCatalogue())}
})

func newSpeaker(tag language.Tag, texts catalogue) *speaker {
	b := catalog.NewBuilder(catalog.Fallback(tag))
	for format, forms := range texts {
		said := catalog.String(forms[0])
		if len(forms) == 2 {
			said = plural.Selectf(1, "", plural.One, forms[0], plural.Other, forms[1])
		}
		if err := b.Set(tag, format, said); err != nil {
			panic("say: " + format + ": " + err.Error())
		}
	}
	return &speaker{tag, texts, b}
}

// In is t in one of [Languages]. In others it is English.
func (t Text) In(lang string) string {
	s := speakers()[lang]
	if s == nil || t.IsZero() {
		return t.String()
	}
	args := decode(t.args)
	for i, arg := range args {
		if inner, ok := arg.(Text); ok {
			args[i] = inner.In(lang)
		}
	}
	if t.format == verbatim {
		return fmt.Sprint(args...)
	}
	return message.NewPrinter(s.tag, message.Catalog(s.known)).Sprintf(t.format, args...)
}

// canonical are the formats of the catalogue, by themselves.
var canonical = sync.OnceValue(func() map[string]string {
	all := make(map[string]string)
	for format := range frenchCatalogue() {
		all[format] = format
	}
	return all
})

// Status is the phrase of an HTTP status.
func Status(code int) Text { return Text{format: http.StatusText(code)} }
