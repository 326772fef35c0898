package editor_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"cms/editor"
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
			b.ReportAllocs()
			for b.Loop() {
				a, err := s.http.Get(s.url + editor.Prefix + path)
				if err != nil {
					b.Fatal(err)
				}
				if _, err = io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != http.StatusOK {
					b.Fatal(a.Status, err)
				}
				a.Body.Close()
			}
		})
	}
}
