package content

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A string that is written plain must be that string to every reader of YAML:
// Psych and SafeYAML (1.1), js-yaml and yaml.v3 (1.2, each with habits of its
// own). What looks like anything else to any of them is quoted.

// printable says whether r may stand unescaped. NEL, U+2028 and U+2029 are line
// breaks to libyaml, and a byte order mark vanishes.
func printable(r rune) bool {
	switch {
	case r < 0x7f:
		return r >= 0x20 || r == '\t'
	case r == 0x2028 || r == 0x2029 || r == 0xfeff:
		return false
	case r >= 0xe000 && r <= 0xfffd, r >= 0x10000:
		return r&0xfffe != 0xfffe
	}
	return r >= 0xa0 && r <= 0xd7ff
}

func allPrintable(s string) bool {
	for _, r := range s {
		if !printable(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// plainSafe says whether s can stand without quotes: in a block, or, where
// strict, as a key or in brackets.
func plainSafe(s string, strict bool) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || s[len(s)-1] == ':' ||
		strings.IndexByte("-?:,[]{}#&*!|>'\"%@`=<~", s[0]) >= 0 || strings.HasPrefix(s, "...") {
		return false
	}
	if strict && (strings.ContainsAny(s, ",[]{}:#?") || len(s) > 128) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\t', c == ':' && s[i+1] == ' ', c == '#' && s[i-1] == ' ':
			return false
		}
	}
	return !looksTyped(s) && allPrintable(s)
}

// looksTyped says whether some reader may take s for a number, a time, a
// boolean or null: too widely, on purpose.
func looksTyped(s string) bool {
	rest := strings.TrimLeft(s, "-+._,")
	switch strings.ToLower(rest[:min(len(rest), 9)]) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false",
		"null", "nil", "none", "nan", "inf", "infinity":
		return true
	}
	if rest[0] == 'e' || rest[0] == 'E' {
		rest = rest[1:]
	}
	return rest != "" && rest[0] >= '0' && rest[0] <= '9' &&
		strings.Trim(rest, "-+0123456789_,.:xXoOabcdefABCDEFtTzZ ") == ""
}

// inline writes s on one line: in the style of what it replaces, else plain if
// it can be, else in the quotes that need the fewest escapes, those of the file
// where it makes no difference.
func inline(s string, like, habit style, strict bool) string {
	quotable := !strings.Contains(s, "\t") && allPrintable(s)
	switch {
	case like == doubleQuoted:
		return quoteDouble(s)
	case like == singleQuoted && quotable:
		return quoteSingle(s)
	case like == plain && plainSafe(s, strict):
		return s
	case !quotable:
		return quoteDouble(s)
	}
	apostrophe, escapes := strings.Contains(s, "'"), strings.ContainsAny(s, `"\`)
	if escapes && !apostrophe || habit == singleQuoted && apostrophe == escapes {
		return quoteSingle(s)
	}
	return quoteDouble(s)
}

func quoteSingle(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// escape is how JSON, TOML and the double quotes of YAML all escape r, "" for what each
// writes in a way of its own.
func escape(r rune) string {
	switch r {
	case '"':
		return `\"`
	case '\\':
		return `\\`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	return ""
}

func quoteDouble(s string) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for _, r := range s {
		switch {
		case escape(r) != "":
			b = append(b, escape(r)...)
		case printable(r):
			b = utf8.AppendRune(b, r)
		case r <= 0xff:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r <= 0xffff:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return string(append(b, '"'))
}

// yamlNumber writes a number so that YAML 1.1 takes it for one: 1e21 is a
// string there, 1.0e+21 is not.
func yamlNumber(n Number) string {
	mantissa, exponent, ok := strings.Cut(strings.ToLower(string(n)), "e")
	if !ok {
		return mantissa
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if exponent[0] != '-' && exponent[0] != '+' {
		exponent = "+" + exponent
	}
	return mantissa + "e" + exponent
}

// blockable says whether s can be written as a block scalar that every reader
// reads the same: it begins and ends with a visible character.
func blockable(s string) bool {
	core := strings.Trim(s, "\n")
	return core != "" && !isBlank(core[0]) && !isBlank(core[len(core)-1]) && s[0] != '\n' &&
		allPrintable(strings.ReplaceAll(s, "\n", ""))
}

// multiline says whether s has more than one line.
func multiline(s string) bool { return strings.Contains(strings.TrimRight(s, "\n"), "\n") }

// chomp splits s into its text and the indicator that says how many line
// breaks follow; blanks are the empty lines that "+" keeps.
func chomp(s string) (core, indicator string, blanks int) {
	core = strings.TrimRight(s, "\n")
	switch n := len(s) - len(core); n {
	case 0:
		return core, "-", 0
	case 1:
		return core, "", 0
	default:
		return core, "+", n - 1
	}
}

// literalBlock writes s as a block, indented by indent: the header, and the
// lines without the last line ending.
func literalBlock(s string, indent int, eol string) (header, body string) {
	core, indicator, blanks := chomp(s)
	return "|" + indicator, indentLines(strings.Split(core, "\n"), indent, blanks, eol)
}

func indentLines(lines []string, indent, blanks int, eol string) string {
	pad := strings.Repeat(" ", indent)
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteString(eol)
		}
		if line != "" {
			b.WriteString(pad)
			b.WriteString(line)
		}
	}
	b.WriteString(strings.Repeat(eol, blanks))
	return b.String()
}

// foldable says whether s can be a folded block: a line that begins or ends
// with a blank would not fold.
func foldable(s string) bool {
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		if line != "" && (isBlank(line[0]) || isBlank(line[len(line)-1])) {
			return false
		}
	}
	return true
}

// foldedBlock writes s as a folded block in the place of old, the lines of one:
// a paragraph that old holds keeps its line breaks, a new one is wrapped at the
// width of the longest line of old.
func foldedBlock(s string, old []string, indent int, eol string) (header, body string) {
	core, indicator, blanks := chomp(s)
	width := 0
	kept := make(map[string][]string)
	var paragraph []string
	for _, line := range append(old, "") {
		if line = strings.TrimRight(strings.TrimPrefix(line, strings.Repeat(" ", indent)), "\r"); line != "" {
			width = max(width, utf8.RuneCountInString(line))
			paragraph = append(paragraph, line)
			continue
		}
		kept[strings.Join(paragraph, " ")] = paragraph
		paragraph = nil
	}
	var lines []string
	for i, text := range strings.Split(core, "\n") {
		if i > 0 {
			lines = append(lines, "")
		}
		if text == "" {
			continue
		}
		if same, ok := kept[text]; ok {
			lines = append(lines, same...)
		} else {
			lines = append(lines, wrap(text, width)...)
		}
	}
	return ">" + indicator, indentLines(lines, indent, blanks, eol)
}

// wrap breaks a text at single spaces into lines of at most width runes, where
// that can be done.
func wrap(text string, width int) []string {
	if width < 20 {
		return []string{text}
	}
	var lines []string
	start, end := 0, 0 // of the line so far
	for i := 1; i <= len(text); i++ {
		if i < len(text) && (text[i] != ' ' || text[i-1] == ' ' || text[i+1] == ' ') {
			continue
		}
		if end > start && utf8.RuneCountInString(text[start:i]) > width {
			lines = append(lines, text[start:end])
			start = end + 1
		}
		end = i
	}
	return append(lines, text[start:])
}
