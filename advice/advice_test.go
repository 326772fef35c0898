package advice_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cms/advice"
	"cms/preview"
)

var renderer = preview.New()

// check is what is found in a text.
func check(t testing.TB, markdown string, o advice.Options) []advice.Finding {
	t.Helper()
	page, err := renderer.Blocks(t.Context(), markdown)
	if err != nil {
		t.Fatal(err)
	}
	found, err := advice.Check(t.Context(), markdown, page, o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// only leaves out all rules but one.
func only(rule advice.Rule) advice.Options {
	o := advice.Options{Language: "fr"}
	for _, r := range advice.Rules() {
		if r.Rule != rule {
			o.Off = append(o.Off, r.Rule)
		}
	}
	return o
}

// A line of what is found says where, and with which arguments.
func line(markdown string, f advice.Finding) string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(f.Args)) {
		args = append(args, name+"="+f.Args[name])
	}
	return fmt.Sprintf("%q %s", markdown[f.Start:f.End], strings.Join(args, "; "))
}

// cases are texts for each rule: what it finds in them, in their order, and what the first
// repair makes of the first one where it is told ANSWER.
var cases = []struct {
	rule     advice.Rule
	markdown string
	want     string // findings, a line each; none for what is right
	fixed    string
}{
	{advice.ImageAlternative, "![](/a.png) fin", `"![](/a.png)" address=/a.png`, "![ANSWER](/a.png) fin"},
	{advice.ImageAlternative, "![][a]\n\n[a]: /a.png", `"![][a]" address=/a.png`, "![ANSWER][a]\n\n[a]: /a.png"},
	{advice.ImageAlternative, "> - ![ ](/a.png)", `"![ ](/a.png)" address=/a.png`, "> - ![ANSWER](/a.png)"},
	{advice.ImageAlternative, "Un <img src=\"/a.png\"> deux", `"<img src=\"/a.png\">" address=/a.png`, "Un <img alt=\"ANSWER\" src=\"/a.png\"> deux"},
	{advice.ImageAlternative, "<div>\n<IMG SRC=/a.png alt>\n</div>", `"<IMG SRC=/a.png alt>" address=/a.png`, "<div>\n<IMG SRC=/a.png alt=\"ANSWER\">\n</div>"},
	{advice.ImageAlternative, "![Un plan](/a.png) ![](/b.png){: role=\"presentation\"} <img src=a alt=\"\" role=presentation> <img src=b alt='c'> `![](/c.png)`\n\n    ![](/d.png)\n\n<!-- <img src=e> -->", "", ""},

	{advice.ImageDecorative, "![Un trait](/a.png){: role=\"presentation\"}", `"![Un trait](/a.png)" address=/a.png; alternative=Un trait`, "![](/a.png){: role=\"presentation\"}"},
	{advice.ImageDecorative, "<img src=\"/a.png\" alt=\"b\" aria-hidden=\"true\">", `"<img src=\"/a.png\" alt=\"b\" aria-hidden=\"true\">" address=/a.png; alternative=b`, "<img src=\"/a.png\" alt=\"\" aria-hidden=\"true\">"},
	{advice.ImageDecorative, "![Un trait](/a.png) ![](/b.png){: role=\"presentation\"}", "", ""},

	{advice.ImageFileName, "![IMG_1234.jpg](/a.jpg)", `"![IMG_1234.jpg](/a.jpg)" address=/a.jpg; alternative=IMG_1234.jpg`, "![ANSWER](/a.jpg)"},
	{advice.ImageFileName, "![plan-velo](/img/plan-velo.png) ![DSC 0042](b) ![Photo 1.jpeg](c)", `"![plan-velo](/img/plan-velo.png)" address=/img/plan-velo.png; alternative=plan-velo
"![DSC 0042](b)" address=b; alternative=DSC 0042
"![Photo 1.jpeg](c)" address=c; alternative=Photo 1.jpeg`, ""},
	{advice.ImageFileName, "<img src=\"a.png\" alt=\"a.png\">", `"<img src=\"a.png\" alt=\"a.png\">" address=a.png; alternative=a.png`, "<img src=\"a.png\" alt=\"ANSWER\">"},
	{advice.ImageFileName, "![Carte](/carte.png) ![Photo du maire](/a.jpg) ![Le format .png expliqué](/b.png) ![](/img-1.png)", "", ""},

	{advice.FrameTitle, "<iframe src=\"https://www.youtube-nocookie.com/embed/v\"></iframe>", `"<iframe src=\"https://www.youtube-nocookie.com/embed/v\"></iframe>" address=https://www.youtube-nocookie.com/embed/v`, "<iframe title=\"ANSWER\" src=\"https://www.youtube-nocookie.com/embed/v\"></iframe>"},
	{advice.FrameTitle, "Un <iframe src='https://www.youtube-nocookie.com/embed/a' title=' '></iframe>", `"<iframe src='https://www.youtube-nocookie.com/embed/a' title=' '></iframe>" address=https://www.youtube-nocookie.com/embed/a`, "Un <iframe src='https://www.youtube-nocookie.com/embed/a' title=\"ANSWER\"></iframe>"},
	{advice.FrameTitle, "<iframe title=\"La restitution\" src=a></iframe> <iframe hidden src=b></iframe> <iframe style=\"display: none\" src=c></iframe>\n\n```\n<iframe src=d></iframe>\n```", "", ""},

	{advice.FrameTitleVague, "<iframe src=https://www.youtube-nocookie.com/embed/a title=\"YouTube video player\"></iframe>", `"<iframe src=https://www.youtube-nocookie.com/embed/a title=\"YouTube video player\"></iframe>" address=https://www.youtube-nocookie.com/embed/a; title=YouTube video player`, "<iframe src=https://www.youtube-nocookie.com/embed/a title=\"ANSWER\"></iframe>"},
	{advice.FrameTitleVague, "<iframe src=a title=\"Vidéo de la restitution\"></iframe> <iframe src=b></iframe>", "", ""},

	{advice.Autoplay, "<video src=a autoplay controls></video>", `"<video src=a autoplay controls>" address=a; how=attribute; name=video`, "<video src=a controls></video>"},
	{advice.Autoplay, "<iframe src=\"https://a.example/v?autoplay=1&amp;rel=0\"></iframe>", `"<iframe src=\"https://a.example/v?autoplay=1&amp;rel=0\">" address=https://a.example/v?autoplay=1&rel=0; how=address; name=iframe`, "<iframe src=\"https://a.example/v?rel=0\"></iframe>"},
	{advice.Autoplay, "<iframe src=\"https://a.example/v?rel=0&autoplay=true\"></iframe>", `"<iframe src=\"https://a.example/v?rel=0&autoplay=true\">" address=https://a.example/v?rel=0&autoplay=true; how=address; name=iframe`, "<iframe src=\"https://a.example/v?rel=0\"></iframe>"},
	{advice.Autoplay, "<iframe src=\"a?autoplay=1\" allow=\"autoplay\"></iframe>", `"<iframe src=\"a?autoplay=1\" allow=\"autoplay\">" address=a?autoplay=1; how=address; name=iframe`, "<iframe src=\"a\" allow=\"autoplay\"></iframe>"},
	{advice.Autoplay, "<iframe src=a allow=\"fullscreen; autoplay; encrypted-media\"></iframe>", `"<iframe src=a allow=\"fullscreen; autoplay; encrypted-media\">" address=a; how=allow; name=iframe`, "<iframe src=a allow=\"fullscreen; encrypted-media\"></iframe>"},
	{advice.Autoplay, "<video src=a autoplay muted loop></video> <video src=b controls></video> <iframe src=\"c?autoplay=0\" allow=\"fullscreen\"></iframe>", "", ""},

	{advice.VideoCaptions, "<video src=a></video>", `"<video src=a></video>" address=a; kind=video`, ""},
	{advice.VideoCaptions, "<video src=a><track kind=\"chapters\" src=b></video>", `"<video src=a><track kind=\"chapters\" src=b></video>" address=a; kind=video`, ""},
	{advice.VideoCaptions, "<iframe src=\"https://www.youtube-nocookie.com/embed/x\"></iframe>", `"<iframe src=\"https://www.youtube-nocookie.com/embed/x\"></iframe>" address=https://www.youtube-nocookie.com/embed/x; kind=player`, ""},
	{advice.VideoCaptions, "<video src=a>\n<track kind=captions src=b>\n</video>\n\n<iframe src=\"https://carte.example/\"></iframe>", "", ""},
	{advice.AudioTranscript, "<audio src=a controls></audio>", `"<audio src=a controls></audio>" address=a`, ""},
	{advice.AudioTranscript, "<video src=a></video>", "", ""},

	{advice.TableHeaders, "<table>\n<tr><td>a</td><td>b</td></tr>\n<tr><td>1</td></tr>\n</table>", `"<table>\n<tr><td>a</td><td>b</td></tr>\n<tr><td>1</td></tr>\n</table>" how=html`, "<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td></tr>\n</table>"},
	{advice.TableHeaders, "| a | b |\r\n| 1 | 2 |\r\n", `"| a | b |\r\n| 1 | 2 |" how=markdown`, "| a | b |\r\n|---|---|\r\n| 1 | 2 |\r\n"},
	{advice.TableHeaders, "| | |\n|-|-|\n|1|2|", `"| | |\n|-|-|\n|1|2|" how=markdown`, ""},
	{advice.TableHeaders, "|a|b|\n|-|-|\n|1|2|\n\n<table><tr><th>a</th></tr></table>\n\n<table role=\"presentation\"><tr><td>a</td></tr></table>\n\n|pas un tableau|", "", ""},

	{advice.TableTitle, "Texte.\n\n<table><tr><th>a</th></tr></table>", `"<table><tr><th>a</th></tr></table>" how=html`, "Texte.\n\n<table><caption>ANSWER</caption><tr><th>a</th></tr></table>"},
	{advice.TableTitle, "Texte.\n\n|a|\n|-|\n|b|", `"|a|\n|-|\n|b|" how=markdown`, ""},
	{advice.TableTitle, "Tableau 1 : les voix\n\n|a|\n|-|\n|b|\n\n## Titre\n\n|a|\n|-|\n|b|\n\n<table><caption>c</caption><tr><th>a</th></tr></table>", "", ""},

	{advice.LinkEmpty, "Voir [](/a).", `"[](/a)" address=/a`, "Voir [ANSWER](/a)."},
	{advice.LinkEmpty, "<a href=\"/a\"> </a> et <a href=/b><img src=c alt=\"\"></a>", `"<a href=\"/a\"> </a>" address=/a`, "<a href=\"/a\">ANSWER</a> et <a href=/b><img src=c alt=\"\"></a>"},
	{advice.LinkEmpty, "<a href=\"mailto:a@b.example\">a@b.example</a> [a](/a) [![b](/b)](/c) [`d`](/d) <a id=\"haut\"></a> <a href=/e aria-label=\"E\"></a> <https://f.example>", "", ""},

	{advice.LinkVague, "Lisez [ici](/a).", `"[ici](/a)" address=/a; text=ici`, "Lisez [ANSWER](/a)."},
	{advice.LinkVague, "[**Cliquez ici** >](/a) <a href='/b'>En savoir\u00a0plus…</a>\n\n- [Read more][c]\n\n[c]: /c", `"[**Cliquez ici** >](/a)" address=/a; text=Cliquez ici >
"<a href='/b'>En savoir\u00a0plus…</a>" address=/b; text=En savoir plus…
"[Read more][c]" address=/c; text=Read more`, "[ANSWER](/a) <a href='/b'>En savoir\u00a0plus…</a>\n\n- [Read more][c]\n\n[c]: /c"},
	{advice.LinkVague, "[ici, le plan vélo](/a) [Lire la suite du plan](/b) [ici](/c \"ici, le plan vélo\") `[ici](/d)` [Iciar](/e)", "", ""},

	{advice.LinkAddress, "Voir https://a.example/b?c_d.", `"https://a.example/b?c_d" address=https://a.example/b?c_d; text=https://a.example/b?c_d`, "Voir [ANSWER](https://a.example/b?c_d)."},
	{advice.LinkAddress, "[www.a.example](https://www.a.example) <https://b.example>", `"[www.a.example](https://www.a.example)" address=https://www.a.example; text=www.a.example
"<https://b.example>" address=https://b.example; text=https://b.example`, "[ANSWER](https://www.a.example) <https://b.example>"},
	{advice.LinkAddress, "<a href=\"/a\">https://a.example</a>", `"<a href=\"/a\">https://a.example</a>" address=/a; text=https://a.example`, "<a href=\"/a\">ANSWER</a>"},
	{advice.LinkAddress, "[faire-simple.gouv.fr](https://faire-simple.gouv.fr) a@b.example `https://c.example` [Le site](https://d.example)", "", ""},

	{advice.LinkAmbiguous, "[Le plan](/a) [le plan](/b)", `"[le plan](/b)" address=/b; other=/a; text=le plan`, "[Le plan](/a) [ANSWER](/b)"},
	{advice.LinkAmbiguous, "[Le plan](http://a.example) [le plan](https://a.example/) [ici](/a) [ici](/b) [c](/c \"C\") [c](/d \"D\")", "", ""},

	{advice.PassageLanguage, "Le texte est en français, et les phrases de cette page sont pour tous.\n\nThe text of this one is in English, and it has been left as it was for all of us to read.", `"The text of this one is in English, and it has been left as it was for all of us to read." language=en; text=The text of this one is in English, and it has been left as it was for all of us to read.`,
		"Le texte est en français, et les phrases de cette page sont pour tous.\n\nThe text of this one is in English, and it has been left as it was for all of us to read.\n{: lang=\"en\"}"},
	{advice.PassageLanguage, "Le texte est en français, et les phrases de cette page sont pour tous.\n\nThe text of this one is in English, and it has been left as it was for all of us to read.\n{: lang=\"en\"}\n\nThe Big Data Company\n\nLe projet « the house of the rising sun » est dans la salle des fêtes avec les enfants.", "", ""},

	{advice.HTMLPresentation, "<center>Un *mot*</center>", `"<center>Un *mot*</center>" name=center`, "Un *mot*"},
	{advice.HTMLPresentation, "Un <font color=\"red\">mot</font> et <b>un</b> <i>autre</i>", `"<font color=\"red\">mot</font>" name=font
"<b>un</b>" name=b
"<i>autre</i>" name=i`, "Un mot et <b>un</b> <i>autre</i>"},
	{advice.HTMLPresentation, "<b>un</b>", `"<b>un</b>" name=b`, "<strong>un</strong>"},
	{advice.HTMLAttributes, "<p align=\"center\" class=\"a\" bgcolor=red>b</p>", `"<p align=\"center\" class=\"a\" bgcolor=red>" name=p; names=align, bgcolor`, "<p class=\"a\">b</p>"},
	{advice.HTMLPresentation, "<i class=\"fa fa-x\"></i> <strong>a</strong> `<center>` <em>b</em>", "", ""},
	{advice.HTMLAttributes, "<img src=a width=10 height=10 alt=b> <input size=3> `<p align=c>` <a href=b color=c>d</a>", "", ""},

	{advice.HeadingFirstLevel, "# Un\n\ntexte", `"# Un" right=2; text=Un`, "## Un\n\ntexte"},
	{advice.HeadingFirstLevel, "Un *mot*\n=====\n\ntexte", `"Un *mot*\n=====" right=2; text=Un mot`, "Un *mot*\n-----\n\ntexte"},
	{advice.HeadingFirstLevel, "<h1 class=\"a\">Un</h1>", `"<h1 class=\"a\">Un</h1>" right=2; text=Un`, "<h2 class=\"a\">Un</h2>"},
	{advice.HeadingFirstLevel, "## Un\n\nDeux\n---\n\n`# Trois`\n\n<h2>Quatre</h2>", "", ""},

	{advice.HeadingGap, "## Un\n\n#### Deux\n\n##### Trois", `"#### Deux" level=4; right=3; text=Deux`, "## Un\n\n### Deux\n\n##### Trois"},
	{advice.HeadingGap, "### Un ###", `"### Un ###" level=3; right=2; text=Un`, "## Un ###"},
	{advice.HeadingGap, "## Un\n\n### Deux\n\n## Trois\n\n### Quatre\n\n#### Cinq\n\n## Six", "", ""},

	{advice.HeadingEmpty, "##\n\ntexte\n\n<h3> </h3>", `"##" level=2
"<h3> </h3>" level=3`, "\n\ntexte\n\n<h3> </h3>"},
	{advice.HeadingEmpty, "## ![Le logo](/a)\n\n## `b`\n\n## c", "", ""},

	{advice.HeadingBold, "## Un\n\n**Points forts :**\n\ntexte", `"**Points forts :**" right=3; text=Points forts :`, "## Un\n\n### Points forts\n\ntexte"},
	{advice.HeadingBold, "__Un *titre*__\n{: .a}\n\ntexte", `"__Un *titre*__" right=2; text=Un *titre*`, "## Un *titre*\n{: .a}\n\ntexte"},
	{advice.HeadingBold, "***Un titre***\n\ntexte", `"***Un titre***" right=2; text=Un titre`, "## Un titre\n\ntexte"},
	{advice.HeadingBold, "***a** b*\n\n**Attention, ceci est une phrase.**\n\n**Note** : texte\n\n- **a**\n\n**Étapes :**\n\n- b\n\n**" + strings.Repeat("long ", 30) + "**\n\n> **c**\n\n**La fin**", "", ""},

	{advice.ListFake, "Avant :<br>- un<br>- deux<br/>\n- trois", `"Avant :<br>- un<br>- deux<br/>" text=Avant :<br>- un<br>- deux<br/>`, "Avant :\n\n- un\n- deux\n- trois"},
	{advice.ListFake, "• un\r\n• deux\r\n  suite\r\n• trois\r\n\r\nfin", `"• un\r\n• deux\r\n  suite\r\n• trois" text=• un • deux suite • trois`, "- un\r\n- deux\r\n  suite\r\n- trois\r\n\r\nfin"},
	{advice.ListFake, "Ceci<br>-&nbsp;un<br>-&nbsp;deux", `"Ceci<br>-&nbsp;un<br>-&nbsp;deux" text=Ceci<br>-&nbsp;un<br>-&nbsp;deux`, "Ceci\n\n- un\n- deux"},
	{advice.ListFake, "Un<br>deux\n• trois\n• quatre", `"Un<br>deux\n• trois\n• quatre" text=Un<br>deux • trois • quatre`, "Un<br>deux\n\n- trois\n- quatre"},
	{advice.ListFake, "– un\n– deux", `"– un\n– deux" text=– un – deux`, "- un\n- deux"},
	{advice.ListFake, "• un\n\n• deux\n\n• trois\n\nfin", `"• un\n\n• deux\n\n• trois" text=• un`, "- un\n- deux\n- trois\n\nfin"},
	{advice.ListFake, "a) un<br>\nb) deux", `"a) un<br>\nb) deux" text=a) un<br> b) deux`, "1. un\n2. deux"},
	{advice.ListFake, "1) un\n2) deux (a)\n", `"1) un\n2) deux (a)" text=1) un 2) deux (a)`, "1. un\n2. deux (a)\n"},
	{advice.ListFake, "- un\n- deux\n\n1. a\n2. b\n\n• seul\n\nUn – deux – trois\n\n– Bonjour, dit-elle.\n– Bonsoir !\n\nLe 3) est là.\n12 h<br>14 h", "", ""},

	{advice.SensoryColour, "Remplissez les champs en rouge.", `"champs en rouge" text=champs en rouge`, ""},
	{advice.SensoryColour, "Press the green button.", `"green button" text=green button`, ""},
	{advice.SensoryColour, "La Croix-Rouge, le livre blanc et un mur peint en rouge. `champs en rouge`", "", ""},
	{advice.SensoryPlace, "Voir la carte ci-contre.", `"ci-contre" text=ci-contre`, ""},
	{advice.SensoryPlace, "Le menu de gauche, puis the column on the right.", `"menu de gauche" text=menu de gauche
"column on the right" text=column on the right`, ""},
	{advice.SensoryPlace, "Le texte ci-dessous, la gauche et la droite, tournez à droite.", "", ""},

	{advice.DocumentAlternative, "[L'avis](/avis.pdf) <a href=\"/b.docx?c=d\">Le rapport</a>", `"[L'avis](/avis.pdf)" address=/avis.pdf; format=PDF; text=L'avis
"<a href=\"/b.docx?c=d\">Le rapport</a>" address=/b.docx?c=d; format=DOCX; text=Le rapport`, ""},
	{advice.DocumentAlternative, "[a](/a) [b](/b.html) [c](/c.csv)", "", ""},
	{advice.DocumentFormat, "[L'avis](/avis.pdf)", `"[L'avis](/avis.pdf)" address=/avis.pdf; format=PDF; text=L'avis`, "[L'avis (PDF)](/avis.pdf)"},
	{advice.DocumentFormat, "[L'avis (PDF, 2 Mo)](/avis.pdf) [Le rapport](/b.pdf) (PDF)", "", ""},

	{advice.Emoji, "Bonjour 👋🏽 à tous 🎉", `"👋🏽" text=👋🏽`, "Bonjour  à tous 🎉"},
	{advice.Emoji, "Merci :-) !", `":-)" text=:-)`, "Merci  !"},
	{advice.Emoji, "Prix : 10 € (http://a) → b ; `🎉` © 2020", "", ""},

	{advice.SentenceLong, "Court. " + strings.Repeat("mot ", 41) + "fin. Court.", `"` + strings.Repeat("mot ", 41) + `fin." text=` + strings.Repeat("mot ", 41) + `fin.; words=42`, ""},
	{advice.SentenceLong, strings.Repeat("mot ", 30) + "fin. " + strings.Repeat("mot ", 30), "", ""},
	{advice.ParagraphLong, strings.Repeat("Quatre mots de plus. ", 38), `"` + strings.TrimSpace(strings.Repeat("Quatre mots de plus. ", 38)) + `" text=` + strings.Repeat("Quatre mots de plus. ", 9) + `Quatre mots…; words=152`, ""},
	{advice.ParagraphLong, strings.Repeat("Quatre mots de plus. ", 37), "", ""},
}

func TestRules(t *testing.T) {
	for _, c := range cases {
		var got []string
		found := check(t, c.markdown, only(c.rule))
		for _, f := range found {
			if f.Rule != c.rule {
				t.Errorf("%s found %s in %q", c.rule, f.Rule, c.markdown)
			}
			got = append(got, line(c.markdown, f))
		}
		if got := strings.Join(got, "\n"); got != c.want {
			t.Errorf("%s in %q:\ngot  %s\nwant %s", c.rule, c.markdown, got, c.want)
		}
		if c.fixed == "" {
			continue
		}
		if len(found) == 0 || len(found[0].Fixes) == 0 {
			t.Errorf("%s in %q: there is no repair", c.rule, c.markdown)
		} else if fixed := found[0].Fixes[0].Apply(c.markdown, "ANSWER"); fixed != c.fixed {
			t.Errorf("%s in %q:\nrepaired %q\nwant     %q", c.rule, c.markdown, fixed, c.fixed)
		}
	}
}

// TestArgumentsAreDocumented: the comment of the package has what each rule has.
func TestArgumentsAreDocumented(t *testing.T) {
	source, err := os.ReadFile("advice.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range advice.Rules() {
		if line := "//\t" + string(row.Rule) + ": " + strings.Join(row.Args, ", ") + "\n"; !strings.Contains(string(source), line) {
			t.Errorf("advice.go has no line %q", line)
		}
	}
}

// Each rule has a text that it finds something in and one that it does not, and its
// findings have the arguments and repairs that its row says.
func TestRulesAreAsTheirRows(t *testing.T) {
	finds, leaves := map[advice.Rule]bool{}, map[advice.Rule]bool{}
	fixes := map[advice.Rule]map[advice.FixKind]bool{}
	for _, c := range cases {
		if c.want == "" {
			leaves[c.rule] = true
		} else {
			finds[c.rule] = true
		}
		row := about(t, c.rule)
		for _, f := range check(t, c.markdown, only(c.rule)) {
			if got := slices.Sorted(maps.Keys(f.Args)); !slices.Equal(got, row.Args) {
				t.Errorf("%s in %q has the arguments %q, its row %q", c.rule, c.markdown, got, row.Args)
			}
			if row.Hint && !f.Hint {
				t.Errorf("%s in %q is no hint", c.rule, c.markdown)
			}
			for _, fix := range f.Fixes {
				if !slices.Contains(row.Fixes, fix.Kind) {
					t.Errorf("%s in %q has the repair %s, its row %q", c.rule, c.markdown, fix.Kind, row.Fixes)
				}
				if fixes[c.rule] == nil {
					fixes[c.rule] = map[advice.FixKind]bool{}
				}
				fixes[c.rule][fix.Kind] = true
			}
		}
	}
	for _, row := range advice.Rules() {
		if !finds[row.Rule] || !leaves[row.Rule] {
			t.Errorf("%s is not tested from both sides", row.Rule)
		}
		for _, kind := range row.Fixes {
			if !fixes[row.Rule][kind] {
				t.Errorf("nothing is found by %s that has the repair %s", row.Rule, kind)
			}
		}
		if !advice.Known(string(row.Rule)) {
			t.Errorf("%s is not known", row.Rule)
		}
	}
	if advice.Known("nothing") {
		t.Error("a rule is known that is none")
	}
}

func about(t *testing.T, rule advice.Rule) advice.About {
	t.Helper()
	for _, row := range advice.Rules() {
		if row.Rule == rule {
			return row
		}
	}
	t.Fatalf("there is no rule %s", rule)
	return advice.About{}
}

// TestRepairs: what was repaired is not found again, and nothing else is harmed.
func TestRepairs(t *testing.T) {
	for _, c := range cases {
		for i, f := range check(t, c.markdown, only(c.rule)) {
			for _, fix := range f.Fixes {
				after := fix.Apply(c.markdown, "Une réponse [sûre] & \"longue\"")
				again := check(t, after, only(c.rule))
				same := func(g advice.Finding) bool { return g.Start == f.Start && maps.Equal(g.Args, f.Args) }
				if slices.ContainsFunc(again, same) && c.rule != advice.Emoji {
					t.Errorf("%s in %q, finding %d, is still there after %s: %q", c.rule, c.markdown, i, fix.Kind, after)
				}
				if fix.Asks != advice.AskNothing && !strings.Contains(shown(t, after), "Une réponse [sûre] &amp;") {
					t.Errorf("%s in %q, finding %d: the answer is not shown as it was given: %q", c.rule, c.markdown, i, shown(t, after))
				}
			}
		}
	}
}

func shown(t *testing.T, markdown string) string {
	t.Helper()
	html, err := renderer.HTML(t.Context(), markdown)
	if err != nil {
		t.Fatal(err)
	}
	return html
}

// All rules at once are each one.
func TestCheckIsSortedAndComplete(t *testing.T) {
	const markdown = "# Un\n\n![](/a.png) [ici](/b.pdf)\n\n#### Deux\n\n<iframe src=c></iframe>\n"
	all := check(t, markdown, advice.Options{})
	n := 0
	for _, row := range advice.Rules() {
		n += len(check(t, markdown, only(row.Rule)))
	}
	if len(all) != n || n < 6 || !slices.IsSortedFunc(all, func(a, b advice.Finding) int { return a.Start - b.Start }) {
		t.Errorf("got %d findings, %d by single rules: %+v", len(all), n, all)
	}
	for _, f := range all {
		if f.Rule == advice.FrameTitle && f.Block != 3 {
			t.Errorf("%s is in block %d, want 3", f.Rule, f.Block)
		}
	}
	var off advice.Options
	for _, row := range advice.Rules() {
		off.Off = append(off.Off, row.Rule)
	}
	if got := check(t, markdown, off); len(got) != 0 {
		t.Errorf("with all rules off: got %+v", got)
	}
}

// TestFindingsAreBounded: of one rule there are no more than of all.
func TestFindingsAreBounded(t *testing.T) {
	found := check(t, strings.Repeat("![](a) [ici](b)\n\n", 3*advice.MaxFindings/2), advice.Options{})
	if len(found) != advice.MaxFindings {
		t.Errorf("got %d findings, want %d", len(found), advice.MaxFindings)
	}
}

// TestSeed: the file that the service is shown with has what it is known to have.
func TestSeed(t *testing.T) {
	folder := os.Getenv("CMS_SEED")
	if folder == "" {
		t.Skip("CMS_SEED names no folder")
	}
	raw, err := os.ReadFile(filepath.Join(folder, "concertation-donnees-sante.md"))
	if err != nil {
		t.Skip(err)
	}
	_, body, _ := strings.Cut(string(raw[3:]), "\n---")
	got := map[advice.Rule]int{}
	for _, f := range check(t, body, advice.Options{Language: "fr"}) {
		got[f.Rule]++
	}
	want := map[advice.Rule]int{
		advice.HeadingBold: 3, advice.FrameTitle: 3, advice.Autoplay: 3, advice.VideoCaptions: 3, advice.HTMLAttributes: 3, // of frames, quietly
		advice.LinkVague: 3, advice.DocumentAlternative: 4, advice.DocumentFormat: 4, advice.SentenceLong: 3,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// FuzzCheck: what is found stands in its block, and each repair can be made.
func FuzzCheck(f *testing.F) {
	for _, c := range cases {
		f.Add(c.markdown)
	}
	f.Fuzz(func(t *testing.T, markdown string) {
		page, err := renderer.Blocks(t.Context(), markdown)
		if err != nil {
			return
		}
		found, err := advice.Check(t.Context(), markdown, page, advice.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			b := page.Blocks[f.Block]
			if f.Start < b.Start || f.End < f.Start || len(markdown) < f.End {
				t.Fatalf("%q: %+v is not in its block", markdown, f)
			}
			for _, value := range f.Args {
				if len(value) > 300 || !utf8.ValidString(value) {
					t.Fatalf("%q: %+v has an argument that nobody can read", markdown, f)
				}
			}
			for _, fix := range f.Fixes {
				if fix.Start < 0 || fix.End < fix.Start || len(markdown) < fix.End {
					t.Fatalf("%q: %s repairs from %d to %d", markdown, f.Rule, fix.Start, fix.End)
				}
				fix.Apply(markdown, "a")
			}
		}
	})
}
