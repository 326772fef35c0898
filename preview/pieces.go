package preview

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// A cut is where the HTML of a part of the page begins, and of which part.
type cut struct{ at, part int }

// pieces is HTML made safe as a whole, in the parts that begin at the cuts. It differs
// from the whole only in that each element is closed in the part that opens it, and that
// an end without a beginning is left out. Where a part begins within a tag, a comment or
// the like of the part before, it belongs to that one.
func (r *Renderer) pieces(b *budget, raw []byte, cuts []cut, parts int) ([]string, error) {
	// The seam is a text that stands nowhere else. It goes through the policy with what is
	// around it, or is dropped with that.
	seam := "." + rand.Text() + "-"
	cuts = clean(b, raw, cuts)
	marked := make([]byte, 0, len(raw)+len(cuts)*(len(seam)+6))
	at := 0
	for _, c := range cuts {
		marked = fmt.Appendf(append(marked, raw[at:c.at]...), "%s%d.", seam, c.part)
		at = c.at
	}
	b.hold(cap(marked))
	safe, err := r.sanitize(b, append(marked, raw[at:]...))
	if err != nil {
		return nil, err
	}
	return separate(b, safe, seam, parts), nil
}

// clean leaves out the cuts where a text would not be shown as one.
func clean(b *budget, raw []byte, cuts []cut) []cut {
	var kept []cut
	z := html.NewTokenizer(bytes.NewReader(raw))
	at, text := 0, false // in an element that holds text only
	for len(cuts) > 0 {
		kind := z.Next()
		b.step(1)
		end := at + len(z.Raw())
		for ; len(cuts) > 0 && cuts[0].at < end; cuts = cuts[1:] {
			if !text && (cuts[0].at == at || kind == html.TextToken) {
				kept = append(kept, cuts[0])
			}
		}
		if kind == html.ErrorToken {
			if !text && end == len(raw) && at == end {
				kept = append(kept, cuts...)
			}
			break
		}
		at, text = end, false
		if kind == html.StartTagToken || kind == html.SelfClosingTagToken {
			name, _ := z.TagName()
			text = slices.Contains(textOnly, string(name))
		}
	}
	return kept
}

// textOnly are the elements that hold no other.
var textOnly = []string{"iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"}

// separate cuts safe HTML at the seams, and closes what is open there.
func separate(b *budget, safe, seam string, parts int) []string {
	pieces := make([]string, parts)
	part := 0
	var out strings.Builder
	var open balance
	z := html.NewTokenizer(strings.NewReader(safe))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		b.step(1)
		raw := string(z.Raw())
		switch kind {
		case html.TextToken:
			for {
				before, after, found := strings.Cut(raw, seam)
				out.WriteString(before)
				if !found {
					break
				}
				open.closeAll(&out)
				pieces[part] += out.String()
				out.Reset()
				number, rest, _ := strings.Cut(after, ".")
				part, _ = strconv.Atoi(number) // we wrote it
				raw = rest
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			open.end(&out, string(name), raw)
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			open.start(string(name))
			out.WriteString(raw)
		default:
			out.WriteString(raw)
		}
	}
	open.closeAll(&out)
	pieces[part] += out.String()
	return pieces
}

// balance knows the elements that are open, innermost last.
type balance struct {
	names []string
	count map[string]int
}

// void elements have no end, and implied ones end where the next of the name begins.
var (
	void    = []string{"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
	implied = []string{"p", "li", "dt", "dd", "tr", "td", "th", "option"}
)

func (o *balance) start(name string) {
	if slices.Contains(void, name) {
		return
	}
	if n := len(o.names); n > 0 && o.names[n-1] == name && slices.Contains(implied, name) {
		return // in its place
	}
	if o.count == nil {
		o.count = map[string]int{}
	}
	o.names = append(o.names, name)
	o.count[name]++
}

// end writes the end of an element, and before it of those within that are open. An end
// without a beginning is left out.
func (o *balance) end(out *strings.Builder, name, raw string) {
	if o.count[name] == 0 {
		return
	}
	for {
		last := o.names[len(o.names)-1]
		if o.names = o.names[:len(o.names)-1]; last == name {
			break
		}
		o.count[last]--
		out.WriteString("</" + last + ">")
	}
	o.count[name]--
	out.WriteString(raw)
}

func (o *balance) closeAll(out *strings.Builder) {
	for i := len(o.names) - 1; i >= 0; i-- {
		out.WriteString("</" + o.names[i] + ">")
	}
	o.names = o.names[:0]
	clear(o.count)
}
