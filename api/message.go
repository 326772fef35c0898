package api

import (
	"net/mail"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cms/site"
)

// write adds to w what the members of every write say.
func (b *body) write(w *site.Write) {
	if b.given("message") {
		m := b.text("message")
		if w.Message != "" && w.Message != m {
			b.wrong("message", "message", "The query has another message. Give one.")
		}
		w.Message = m
	}
	if b.given("on_behalf_of") {
		w.OnBehalfOf = b.person("on_behalf_of")
	}
}

// What Person may be, in characters: an address by RFC 5321.
const (
	maxName  = 100
	maxEmail = 254
)

// person is a member that is someone for a commit to name. Their name goes into
// a line of the commit's message, which it must not end or add to.
func (b *body) person(member string) *site.Person {
	before := b.found.Len()
	who := body{members: b.object(member)}
	if b.found.Len() > before {
		return nil
	}
	for _, m := range who.members.Members {
		if m.Key != "name" && m.Key != "email" {
			b.wrong(member, "unknown_member", "There are name and email, and no other members.")
			return nil
		}
	}
	p := &site.Person{Name: strings.TrimSpace(who.text("name")), Email: who.text("email")}
	addr, err := mail.ParseAddress(p.Email)
	odd := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("<>", r) })
	}
	switch {
	case who.found.Len() > 0, p.Name == "", err != nil, addr.Address != p.Email, len(p.Email) > maxEmail, odd(p.Email):
		b.wrong(member, "type", "This must be an object with a name and an email address, both texts.")
	case utf8.RuneCountInString(p.Name) > maxName, odd(p.Name):
		b.wrong(member, "name", "The name must be one line of at most "+strconv.Itoa(maxName)+" characters, without < and >.")
	}
	return p
}
