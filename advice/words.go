package advice

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cms/pattern"
	"cms/preview"
)

var bullet = pattern.Lazy(`^[ \t]*(?:[•·●○◦▪■□►▸➤➢‣⁃→✓✔☑–—]|-(?:[ \t\x{a0}]|&nbsp;)|\*[ \t]|o[ \t]|\(?(?:\d{1,2}|[a-z])\)[ \t]|(?:\d{1,2}|[a-z])[°.][ \t])(?:[ \t\x{a0}]|&nbsp;)*`)

// marker is what a line of a list begins with that is none, its kind and whether its items
// are numbered.
func marker(line string) (text, kind string, numbered bool) {
	text = bullet().FindString(line)
	kind = strings.TrimSpace(strings.ReplaceAll(text, "&nbsp;", " "))
	if kind == "" {
		return "", "", false
	}
	if r, _ := utf8.DecodeRuneInString(strings.TrimPrefix(kind, "(")); unicode.IsDigit(r) || len(kind) > 1 && r < utf8.RuneSelf && unicode.IsLetter(r) {
		return text, kind[len(kind)-1:], true
	}
	return text, kind, false
}

// listFake finds lines that are a list but for their markup: lines of a paragraph, or
// paragraphs one after the other, that begin with the same sign, and lists that only some
// readers of Markdown take for one.
func listFake(t *text) {
	nl := preview.LineEnding(t.markdown)
	for i := 0; i < len(t.paragraphs); i++ {
		p := &t.paragraphs[i]
		if !p.plain {
			continue
		}
		source := t.markdown[p.start:p.end]
		t.look(len(source))
		lines := brokenLines(source)
		if f, ok := t.glued(p, lines, nl); ok {
			t.find(f)
			continue
		}
		// Paragraphs of one item each.
		_, kind, numbered := marker(lines[0])
		if kind == "" || dashes(kind) && len(lines) > 1 {
			continue
		}
		var list strings.Builder
		last := i
		for n := i; n < len(t.paragraphs) && t.paragraphs[n].plain && t.paragraphs[n].block == p.block+n-i; n++ {
			item := t.markdown[t.paragraphs[n].start:t.paragraphs[n].end]
			t.look(len(item))
			text, same, _ := marker(item)
			if same != kind {
				break
			}
			if n > i {
				list.WriteString(nl)
			}
			list.WriteString(itemMark(numbered, n-i) + indented(item[len(text):]))
			last = n
		}
		if last > i {
			end := t.paragraphs[last].end
			t.find(Finding{Block: p.block, Start: p.start, End: end, Args: map[string]string{"text": source}, Fixes: []Fix{{Kind: MakeList, Start: p.start, End: end, Text: list.String()}}})
			i = last
		}
	}
	for _, l := range t.lists {
		t.look(len(l.items))
		if l.marker != ')' || len(l.items) < 2 || t.blocks[l.block].Start != l.start {
			continue
		}
		t.look(l.end - l.start)
		var list strings.Builder
		at := l.start
		for _, item := range l.items {
			if n := strings.IndexByte(t.markdown[item:l.end], ')'); n >= 0 && item >= at && n < 12 {
				list.WriteString(t.markdown[at:item+n] + ".")
				at = item + n + 1
			}
		}
		list.WriteString(t.markdown[at:l.end])
		t.find(Finding{Block: l.block, Start: l.start, End: l.end, Args: map[string]string{"text": t.markdown[l.start:l.end]}, Fixes: []Fix{{Kind: MakeList, Start: l.start, End: l.end, Text: list.String()}}})
	}
}

// dashes says whether a sign also begins what somebody says.
func dashes(kind string) bool { return kind == "–" || kind == "—" || kind == "-" }

// spoken says whether lines are what people say: sentences, each behind a dash.
func spoken(kind string, lines []string) bool {
	return (kind == "–" || kind == "—") && !slices.ContainsFunc(lines, func(line string) bool {
		text, _, _ := marker(line)
		said := strings.TrimSpace(line[len(text):])
		first, _ := utf8.DecodeRuneInString(said)
		last, _ := utf8.DecodeLastRuneInString(said)
		return !unicode.IsUpper(first) || !strings.ContainsRune(".!?…»", last)
	})
}

// itemMark begins an item.
func itemMark(numbered bool, n int) string {
	if numbered {
		return strconv.Itoa(n+1) + ". "
	}
	return "- "
}

// indented is the text of an item.
func indented(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

var lineBreak = pattern.Lazy(`(?i)[ \t]*(?:<br[ \t]*/?>[ \t]*\r?\n?|(?:\\|  +)?\r?\n)`)

// brokenLines are the lines of a paragraph as they are shown, and those of its source.
func brokenLines(source string) []string {
	lines := lineBreak().Split(source, -1)
	for len(lines) > 1 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// glued finds a list in the lines of a paragraph: at least two that follow each other and
// begin with the same sign. What stands before them stays a paragraph.
func (t *text) glued(p *paragraph, lines []string, nl string) (Finding, bool) {
	first, count := -1, 0
	kind, numbered := "", false
	for i, line := range lines {
		_, k, n := marker(line)
		switch {
		case k != "" && k == kind:
			count++
		case count < 2:
			if first, count, kind, numbered = i, 1, k, n; k == "" {
				count = 0
			}
		}
	}
	if count < 2 || spoken(kind, lines[first:]) || kind == "*" || kind == "o" || numbered && kind == "." && len(lines) > 3*count {
		return Finding{}, false
	}
	source := t.markdown[p.start:p.end]
	var list strings.Builder
	if breaks := lineBreak().FindAllStringIndex(source, first); first > 0 {
		list.WriteString(source[:breaks[first-1][0]] + nl + nl)
	}
	n := 0
	for i, line := range lines[first:] {
		text, k, _ := marker(line)
		if i > 0 {
			list.WriteString(nl)
		}
		if k == kind {
			list.WriteString(itemMark(numbered, n) + strings.TrimSpace(line[len(text):]))
			n++
		} else {
			list.WriteString("  " + strings.TrimSpace(line))
		}
	}
	return Finding{Block: p.block, Start: p.start, End: p.end, Args: map[string]string{"text": source}, Fixes: []Fix{{Kind: MakeList, Start: p.start, End: p.end, Text: list.String()}}}, true
}

// phrases finds what a pattern matches in running text. Each match has one of the words,
// by which most text is known to have none.
func (t *text) phrases(pattern *regexp.Regexp, words string) {
	some := strings.Split(words, "|")
	for i := range t.paragraphs {
		p := &t.paragraphs[i]
		t.look(8 * len(p.prose.text))
		low := bytes.ToLower(p.prose.text)
		if !slices.ContainsFunc(some, func(word string) bool { return bytes.Contains(low, []byte(word)) }) {
			continue
		}
		for _, at := range pattern.FindAllIndex(p.prose.text, 100) {
			start, end := p.prose.span(at[0], at[1])
			t.find(Finding{Block: p.block, Start: start, End: end, Args: map[string]string{"text": string(p.prose.text[at[0]:at[1]])}})
		}
	}
}

const (
	colours  = `rouge|vert|bleu|jaune|orange|violet|rose|gris|noir|blanc|marron`
	colourEN = `red|green|blue|yellow|orange|purple|pink|grey|gray|black|white|brown`

	coloursLow = colours + "|" + colourEN
	shownFR    = `champs?|textes?|mots?|lignes?|cases?|boutons?|liens?|zones?|parties?|cellules?|éléments?|passages?|points?|encadrés?|items?|dates?|titres?|colonnes?|indiqu[a-zé]*|marqu[a-zé]*|signal[a-zé]*|affich[a-zé]*|surlign[a-zé]*|écri[a-z]*|figur[a-zé]*|représent[a-zé]*|appar[a-zîé]*|entour[a-zé]*|surbrillance`
	shownEN    = `fields?|texts?|words?|lines?|boxes|box|buttons?|links?|areas?|parts?|cells?|items?|entries|marked|shown|highlighted|displayed|written|indicated|appears?|printed|coloured|colored`
)

var (
	byColour = pattern.Lazy(`(?i)\b(?:` + shownFR + `)\s+(?:sont\s+|est\s+|apparaissent\s+)?en\s+(?:` + colours + `)\b` +
		`|\b(?:boutons?|cases?|liens?|encadrés?|icônes?|flèches?)\s+(?:` + colours + `)(?:e?s?)\b` +
		`|\b(?:` + shownEN + `)\s+(?:are\s+|is\s+)?in\s+(?:` + colourEN + `)\b` +
		`|\b(?:` + colourEN + `)\s+(?:button|link|box|arrow|icon|text)s?\b`)
	byPlace = pattern.Lazy(`(?i)\bci-contre\b|\b(?:colonne|menu|encadré|encart|cadre|bandeau|bouton|bloc|panneau|image|photo|carte|schéma)\s+(?:de|à)\s+(?:la\s+)?(?:droite|gauche)\b` +
		`|\b(?:à|sur la|sur votre)\s+(?:droite|gauche)\s+de\s+(?:l'écran|l’écran|la page|votre écran|cette page)\b|\ben (?:haut|bas) à (?:droite|gauche)\b` +
		`|\b(?:column|menu|box|sidebar|panel|button|picture|image|map|chart)\s+(?:on|at|to)\s+(?:the|your)\s+(?:left|right)\b|\b(?:left|right)-hand\s+(?:column|menu|side|panel)\b|\b(?:top|bottom)\s+(?:left|right)(?:[- ]hand)?\s+(?:corner|of the (?:page|screen))\b|\b(?:round|square|circular|triangular)\s+(?:button|icon)\b|\bbouton\s+(?:rond|carré)\b`)
)

// sensoryColour finds what is told by colour alone.
func sensoryColour(t *text) { t.phrases(byColour(), coloursLow) }

// sensoryPlace finds what is told by its place or its form.
func sensoryPlace(t *text) {
	t.phrases(byPlace(), "ci-contre|droite|gauche|left|right|bouton|button|icon")
}

var (
	pictures  = pattern.Lazy(`[\x{1F300}-\x{1FAFF}\x{1F1E6}-\x{1F1FF}\x{2600}-\x{27BF}\x{2B50}\x{2B55}\x{231A}\x{231B}\x{23E9}-\x{23FA}][\x{FE0F}\x{200D}\x{20E3}\x{1F3FB}-\x{1F3FF}\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]*`)
	emoticons = pattern.Lazy(`(?:^|\s)(?:[:;=]-?[()DPpO3]|:'\(|\^\^|<3|[xX]D)(?:\s|$|[.,!?])`)
)

// emoji finds pictures of letters and faces of signs, once for each paragraph.
func emoji(t *text) {
	for i := range t.paragraphs {
		p := &t.paragraphs[i]
		t.look(len(p.prose.text))
		at := pictures().FindIndex(p.prose.text)
		if at == nil {
			at = emoticons().FindIndex(p.prose.text)
		}
		if at == nil {
			continue
		}
		found := p.prose.text[at[0]:at[1]]
		from := at[0] + len(found) - len(bytes.TrimLeft(found, " \t\r\n"))
		to := at[1] - (len(found) - len(bytes.TrimRight(found, " \t\r\n.,!?")))
		start, end := p.prose.span(from, to)
		t.find(Finding{Block: p.block, Start: start, End: end, Args: map[string]string{"text": string(p.prose.text[from:to])}, Fixes: []Fix{{Kind: Remove, Start: start, End: end}}})
	}
}

// Beyond how many words a sentence and a paragraph are long.
const (
	maxSentence  = 40
	maxParagraph = 150
)

// sentenceLong finds sentences that are hard to follow.
func sentenceLong(t *text) {
	for i := range t.paragraphs {
		p := &t.paragraphs[i]
		t.look(len(p.prose.text))
		if p.cell {
			continue
		}
		sentences(p.prose.text, func(from, to, words int) {
			if words > maxSentence {
				start, end := p.prose.span(from, to)
				t.find(Finding{Block: p.block, Start: start, End: end, Args: map[string]string{"text": string(p.prose.text[from:min(to, from+4*maxArg)]), "words": strconv.Itoa(words)}})
			}
		})
	}
}

// paragraphLong finds paragraphs that are long.
func paragraphLong(t *text) {
	for i := range t.paragraphs {
		p := &t.paragraphs[i]
		t.look(len(p.prose.text))
		if p.cell {
			continue
		}
		all := 0
		sentences(p.prose.text, func(_, _, words int) { all += words })
		if all > maxParagraph {
			t.find(Finding{Block: p.block, Start: p.start, End: p.end, Args: map[string]string{"text": string(p.prose.text[:min(len(p.prose.text), 4*maxArg)]), "words": strconv.Itoa(all)}})
		}
	}
}

// sentences calls use with each sentence, from its first letter to behind its last, and
// how many words it has. A line that is broken on purpose ends none.
func sentences(s []byte, use func(from, to, words int)) {
	from, words := -1, 0
	inWord := false
	end := func(to int) {
		if from >= 0 && words > 0 {
			use(from, to, words)
		}
		from, words, inWord = -1, 0, false
	}
	for at := 0; at < len(s); {
		r, n := utf8.DecodeRune(s[at:])
		letter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if from < 0 && !unicode.IsSpace(r) {
			from = at
		}
		switch {
		case letter && !inWord:
			words++
			inWord = true
		case unicode.IsSpace(r):
			inWord = false
		}
		at += n
		if strings.ContainsRune(".!?…;", r) && (at == len(s) || isSpace(s[at:])) {
			end(at)
		}
	}
	end(len(s))
}

func isSpace(s []byte) bool {
	r, _ := utf8.DecodeRune(s)
	return unicode.IsSpace(r) || r == '»' || r == '"' || r == ')'
}
