package config

import (
	"slices"
	"strings"
	"testing"
)

// Only roles that there are can need a second factor, and mails that let people in go in
// the clear to this machine alone.
func TestSecondFactorAndMail(t *testing.T) {
	const base = `
collections: [{name: notes, folder: notes}]
auth:
  roles: {editor: {notes: [read]}}
`
	for text, want := range map[string]string{
		"  second_factor: {required: [editor]}\n":                                                       "",
		"  second_factor: {required: [editro]}\n":                                                       `auth.second_factor.required[0]: there is no role "editro"; did you mean "editor"?`,
		"  second_factor: [editor]\n":                                                                   "auth.second_factor: is a list",
		"mail: {from: cms@example.org, smtp: {host: mail.example.org}}\n":                               "",
		"mail: {from: cms@example.org, smtp: {host: 127.0.0.1, tls: none, port: 25}}\n":                 "",
		"mail: {from: cms@example.org, smtp: {host: mail.example.org, tls: none}}\n":                    "mail.smtp.tls: is none",
		"mail: {from: cms@example.org, smtp: {host: mail.example.org, tls: ssl}}\n":                     `mail.smtp.tls: "ssl" is not one of starttls, tls, none`,
		"mail: {from: CMS, smtp: {host: mail.example.org}}\n":                                           "mail.from: ",
		"mail: {from: cms@example.org, smtp: {host: mail.example.org, port: 0}}\n":                      "mail.smtp.port: is no port",
		"mail: {from: cms@example.org, smtp: {host: mail.example.org, username: cms}}\n":                "mail.smtp: needs username and a password",
		"mail: {from: cms@example.org, smtp: {host: mail.example.org, password_env: CMS_JWT_SECRET}}\n": "mail.smtp: needs username and a password",
		"mail: {from: cms@example.org}\n":                                                               "mail.smtp.host: is missing",
		"mail: {from: cms@example.org, smtp: {host: m, username: c, password_env: CMS_NONE}}\n":         "mail.smtp.password_env: the environment variable CMS_NONE is not set",
	} {
		c, _, err := load(t, base+text, environ()...)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want == "" && strings.HasPrefix(text, " ") && !slices.Equal(c.Auth.SecondFactor.Required, []string{"editor"}):
			t.Errorf("%s: got %+v", text, c.Auth.SecondFactor)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
