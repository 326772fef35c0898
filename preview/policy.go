package preview

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"

	"cms/pattern"
)

// players are the addresses that a frame may have, each pattern from its first
// character to its last.
var players = pattern.Lazy(`^https://www\.(?:` +
	`dailymotion\.com/embed/video/[A-Za-z0-9]{1,32}` +
	`|youtube-nocookie\.com/embed/[A-Za-z0-9_-]{1,32}` +
	`)(?:\?[A-Za-z0-9_.=&-]{0,200})?$`)

// newPolicy is what HTML may hold: text and its structure, tables, images,
// links, and the players.
func newPolicy() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.RequireNoFollowOnLinks(false)
	p.AllowAttrs("class").Matching(bluemonday.SpaceSeparatedTokens).Globally()
	p.AllowAttrs("id").Matching(regexp.MustCompile(`^[\p{L}\p{M}\p{N}\p{Pc}:.-]+$`)).Globally()
	p.AllowAttrs("role").Matching(regexp.MustCompile(`^doc-[a-z]+$`)).OnElements("a", "div", "sup") // of footnotes
	p.AllowAttrs("alt").OnElements("img")                                                           // any text, which is escaped: « a : b ? »
	p.AllowAttrs("title").Globally()
	p.AllowElements("kbd", "header", "footer")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^checkbox$`)).OnElements("input") // of task lists
	p.AllowAttrs("checked", "disabled").Matching(regexp.MustCompile(`^$`)).OnElements("input")

	p.AllowAttrs("src").Matching(players()).OnElements("iframe")
	p.AllowAttrs("width", "height").Matching(regexp.MustCompile(`^[0-9]{1,4}%?$`)).OnElements("iframe")
	p.AllowAttrs("frameborder").Matching(regexp.MustCompile(`^[01]$`)).OnElements("iframe")
	p.AllowAttrs("allowfullscreen").Matching(regexp.MustCompile(`^(?:|true|allowfullscreen)$`)).OnElements("iframe")
	p.AllowAttrs("allow").Matching(regexp.MustCompile(`^[a-z-]+(?:; ?[a-z-]+)*;?$`)).OnElements("iframe")
	return p
}

// sandbox is what a player may do: not leave its frame.
const sandbox = ` sandbox="allow-scripts allow-same-origin allow-presentation allow-popups"`

// onlyPlayers takes out the frames whose address the policy has dropped, and
// what stands in any, and puts those that stay into a sandbox.
func onlyPlayers(b *budget, sanitized []byte) string {
	var out strings.Builder
	out.Grow(len(sanitized))
	z := html.NewTokenizer(bytes.NewReader(sanitized))
	within := false                                                  // a frame
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() { // the only error is the end
		b.step(1)
		raw := string(z.Raw())
		name, more := z.TagName()
		if string(name) != "iframe" {
			if !within {
				out.WriteString(raw)
			}
			continue
		}
		within = kind != html.EndTagToken
		for listed := false; more && !listed; {
			var key, value []byte
			key, value, more = z.TagAttr()
			if listed = string(key) == "src" && players().Match(value); listed {
				attributes := strings.TrimRight(raw[len("<iframe"):], "/>")
				out.WriteString("<iframe" + sandbox + attributes + "></iframe>")
			}
		}
	}
	return out.String()
}
