package repo

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/go-git/go-git/v5/plumbing"
)

// A commitObject is what is read of a commit. Whatever Git can hold can be read:
// of what is malformed it has the zero value, and its texts are valid UTF-8.
type commitObject struct {
	tree              Hash
	parents           []Hash
	author, committer Person
	at, committed     int64  // when it was authored and committed, in Unix seconds
	message           string // as it stands there, in UTF-8
}

// parseCommit reads the content of a commit. An error says that it names no tree.
func parseCommit(raw []byte) (*commitObject, error) {
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	c := new(commitObject)
	var author, committer, charset []byte
	parents := true // whether all lines were parents yet, behind which Git reads none
	first := true
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		key, value, _ := bytes.Cut(line, []byte(" "))
		switch {
		case first:
			first = false
			if string(key) != "tree" || !plumbing.IsHash(string(value)) {
				return nil, errors.New("malformed: it names no tree")
			}
			c.tree = plumbing.NewHash(string(value))
			continue
		case string(key) == "parent" && parents && plumbing.IsHash(string(value)):
			c.parents = append(c.parents, plumbing.NewHash(string(value)))
			continue
		case string(key) == "author" && author == nil:
			author, c.at = splitIdent(value)
		case string(key) == "committer":
			committer, c.committed = splitIdent(value)
		case string(key) == "encoding":
			charset = value
		}
		parents = false
	}
	decode := decoderOf(string(charset))
	c.author, c.committer = personOf(author, decode), personOf(committer, decode)
	c.message = decode(message)
	return c, nil
}

// personOf is whom the first part of an ident names.
func personOf(ident []byte, decode func([]byte) string) Person {
	name, email, _ := bytes.Cut(ident, []byte("<"))
	email, _, _ = bytes.Cut(email, []byte(">"))
	return Person{decode(bytes.TrimSpace(name)), decode(bytes.TrimSpace(email))}
}

// subject is the first line of the message, clipped. It does not hold the rest in memory.
func (c *commitObject) subject() string {
	s, _, _ := strings.Cut(strings.TrimLeft(c.message, "\n"), "\n")
	return strings.Clone(clip(s))
}

// maxTold is how many bytes are kept and told of a text of a commit, such as its subject:
// Git has no bound, a pack makes little of a long text, and each file that the commit
// changed tells it again.
const maxTold = 1000

// clip is s, valid UTF-8, with an ellipsis for what is more than maxTold bytes.
func clip(s string) string {
	if len(s) <= maxTold {
		return s
	}
	const ellipsis = "…"
	end := maxTold - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// splitIdent parts an ident from its date, which is 0 when it cannot be read, as
// it is to Git.
func splitIdent(line []byte) (ident []byte, at int64) {
	end := bytes.LastIndexByte(line, '>')
	if end < 0 {
		return line, 0
	}
	ident = line[:end+1]
	stamp, _, _ := bytes.Cut(bytes.TrimLeft(line[end+1:], " "), []byte(" "))
	return ident, parseSeconds(stamp)
}

// parseSeconds reads a number of seconds. Beyond what 64 bits hold it is the
// outermost of them.
func parseSeconds(b []byte) int64 {
	digits, negative := bytes.CutPrefix(b, []byte("-"))
	n := int64(0)
	for _, d := range digits {
		switch {
		case d < '0' || d > '9':
			return 0
		case n > (math.MaxInt64-9)/10:
			n = math.MaxInt64
		default:
			n = 10*n + int64(d-'0')
		}
	}
	if negative {
		return -n
	}
	return n
}

// The seconds that the years 1 to 9999 of UTC begin and end with. RFC 3339, and
// with it JSON, has no others.
var (
	firstSecond = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	lastSecond  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

// instant is the time of Unix seconds, in UTC, as far as RFC 3339 can tell it.
func instant(seconds int64) time.Time {
	return time.Unix(min(max(seconds, firstSecond), lastSecond), 0).UTC()
}

// decoderOf makes valid UTF-8 of texts in the charset that a commit's encoding
// header names. Of one that is not known, or is not named, bytes that are no UTF-8
// are taken as Latin-1, as Git does when it makes a commit.
func decoderOf(charset string) func([]byte) string {
	e := charsetNamed(charset)
	return func(b []byte) string {
		if plainASCII(b) {
			return string(b)
		}
		if e != nil {
			if s, err := e.NewDecoder().Bytes(b); err == nil {
				return strings.ToValidUTF8(string(s), "\uFFFD")
			}
		}
		if utf8.Valid(b) {
			return string(b)
		}
		s, err := charmap.ISO8859_1.NewDecoder().Bytes(b)
		if err != nil {
			return strings.ToValidUTF8(string(b), "\uFFFD")
		}
		return string(s)
	}
}

// charsetNamed is nil for UTF-8 and for what is not known.
func charsetNamed(name string) encoding.Encoding {
	name = strings.TrimSpace(name)
	for _, spelling := range []string{name, strings.Replace(strings.ToUpper(name), "ISO8859", "ISO-8859", 1), strings.Replace(strings.ToLower(name), "cp", "windows-", 1)} {
		if e, err := ianaindex.IANA.Encoding(spelling); err == nil && e != nil && spelling != "" {
			if canonical, err := ianaindex.IANA.Name(e); err == nil && canonical == "UTF-8" {
				return nil
			}
			return e
		}
	}
	return nil
}

// plainASCII says whether b is ASCII in whatever charset. Escapes and NULs are
// not: ISO-2022 and UTF-16 use them.
func plainASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c == 0 || c == 0x1b {
			return false
		}
	}
	return true
}
