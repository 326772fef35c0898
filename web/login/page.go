package login

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"

	"cms/auth"
	"cms/say"
	"cms/web"
)

// People meet logins at providers as links that they follow. So where one fails, a
// browser is told by a page, and everybody else by a problem document.

// Media types of answers, beside those of problems.
const (
	mediaHTML = "text/html"
	mediaJSON = "application/json"
)

// ForPeople says whether who sends a request reads HTML rather than JSON.
func ForPeople(r *http.Request) bool {
	best, err := web.Negotiate(strings.Join(r.Header.Values("Accept"), ","), "application/problem+json", mediaJSON, mediaHTML)
	return err == nil && best == mediaHTML
}

// refusal is how a request about a login is refused: to a browser by a page, to others by
// the error.
func (l *Logins) refusal(ctx context.Context, r *http.Request, err error) (*Answer, error) {
	if !ForPeople(r) {
		return nil, err
	}
	p := l.web.Problem(ctx, err)
	p.Tell(ctx)
	return &Answer{
		Status: p.Status, Vary: []string{"Accept", "Accept-Language"},
		RetryAfter: p.GetHeaders().Get("Retry-After"), Page: l.refusalPage(r, err, p),
	}, nil
}

// Refuse tells a browser why the floor refuses a request about a login at a provider; false
// where it is not told by a page.
func (l *Logins) Refuse(w http.ResponseWriter, r *http.Request, err error) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.HasPrefix(r.URL.Path, Path) {
		return false
	}
	a, err := l.refusal(r.Context(), r, err)
	if err != nil {
		return false
	}
	a.Send(w, r)
	return true
}

// words are a text in the languages of the pages.
type words struct{ english, french string }

// refusals are what people are told of a problem that no login is the reason for.
var refusals = map[int]words{
	http.StatusUnauthorized:        {"Your account here is disabled. Ask those who look after this service.", "Votre compte est désactivé ici. Adressez-vous à qui gère ce service."},
	http.StatusNotFound:            {"There is no such identity provider here.", "Il n’y a pas ici de tel fournisseur d’identité."},
	http.StatusTooManyRequests:     {"There were too many logins from your network. Wait a minute, and try again.", "Il y a eu trop de connexions depuis votre réseau. Attendez une minute, puis réessayez."},
	http.StatusServiceUnavailable:  {"The login cannot be made now. Try again in a moment.", "La connexion est impossible pour l’instant. Réessayez dans un moment."},
	http.StatusBadRequest:          {"The link that led here is wrong.", "Le lien qui a mené ici est incorrect."},
	http.StatusUnprocessableEntity: {"The link that led here is wrong.", "Le lien qui a mené ici est incorrect."},
}

var otherRefusal = words{"Something went wrong here. Try again in a moment.", "Une erreur s’est produite ici. Réessayez dans un moment."}

// refusalPage tells why a request about a login is refused, and leads to another try.
func (l *Logins) refusalPage(r *http.Request, err error, p *web.Problem) []byte {
	why, known := refusals[p.Status]
	if !known {
		why = otherRefusal
	}
	if failed := (*auth.LoginError)(nil); errors.As(err, &failed) {
		why = words{failed.Detail.String(), failed.Detail.In(say.French)}
	}
	title := words{"You are not logged in", "Vous n’êtes pas connecté"}
	name, which, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Path), "/")
	if which == LoggedOut {
		title = words{"Nothing to log out from", "Rien à déconnecter"}
	}
	again := ""
	if slices.ContainsFunc(l.providers, func(p *auth.Provider) bool { return p.Name() == name }) {
		again = StartPath(name, l.wanted(r))
	}
	return page(r, title, why, words{"Try again", "Réessayer"}, again, false)
}

// wanted is where the login that a request is about was to lead on to, "" for nowhere.
func (l *Logins) wanted(r *http.Request) string {
	flow, _ := l.flows.Open(l.web.Cookies().Of(r, flowCookie))
	if path := cmp.Or(flow.ReturnTo, r.URL.Query().Get("return_to")); localPath(path) {
		return path
	}
	return ""
}

// page is a page in the language of who asks, with a link to a path unless that is "". It
// follows the link itself where it is to go on: a redirect would still belong to the
// navigation that the provider's page began, and browsers leave SameSite=Strict cookies
// out of it. No page of others hears where it came from, nor ours: an address may have a
// code in it.
func page(r *http.Request, title, text, link words, path string, goOn bool) []byte {
	say := func(w words) string { return html.EscapeString(w.english) }
	language := web.Language(strings.Join(r.Header.Values("Accept-Language"), ","), "en", "fr")
	if language == "fr" {
		say = func(w words) string { return html.EscapeString(w.french) }
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=%q>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"+
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n", language)
	at := html.EscapeString(path)
	if goOn {
		fmt.Fprintf(&b, "<meta http-equiv=\"refresh\" content=\"0;url=%s\">\n", at)
	}
	fmt.Fprintf(&b, "<title>%[1]s</title>\n<h1>%[1]s</h1>\n", say(title))
	if text != (words{}) {
		fmt.Fprintf(&b, "<p>%s</p>\n", say(text))
	}
	if path != "" {
		fmt.Fprintf(&b, "<p><a href=\"%s\">%s</a></p>\n", at, say(link))
	}
	return b.Bytes()
}
