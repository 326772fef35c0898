package repo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
)

// Hash names a Git object.
type Hash = plumbing.Hash

// A Person is an author or a committer.
type Person struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Meta is what an update says of itself.
type Meta struct {
	Author    Person
	CoAuthors []Person // become Co-authored-by trailers
	Message   string   // the commit's subject; one is made if it is empty
	Key       string   // becomes an Idempotency-Key trailer, for FindKey; one word, or "" for none
	RequestID string   // for the log

	// Made is told of the commit by the writer before anyone can see it, and again if it
	// has to be made anew; nil for nobody. It should be quick.
	Made func(Hash)
}

// clean is p without the characters that would end it early in a commit, and
// with the email's local part in place of an empty name.
func (p Person) clean() Person {
	email := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`<>`, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(p.Email, ""))
	name := strings.Trim(oneLine(brackets.Replace(p.Name)), ` .,:;"'\`)
	if name == "" {
		name, _, _ = strings.Cut(email, "@")
	}
	if name == "" {
		name = "unknown"
	}
	return Person{name, email}
}

var brackets = strings.NewReplacer("<", "", ">", "")

// clip is p as the history keeps and tells it.
func (p Person) clip() Person { return Person{clip(p.Name), clip(p.Email)} }

// ident is p as Git writes it.
func (p Person) ident() string {
	p = p.clean()
	return p.Name + " <" + p.Email + ">"
}

// oneLine is s with every run of blanks and controls as one space.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// keyTrailer begins the line of a commit's message that holds Meta.Key: the last.
const keyTrailer = "Idempotency-Key: "

// keyOf is the Meta.Key of a message as [Meta.message] writes it, "" when it has
// none. What the subject says is no trailer.
func keyOf(message string) string {
	_, trailers, ok := strings.Cut(message, "\n\n")
	if !ok || strings.Contains(trailers, "\n\n") || !strings.HasSuffix(trailers, "\n") {
		return ""
	}
	trailers = strings.TrimSuffix(trailers, "\n")
	key, ok := strings.CutPrefix(trailers[strings.LastIndexByte(trailers, '\n')+1:], keyTrailer)
	if !ok {
		return ""
	}
	return key
}

// message is the commit message: subject, and the trailers of m.
func (m Meta) message(subject string) string {
	var b strings.Builder
	b.WriteString(oneLine(subject))
	b.WriteByte('\n')
	if len(m.CoAuthors) > 0 || m.Key != "" {
		b.WriteByte('\n')
	}
	for _, p := range m.CoAuthors {
		fmt.Fprintf(&b, "Co-authored-by: %s\n", p.ident())
	}
	if m.Key != "" {
		fmt.Fprintf(&b, "%s%s\n", keyTrailer, m.Key)
	}
	return b.String()
}

// maxSkew is by how much a commit is dated ahead of the clock, so as not to stand
// before the one that it follows upon: clocks differ by so much.
const maxSkew = 5 * time.Minute

// committedAt is the committer's date, in Unix seconds like now, of a commit on top
// of one that is dated tip. What a clock far ahead has dated does not date all that
// comes after it. The writer alone calls it.
func (r *Repo) committedAt(now, tip int64) int64 {
	skewed := tip > now
	if skewed && !r.skewed {
		r.log.Warn("the commit at the tip is dated ahead of this machine's clock", "branch", r.Branch(), "tip", instant(tip), "clock", instant(now))
	}
	r.skewed = skewed
	if skewed && tip-now <= int64(maxSkew/time.Second) {
		return tip
	}
	return now
}

// encodeCommit is the commit object for tree on top of parent, which is zero
// for the first commit. The dates are Unix seconds.
func encodeCommit(tree, parent Hash, author, committer Person, authored, committed int64, message string) []byte {
	var parents []Hash
	if !parent.IsZero() {
		parents = []Hash{parent}
	}
	return encodeMerge(tree, parents, author, committer, authored, committed, message)
}

// encodeMerge is the commit object for tree on top of any number of parents.
func encodeMerge(tree Hash, parents []Hash, author, committer Person, authored, committed int64, message string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s %d +0000\n", author.ident(), authored)
	fmt.Fprintf(&b, "committer %s %d +0000\n\n%s", committer.ident(), committed, message)
	return b.Bytes()
}

// A Signer signs commits.
type Signer interface {
	// Sign is the signature of a commit object without one: the lines of its header
	// gpgsig (gitformat-signature).
	Sign(commit []byte) ([]byte, error)
}

// packCommit signs a commit object, if the commits of the service are signed, and packs it.
func (r *Repo) packCommit(raw []byte) (Hash, error) {
	raw, err := signCommit(raw, r.signer)
	if err != nil {
		return Hash{}, err
	}
	h := hashObject(plumbing.CommitObject, raw)
	r.pack.add(plumbing.CommitObject, h, raw)
	return h, nil
}

// signCommit is a commit object with its signature; as it is where signer is nil.
func signCommit(raw []byte, signer Signer) ([]byte, error) {
	if signer == nil {
		return raw, nil
	}
	signature, err := signer.Sign(raw)
	if err != nil {
		return nil, fmt.Errorf("sign the commit: %w", err)
	}
	header, message, _ := bytes.Cut(raw, []byte("\n\n"))
	lines := bytes.ReplaceAll(bytes.TrimRight(signature, "\n"), []byte("\n"), []byte("\n "))
	return slices.Concat(header, []byte("\ngpgsig "), lines, []byte("\n\n"), message), nil
}
