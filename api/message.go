package api

import (
	"cms/api/jsonbody"
	"cms/content"
	"cms/say"
	"cms/site"
)

// write adds to w what the members of every write say.
func (b body) write(w *site.Write) {
	if b.Given("message") {
		m := b.Text("message")
		if w.Message != "" && w.Message != m {
			b.Wrong("message", "message", say.New("The query has another message. Give one."))
		}
		w.Message = m
	}
	if b.Given("on_behalf_of") {
		w.OnBehalfOf = b.person("on_behalf_of")
	}
}

// person is a member that is someone for a commit to name.
func (b body) person(member string) *site.Person {
	v, _ := b.Members.Get(member)
	members, ok := v.(*content.Object)
	if !ok {
		b.Wrong(member, "type", say.New("This must be a JSON object."))
		return nil
	}
	for _, m := range members.Members {
		if m.Key != "name" && m.Key != "email" {
			b.Wrong(member, "unknown_member", say.New("There are name and email, and no other members."))
			return nil
		}
	}
	who := jsonbody.Of(members)
	p, wrong := site.NewPerson(who.Text("name"), who.Text("email"))
	if wrong != nil {
		b.Wrong(member, wrong.Rule, wrong.Detail)
	}
	return p
}
