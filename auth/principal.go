package auth

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"cms/content"
)

// Principal is who a verified token speaks for.
type Principal struct {
	Issuer  string
	Subject string   // never empty; unique within the issuer
	Name    string   // claim "name", may be empty
	Email   string   // claim "email"; empty when the issuer says it is unverified
	Roles   []string // as the token has them, known to the Policy or not
	Limits  Limits   // what the token allows of what the roles do; nil for all of it

	Claims  *content.Object // the token's, for the conditions of a Policy; may be nil
	Expires time.Time       // when the token ends; zero when it does not
}

// Person is how p signs a commit. Both values are safe in a Git identity: no
// control characters, no angle brackets, not empty.
//
// Without a name it is the subject. Without an address that looks like one it
// is the subject at a host that receives no mail: "users.noreply." followed by
// the issuer's host when the issuer is a URL, else the issuer's name in the
// reserved domain "invalid" (RFC 2606). Bytes of the subject that an address
// cannot hold are percent-encoded, so that different subjects stay different.
func (p *Principal) Person() (name, email string) {
	name = identity(p.Name)
	if name == "" {
		name = identity(p.Subject)
	}
	if name == "" {
		name = "unknown"
	}
	if address(p.Email) {
		return name, p.Email
	}
	return name, atoms(p.Subject) + "@" + noreplyHost(p.Issuer)
}

// identity is s without what Git drops from names or cannot hold in them.
func identity(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '<' || r == '>' || r == unicode.ReplacementChar:
			return -1
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	return strings.Trim(strings.Join(strings.Fields(s), " "), ` .,:;"'\`)
}

// address says whether s is an e-mail address of the common kind: no quoting,
// no comment, no blanks. Letters beyond ASCII are allowed (RFC 6531).
func address(s string) bool {
	local, host, ok := strings.Cut(s, "@")
	if !ok || len(s) > 254 || local == "" || host == "" {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '@' && !atom(r) && r != '.' && r < 0x80 ||
			!unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar
	}) && !strings.Contains(host, "@")
}

// atom says whether r may stand unquoted in an address (RFC 5322, atext).
func atom(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// atoms is s with every byte that an address cannot hold percent-encoded.
func atoms(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c != '%' && (atom(rune(c)) || c == '.') {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func noreplyHost(issuer string) string {
	if u, err := url.Parse(issuer); err == nil && u.Hostname() != "" {
		return "users.noreply." + strings.ToLower(u.Hostname())
	}
	host := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, issuer), ".-")
	if host == "" {
		return "users.invalid"
	}
	return host + ".invalid"
}
