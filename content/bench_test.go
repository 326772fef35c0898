package content

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// BenchmarkEdit is parse, one-field edit and verification of a consultation,
// beside the mere decoding of its front matter. The ratio of the two is
// reported, so that it can be compared between machines.
func BenchmarkEdit(b *testing.B) {
	src := seedFile(b)
	block := split(src)
	fm := src[block.from:block.to]
	var decode time.Duration
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			var v map[string]any
			if err := yaml.Unmarshal(fm, &v); err != nil {
				b.Fatal(err)
			}
		}
		decode = b.Elapsed() / time.Duration(b.N)
	})
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if d := Parse(src); d.Err() != nil {
				b.Fatal(d.Err())
			}
		}
	})
	b.Run("title", func(b *testing.B) {
		edit := Set(FieldPath{"title"}, "Concertation sur les berges de la rivière")
		for b.Loop() {
			if _, err := Parse(src).Apply(edit); err != nil {
				b.Fatal(err)
			}
		}
		if decode > 0 {
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(decode), "decodes")
		}
	})
}

// seedFile is the seed file, or one like it.
func seedFile(b *testing.B) []byte {
	b.Helper()
	name := "testdata/consultation.md"
	if folder := os.Getenv("CMS_SEED"); folder != "" {
		files, _ := filepath.Glob(filepath.Join(folder, "*.md"))
		if len(files) > 0 {
			name = files[0]
		}
	}
	src, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return src
}
