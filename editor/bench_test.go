package editor_test

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkPages: what the main pages take.
func BenchmarkPages(b *testing.B) {
	files := map[string]string{}
	for i := range 1000 {
		files[fmt.Sprintf("_consultations/c%04d.md", i)] = strings.Replace(odd["every type"], "Texte\n", strings.Repeat("Un paragraphe avec un [lien](https://example.org/).\n\n", 10), 1)
	}
	s := newService(b, files)
	for _, path := range []string{"", "list/consultations", "list/consultations?q=paragraphe", "entry/consultations/c0500"} {
		b.Run(path, func(b *testing.B) {
			s.get(s.http, path)
			for b.Loop() {
				if p := s.get(s.http, path); p.status != 200 {
					b.Fatal(p.status)
				}
			}
		})
	}
}
