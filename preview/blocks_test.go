package preview

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"cms/race"
)

func TestBlocks(t *testing.T) {
	for _, tt := range []struct{ name, markdown, want string }{
		{"none", "", ""},
		{"blank", " \n\n\t\n", ""},
		{"paragraphs", "\nUn\ndeux\n\nTrois", "paragraph:Un\ndeux|paragraph:Trois"},
		{"headings", "# A\nb\n## C ##\n\nD\n===\ne\n---\nf", "heading1:# A|paragraph:b|heading2:## C ##|heading1:D\n===|heading2:e\n---|paragraph:f"},
		{"lists", "- a\nlazy\n  - b\n\n  c\n- d\n\n1. e\n* f", "list:- a\nlazy\n  - b\n\n  c\n- d|list:1. e|list:* f"},
		{"definitions of words", "Mot\n: sens\n: autre\n\nSuite\n: fin\n\nTexte", "list:Mot\n: sens\n: autre\n\nSuite\n: fin|paragraph:Texte"},
		{"quote", "> a\nb\n>\n> c\n\nd", "quote:> a\nb\n>\n> c|paragraph:d"},
		{"table", "|a|b|\n|-|-|\n|1|2|\n\nc", "table:|a|b|\n|-|-|\n|1|2||paragraph:c"},
		{"table below a line", "Titre\n|a|b|\n|-|-|\n|1|2|", "paragraph:Titre|table:|a|b|\n|-|-|\n|1|2|"},
		{"code", "```\n# a\n\n\n```\n    b\n\n    c\n\nd", "code:```\n# a\n\n\n```|code:    b\n\n    c|paragraph:d"},
		{"unclosed code", "~~~ sh\na\n\nb\n\n", "code:~~~ sh\na\n\nb"},
		{"HTML", "<div>\na\n\n</div>\n\n<!-- a\n\nb -->\nc", "html:<div>\na|html:</div>|html:<!-- a\n\nb -->|paragraph:c"},
		{"HTML over blank lines", "<pre>\na\n\nb\n</pre>\nc", "html:<pre>\na\n\nb\n</pre>|paragraph:c"},
		{"frames", "<iframe src=\"a\"></iframe>\n\n<video src=a></video>\n\n<videos></videos>", "frame:<iframe src=\"a\"></iframe>|frame:<video src=a></video>|paragraph:<videos></videos>"},
		{"rule", "a\n\n---\n***\nb", "paragraph:a|rule:---|rule:***|paragraph:b"},
		{"Liquid", "{% include a.html %}\n\n{% if a %} {{ b }}\n{% endif %}\n\n{{ a }} b", "liquid:{% include a.html %}|liquid:{% if a %} {{ b }}\n{% endif %}|paragraph:{{ a }} b"},
		{"definitions of links", "[a]\n\n[a]: b\n[c]: d\n'e'\n\n[f]: g\nh", "paragraph:[a]|definition:[a]: b\n[c]: d\n'e'|definition:[f]: g|paragraph:h"},
		{"footnotes", "a[^1]\n\n[^1]: b\n\n    c\n[^2]: d\n\ne", "paragraph:a[^1]|footnote:[^1]: b\n\n    c|footnote:[^2]: d|paragraph:e"},
		{"attributes below", "a\n{: .x}\n\n- b\n{: .x}\n\n# C\n{: .x}\nd", "paragraph:a\n{: .x}|list:- b\n{: .x}|heading1:# C\n{: .x}|paragraph:d"},
		{"attributes behind a blank line", "- a\n\n{: .x}\n\nb", "list:- a\n\n{: .x}|paragraph:b"},
		{"attributes above", "a\n\n{: .x}\nb\n\n{: .x}\nC\n===", "paragraph:a|paragraph:{: .x}\nb|heading1:{: .x}\nC\n==="},
		{"attributes of nothing", "{: .x}\n\na", "other:{: .x}|paragraph:a"},
		{"underline of definitions", "[a]: b\n===\n\nc", "definition:[a]: b|paragraph:===|paragraph:c"},
		{"as front matter", "---\na: b\n---\nc", "rule:---|heading2:a: b\n---|paragraph:c"},
		{"CRLF", "a\r\nb\r\n\r\n# C\r\nd\r\n", "paragraph:a\r\nb|heading1:# C|paragraph:d"},
		{"CR", "a\r\rb", "paragraph:a\r\rb"},
		{"tabs", "-\ta\n\n\tb\n\n\tc", "list:-\ta\n\n\tb\n\n\tc"},
		{"NUL and what is not UTF-8", "\xff\xfe a\x00\n\n\xc3 b\n\n\xffc", "paragraph:\xff\xfe a\x00|paragraph:\xc3 b|paragraph:\xffc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, err := New().Blocks(t.Context(), tt.markdown)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range page.Blocks {
				level := ""
				if b.Level > 0 {
					level = fmt.Sprint(b.Level)
				}
				got = append(got, string(b.Kind)+level+":"+tt.markdown[b.Start:b.End])
			}
			if got := strings.Join(got, "|"); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			checkPage(t, New(), tt.markdown)
		})
	}
}

// What stands elsewhere resolves, and what is open is closed.
func TestBlocksAreShownAsOfTheWhole(t *testing.T) {
	for _, tt := range []struct {
		name, markdown string
		want           []string
		notes          string
	}{
		{"references", "[a] ![b]\n\n[a]: /x\n[b]: /y", []string{"<p><a href=\"/x\">a</a> <img src=\"/y\" alt=\"b\"></p>\n", ""}, ""},
		{"ids", "# A\n\n# A\n", []string{"<h1 id=\"a\">A</h1>\n", "<h1 id=\"a-1\">A</h1>\n"}, ""},
		{"footnotes", "a[^1]\n\n[^1]: b\n\nc", []string{"<p>a<sup id=\"fnref:1\"><a href=\"#fn:1\" class=\"footnote-ref\" role=\"doc-noteref\">1</a></sup></p>\n", "", "<p>c</p>\n"},
			"<div class=\"footnotes\" role=\"doc-endnotes\">\n<hr>\n<ol>\n<li id=\"fn:1\">\n<p>b\u00a0<a href=\"#fnref:1\" class=\"footnote-backref\" role=\"doc-backlink\">↩︎</a></p>\n</li>\n</ol>\n</div>\n"},
		{"attributes", "# A\n{: .x}\nb", []string{"<h1 class=\"x\" id=\"a\">A</h1>\n", "<p>b</p>\n"}, ""},
		{"open elements", "<div><b>\n\na\n\n</b></div></div>", []string{"<div><b>\n</b></div>", "<p>a</p>\n", "<p></p>\n"}, ""},
		{"tags that swallow", "a <b\n\nc> d\n\n<object>\n\ne\n\n</object>\n\nf", []string{"<p>a &lt;b</p>\n", "<p>c&gt; d</p>\n", "\n", "", "", "<p>f</p>\n"}, ""},
		{"scripts", "<script>\n\nb()\n</script>\n\n<svg onload=b()>\n\n<p onclick=b()>c", []string{"\n", "\n", "<p>c</p>"}, ""},
		{"a void that looks closed", "<div/>\n\na", []string{"<div/>\n</div>", "<p>a</p>\n"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, err := New().Blocks(t.Context(), tt.markdown)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range page.Blocks {
				got = append(got, b.HTML)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) || page.Notes != tt.notes {
				t.Errorf("got  %q, %q\nwant %q, %q", got, page.Notes, tt.want, tt.notes)
			}
			checkPage(t, New(), tt.markdown)
		})
	}
}

// Parts know where they are.
func TestParts(t *testing.T) {
	for _, tt := range []struct{ markdown, want string }{
		{"Un *mot* et **deux *mots***", `paragraph[Un *mot* et **deux *mots***] text[Un ] emphasis[*mot*] text[mot] text[ et ] strong[**deux *mots***] text[deux ] emphasis[*mots*] text[mots]`},
		{"é [a *b*](/c \"T\") ![d](<e f>){: .x} fin", `paragraph[é [a *b*](/c "T") ![d](<e f>){: .x} fin] text[é ] link[[a *b*](/c "T")](a *b*) text[a ] emphasis[*b*] text[b] text[ ] image[![d](<e f>)](d) text[d] attributes[{: .x}] text[ fin]`},
		{"[a][b] [b] [![c](d)](e)\n\n[b]: /x", `paragraph[[a][b] [b] [![c](d)](e)] link[[a][b]](a) text[a] text[ ] link[[b]](b) text[b] text[ ] link[[![c](d)](e)](![c](d)) image[![c](d)](c) text[c]`},
		{"voir https://a.example/b. <https://c.example>", `paragraph[voir https://a.example/b. <https://c.example>] text[voir ] link[https://a.example/b](https://a.example/b) text[. ] link[<https://c.example>](https://c.example)`},
		{"## A `b` ##", "heading[## A `b` ##](A `b`) text[A ] span[`b`] text[b]"},
		{"A\nb\n---", "heading[A\nb\n---](A\nb) text[A] break[] text[b]"},
		{"#", "heading[#]()"},
		{"> # #a", "quote[> # #a] heading[# #a](#a) text[#a]"},
		{"- a  \n  b\n- <b>c</b>", "list[- a  \n  b\n- <b>c</b>] item[- a  \n  b] paragraph[a  \n  b] text[a] break[] text[b] item[- <b>c</b>] paragraph[<b>c</b>] html[<b>] text[c] html[</b>]"},
		{"|a|\n|-|\n|b|", "table[|a|\n|-|\n|b|] head[a] text[a] cell[b] text[b]"},
		{"l'été \xff\xfe [\xffa](b)", "paragraph[l'été \xff\xfe [\xffa](b)] text[l] sign['] text[été \xff\xfe ] link[[\xffa](b)](\xffa) text[\xffa]"},
		{"<div>\n<p>a\n</div>", "html[<div>\n<p>a\n</div>]"},
	} {
		page, err := New().Blocks(t.Context(), tt.markdown)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range page.Blocks {
			for _, p := range b.Parts {
				s := string(p.Kind) + "[" + tt.markdown[p.Start:p.End] + "]"
				switch p.Kind {
				case PartLink, PartImage, PartHeading:
					s += "(" + tt.markdown[p.From:p.To] + ")"
				}
				got = append(got, s)
			}
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%q:\ngot  %s\nwant %s", tt.markdown, got, tt.want)
		}
	}
}

var endTags = regexp.MustCompile(`</[^>]*>`)

// checkPage holds a page against its text and the preview of that.
func checkPage(t *testing.T, r *Renderer, markdown string) {
	t.Helper()
	whole, wholeErr := r.HTML(t.Context(), markdown)
	page, err := r.Blocks(t.Context(), markdown)
	if err != nil {
		if !errors.As(err, new(*RefusedError)) {
			t.Fatal(err)
		}
		return
	}
	if wholeErr != nil {
		t.Fatalf("%q: the preview was refused, the blocks were not: %v", markdown, wholeErr)
	}
	at := 0
	var joined strings.Builder
	for i, b := range page.Blocks {
		if b.Start < at || b.End <= b.Start || b.End > len(markdown) {
			t.Fatalf("%q: block %d is from %d to %d behind %d", markdown, i, b.Start, b.End, at)
		}
		checkGap(t, markdown, at, b.Start)
		if b.Start > 0 && markdown[b.Start-1] != '\n' || b.End < len(markdown) && !strings.HasPrefix(markdown[b.End:], "\n") && !strings.HasPrefix(markdown[b.End:], "\r\n") {
			t.Fatalf("%q: block %d, from %d to %d, is not whole lines", markdown, i, b.Start, b.End)
		}
		at = b.End
		joined.WriteString(b.HTML)
		checkContained(t, b.HTML)
		checkParts(t, markdown, b)
	}
	checkGap(t, markdown, at, len(markdown))
	checkContained(t, page.Notes)
	joined.WriteString(page.Notes)
	got, want := joined.String(), whole
	if strings.Contains(markdown, "<") { // only ends of elements may differ
		got, want = endTags.ReplaceAllString(got, ""), endTags.ReplaceAllString(want, "")
	}
	if got != want {
		t.Fatalf("%q: the blocks are shown as\n%q\nthe whole as\n%q", markdown, got, want)
	}
}

func checkGap(t *testing.T, markdown string, from, to int) {
	t.Helper()
	if strings.Trim(markdown[from:to], blankBytes) != "" {
		t.Fatalf("%q: %q is in no block", markdown, markdown[from:to])
	}
}

// checkContained: HTML stays in the element that it is put in.
func checkContained(t *testing.T, shown string) {
	t.Helper()
	nodes, err := html.ParseFragment(strings.NewReader("<div>"+shown+"</div><hr id=\"behind\">"), &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 2 || nodes[1].Data != "hr" || len(nodes[1].Attr) != 1 || nodes[1].Attr[0].Val != "behind" {
		t.Fatalf("%q leaves the element that it is in", shown)
	}
}

func checkParts(t *testing.T, markdown string, b Block) {
	t.Helper()
	var within func(parts []Part, from, to int)
	within = func(parts []Part, from, to int) {
		for i := 0; i < len(parts); i += 1 + parts[i].Holds {
			p := parts[i]
			if p.Start < from || p.End < p.Start || to < p.End || p.Holds < 0 || i+p.Holds >= len(parts) {
				t.Fatalf("%q: %+v is not between %d and %d", markdown, p, from, to)
			}
			if p.From > p.To || p.To > 0 && (p.From < p.Start || p.End < p.To) {
				t.Fatalf("%q: %+v has a text outside", markdown, p)
			}
			within(Within(parts, i), p.Start, p.End)
		}
	}
	within(b.Parts, b.Start, b.End)
}

// fragments are what bodies are made of in tests.
var fragments = []string{
	"a", "Un mot. ", "é", "# ", "## A {#b}", "- ", "  - ", "* b", "1. ", "1) c", "> ", ">", "\n", "\n\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\t", "    ", "  ", "```", "~~~\n", "---", "===", "***", "|a|b|", "|-|-|", "|", ": d",
	"[a]: /x", "[a]", "[b](/y)", "![c](z.png)", "[^1]", "[^1]: ", "{: .x}", "{: #y role=\"presentation\"}", "{% include a %}", "{{ b }}", "<div>", "</div>", "<b>", "</b>", "<iframe src=\"https://www.dailymotion.com/embed/video/x1\"></iframe>", "<!--", "-->", "<pre>", "</pre>",
	"<script>", "</script>", "<object>", "</object>", "<p title=\"", "\">", "<a href='", "<br>", "<textarea>", "<table><tr><td>", "</table>", "*", "**", "_", "`", "\\", "&amp;", "&lt", "<", ">", "\x00", "\xff", "\xc3", "https://a.example", "<https://b.example>", "'", "\"", "...", "\v", "\ufeff", "~~",
}

func body(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(fragments[r.IntN(len(fragments))])
	}
	return b.String()
}

// TestBlocksOfAnyText: of texts that are made of what could go wrong, each block and what
// stands between them are the text, and shown as the whole is.
func TestBlocksOfAnyText(t *testing.T) {
	race.Sequential(t)
	n := 3_000
	if testing.Short() {
		n = 1_000
	}
	random, r := rand.New(rand.NewPCG(1, 2)), New()
	for range n {
		checkPage(t, r, body(random, 1+random.IntN(25)))
	}
}

func FuzzBlocks(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f.Add(body(random, 12))
	}
	r := New()
	f.Fuzz(func(t *testing.T, markdown string) {
		checkPage(t, r, markdown)
		page, err := r.Blocks(t.Context(), markdown)
		if err != nil {
			return
		}
		for i, b := range page.Blocks {
			if replaced(markdown, b, markdown[b.Start:b.End]) != markdown {
				t.Fatalf("%q: block %d is not itself", markdown, i)
			}
		}
	})
}

// TestBlocksOfRealFiles: the same of real files, with their front matter and without it.
func TestBlocksOfRealFiles(t *testing.T) {
	ran := false
	for _, name := range []string{"CMS_CORPUS", "CMS_SEED"} {
		folder := os.Getenv(name)
		if folder == "" {
			continue
		}
		ran = true
		r := New()
		err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".md") && !strings.HasSuffix(path, ".markdown") {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			checkPage(t, r, string(raw))
			if _, after, ok := strings.Cut(strings.TrimPrefix(string(raw), "---"), "\n---"); ok {
				checkPage(t, r, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !ran {
		t.Skip("neither CMS_CORPUS nor CMS_SEED names a folder")
	}
}

// replaced is a text with other bytes in the place of a block's.
func replaced(markdown string, b Block, with string) string {
	return markdown[:b.Start] + with + markdown[b.End:]
}
