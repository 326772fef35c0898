package advice

import (
	"net/url"
	"path"
	"strings"
	"sync"
	"unicode"

	"cms/pattern"
)

// words is the text of a link for comparisons.
func (l *link) words() string { return plain(l.text) }

// plain is a text in lower case, with single blanks, straight apostrophes and without
// signs around it.
func plain(s string) string {
	s = strings.NewReplacer("’", "'", "\u00a0", " ", "\u202f", " ").Replace(strings.ToLower(s))
	s = strings.TrimFunc(strings.Join(strings.Fields(s), " "), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return s
}

// reword is the repair that asks for another text.
func (l *link) reword() []Fix {
	f := Fix{Kind: Reword, Start: l.from, End: l.to, Asks: AskText, encode: asMarkdown}
	switch {
	case l.image:
		return nil
	case l.bare:
		f.Start, f.End, f.Text, f.After = l.start, l.end, "[", "]("+l.address+")"
	case l.tag != nil:
		f.encode = asHTML
	case l.to < l.from || l.from == 0:
		return nil
	}
	return []Fix{f}
}

// linkEmpty finds links without a text.
func linkEmpty(t *text) {
	for i := range t.links {
		l := &t.links[i]
		t.look(len(l.text))
		if strings.TrimSpace(l.text) != "" || l.image || strings.TrimSpace(l.name) != "" || l.tag != nil && l.tag.hidden() {
			continue
		}
		t.find(Finding{Block: l.block, Start: l.start, End: l.end, Args: map[string]string{"address": l.address}, Fixes: l.reword()})
	}
}

// vague are texts of links that do not say where they lead.
var vague = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, s := range []string{
		"ici", "là", "cliquez ici", "cliquer ici", "cliquez", "cliquer", "clique ici", "par ici", "c'est ici", "c'est par ici", "juste ici", "voir ici", "suivez ce lien", "suivre ce lien", "en cliquant ici",
		"lire", "lire la suite", "lire plus", "lire ici", "la suite", "suite", "en savoir plus", "en savoir +", "plus", "plus d'infos", "plus d'info", "plus d'informations", "plus de détails", "détails", "voir", "voir plus", "voir la suite", "découvrir", "consulter", "accéder", "accès", "télécharger", "téléchargez", "ce lien", "lien", "le lien", "cette page", "ce site", "ce document", "ce fichier", "cet article", "lire l'article", "voir la page", "site", "le site", "site web", "page",
		"publié", "publiée", "publiés", "publiées", "a été publié", "a été publiée", "ont été publiés", "ont été publiées", "publique", "publiques", "disponible", "disponibles", "en ligne", "téléchargeable", "consultable", "consultables",
		"here", "click here", "click", "tap here", "right here", "over here", "this", "this link", "link", "the link", "this page", "this site", "this article", "this post", "this document", "this one", "that", "it", "read more", "read on", "read", "more", "more info", "more information", "more details", "learn more", "find out more", "see more", "see here", "details", "info", "continue", "continue reading", "download", "page", "website", "site",
	} {
		all[s] = true
	}
	return all
})

// linkVague finds links whose text says nothing of where they lead.
func linkVague(t *text) {
	for i := range t.links {
		l := &t.links[i]
		t.look(len(l.text))
		if words := l.words(); words == "" || !vague()[words] || len(plain(l.name)) > len(words) {
			continue
		}
		t.find(Finding{Block: l.block, Start: l.start, End: l.end, Args: map[string]string{"address": l.address, "text": strings.TrimSpace(l.text)}, Fixes: l.reword()})
	}
}

var addresses = pattern.Lazy(`(?i)^(?:https?://|ftp://|www\.)\S+$`)

// linkAddress finds links whose text is an address.
func linkAddress(t *text) {
	for i := range t.links {
		l := &t.links[i]
		t.look(len(l.text))
		if shown := strings.TrimSpace(l.text); addresses().MatchString(shown) && plain(l.name) == "" {
			t.find(Finding{Block: l.block, Start: l.start, End: l.end, Args: map[string]string{"address": l.address, "text": shown}, Fixes: l.reword()})
		}
	}
}

// linkAmbiguous finds links with the text of one before that leads elsewhere.
func linkAmbiguous(t *text) {
	first := map[string]string{}
	for i := range t.links {
		l := &t.links[i]
		t.look(len(l.text) + len(l.address))
		words := l.words()
		if words == "" || vague()[words] || addresses().MatchString(strings.TrimSpace(l.text)) {
			continue
		}
		words += "\n" + plain(l.name)
		other, known := first[words]
		if !known {
			first[words] = l.address
		} else if samePlace(other) != samePlace(l.address) {
			t.find(Finding{Block: l.block, Start: l.start, End: l.end, Args: map[string]string{"address": l.address, "other": other, "text": strings.TrimSpace(l.text)}, Fixes: l.reword()})
		}
	}
}

// samePlace is an address without what makes no difference.
func samePlace(address string) string {
	address = strings.TrimSuffix(address, "/")
	if s, ok := strings.CutPrefix(address, "http://"); ok {
		return s
	}
	return strings.TrimPrefix(address, "https://")
}

// formats are what documents are called that a browser hands to another program, and the
// words that tell of each.
var formats = map[string][]string{
	".pdf": {"pdf"}, ".doc": {"doc", "word"}, ".docx": {"docx", "word"}, ".odt": {"odt", "opendocument"}, ".rtf": {"rtf"},
	".xls": {"xls", "excel", "tableur"}, ".xlsx": {"xlsx", "excel", "tableur"}, ".ods": {"ods", "tableur"}, ".csv": {"csv"},
	".ppt": {"ppt", "powerpoint"}, ".pptx": {"pptx", "powerpoint"}, ".odp": {"odp"}, ".epub": {"epub"}, ".zip": {"zip"},
}

// documents are the links to documents.
func (t *text) documents(use func(l *link, extension string)) {
	for i := range t.links {
		l := &t.links[i]
		t.look(len(l.address))
		address := l.address
		if u, err := url.Parse(address); err == nil {
			address = u.Path
		}
		if extension := strings.ToLower(path.Ext(address)); formats[extension] != nil {
			use(l, extension)
		}
	}
}

// documentAlternative asks whether a document has a version that all can read.
func documentAlternative(t *text) {
	t.documents(func(l *link, extension string) {
		if extension == ".csv" || extension == ".zip" || extension == ".epub" {
			return
		}
		t.find(Finding{Block: l.block, Start: l.start, End: l.end, Args: map[string]string{"address": l.address, "format": strings.ToUpper(extension[1:]), "text": strings.TrimSpace(l.text)}})
	})
}

// documentFormat finds links to documents that do not say so.
func documentFormat(t *text) {
	t.documents(func(l *link, extension string) {
		end := min(len(t.markdown), l.end+40, t.blocks[l.block].End)
		said := strings.ToLower(l.text + " " + l.name + " " + t.markdown[min(l.end, end):end])
		for _, word := range formats[extension] {
			if strings.Contains(said, word) {
				return
			}
		}
		f := Finding{Block: l.block, Start: l.start, End: l.end, Args: map[string]string{"address": l.address, "format": strings.ToUpper(extension[1:]), "text": strings.TrimSpace(l.text)}}
		if strings.TrimSpace(l.text) != "" && !l.bare && !l.image && l.to > l.from {
			f.Fixes = []Fix{{Kind: Announce, Start: l.to, End: l.to, Text: " (" + strings.ToUpper(extension[1:]) + ")"}}
		}
		t.find(f)
	})
}
