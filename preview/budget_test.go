package preview

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"cms/bounded"
	"cms/race"
)

// shapes are texts that grow: each gives about n bytes of one kind of trouble.
func shapes() map[string]func(n int) string {
	all := map[string]func(n int) string{}
	repeated := func(name, unit string) { // unit again and again, between what begins and ends it
		all[name] = func(n int) string { return strings.Repeat(unit, n/len(unit)) }
	}
	between := func(name, head, unit, tail string) {
		all[name] = func(n int) string { return head + strings.Repeat(unit, n/len(unit)) + tail }
	}
	halves := func(name, left, middle, right string) { // as many of left as of right
		all[name] = func(n int) string {
			k := n / (len(left) + len(right))
			return strings.Repeat(left, k) + middle + strings.Repeat(right, k)
		}
	}
	numbered := func(name, format string) { // %[1]d is the number of the part
		all[name] = func(n int) string {
			var b strings.Builder
			for i := 1; b.Len() < n; i++ {
				fmt.Fprintf(&b, format, i)
			}
			return b.String()
		}
	}

	// Containers on one line, and in all orders.
	for _, m := range []string{"- ", "* ", "+ ", "1. ", "1) ", "> ", ">", ": ", "[^a]: ", "-\t", ">\t", "  - ", "    ", "\t", "- > ", "> - ", "- 1. ", "> 1) ", "- [^a]: ", "> : ", "- + * 1. > "} {
		repeated("containers "+m, m)
		between("contained text "+m, "", m, "a")
		between("defined "+m, "a\n", m, "a")
		repeated("containers at 9 deep "+m, strings.Repeat(m, 9)+"a\n")
		repeated("containers at 90 deep "+m, strings.Repeat(m, 90)+"a\n")
		between("blank lines at 90 deep "+m, strings.Repeat(m, 90)+"a\n", "\n", "b")
		between("lazy lines at 90 deep "+m, strings.Repeat(m, 90)+"a\n", "b\n", "")
		between("blanks at 90 deep "+m, strings.Repeat(m, 90), " ", "b")
		all["stairs "+m] = func(n int) string {
			var b strings.Builder
			for i := 0; b.Len() < n; i++ {
				b.WriteString(strings.Repeat("  ", i) + m + "a\n")
			}
			return b.String()
		}
		all["quoted stairs "+m] = func(n int) string {
			var b strings.Builder
			for i := 1; b.Len() < n; i++ {
				b.WriteString(strings.Repeat(m, i) + "a\n\n")
			}
			return b.String()
		}
	}

	// Blocks.
	for name, unit := range map[string]string{
		"words": "a ", "lines": "a\n", "paragraphs": "a\n\n", "long word": "a", "blanks": " ", "blank lines": "\n", "tabs": "\t", "accents": "é",
		"items": "- a\n", "loose items": "- a\n\n", "empty items": "-\n", "numbers": "1. a\n", "markers in turn": "- a\n+ a\n",
		"quotes": "> a\n\n", "rules": "---\n", "starred rules": "* * *\n", "headings": "# a\n", "underlined": "a\n=\n", "underlines": "=\n", "empty headings": "#\n",
		"definitions": "a\n: b\n\n", "definitions of one": ": b\n", "terms": "a\nb\n: c\n",
		"indented code": "    a\n", "fences": "```\n", "tildes": "~~~\na\n", "fence lines": "````a\n", "fences longer": "`````````\n",
		"HTML blocks": "<div>\n\n", "HTML lines": "<div>\n", "closing lines": "</div>\n", "comments": "<!-- a -->\n", "open comments": "<!--\n", "instructions": "<?a\n", "declarations": "<!A\n", "CDATA": "<![CDATA[\n", "pre": "<pre>\n", "scripts": "<script>\n", "HTML with attributes": "<a b=\"c\" d>\n",
		"tables": "|a|b|\n|-|-|\n|1|2|\n\n", "delimiter rows": "|-|-|\n", "table of pipes": "|", "delimiter row": "-|", "escaped pipes": `\|`,
		"definitions of links": "[a]: b\n", "titled": "[a]: b 'c'\n", "titles open": "[a]: b '\n", "attribute lines": "{: .a}\n", "attributes of lists": "- a\n\n{: .a}\n\n", "attributes of one": "{: .a}\n\n", "ids": "{: #a b=\"c\"}\n",
		"nested HTML": "<div><b>", "closed HTML": "</div>", "unclosed quotes": "<a b=\"", "quotes in turn": "<a b='<a b=\"", "many attributes": "<a b c d e ", "tag": "<a ", "tags": "<a>", "nested frames": "<iframe src=\"https://www.dailymotion.com/embed/video/x1\">", "links in HTML": "<a href=\"http://a.b\">", "images in HTML": "<img src=\"a\">", "tables in HTML": "<table><tr><td>", "classes in HTML": "<p class=\"a b\">",
	} {
		repeated(name, unit)
		between(name+" in a list", "- a\n\n", "  "+unit, "")
		between(name+" in a quote", "> a\n", "> "+unit+"\n", "")
		between(name+" after text", "text ", unit, "")
	}
	between("rows", "|a|b|\n|-|-|\n", "|1|2|\n", "")
	between("short rows of a wide table", strings.Repeat("|a", 300)+"\n"+strings.Repeat("|-", 300)+"\n", "|\n", "")
	halves("wide tables", "|a", "\n", "|-")
	between("code with pipes", "|a|\n|-|\n", "|`a\\|b`|\n", "")
	between("spans with pipes in a cell", "|a|\n|-|\n|", "`\\|` ", "|\n")
	all["square tables"] = func(n int) string {
		k := 1
		for k*k < n {
			k++
		}
		return strings.Repeat("|a", k/4) + "\n" + strings.Repeat("|-", k/4) + "\n" + strings.Repeat("|\n", k)
	}
	for name, unit := range map[string]string{"classes": ".a ", "values": "a=1 ", "ids": "#a ", "braces": "{", "lists": "{a=", "arrays": "[", "texts": `a="b" `, "whole lists": "{.a} "} {
		between("heading with "+name, "# a {", unit, "}")
		between("underlined with "+name, "a {", unit, "}\n===\n")
		between("paragraph with "+name, "a\n{: ", unit, "}")
		between("span with "+name, "[a](b){: ", unit, "}")
		repeated("headings with "+name, "# a {"+strings.Repeat(unit, 20)+"}\n")
	}
	numbered("heading with names", "# a {a%[1]d=1}\n")
	numbered("headings", "# a%[1]d\n")
	all["attributes of distinct names"] = func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n-20; i++ {
			fmt.Fprintf(&b, `a%d="b" `, i)
		}
		return "a\n{: " + b.String() + "}"
	}
	all["attributes of HTML"] = func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n-20; i++ {
			fmt.Fprintf(&b, `a%d="b" `, i)
		}
		return "<p " + b.String() + ">"
	}

	// Footnotes and references.
	numbered("footnotes", "a[^%[1]d]\n\n[^%[1]d]: b\n\n")
	numbered("footnotes without references", "[^%[1]d]: b\n")
	numbered("distinct definitions", "[a%[1]d]: b\n")
	numbered("distinct references", "[a%[1]d]\n")
	between("references to a footnote", "[^a]: b\n\n", "[^a]", "")
	between("references in lines", "[^a]: b\n\n", "[^a]\n", "")
	between("references to a link", "[a]: b\n\n", "[a] ", "")
	between("references to a long link", "[a]: "+strings.Repeat("b", 10_000)+"\n\n", "[a] ", "")
	between("references in full", "[a]: b\n\n", "[c][a]\n", "")
	all["footnotes that are all referred to"] = func(n int) string {
		var refs, notes strings.Builder
		for i := 0; refs.Len()+notes.Len() < n; i++ {
			fmt.Fprintf(&refs, "[^%d] ", i)
			fmt.Fprintf(&notes, "[^%d]: b\n\n", i)
		}
		return refs.String() + "\n\n" + notes.String()
	}

	// Inlines.
	for name, unit := range map[string]string{
		"stars": "*", "starred": "*a", "starred words": "*a* ", "strong": "**a** ", "left": "*a ", "right": "a* ", "both": "a*a", "mixed": "*a _b ", "mixed ends": "a* b_ ", "of three": "*a **b ", "stuck": "a** ", "stuck inside": "a*a a** ", "underscores": "_a", "underscored": "_", "struck": "~~a~~ ", "tildes": "~", "tildes apart": "~a ", "strikes": "~~a ",
		"quotes": "'", "double quotes": `"`, "quoted": `"a" `, "quotes apart": "' ", "apostrophes": "a'a", "dashes": "-", "dots": ".", "dots of three": "... ", "guillemets": "<<a>> ", "more": ">", "less": "<",
		"backticks": "`", "code": "`a` ", "open code": "`a``b", "code lines": "`a\n", "backslashes": `\`, "escapes": `\*`, "entities": "&amp;", "no entities": "&", "numbers": "&#1;", "hard breaks": "a  \n", "escaped breaks": "a\\\n",
		"brackets": "[", "closing": "]", "pairs": "[]", "bracketed": "[a] ", "bracketed lines": "[a]\n", "nested brackets": "[[a]", "links": "[a](b) ", "link lines": "[a](b)\n", "links in a row": "[a](b)", "links with emphasis": "[*a*](b) ", "links with stars": "[*a](b) ", "open links": "[a](", "open links of parens": "[a](((", "open titles": "[a](b 'c ", "titles": "[a](b 'c') ", "angles": "[a](<b ", "images": "![a](b) ", "open images": "![", "images in images": "![![a](b) ", "links in links": "[[a](b) ", "references": "[a][b] ", "empty references": "[a][] ", "closed": "a](b) ", "bangs": "!",
		"addresses": "http://a.b ", "addresses in a row": "http://a.b/", "long addresses": "http://a.b/((((", "ends of addresses": "http://a.b/____ ", "www": "www.a.b ", "mail": "a@b.c ", "mail in a row": "a@b.c_", "mail of underscores": "a_", "ats": "@", "angled": "<http://a.b> ", "angled mail": "<a@b.c> ", "open angles": "<a:", "semicolons": "&a;",
		"attribute spans": "[a](b){: .c} ", "attribute spans in a row": "{: .c}", "open attribute spans": "{:a", "footnotes": "[^a]", "tasks": "[ ] ", "task items": "- [ ] a\n", "raw tags": "a <b> ", "raw ends": "a </b> ", "raw comments": "a <!-- b --> ", "open raw comments": "a <!-- ", "raw declarations": "a <!A ", "raw instructions": "a <? ", "raw attributes": "a <b c=\"d\" ",
		"nul": "\x00", "controls": "\x01\f\v", "invalid": "\xff", "CRLF": "a\r\n", "CR": "a\r",
	} {
		repeated("inline "+name, unit)
		between("inline lines of "+name, "a ", unit+"\n", "")
		between("inline "+name+" in a heading", "# a ", unit, "")
		between("inline "+name+" in a cell", "|a|\n|-|\n|", unit, "|")
		between("inline "+name+" in a link", "[", unit, "](b)")
		between("inline "+name+" in a deep list", strings.Repeat("- ", 40), unit, "")
	}
	for _, pair := range [][2]string{{"*", "*"}, {"**", "**"}, {"*a ", " a*"}, {"**a ", " a**"}, {"*a _b ", " b_ a*"}, {"_a ", " a_"}, {"~~a ", " a~~"}, {"[", "]"}, {"[", "](b)"}, {"![", "](b)"}, {"![", "]"}, {"[a", "]"}, {"(", ")"}, {"<div>", "</div>"}, {"<b>", "</b>"}, {"<a b=", ">"}, {"`", "`"}, {"{", "}"}, {"'", "'"}, {`"`, `"`}, {"a*a ", "a** "}, {"[[", "]"}, {"> ", "\n"}, {"[*", "*](b)"}} {
		halves("halves "+pair[0]+" "+pair[1], pair[0], "a", pair[1])
		halves("halves in lines "+pair[0]+" "+pair[1], pair[0]+"\n", "a\n", pair[1]+"\n")
	}
	all["runs of backticks"] = func(n int) string {
		var b strings.Builder
		for i := 1; b.Len() < n; i++ {
			b.WriteString(strings.Repeat("`", i) + "a")
		}
		return b.String()
	}
	all["runs of backticks before lines"] = func(n int) string {
		var b strings.Builder
		for i := 1; b.Len() < n/2; i++ {
			b.WriteString(strings.Repeat("`", i) + "a")
		}
		return b.String() + strings.Repeat("\na", n/4)
	}
	all["runs of stars"] = func(n int) string {
		var b strings.Builder
		for i := 1; b.Len() < n; i++ {
			b.WriteString(strings.Repeat("*", i) + "a ")
		}
		return b.String()
	}
	return all
}

// honest are long documents as people write them.
func honest() map[string]string {
	var notes, table, lists, prose, references strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&prose, "## L’été à Nîmes, partie %d {#partie-%d}\n\nUn *plan* **vélo** pour la ville, [ici](https://example.org/%d \"titre\"), `code` et \"guillemets\"... C’est-à-dire\nune deuxième ligne, l'autre.\n{: .note}\n\n", i, i, i)
	}
	for i := range 300 {
		fmt.Fprintf(&notes, "Une phrase avec sa note[^n%d], et *une* autre[^n%d].\n\n[^n%d]: La note, avec un [lien](https://example.org/%d).\n\n    Et un second paragraphe, %s.\n\n", i, i/2, i, i, strings.Repeat("assez long ", 20))
	}
	table.WriteString("| Nom | Rôle | Commune | Depuis | Lien | Remarque |\n|:---|---|:-:|--:|---|---|\n")
	for i := range 1500 {
		fmt.Fprintf(&table, "| Personne %d | **maire** | Nîmes | 20%02d | [site](https://example.org/%d) | `a\\|b` et du texte |\n", i, i%100, i)
	}
	for i := 0; lists.Len() < 240_000; i++ {
		depth := i % 6
		fmt.Fprintf(&lists, "%s- [ ] Un point avec *emphase* et un [lien](https://example.org/%d)\n%s  qui va sur deux lignes.\n", strings.Repeat("  ", depth), i, strings.Repeat("  ", depth))
	}
	for i := range 500 {
		fmt.Fprintf(&references, "Voir [le site %d][r%d], ou [r%d]. %s\n\n", i, i, i, strings.Repeat("Du texte. ", 20))
	}
	for i := range 500 {
		fmt.Fprintf(&references, "[r%d]: https://example.org/%d \"Titre %d\"\n", i, i, i)
	}
	return map[string]string{
		"prose": prose.String(), "footnotes": notes.String(), "table": table.String(), "lists": lists.String(), "references": references.String(),
		"all":           prose.String()[:50_000] + "\n\n" + lists.String()[:60_000] + "\n\n" + table.String()[:60_000] + "\n\n" + notes.String()[:70_000],
		"one paragraph": strings.Repeat("Un *plan* vélo, [ici](https://example.org/), `code` et \"guillemets\" ; c'est tout. ", 700),
	}
}

// A work is what was spent on a text.
type work struct {
	steps, bytes int // and how much was allocated
	err          error
}

func (r *Renderer) measure(t *testing.T, text string) work {
	t.Helper()
	var before, after runtime.MemStats
	b := newBudget(t.Context(), len(text))
	runtime.ReadMemStats(&before)
	_, err := r.render(b, text)
	runtime.ReadMemStats(&after)
	if err != nil && !errors.As(err, new(*RefusedError)) {
		t.Fatal(err)
	}
	return work{steps: b.Steps, bytes: int(after.TotalAlloc - before.TotalAlloc), err: err}
}

// Any text is answered or refused within the budget, and what a text takes grows with its
// length: at each doubling at most two and a half times, give or take a hundredth of the
// budget, as depth that is below its bound grows too. Of the many shapes, a run looks at
// some; CMS_PREVIEW_SHAPES looks at all.
func TestWorkGrowsWithTheText(t *testing.T) {
	race.Sequential(t)
	race.TakesLong(t)
	const (
		most  = 64 << 20 // bytes, garbage included
		slack = 2 << 20  // for buffers, which double, and those that regexp keeps for the next text
	)
	// What is allocated is counted, and most of it is garbage, which costs less to find if
	// it is looked for seldom.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	r, all := New(), shapes()
	r.measure(t, "a") // what is made once
	some, random := os.Getenv("CMS_PREVIEW_SHAPES") == "", rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		shape := all[name]
		if some && random.IntN(len(all)) >= 8 {
			continue
		}
		var shorter work
		for i, n := range []int{16 << 10, 32 << 10, MaxBytes} {
			w := r.measure(t, shape(n))
			if w.bytes > most || w.steps > maxSteps+MaxBytes {
				t.Errorf("%s: %d steps and %d bytes allocated: %v", name, w.steps, w.bytes, w.err)
			}
			if i > 0 && w.err == nil {
				if shorter.err != nil {
					t.Errorf("%s of %d bytes: a shorter one is refused: %v", name, n, shorter.err)
				}
				factor := 2.5
				if n == MaxBytes { // after three more doublings
					factor *= 2.5 * 2.5
				}
				if float64(w.steps) > factor*float64(shorter.steps)+maxSteps/200 || float64(w.bytes) > factor*float64(shorter.bytes)+slack {
					t.Errorf("%s of %d bytes: takes %d steps and %d bytes; a shorter one %d and %d", name, n, w.steps, w.bytes, shorter.steps, shorter.bytes)
				}
			}
			shorter = w
		}
	}
}

// Several kinds of trouble in one text share its budget.
func TestMixedShapesShareABudget(t *testing.T) {
	race.Sequential(t)
	race.TakesLong(t)
	r, all := New(), shapes()
	names := slices.Sorted(maps.Keys(all))
	random := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		var text strings.Builder
		var mixed []string
		for range 2 + random.IntN(4) {
			name := names[random.IntN(len(names))]
			mixed = append(mixed, name)
			text.WriteString(all[name](MaxBytes/6) + "\n\n")
		}
		if w := r.measure(t, text.String()); w.bytes > 64<<20 || w.steps > maxSteps+MaxBytes {
			t.Errorf("%q: %d steps and %d bytes allocated: %v", mixed, w.steps, w.bytes, w.err)
		}
	}
}

func TestLongDocumentsAreShown(t *testing.T) {
	race.Sequential(t)
	race.TakesLong(t)
	r := New()
	for name, text := range honest() {
		b := newBudget(t.Context(), len(text))
		if html, err := r.render(b, text); err != nil || len(html) < len(text)*2/3 {
			t.Errorf("%s, %d bytes: got %d bytes, %v", name, len(text), len(html), err)
		}
		if b.Steps > maxSteps/2 || b.nodes > maxNodes/2 || b.rescanned > b.maxRescan/2 {
			t.Errorf("%s is near the end of its budget: %d steps, %d nodes, %d again", name, b.Steps, b.nodes, b.rescanned)
		}
	}
}

// hangUp is a context that ends when it is asked for the nth time.
type hangUp struct {
	context.Context
	left int
}

func (c *hangUp) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestWorkEndsWithItsRequest(t *testing.T) {
	race.Sequential(t)
	r, text := New(), honest()["all"]
	whole := newBudget(t.Context(), len(text))
	if _, err := r.render(whole, text); err != nil {
		t.Fatal(err)
	}
	for asked := range whole.Steps/bounded.Stride/2 + 1 {
		if asked%17 != 0 {
			continue
		}
		b := newBudget(&hangUp{t.Context(), asked}, len(text))
		_, err := r.render(b, text)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("hung up at look %d: got %v", asked, err)
		}
		if longest := (asked + 1) * 8 * bounded.Stride; b.Steps > longest {
			t.Errorf("hung up at look %d: %d steps were made, want at most %d", asked, b.Steps, longest)
		}
	}
}

func TestFewPreviewsAtOnce(t *testing.T) {
	r := New()
	if err := r.running.Acquire(t.Context(), maxRunning); err != nil { // as many as run at once
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	left, shown := make(chan error, 1), make(chan error, len(r.queue)+cap(r.queue))
	go func() {
		_, err := r.HTML(ctx, "a")
		left <- err
	}()
	for range cap(r.queue) - 1 {
		go func() {
			_, err := r.HTML(t.Context(), "a")
			shown <- err
		}()
	}
	for len(r.queue) < cap(r.queue) {
		runtime.Gosched()
	}
	if _, err := r.HTML(t.Context(), "a"); !errors.Is(err, ErrBusy) {
		t.Errorf("one more than may wait: got %v", err)
	}
	hangUp()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("one that hung up while it waited: got %v", err)
	}
	r.running.Release(maxRunning)
	for range cap(r.queue) - 1 {
		if err := <-shown; err != nil {
			t.Errorf("one that waited: got %v", err)
		}
	}
}

// FuzzBudget mixes shapes: no text takes more than its budget.
func FuzzBudget(f *testing.F) {
	f.Add("- ", "> ", "a\n", uint8(3), uint16(400))
	f.Add("[", "*a", "](b)", uint8(0), uint16(900))
	f.Add("`", "\\|", "|\n|-|\n", uint8(7), uint16(70))
	r := New()
	f.Fuzz(func(t *testing.T, head, unit, tail string, nested uint8, times uint16) {
		text := strings.Repeat(head, int(nested)) + strings.Repeat(unit+strings.Repeat(tail, int(nested)%3), int(times))
		text = text[:min(len(text), MaxBytes)]
		b := newBudget(t.Context(), len(text))
		if _, err := r.render(b, text); err != nil && !errors.As(err, new(*RefusedError)) {
			t.Fatal(err)
		}
		if b.Steps > maxSteps+MaxBytes || b.nodes > maxNodes+MaxBytes || b.output > maxOutput+MaxBytes {
			t.Errorf("%d bytes took %d steps, %d nodes and %d bytes of HTML", len(text), b.Steps, b.nodes, b.output)
		}
	})
}

// BenchmarkHTMLIntricate shows those of the shapes that take the most time.
func BenchmarkHTMLIntricate(b *testing.B) {
	all := shapes()
	for _, name := range []string{"blank lines at 90 deep - ", "definitions in a list", "lines in a list", "tag in a quote", "unclosed quotes in a quote", "inline ends of addresses", "inline raw attributes in a cell", "inline stuck inside"} {
		shape := all[name]
		text := shape(MaxBytes)
		b.Run(name, func(b *testing.B) {
			r := New()
			for b.Loop() {
				if _, err := r.HTML(b.Context(), text); err != nil && !errors.As(err, new(*RefusedError)) {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestBlocksHaveABudget: the blocks of any text take little more than its preview, and
// are refused as that is. Of the many shapes, a run looks at some.
func TestBlocksHaveABudget(t *testing.T) {
	race.Sequential(t)
	const most = 96 << 20 // bytes, garbage included
	r, all := New(), shapes()
	r.measure(t, "a") // what is made once
	some, random := os.Getenv("CMS_PREVIEW_SHAPES") == "", rand.New(rand.NewPCG(5, 6))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if some && random.IntN(len(all)) >= 4 {
			continue
		}
		text := all[name](MaxBytes)
		b := newBudget(t.Context(), len(text))
		b.trace = newTrace()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		page, err := r.blocks(b, text)
		runtime.ReadMemStats(&after)
		if err != nil && !errors.As(err, new(*RefusedError)) {
			t.Fatal(err)
		}
		if bytes := int(after.TotalAlloc - before.TotalAlloc); bytes > most || b.Steps > maxSteps+MaxBytes {
			t.Errorf("%s: %d steps and %d bytes allocated: %v", name, b.Steps, bytes, err)
		}
		if err != nil {
			continue
		}
		if _, err := r.render(newBudget(t.Context(), len(text)), text); err != nil {
			t.Errorf("%s: the blocks are given, %d of them, the preview is refused: %v", name, len(page.Blocks), err)
		}
	}
}
