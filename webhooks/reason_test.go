package webhooks_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"cms/webhooks"
)

func TestReason(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"": "", " \n\n": "", "un\ndeux\n": "un\ndeux", "\tun\r\ndeux\x00\x07\n": "un\ndeux",
		"\x1b[31mErreur\x1b[0m : \x1b]0;titre\x07été\u202e\u2028": "Erreur : été",
		"10 %\r20 %\rfin": "10 %\n20 %\nfin",
		"a\xffb\xc3":      "a�b�",
		"clone https://x:tok3n@forge.example.org/a.git failed": "clone https://***@forge.example.org/a.git failed",
	} {
		if got := webhooks.Reason(output); got != want {
			t.Errorf("%q: got %q, want %q", output, got, want)
		}
	}
	many := webhooks.Reason(strings.Repeat("avant\n", 500) + strings.Repeat("après\n", 50))
	if strings.Contains(many, "avant") || strings.Count(many, "\n") != 49 {
		t.Errorf("of 550 lines: got %d, %.40q", strings.Count(many, "\n")+1, many)
	}
	if long := webhooks.Reason("début" + strings.Repeat("é", 1<<20) + "fin"); len(long) > 8<<10 || !utf8.ValidString(long) || !strings.HasSuffix(long, "éfin") {
		t.Errorf("of a long line: got %d bytes, %.20q", len(long), long)
	}
}
