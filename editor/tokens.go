package editor

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cms/auth"
	"cms/web"
)

// tokensView is the page of one's personal tokens.
type tokensView struct {
	Made        string // the token that was made just now, which is shown this once
	Tokens      []tokenView
	Collections []navItem
	Media       bool // the caller may do something with files
	Lifetimes   []int
	Fault       string

	Name    string // what was asked for
	Writes  bool
	Days    int
	Targets []string
}

// tokenView is one token.
type tokenView struct {
	auth.PersonalToken
	May string
}

// tokenDays are the lifetimes on offer, of those that tokens may have.
var tokenDays = []int{7, 30, 90, 365}

// tokens shows the personal tokens of the caller.
func (e *Editor) tokens(v *visit) error {
	return e.showTokens(v, http.StatusOK, tokensView{Days: 90})
}

func (e *Editor) showTokens(v *visit, status int, view tokensView) error {
	if e.o.Tokens == nil {
		return web.NotFound()
	}
	all, err := e.o.Tokens.Of(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	collections, err := e.site.Collections(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	for _, c := range collections {
		view.Collections = append(view.Collections, navItem{Name: c.Name, Label: v.label(c)})
	}
	view.Media = len(e.site.Permissions(v.caller)[auth.Media]) > 0
	for _, t := range all {
		view.Tokens = append(view.Tokens, tokenView{t, v.may(t.Limits, view.Collections)})
	}
	for _, days := range tokenDays {
		if time.Duration(days)*24*time.Hour <= e.o.Tokens.Lifetime() {
			view.Lifetimes = append(view.Lifetimes, days)
		}
	}
	if len(view.Lifetimes) == 0 {
		view.Lifetimes = []int{max(1, int(e.o.Tokens.Lifetime()/(24*time.Hour)))}
	}
	view.Days = min(view.Days, slices.Max(view.Lifetimes))
	return e.show(v, status, "tokens", v.T("tokens.title"), "account", view)
}

// may says what a token may at most.
func (v *visit) may(l auth.Limits, collections []navItem) string {
	if l == nil {
		return v.T("tokens.may.all")
	}
	access := v.T("tokens.may.read")
	for _, actions := range l {
		if slices.ContainsFunc(actions, func(a auth.Action) bool { return a != auth.Read }) {
			access = v.T("tokens.may.write")
		}
	}
	if _, every := l[auth.Every]; every {
		return access
	}
	var names []string
	for _, target := range slices.Sorted(maps.Keys(l)) {
		name := target
		if i := slices.IndexFunc(collections, func(c navItem) bool { return c.Name == target }); i >= 0 {
			name = collections[i].Label
		} else if target == auth.Media {
			name = v.T("media.title")
		}
		names = append(names, name)
	}
	return v.T("tokens.may.of", access, strings.Join(names, ", "))
}

// makeToken makes a token for the caller, and shows it this once.
func (e *Editor) makeToken(v *visit) error {
	form, err := e.form(v)
	if err != nil {
		return err
	}
	if e.o.Tokens == nil {
		return web.NotFound()
	}
	days, _ := strconv.Atoi(form.Get("days"))
	view := tokensView{Name: form.Get("name"), Writes: form.Get("access") == "write", Days: days, Targets: form["for"]}
	limits, ok := e.limitsOf(v, form)
	if !ok {
		return web.NotFound()
	}
	lifetime := min(time.Duration(max(0, min(days, 100_000)))*24*time.Hour, e.o.Tokens.Lifetime())
	token, err := e.o.Tokens.Make(v.r.Context(), v.caller, view.Name, limits, time.Now().Add(lifetime))
	switch {
	case errors.Is(err, auth.ErrTokenName):
		view.Fault = v.T("tokens.fault.name", auth.MaxTokenName)
	case errors.Is(err, auth.ErrTokenEnd):
		view.Fault = v.T("tokens.fault.end")
	case errors.Is(err, auth.ErrTokenCount):
		view.Fault = v.T("tokens.fault.count", auth.MaxTokens)
	case err != nil:
		return err
	}
	if view.Fault != "" {
		return e.showTokens(v, http.StatusUnprocessableEntity, view)
	}
	return e.showTokens(v, http.StatusOK, tokensView{Made: token, Days: 90})
}

// limitsOf are those that a form asks for; false where it names what the caller does not see.
func (e *Editor) limitsOf(v *visit, form url.Values) (auth.Limits, bool) {
	var actions []auth.Action
	if form.Get("access") != "write" {
		actions = []auth.Action{auth.Read}
	}
	may := e.site.Permissions(v.caller)
	for _, target := range form["for"] {
		if _, seen := may[target]; !seen {
			return nil, false
		}
	}
	return auth.Narrow(form["for"], actions), true
}

// endToken ends a token of the caller.
func (e *Editor) endToken(v *visit) error {
	if _, err := e.form(v); err != nil {
		return err
	}
	if e.o.Tokens == nil {
		return web.NotFound()
	}
	if err := e.o.Tokens.End(v.r.Context(), v.caller, v.r.PathValue("id")); err != nil {
		return err
	}
	return v.leadTo(Prefix + "account/tokens")
}

// Chosen says whether a token for a collection was asked for.
func (t tokensView) Chosen(name string) bool { return slices.Contains(t.Targets, name) }
