package editor

import (
	"errors"
	"net/http"
	"net/url"

	"cms/auth"
	"cms/web"
)

// LinkPath is where the owner of an account chooses a password, by the token of a link.
func LinkPath(token string) string { return Prefix + "password?link=" + url.QueryEscape(token) }

// linkView is the page on which the owner of an account chooses a password.
type linkView struct {
	Link        string // "" where it is not good
	Name, Email string
	Fault       string
}

// linkPage shows whose password is chosen. It uses nothing up, as what looks at links in
// mails does not choose one.
func (e *Editor) linkPage(v *visit) error {
	return e.showLink(v, http.StatusOK, v.r.URL.Query().Get("link"), "")
}

func (e *Editor) showLink(v *visit, status int, token, fault string) error {
	v.w.Header().Set("Referrer-Policy", "no-referrer")
	if e.web.Sessions() == nil {
		return web.NotFound()
	}
	view := linkView{Link: token, Fault: fault}
	owner, err := e.web.Sessions().Linked(v.r.Context(), token, web.CallOf(v.r.Context()).Address)
	many := (*auth.TooManyError)(nil)
	switch {
	case errors.As(err, &many):
		status, view = http.StatusTooManyRequests, linkView{Fault: v.slow(many)}
	case errors.Is(err, auth.ErrLink):
		web.AuditReason(v.r.Context(), err)
		status, view = http.StatusNotFound, linkView{Fault: v.T("link.over")}
	case err != nil:
		return err
	default:
		view.Name, view.Email = owner.Name, owner.Email
	}
	return e.show(v, status, "link", v.T("link.title"), "", view)
}

// useLink gives an account the password that its owner has chosen, who then logs in.
func (e *Editor) useLink(v *visit) error {
	if err := e.web.SameOrigin(v.r, false); err != nil {
		return err
	}
	form, err := e.form(v)
	if err != nil {
		return err
	}
	token, password := form.Get("link"), form.Get("new")
	if fault := v.weak(password, form.Get("again")); fault != "" || e.web.Sessions() == nil {
		return e.showLink(v, http.StatusUnprocessableEntity, token, fault)
	}
	owner, err := e.web.Sessions().UseLink(v.r.Context(), token, password, web.CallOf(v.r.Context()).Address)
	if many := (*auth.TooManyError)(nil); errors.Is(err, auth.ErrLink) || errors.As(err, &many) {
		return e.showLink(v, http.StatusNotFound, token, "")
	}
	if err != nil {
		return err
	}
	web.AuditCaller(v.r.Context(), owner)
	return v.leadTo(Prefix + "login?changed=1")
}
