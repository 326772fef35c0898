package demosite

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"net/url"
	"strings"
	"time"
)

// The pages are laid out by code: they are few, and nobody puts others in their place.

// home lays out the page that lists the entries.
func (v *view) home(w io.Writer) {
	v.frame(w, func() {
		fmt.Fprintf(w, "<h1>%s</h1>\n%s\n<ul class=\"cards\">\n", escape(v.Page.Title), v.Body)
		for _, p := range v.Site.Entries {
			fmt.Fprintf(w, "<li>\n<h2><a href=\"%s\">%s</a></h2>\n<p>%s</p>\n", escape(p.URL()), escape(p.Title), join(" ", p.state(), p.date()))
			if p.Description != "" {
				fmt.Fprintf(w, "<p>%s</p>\n", escape(p.Description))
			}
			fmt.Fprintf(w, "<p class=\"ratings\">Citoyens : %s</p>\n</li>\n", p.Citizens.html())
		}
		if len(v.Site.Entries) == 0 {
			fmt.Fprint(w, "<li>Aucune consultation pour le moment.</li>\n")
		}
		fmt.Fprint(w, "</ul>\n")
	})
}

// consultation lays out the page of an entry.
func (v *view) consultation(w io.Writer) {
	p := v.Page
	v.frame(w, func() {
		fmt.Fprintf(w, "<article>\n<h1>%s</h1>\n<p>%s</p>\n<dl>\n", escape(p.Title), join(" Ouverte le ", p.state(), p.date()))
		if p.Organisateur != "" {
			fmt.Fprintf(w, "<dt>Organisateur</dt><dd>%s</dd>\n", escape(p.Organisateur))
		}
		if len(p.Methodes) > 0 {
			fmt.Fprint(w, "<dt>Méthodes</dt><dd><ul>")
			for _, m := range p.Methodes {
				fmt.Fprintf(w, "<li>%s</li>", escape(m))
			}
			fmt.Fprint(w, "</ul></dd>\n")
		}
		fmt.Fprintf(w, "<dt>Note des citoyens</dt><dd>%s</dd>\n<dt>Note des décideurs</dt><dd>%s</dd>\n", p.Citizens.html(), p.Deciders.html())
		if p.Link != "" {
			fmt.Fprintf(w, "<dt>Site de la démarche</dt><dd><a href=\"%s\">%s</a></dd>\n", escape(webLink(p.Link)), escape(p.Link))
		}
		fmt.Fprintf(w, "</dl>\n%s\n</article>\n<p><a href=\"%s\">Toutes les consultations</a></p>\n", v.Body, escape(v.Root))
	})
}

// frame lays out what is around the main part of every page.
func (v *view) frame(w io.Writer, main func()) {
	fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="commit" content="%s">
<title>%s</title>
<link rel="stylesheet" href="%[3]sstyle.css">
</head>
<body>
<a class="skip" href="#contenu">Aller au contenu</a>
<header><p><a href="%[3]s">%s</a></p></header>
<main id="contenu">
`, escape(v.Site.Commit), escape(v.Page.Title), escape(v.Root), escape(cmp.Or(v.Site.Welcome.Title, "Accueil")))
	main()
	fmt.Fprintf(w, `</main>
<footer>
<p>Page construite à partir du commit <code title="%s">%s</code>,
par <strong>%s</strong>, le <time datetime="%s">%s</time>.</p>
</footer>
</body>
</html>
`, escape(v.Site.Commit), escape(v.Site.Short()), escape(v.Site.Author), v.Site.At.Format(time.RFC3339), moment(v.Site.At))
}

// escape is s as text and as the value of an attribute.
func escape(s string) string { return html.EscapeString(s) }

// join joins what is not empty.
func join(sep string, parts ...string) string {
	var there []string
	for _, p := range parts {
		if p != "" {
			there = append(there, p)
		}
	}
	return strings.Join(there, sep)
}

// webLink is link if a page may lead there: no script.
func webLink(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" {
		return "#"
	}
	return link
}

func (p page) state() string {
	if p.Open {
		return `<span class="state open">En cours</span>`
	}
	return `<span class="state">Terminée</span>`
}

// date is when the page's consultation was opened; "" when that is not known.
func (p page) date() string {
	if p.Date.IsZero() {
		return ""
	}
	return fmt.Sprintf(`<time datetime="%s">%s</time>`, p.Date.Format(time.DateOnly), day(p.Date))
}

func (r Rating) html() string {
	if !r.Given {
		return "pas encore de note"
	}
	return fmt.Sprintf(`<span class="stars" role="img" aria-label="%d sur 5">%s</span>`, r.Value, r.Stars())
}
