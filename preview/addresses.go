package preview

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"golang.org/x/net/html"
)

// AddressKind is how an address is written, and so what it means and may hold.
type AddressKind int

// The kinds of addresses.
const (
	InMarkdown  AddressKind = iota // ![](address) and [name]: address
	InAngles                       // ![](<address>)
	InAttribute                    // <img src="address">
	InLiquid                       // {{ "address" | relative_url }} and {% link address %}
)

// An Address is where a link, an image or an attribute of HTML in a Markdown text leads:
// the bytes from From to To. A Liquid tag before it is no part of it.
type Address struct {
	Kind     AddressKind
	From, To int

	from, to int // with the tag and the brackets around it
}

// attributes of HTML that hold addresses.
var attributes = []string{"src", "href", "poster", "data", "srcset"}

// Addresses are the addresses in a Markdown text of which want says so. What only looks
// like one, as in code, is none; the parser decides. In a text that is too long or too
// intricate for it, all that look like one count.
func (r *Renderer) Addresses(ctx context.Context, markdown string, want func(Address) bool) ([]Address, error) {
	all := slices.DeleteFunc(candidates(markdown), func(a Address) bool { return !want(a) })
	if len(all) == 0 || len(markdown) > MaxBytes {
		return all, ctx.Err()
	}
	// Each is replaced by a name of its own, which shows whether it is one.
	name := "cms-" + rand.Text()
	var marked strings.Builder
	at := 0
	for i, a := range all {
		fmt.Fprintf(&marked, "%s%s-%d-", markdown[at:a.from], name, i)
		at = a.to
	}
	marked.WriteString(markdown[at:])
	found := make([]bool, len(all))
	marks := regexp.MustCompile(name + `-(\d+)-`)
	note := func(address []byte) {
		for _, m := range marks.FindAllSubmatch(address, -1) {
			if i, err := strconv.Atoi(string(m[1])); err == nil && i < len(found) {
				found[i] = true
			}
		}
	}
	src := []byte(strings.ToValidUTF8(marked.String(), "\uFFFD"))
	b := newBudget(ctx, len(src))
	err := b.Run(func() error {
		pc := parser.NewContext()
		pc.Set(budgetKey, b)
		doc := r.markdown.Parser().Parse(&lines{Reader: text.NewReader(src), b: b}, parser.WithContext(pc))
		for _, ref := range pc.References() {
			note(ref.Destination())
		}
		return ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if entering {
				b.step(1)
				noteNode(n, src, note)
			}
			return ast.WalkContinue, nil
		})
	})
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		return all, nil
	} else if err != nil {
		return nil, err
	}
	i := -1
	return slices.DeleteFunc(all, func(Address) bool { i++; return !found[i] }), nil
}

// noteNode notes the addresses of a node.
func noteNode(n ast.Node, src []byte, note func([]byte)) {
	switch n := n.(type) {
	case *ast.Link:
		note(n.Destination)
	case *ast.Image:
		note(n.Destination)
	case *ast.RawHTML:
		noteHTML(n.Segments.Value(src), note)
	case *ast.HTMLBlock:
		block := n.Lines().Value(src)
		if n.HasClosure() {
			block = append(block, n.ClosureLine.Value(src)...)
		}
		noteHTML(block, note)
	}
}

// noteHTML notes the addresses in the attributes of HTML.
func noteHTML(source []byte, note func([]byte)) {
	z := html.NewTokenizer(bytes.NewReader(source))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		for more := true; more; {
			var key, value []byte
			if key, value, more = z.TagAttr(); slices.Contains(attributes, string(key)) {
				note(value)
			}
		}
	}
}

// candidates are what could be addresses in a text, in its order. They are found in time
// that follows its length, whatever it holds.
func candidates(s string) []Address {
	var all []Address
	f := &finder{s: s, known: map[string]span{}}
	for i := 0; i < len(s); i++ {
		var found []Address
		switch {
		case s[i] == ']' && i+1 < len(s) && (s[i+1] == '(' || s[i+1] == ':' && f.defines(i)):
			if a, ok := f.markdownAddress(i + 2); ok {
				found = []Address{a}
			}
		case s[i] == '=':
			found = f.attributeAddresses(i)
		}
		for _, a := range found {
			if a.From < a.To && (len(all) == 0 || a.from >= all[len(all)-1].to) {
				all = append(all, a)
			}
		}
		if len(found) > 0 {
			i = max(i, found[len(found)-1].to-1)
		}
	}
	return all
}

// A finder looks for things in a text, from ever later places. It remembers where the next
// of each kind is, so that no part of the text is looked through again for each place
// before it.
type finder struct {
	s     string
	known map[string]span

	line     int  // where the line begins that was looked at last
	seen     int  // up to where
	defining bool // it begins as the definition of a link
}

// A span is from where what was looked for is not there, up to where it is.
type span struct{ from, to int }

// next is where the next what is from a place on, len(s) where there is none; find says
// where one is in a text. What is always looked for by the same find.
func (f *finder) next(from int, what string, find func(s, what string) int) int {
	if k, ok := f.known[what]; ok && k.from <= from && from <= k.to {
		return k.to
	}
	to := len(f.s)
	if n := find(f.s[from:], what); n >= 0 {
		to = from + n
	}
	f.known[what] = span{from, to}
	return to
}

// defines says whether the bracket that closes at could be that of the definition of a
// link: [name]: address.
func (f *finder) defines(at int) bool {
	if n := strings.LastIndexByte(f.s[f.seen:at], '\n'); n >= 0 || f.seen == 0 {
		f.line = f.seen + n + 1
		line := strings.TrimLeft(f.s[f.line:at], "> \t-*+.)0123456789")
		f.defining = strings.HasPrefix(line, "[") && !strings.HasPrefix(line, "[^")
	}
	f.seen = at
	return f.defining
}

const blanks = " \t\r\n"

// markdownAddress is the address of a link that begins behind at.
func (f *finder) markdownAddress(at int) (Address, bool) {
	s := f.s
	for at < len(s) && strings.IndexByte(blanks, s[at]) >= 0 {
		at++
	}
	if at < len(s) && s[at] == '<' {
		end := f.next(at, ">\n", strings.IndexAny)
		if end == len(s) || s[end] == '\n' {
			return Address{}, false
		}
		a, ok := f.liquidAddress(at+1, end)
		if !ok {
			a = Address{Kind: InAngles, From: at + 1, To: end}
		}
		a.from, a.to = at+1, end
		return a, true
	}
	from := at
	a, liquid := f.liquidAddress(at, len(s))
	if liquid {
		if a.Kind == InLiquid {
			return a, true
		}
		at = a.to
	}
	depth := 0
	end := at
scan:
	for ; end < len(s); end++ {
		switch c := s[end]; {
		case c <= ' ' || c == 0x7f:
			break scan
		case c == '\\' && end+1 < len(s) && s[end+1] > ' ':
			end++
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				break scan
			}
		}
	}
	if liquid && end == at {
		return a, true
	}
	return Address{Kind: InMarkdown, From: at, To: min(end, len(s)), from: from, to: min(end, len(s))}, true
}

// liquidAddress is what a tag or an output of Liquid at a place, which ends before limit,
// holds as an address: a text in quotes, or what link names. Without one, it is empty,
// behind the tag.
func (f *finder) liquidAddress(at, limit int) (Address, bool) {
	var closing string
	switch {
	case strings.HasPrefix(f.s[at:limit], "{{"):
		closing = "}}"
	case strings.HasPrefix(f.s[at:limit], "{%"):
		closing = "%}"
	default:
		return Address{}, false
	}
	begin := at + 2
	end := f.next(begin, closing, strings.Index)
	if end+2 > limit || f.next(begin, "\n", strings.Index) < end {
		return Address{}, false
	}
	a := Address{Kind: InMarkdown, From: end + 2, To: end + 2, from: at, to: end + 2}
	if q := f.next(begin, `"'`, strings.IndexAny); q < end {
		if to := f.next(q+1, f.s[q:q+1], strings.Index); to < end {
			a.Kind, a.From, a.To = InLiquid, q+1, to
		}
	} else if link := strings.TrimLeft(f.s[begin:end], "- \t"); closing == "%}" && strings.HasPrefix(link, "link ") {
		path := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(link, "link "), "-"))
		a.Kind, a.From = InLiquid, begin+strings.LastIndex(f.s[begin:end], path)
		a.To = a.From + len(path)
	}
	return a, true
}

// attributeAddresses are the addresses in an attribute of HTML whose equals sign is at.
func (f *finder) attributeAddresses(at int) []Address {
	s := f.s
	name := strings.TrimRight(s[max(0, at-16):at], blanks)
	begin := strings.LastIndexAny(name, " \t\r\n\"'/<")
	name = strings.ToLower(name[begin+1:])
	if begin < 0 || !slices.Contains(attributes, name) {
		return nil
	}
	for at++; at < len(s) && strings.IndexByte(blanks, s[at]) >= 0; at++ {
		continue
	}
	if at >= len(s) {
		return nil
	}
	find, ends := strings.IndexAny, blanks+"\"'<>`"
	if s[at] == '"' || s[at] == '\'' {
		find, ends = strings.Index, s[at:at+1]
		at++
	}
	a, liquid := f.liquidAddress(at, len(s))
	after := at
	if liquid {
		after = a.to
	}
	end := f.next(after, ends, find)
	switch {
	case end == len(s):
		return nil
	case liquid && (a.Kind == InLiquid || a.To == end):
		a.to = end
		return []Address{a}
	case name == "srcset" && !liquid:
		var all []Address
		for from := at; from < end; {
			part := s[from:end]
			if comma := strings.IndexByte(part, ','); comma >= 0 {
				part = part[:comma]
			}
			begin := from + len(part) - len(strings.TrimLeft(part, blanks))
			first := strings.Fields(part)
			if len(first) > 0 {
				all = append(all, Address{InAttribute, begin, begin + len(first[0]), begin, begin + len(first[0])})
			}
			from += len(part) + 1
		}
		return all
	}
	return []Address{{InAttribute, after, end, at, end}}
}
