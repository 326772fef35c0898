package webhooks

import (
	"strings"
	"unicode"

	"cms/pattern"
)

// Bounds of the reason of a build's failure.
const (
	maxReasonLines = 50
	maxReason      = 8 << 10 // bytes
)

var (
	terminal    = pattern.Lazy("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|.)")
	credentials = pattern.Lazy(`://[^/\s@]+@`)
)

// Reason is why a build failed, of its output: the last 50 lines of that, of 8 KiB at most,
// as text without what is meant for terminals and without credentials in addresses.
func Reason(output string) string {
	text := strings.ToValidUTF8(output, "�")
	text = terminal().ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r': // which a progress bar begins its line anew by
			return '\n'
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			return -1
		}
		return r
	}, text)
	text = credentials().ReplaceAllString(text, "://***@")
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		lines = append(lines, strings.TrimRight(line, " \t"))
	}
	text = strings.Join(lines[max(0, len(lines)-maxReasonLines):], "\n")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[len(text)-maxReason:], "")
	}
	return strings.TrimSpace(text)
}
