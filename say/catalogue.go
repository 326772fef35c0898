package say

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed fr.txt
var frenchTexts string

// A catalogue has the translations of formats: one form of each, or that of one and that
// of more, by the first argument.
type catalogue map[string][]string

// parseCatalogue reads a file of formats in their order, each with its translations on the
// lines below it, which begin with a tab.
func parseCatalogue(file string, typography *strings.Replacer) (catalogue, error) {
	c, key := make(catalogue), ""
	for line := range strings.Lines(file) {
		line = strings.TrimSuffix(line, "\n")
		form, translates := strings.CutPrefix(line, "\t")
		switch {
		case !translates && line <= key:
			return nil, fmt.Errorf("%q does not stand in its place", line)
		case !translates:
			key = line
		case len(c[key]) == 2 || key == "":
			return nil, fmt.Errorf("%q is no translation", form)
		default:
			c[key] = append(c[key], typography.Replace(form))
		}
	}
	return c, nil
}

// frenchTypography writes the spaces before double punctuation, and in quotes, so that no
// line breaks there.
var frenchTypography = strings.NewReplacer(" :", "\u00a0:", "« ", "«\u00a0", " »", "\u00a0»", " ;", "\u202f;", " !", "\u202f!", " ?", "\u202f?")
