package demosite

import (
	"bytes"
	_ "embed" // the style
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

//go:embed theme/style.css
var style []byte

// theme makes pages of a source.
type theme struct {
	markdown goldmark.Markdown
	safe     *bluemonday.Policy
}

func newTheme() *theme {
	t := &theme{
		// Raw HTML is let through here and made safe afterwards.
		markdown: goldmark.New(
			goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.Strikethrough, extension.Linkify),
			goldmark.WithRendererOptions(html.WithUnsafe())),
		safe: bluemonday.UGCPolicy(),
	}
	t.safe.AllowAttrs("src").Matching(regexp.MustCompile(`^https://www\.dailymotion\.com/embed/[\w/?=&-]+$`)).OnElements("iframe")
	t.safe.AllowAttrs("width", "height").Matching(bluemonday.Integer).OnElements("iframe")
	t.safe.AllowAttrs("title").Matching(bluemonday.Paragraph).OnElements("iframe")
	t.safe.AllowAttrs("allowfullscreen").OnElements("iframe")
	return t
}

// view is what a page shows.
type view struct {
	Root string // of the site, relative to the page
	Site *source
	Page page
	Body string // safe HTML
}

// render writes the site to dir.
func (t *theme) render(dir string, s *source) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := root.WriteFile("style.css", style, 0o644); err != nil {
		return err
	}
	if err := t.write(root, "index.html", view{Root: "./", Site: s, Page: s.Welcome}); err != nil {
		return err
	}
	for _, p := range s.Entries {
		// A slug that leads out of the folder is refused by root.
		name := path.Join("consultations", p.Slug, "index.html")
		if err := t.write(root, name, view{Root: strings.Repeat("../", strings.Count(name, "/")), Site: s, Page: p}); err != nil {
			return fmt.Errorf("page of %s: %w", p.Slug, err)
		}
	}
	return nil
}

// write makes one page: index.html is the home page, the others are of entries.
func (t *theme) write(root *os.Root, name string, v view) error {
	var body, out bytes.Buffer
	if err := t.markdown.Convert([]byte(v.Page.body), &body); err != nil {
		return err
	}
	v.Body = string(t.safe.SanitizeBytes(body.Bytes()))
	if name == "index.html" {
		v.home(&out)
	} else {
		v.consultation(&out)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return root.WriteFile(name, out.Bytes(), 0o644)
}

// URL is where the page stands, relative to the site's root.
func (p page) URL() string {
	return (&url.URL{Path: "consultations/" + p.Slug + "/"}).String()
}

// day is a date as French writes it: 1er mars 2024.
func day(t time.Time) string {
	months := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	n := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		n = "1er"
	}
	return fmt.Sprintf("%s %s %d", n, months[t.Month()-1], t.Year())
}

// moment is a date and the time of day.
func moment(t time.Time) string { return day(t) + t.Format(" à 15 h 04") }
