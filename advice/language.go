package advice

import (
	"strings"
	"sync"
	"unicode"

	"cms/preview"
)

// frequent are words that every text of a language has, and those of others hardly.
var frequent = map[string]string{
	"fr": "le la les des du une et est sont dans pour par sur avec qui que ce cette ces aux au nous vous ils elle être ont été plus pas leur leurs ses mais ou où comme aussi entre sans sous donc lors afin ainsi chez",
	"en": "the of and to is are was were with that this these for from by which have has had been will would should their there they you your we our it its but not can at as an be",
	"de": "der die das und ist sind war mit von für auf den dem ein eine nicht auch werden wird bei nach aus oder sich zum zur über durch",
	"es": "el los las del y una por con para es son fue que se más como pero sus al ser está han había sobre entre también",
	"it": "il gli della dei delle di che è sono un una per con non nel nella alla anche più come questo dal sul",
}

// minPassage is how many words a passage has at least, so that its language is sure.
const minPassage = 12

// count counts the frequent words of each language, and all words.
func count(s []byte, into map[string]int) (words int) {
	for word := range strings.FieldsFuncSeq(strings.ToLower(string(s)), func(r rune) bool { return !unicode.IsLetter(r) }) {
		words++
		for language, list := range frequencies() {
			if list[word] {
				into[language]++
			}
		}
	}
	return words
}

// passageLanguage finds blocks in another language than the text, when that is beyond
// doubt, and nobody has said so.
func passageLanguage(t *text) {
	type passage struct {
		words int
		count map[string]int
	}
	passages, whole := map[int]*passage{}, map[string]int{}
	for i := range t.paragraphs {
		p := &t.paragraphs[i]
		t.look(8 * len(p.prose.text))
		at := passages[p.block]
		if at == nil {
			at = &passage{count: map[string]int{}}
			passages[p.block] = at
		}
		at.words += count(p.prose.text, at.count)
	}
	for _, p := range passages {
		for language, n := range p.count {
			whole[language] += n
		}
	}
	own := t.options.Language
	if frequencies()[own] == nil {
		own = most(whole)
	}
	for i, b := range t.blocks {
		t.look(0)
		p := passages[i]
		if p == nil || p.words < minPassage || marked(b) || b.Kind != preview.Paragraph && b.Kind != preview.Quote {
			continue
		}
		other := most(p.count)
		unsure := t.options.Language == "" && whole[other]*2 > whole[own]
		if other == own || unsure || p.count[other]*5 < p.words || p.count[own]*25 > p.words || p.count[other] < 4 {
			continue
		}
		source := t.markdown[b.Start:b.End]
		if t.look(len(source)); strings.Contains(source, "lang=") {
			continue
		}
		nl := preview.LineEnding(t.markdown)
		t.find(Finding{Block: i, Start: b.Start, End: b.End, Args: map[string]string{"language": other, "text": source},
			Fixes: []Fix{{Kind: Speak, Start: b.End, End: b.End, Text: nl + `{: lang="` + other + `"}`}}})
	}
}

// most is the language with the most frequent words.
func most(count map[string]int) string {
	best := "fr"
	for _, language := range []string{"de", "en", "es", "fr", "it"} {
		if count[language] > count[best] {
			best = language
		}
	}
	return best
}

// marked says whether the language of a block is told.
func marked(b preview.Block) bool {
	for _, p := range b.Parts {
		if p.Attributes["lang"] != "" {
			return true
		}
	}
	return false
}

// frequencies are the frequent words, to look them up.
var frequencies = sync.OnceValue(func() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for language, words := range frequent {
		all[language] = map[string]bool{}
		for _, word := range strings.Fields(words) {
			all[language][word] = true
		}
	}
	return all
})
