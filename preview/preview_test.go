package preview

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

func TestHTML(t *testing.T) {
	const playing = `sandbox="allow-scripts allow-same-origin allow-presentation allow-popups"`
	for _, test := range []struct{ name, markdown, want string }{
		{"paragraph", "Un *plan* vélo.", "<p>Un <em>plan</em> vélo.</p>\n"},
		{"heading ids keep accents", "# L'été à **Nîmes** [ici](/x)\n", "<h1 id=\"lété-à-nîmes-ici\">L’été à <strong>Nîmes</strong> <a href=\"/x\">ici</a></h1>\n"},
		{"heading ids are numbered", "## Avis\n\n## Avis\n", "<h2 id=\"avis\">Avis</h2>\n<h2 id=\"avis-1\">Avis</h2>\n"},
		{"heading id that is given", "## Avis {#a-b}\n", "<h2 id=\"a-b\">Avis</h2>\n"},
		{"raw HTML", `<a href="https://example.org/a.pdf">publié</a>`, "<p><a href=\"https://example.org/a.pdf\">publié</a></p>\n"},
		{"attribute line", "Texte\n{: .note #haut}\n", "<p class=\"note\" id=\"haut\">Texte</p>\n"},
		{"attribute line of a list", "- a\n\n{: .liste .longue}\n", "<ul class=\"liste longue\">\n<li>a</li>\n</ul>\n"},
		{"attribute line of a heading", "# A\n{: .titre}\nb\n{: .note}\n", "<h1 class=\"titre\" id=\"a\">A</h1>\n<p class=\"note\">b</p>\n"},
		{"attribute line before a paragraph", "a\n\n{: .note}\nb\n", "<p>a</p>\n<p class=\"note\">b</p>\n"},
		{"attribute span", `[a](/b){: .bouton title="Lire"} fin`, "<p><a href=\"/b\" class=\"bouton\" title=\"Lire\">a</a> fin</p>\n"},
		{"attribute span after text", "a {: .b}", "<p>a {: .b}</p>\n"},
		{"table", "|a|b|\n|:-|-:|\n|1|2|\n", "<table>\n<thead>\n<tr>\n<th align=\"left\">a</th>\n<th align=\"right\">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td align=\"left\">1</td>\n<td align=\"right\">2</td>\n</tr>\n</tbody>\n</table>\n"},
		{"tasks", "- [x] fait\n", "<ul>\n<li><input checked=\"\" disabled=\"\" type=\"checkbox\"> fait</li>\n</ul>\n"},
		{"footnote", "a[^1]\n\n[^1]: Note\n", "<p>a<sup id=\"fnref:1\"><a href=\"#fn:1\" class=\"footnote-ref\" role=\"doc-noteref\">1</a></sup></p>\n<div class=\"footnotes\" role=\"doc-endnotes\">\n<hr>\n<ol>\n<li id=\"fn:1\">\n<p>Note\u00a0<a href=\"#fnref:1\" class=\"footnote-backref\" role=\"doc-backlink\">↩︎</a></p>\n</li>\n</ol>\n</div>\n"},
		{"dailymotion", `<iframe frameborder="0" width="480" height="270" src="https://www.dailymotion.com/embed/video/x4k2qe6" allowfullscreen allow="autoplay"></iframe>`,
			`<iframe ` + playing + ` frameborder="0" width="480" height="270" src="https://www.dailymotion.com/embed/video/x4k2qe6" allowfullscreen="" allow="autoplay"></iframe>`},
		{"youtube-nocookie", `<iframe src="https://www.youtube-nocookie.com/embed/aB-_9?rel=0&amp;start=3"></iframe>`,
			`<iframe ` + playing + ` src="https://www.youtube-nocookie.com/embed/aB-_9?rel=0&amp;start=3"></iframe>`},
		{"self-closed player", `<iframe src="https://www.dailymotion.com/embed/video/x1"/>fin`, `<iframe ` + playing + ` src="https://www.dailymotion.com/embed/video/x1"></iframe>`},
		{"other frame", `<iframe src="https://www.youtube.com/embed/a"></iframe>`, ""},
		{"player in a path", `<iframe src="https://evil.example/https://www.dailymotion.com/embed/video/x1"></iframe>`, ""},
		{"player as a user", `<iframe src="https://www.dailymotion.com/embed/video/x1@evil.example/"></iframe>`, ""},
		{"two addresses", `<iframe src="https://evil.example" src="https://www.dailymotion.com/embed/video/x1"></iframe>`, ""},
		{"srcdoc", `<iframe srcdoc="<script>a()</script>"></iframe>`, ""},
		{"script", "a<script>b()</script>", "<p>a</p>\n"},
		{"event handler", `<img src="/a.png" onerror="b()">`, `<img src="/a.png">`},
		{"link that runs code", "[a](javascript:b\\(\\))", "<p>a</p>\n"},
		{"handler in an attribute line", "a\n{: onclick=\"b()\"}\n", "<p>a</p>\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := New().HTML(t.Context(), test.markdown)
			if err != nil || got != test.want {
				t.Errorf("got  %q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}

func TestHTMLRefusesWhatWouldTakeTooLong(t *testing.T) {
	for name, text := range map[string]string{
		"long":     strings.Repeat("a", MaxBytes+1),
		"quotes":   strings.Repeat("> ", maxBlocks+1) + "a",
		"brackets": strings.Repeat("[a](", maxOpen+1),
		"table":    "|a" + strings.Repeat("|", 1000) + "\n" + strings.Repeat("|-", 1000) + "|\n" + strings.Repeat("|\n", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := New().HTML(t.Context(), text)
			var refused *RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("got %d bytes, %v; want a refusal", len(got), err)
			}
		})
	}
}

// FuzzHTML looks at the HTML with the parser that browsers agree on.
func FuzzHTML(f *testing.F) {
	for _, seed := range []string{
		"# Été\n\n<iframe src=\"https://www.dailymotion.com/embed/video/x4k2qe6\"></iframe>",
		"<iframe src=//evil.example><img src=x onerror=a()></iframe>", "<svg><script>a()</script></svg>",
		"<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=a()&gt;\">",
		"[a](javascript:b)", "[a](JaVa\tScRiPt:b)", "<a href=\"&#106;avascript:b()\">c</a>", "a\n{: onclick='b()' .c}",
		"<noscript><p title=\"</noscript><img src=x onerror=a()>\">", "<iframe/src=https://www.dailymotion.com/embed/video/x/>",
		"![a](data:text/html;base64,PHNjcmlwdD4=)", "<base href=//evil.example><form action=x><textarea><title></iframe>",
		"[^1]\n\n[^1]: `x`{: #y}", "|a|\n|-|\n|<b|", "<!-- --!><script>a()</script>", "<iframe srcdoc='<script>a()</script>' src='https://www.dailymotion.com/embed/video/x'>",
	} {
		f.Add(seed)
	}
	r := New()
	f.Fuzz(func(t *testing.T, text string) {
		out, err := r.HTML(t.Context(), text)
		if err != nil {
			return
		}
		nodes, err := html.ParseFragment(strings.NewReader(out), &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			checkNode(t, n, out)
			for d := range n.Descendants() {
				checkNode(t, d, out)
			}
		}
	})
}

func checkNode(t *testing.T, n *html.Node, out string) {
	t.Helper()
	if n.Type != html.ElementNode {
		return
	}
	switch n.Data {
	case "script", "style", "object", "embed", "applet", "base", "link", "meta", "form", "svg", "math", "frame", "frameset", "template":
		t.Errorf("there is a %s in %q", n.Data, out)
	case "iframe":
		checkFrame(t, n, out)
	}
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" || a.Key == "formaction" {
			t.Errorf("%s has a %s in %q", n.Data, a.Key, out)
		}
		switch a.Key {
		case "href", "src", "cite", "action", "longdesc", "usemap":
			bare := strings.ToLower(strings.Map(func(r rune) rune {
				if r <= ' ' {
					return -1
				}
				return r
			}, a.Val))
			for _, scheme := range []string{"javascript:", "vbscript:", "data:"} {
				if strings.HasPrefix(bare, scheme) {
					t.Errorf("%s leads to %s in %q", a.Key, scheme, out)
				}
			}
		}
	}
}

func checkFrame(t *testing.T, n *html.Node, out string) {
	t.Helper()
	src, sandboxed := "", false
	for _, a := range n.Attr {
		switch a.Key {
		case "src":
			src = a.Val
		case "sandbox":
			sandboxed = a.Val != "" && !strings.Contains(a.Val, "allow-top-navigation")
		}
	}
	u, err := url.Parse(src)
	if err != nil || u.Scheme != "https" || u.User != nil || !sandboxed || n.FirstChild != nil ||
		!(u.Host == "www.dailymotion.com" && strings.HasPrefix(u.Path, "/embed/video/") ||
			u.Host == "www.youtube-nocookie.com" && strings.HasPrefix(u.Path, "/embed/")) {
		t.Errorf("there is an unlisted frame in %q", out)
	}
}
