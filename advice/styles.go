package advice

import (
	"slices"
	"strings"
)

// looks are elements that say how something looks, with what says what it means.
var looks = []string{"font", "center", "big", "strike", "tt", "u", "b", "i", "marquee", "blink"}

var meanings = map[string]string{"b": "strong", "i": "em", "strike": "del", "tt": "code"}

// lookAttributes are attributes that say so, and the elements that may have them
// nevertheless.
var lookAttributes = []string{"align", "alink", "background", "bgcolor", "border", "cellpadding", "cellspacing", "clear", "color", "compact", "frameborder", "hspace", "link", "marginheight", "marginwidth", "size", "text", "valign", "vlink", "vspace"}

// embedded are attributes of the frames that players are embedded with, which few write.
var embedded = []string{"frameborder", "marginheight", "marginwidth"}

// htmlPresentation finds elements that say how something looks.
func htmlPresentation(t *text) {
	for _, tag := range t.tags {
		t.look(0)
		icon := (tag.name == "b" || tag.name == "i") && (tag.empty || tag.after == 0 || len(tag.attributes) > 0)
		if !slices.Contains(looks, tag.name) || icon {
			continue
		}
		f := Finding{Block: tag.block, Start: tag.start, End: max(tag.end, tag.after), Args: map[string]string{"name": tag.name}, Hint: tag.name == "u"}
		if tag.after > 0 && tag.closed == tag.block && tag.outer && tag.name != "u" {
			t.look(tag.after - tag.start)
			inner := t.markdown[tag.end:tag.close]
			fix := Fix{Kind: Remove, Start: tag.start, End: tag.after, Text: inner}
			if m := meanings[tag.name]; m != "" {
				fix.Kind, fix.Text = Restyle, "<"+m+">"+inner+"</"+m+">"
			}
			f.Fixes = []Fix{fix}
		}
		t.find(f)
	}
}

// htmlAttributes finds attributes that say how something looks.
func htmlAttributes(t *text) {
	for _, tag := range t.tags {
		t.look(tag.end - tag.start)
		var names []string
		var kept strings.Builder
		at, quiet := tag.start, true
		for _, a := range tag.attributes {
			if !slices.Contains(lookAttributes, a.name) || excused(tag.name, a.name) {
				continue
			}
			if !slices.Contains(names, a.name) {
				names = append(names, a.name)
			}
			quiet = quiet && slices.Contains(embedded, a.name)
			kept.WriteString(t.markdown[at:a.start])
			at = a.end
		}
		if len(names) == 0 {
			continue
		}
		kept.WriteString(t.markdown[at:tag.end])
		t.find(Finding{Block: tag.block, Start: tag.start, End: tag.end, Hint: quiet, Args: map[string]string{"name": tag.name, "names": strings.Join(names, ", ")},
			Fixes: []Fix{{Kind: Remove, Start: tag.start, End: tag.end, Text: kept.String()}}})
	}
}

// excused says whether an attribute means something else at an element.
func excused(element, attribute string) bool {
	switch attribute {
	case "size":
		return element == "input" || element == "select"
	case "color", "text", "link", "background", "border":
		return !slices.Contains([]string{"font", "hr", "body", "table", "td", "th", "tr", "img", "basefont"}, element)
	}
	return false
}
