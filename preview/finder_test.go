package preview

import (
	"strings"
	"testing"

	"cms/race"
)

// Texts of few signs, in which each place has much before it or behind it that could
// belong to an address. If that were looked through for each, this would take hours.
func TestCandidatesInTimeOfTheLength(t *testing.T) {
	race.Sequential(t)
	race.TakesLong(t)
	for _, text := range []string{
		"](<", "](<{{", "]:", "]: ", "1]: ", "[]: <", "](", "]( ", "](\\", "](]((", "]({{", "]({{ ", "]({%", "]({% link ", "]({{'a'}}", "]({{'", "](<{{'a'}}",
		"/href=", "/href={{", "/href={{'a'}}", "/href={{\"", " src='{{", " src=\"", "\"src='", " src= ", "/src={% link ", " srcset='a,", " srcset=,", "/srcset=a,",
		"=", " href= <", "{{", "]({{}}", "/href={{}}",
	} {
		candidates(strings.Repeat(text, (1<<20)/len(text)))
		candidates(strings.Repeat(text, (1<<19)/len(text)) + "}}%}\"'>\n")
	}
}

// Addresses lie in the text, one after the other, within what is around them.
func FuzzCandidates(f *testing.F) {
	for _, seed := range []string{"![a](/a.jpg \"T\")", "[a]: <b c>\n", "<img src='{{ \"/a\" | relative_url }}' srcset=\"a 1x, b 2x\">", "[a]({% link b %})", "]({%}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for _, a := range candidates(text) {
			if a.from < at || a.From < a.from || a.To <= a.From || a.to < a.To || len(text) < a.to {
				t.Fatalf("%q: got %+v behind %d", text, a, at)
			}
			at = a.to
		}
	})
}
