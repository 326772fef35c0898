package site

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"cms/content"
	"cms/say"
)

// What a person may be, in characters: an address by RFC 5321.
const (
	maxName  = 100
	maxEmail = 254
)

// NewPerson is someone for a commit to name, or what is wrong with their name or address.
// They go into a line of the commit's message, which they must not end or add to.
func NewPerson(name, email string) (*Person, *content.Problem) {
	p := &Person{Name: strings.TrimSpace(name), Email: email}
	addr, err := mail.ParseAddress(p.Email)
	odd := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("<>", r) })
	}
	switch {
	case p.Name == "", err != nil, addr.Address != p.Email, len(p.Email) > maxEmail, odd(p.Email):
		return nil, &content.Problem{Rule: "type", Detail: say.New("This must be an object with a name and an email address, both texts.")}
	case utf8.RuneCountInString(p.Name) > maxName, odd(p.Name):
		return nil, &content.Problem{Rule: "name", Detail: say.New("The name must be one line of at most %d characters, without < and >.", maxName)}
	}
	return p, nil
}
