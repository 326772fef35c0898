package webhooks

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"cms/pattern"
	"cms/say"
)

// Bounds of the headers of an endpoint.
const (
	maxHeaders     = 20
	maxHeaderValue = 8 << 10
)

// ownHeaders are those that a request has by itself, or that say how it is sent.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Webhook-Id", "Webhook-Signature", "Webhook-Timestamp",
}

// What RFC 9110 allows, in its section 5, and no white space around a value.
var (
	headerNames  = pattern.Lazy("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")
	headerValues = pattern.Lazy(`^[!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?$`)
)

// checkHeaders says what is wrong with the headers of e, without their values.
func (e *Endpoint) checkHeaders() error {
	if len(e.Headers) > maxHeaders {
		return say.Error(say.New("there are %d headers, %d are allowed", len(e.Headers), maxHeaders))
	}
	var own message
	if p := e.preset(); p != nil {
		own, _ = p.message(e, build{}) // whose error would be told when it is sent
	}
	var errs []error
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		value, canonical := e.Headers[name], http.CanonicalHeaderKey(name)
		_, sets := own.header[canonical]
		switch {
		case !headerNames().MatchString(name):
			errs = append(errs, say.Error(say.New("%q is not the name of a header", name)))
		case slices.Contains(ownHeaders, canonical), sets:
			errs = append(errs, say.Error(say.New("the header %s is set by the service itself", canonical)))
		case seen[canonical]:
			errs = append(errs, say.Error(say.New("the header %s is duplicated", canonical)))
		case value == "" || len(value) > maxHeaderValue || !headerValues().MatchString(value):
			errs = append(errs, say.Error(say.New("the value of the header %s is empty, longer than %d bytes or holds control characters", canonical, maxHeaderValue)))
		}
		seen[canonical] = true
	}
	return errors.Join(errs...)
}

// minMasked is from how many bytes on a part of a secret is masked wherever it is.
const minMasked = 6

// masker takes out of a text what e sends as a secret, in whole or by its parts, as a
// receiver may answer with what it was sent.
func (e *Endpoint) masker() *strings.Replacer {
	secrets := []string{e.Token}
	for _, value := range e.Headers {
		secrets = append(secrets, value)
	}
	if p := e.preset(); p != nil {
		m, _ := p.message(e, build{})
		secrets = append(secrets, m.header["Authorization"])
	}
	var parts []string
	for _, s := range secrets {
		parts = append(parts, strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ':' || r == ',' || r == ';' })...)
		parts = append(parts, s)
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // of two that begin alike the longer one
	var pairs []string
	for _, p := range parts {
		if len(p) >= minMasked && p != "Bearer" {
			pairs = append(pairs, p, "***")
		}
	}
	return strings.NewReplacer(pairs...)
}
