package repo

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
)

// oddCommits are commits as Git can hold them, but for the line of their tree.
var oddCommits = []string{
	"author D <d@x> 1700000000000 +0000\ncommitter D <d@x> 1700000000000 +0000\n\nx\n",
	"author D <d@x> -9223372036854775808 -9959\ncommitter D <d@x> 18446744073709551615 +9999999\n\nx\n",
	"author \xc9 <\xe9@x> 1 +0000\ncommitter \xff <\x00> 1 +0000\nencoding UTF-16\n\n\xfe\xff\x00\xe9\xd8",
	"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding ISO-2022-JP\n\n\x1b$B%F\x1b(B",
	"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding UTF-7\n\n+AOk-",
	"parent 0123456789ABCDEF0123456789abcdef01234567\nauthor <> 1 +0000\ncommitter <> 1 +0000\ngpgsig x\n\n\n y\n",
	"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nmergetag object x\n author E <e@x> 2 +0000\n encoding x\n\n\x00\n\u2028\n",
	"author  < <<>> > 1\ncommitter D>d@x< 1 +0000\n\n\n\n\nx",
	"", "\n", "\n\n",
}

// FuzzCommit: whatever follows a commit's tree, the commit can be read, and told as
// JSON: its texts are UTF-8, its times within the years that RFC 3339 has.
func FuzzCommit(f *testing.F) {
	for _, rest := range oddCommits {
		f.Add([]byte(rest))
	}
	const tree = "0123456789abcdef0123456789ABCDEF01234567"
	f.Fuzz(func(t *testing.T, rest []byte) {
		c, err := parseCommit(append([]byte("tree "+tree+"\n"), rest...))
		if err != nil {
			t.Fatal(err)
		}
		if c.tree != plumbing.NewHash(tree) {
			t.Errorf("tree %s", c.tree)
		}
		for _, s := range []string{c.author.Name, c.author.Email, c.committer.Name, c.committer.Email, c.message, c.subject()} {
			if !utf8.ValidString(s) {
				t.Errorf("%q is not UTF-8", s)
			}
		}
		for _, seconds := range []int64{c.at, c.committed} {
			at := instant(seconds)
			var back time.Time
			if raw, err := json.Marshal(at); err != nil {
				t.Errorf("at %d: %v", seconds, err)
			} else if err := json.Unmarshal(raw, &back); err != nil || !back.Equal(at) {
				t.Errorf("at %d: %s comes back as %s, %v", seconds, at, back, err)
			}
		}
		_ = keyOf(c.message)
	})
}
