package content

import (
	"strings"
	"testing"
)

func TestParseSlugPattern(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"{title}": "", "{date:2006-01-02}-{title}": "", "{date:2006}/{date:01}/{title}": "", "a-{b c}": "", "{date:20060102T150405}": "",
		"": "names no field", "titre": "names no field", "{title": "a { without a }", "title}": "a } without a {", "{}": "without the name of a field", "{:2006}": "without the name of a field",
		"{a{b}}": "a { without a }", "{date:}": "is not a layout", "{date:jour}": "is not a layout", "{date:YYYY-MM-DD}": "is not a layout",
		"../{title}": "files cannot have", "/{title}": "files cannot have", "{title}/": "files cannot have", ".{title}": "files cannot have", "{title}?": "files cannot have", "{title}.": "files cannot have",
		"{date:15:04}-{title}": "files cannot have", "con/{title}": "files cannot have",
	} {
		_, err := ParseSlugPattern(pattern)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", pattern, err, want)
		}
	}
}
