package advice

import (
	"path"
	"strings"
	"unicode"

	"cms/pattern"
)

// describe is the repair that asks for an alternative.
func (i *image) describe() Fix {
	f := Fix{Kind: Describe, Start: i.from, End: i.to, Asks: AskAlternative, encode: asMarkdown}
	if i.tag != nil {
		f = i.tag.set(Describe, "alt", AskAlternative)
	}
	return f
}

// set is the repair that asks for the value of an attribute.
func (t *tag) set(kind FixKind, name string, asks Ask) Fix {
	start, end := t.place(name)
	return Fix{Kind: kind, Start: start, End: end, Text: " " + name + `="`, After: `"`, Asks: asks, encode: asAttribute}
}

// decorate is the repair that marks an image as decorative, in the way that is kept in the
// text: an empty alternative alone may only have been forgotten.
func (i *image) decorate() Fix {
	const mark = ` role="presentation"`
	switch {
	case i.tag != nil && i.named:
		at := i.tag.start + 1 + len(i.tag.name)
		return Fix{Kind: Decorate, Start: at, End: at, Text: mark}
	case i.tag != nil:
		start, end := i.tag.place("alt")
		return Fix{Kind: Decorate, Start: start, End: end, Text: ` alt=""` + mark}
	case i.list > 0:
		return Fix{Kind: Decorate, Start: i.list - 1, End: i.list - 1, Text: mark}
	}
	return Fix{Kind: Decorate, Start: i.end, End: i.end, Text: "{:" + mark + "}"}
}

// imageAlternative finds images that have none and are not marked as decorative.
func imageAlternative(t *text) {
	for _, i := range t.images {
		t.look(0)
		if strings.TrimSpace(i.alternative) != "" || i.decorative || i.tag != nil && i.tag.hidden() {
			continue
		}
		fixes := []Fix{i.describe(), i.decorate()}
		if i.tag == nil && i.from < i.to { // blanks stand there
			fixes = fixes[:1]
		}
		// In HTML an empty alternative is written on purpose, mostly.
		t.find(Finding{Block: i.block, Start: i.start, End: i.end, Hint: i.tag != nil && i.named, Args: map[string]string{"address": i.address}, Fixes: fixes})
	}
}

// imageDecorative finds decorative images that have an alternative nevertheless.
func imageDecorative(t *text) {
	for _, i := range t.images {
		t.look(0)
		if !i.decorative || strings.TrimSpace(i.alternative) == "" {
			continue
		}
		fix := Fix{Kind: Decorate, Start: i.from, End: i.to}
		if i.tag != nil {
			start, end := i.tag.place("alt")
			fix = Fix{Kind: Decorate, Start: start, End: end, Text: ` alt=""`}
		}
		t.find(Finding{Block: i.block, Start: i.start, End: i.end, Args: map[string]string{"address": i.address, "alternative": i.alternative}, Fixes: []Fix{fix}})
	}
}

var (
	fileName   = pattern.Lazy(`(?i)^[\p{L}\p{N}_\-. ()%]+\.(?:jpe?g|png|gif|svg|webp|avif|bmp|tiff?|heic)$|^\S*/\S*\.(?:jpe?g|png|gif|svg|webp|avif|bmp|tiff?|heic)$`)
	cameraName = pattern.Lazy(`(?i)^(?:img|dsc[nf]?|pxl|image|photo|picture|capture|screenshot|screen shot|scan|sans[ _-]titre|untitled)[ _-]*(?:\d[\d _.-]*)?$`)
)

// imageFileName finds alternatives that are the name of a file, or the word for an image.
func imageFileName(t *text) {
	for _, i := range t.images {
		t.look(len(i.alternative))
		alternative := strings.TrimSpace(i.alternative)
		if alternative == "" || i.decorative || !fileName().MatchString(alternative) && !cameraName().MatchString(alternative) && !i.isFile(alternative) {
			continue
		}
		t.find(Finding{Block: i.block, Start: i.start, End: i.end, Args: map[string]string{"address": i.address, "alternative": alternative}, Fixes: []Fix{i.describe()}})
	}
}

// isFile says whether an alternative is what the file is called, and no word.
func (i *image) isFile(alternative string) bool {
	name := path.Base(i.address)
	stem := strings.TrimSuffix(name, path.Ext(name))
	if !strings.EqualFold(alternative, stem) {
		return false
	}
	return strings.ContainsAny(alternative, "_-") || strings.ContainsFunc(alternative, unicode.IsDigit)
}
