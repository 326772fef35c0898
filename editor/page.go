package editor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"cms/auth"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/web"
)

// page is what a template is given.
type page struct {
	*visit
	Rail

	Site    string // its name
	Title   string
	Theme   string
	Path    string
	Notice  *notice
	Body    any // of the template's own kind
	Partial bool
}

// Rail is where the caller can go.
type Rail struct {
	At    string // where they are
	Nav   []navItem
	Media bool // they may look at files
}

// navItem is a collection in the navigation.
type navItem struct {
	Name, Label string
	Total       int
}

// notice is what a page says about what was done before.
type notice struct {
	Kind string // ok, warn or bad
	Text string
}

// refPath is the path of a page about an entry.
func refPath(kind string, r site.Ref) string {
	return Prefix + kind + "/" + url.PathEscape(r.Collection) + "/" + (&url.URL{Path: r.Slug.String()}).EscapedPath()
}

// show answers with a page.
func (e *Editor) show(v *visit, status int, name, title, at string, body any) error {
	return e.showNoting(v, status, name, title, at, nil, body)
}

// showNoting answers with a page that says what was done before.
func (e *Editor) showNoting(v *visit, status int, name, title, at string, told *notice, body any) error {
	p := &page{
		visit: v, Rail: Rail{At: at}, Site: e.o.Name, Title: title, Theme: e.shade(v.r), Path: v.r.URL.RequestURI(), Notice: told, Body: body,
		Partial: v.r.Header.Get("Sec-Fetch-Dest") == "empty" && v.r.Header.Get("X-Part") != "",
	}
	if v.caller != nil {
		if err := e.navigation(p); err != nil {
			return err
		}
	}
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	root := "frame"
	if p.Partial {
		root = "main"
	}
	if err := e.execute(b, v.language, name, root, p); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.language)
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(b.Bytes())
	}
	return nil
}

// buffers hold pages until they are whole: what fails midway is answered by another page.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// navigation fills in where the caller can go.
func (e *Editor) navigation(p *page) error {
	collections, err := e.site.Collections(p.r.Context(), p.caller)
	if err != nil {
		return err
	}
	for _, c := range collections {
		p.Nav = append(p.Nav, navItem{c.Name, p.label(c), c.Total})
	}
	p.Media = len(e.site.Permissions(p.caller)[auth.Media]) > 0
	return nil
}

// label is what people call a collection.
func (v *visit) label(c site.Collection) string {
	if label := v.of(c.Label); label != "" {
		return label
	}
	return c.Name
}

func (e *Editor) shade(r *http.Request) string {
	switch theme := e.web.Cookies().Of(r, themeCookie); theme {
	case "light", "dark":
		return theme
	}
	return ""
}

// form is what a form of a page has sent. Its parts are urlencoded, in UTF-8.
func (e *Editor) form(v *visit) (url.Values, error) {
	if _, err := web.MediaType(v.r.Header.Get("Content-Type"), "", "application/x-www-form-urlencoded"); err != nil {
		return nil, err
	}
	body, release, err := e.web.Body(v.r)
	if err != nil {
		return nil, err
	}
	defer release()
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, web.NewProblem(http.StatusBadRequest, say.New("The form cannot be read."))
	}
	if by := values.Get("account"); by != "" && v.caller != nil && by != v.Account() && e.mayGoOn(v.r.URL) && !isDraft(values) {
		return nil, &othersFormError{values}
	}
	return values, nil
}

// othersFormError is a form of another account, as where somebody has logged in meanwhile in
// the same browser.
type othersFormError struct{ sent url.Values }

func (*othersFormError) Error() string { return "the form was made by another account" }

// formAbout is the entry that the path of a request names, and what a form about it has sent.
func (e *Editor) formAbout(v *visit) (site.Ref, url.Values, error) {
	ref, err := v.ref()
	if err != nil {
		return ref, nil, err
	}
	posted, err := e.form(v)
	return ref, posted, err
}

// Refuse implements [web.Door]: it says why by a page, and leads who is not logged in to
// where they can.
func (e *Editor) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	v := e.visit(w, r)
	if errors.Is(err, auth.ErrNoSession) && (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("X-Part") == "" {
		to := r.URL.RequestURI()
		_ = v.leadTo(loginPath(to))
		return
	}
	others := (*othersFormError)(nil)
	if errors.As(err, &others) {
		err = web.NewProblem(http.StatusForbidden, say.New("This was written by another account. Log in as that one to go on."))
	}
	p, detail := e.refusal(v, err)
	p.Tell(r.Context())
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	show := func() error {
		if others != nil {
			return e.askAgain(v, p.Status, loginView{To: r.URL.RequestURI(), Fault: v.T("session.other")}, withoutLogin(others.sent))
		}
		if detail.Login && r.Method == http.MethodPost {
			if sent := e.sentForm(v); sent != nil {
				return e.askAgain(v, p.Status, loginView{To: r.URL.RequestURI()}, sent)
			}
		}
		return e.show(v, p.Status, "refusal", v.T("refusal."+kindOfRefusal(p.Status)), "", detail)
	}
	if err := show(); err != nil {
		e.log.ErrorContext(r.Context(), "cannot show a page", "error", err, "request_id", web.RequestID(r.Context()))
		http.Error(w, p.Title, p.Status)
	}
}

// refusalView says why something was not done.
type refusalView struct {
	Text    string
	Request string // its id, for the operator
	Login   bool   // logging in may help
	To      string
}

// refusal is an error as a problem, and as a page tells it.
func (e *Editor) refusal(v *visit, err error) (*web.Problem, refusalView) {
	view := refusalView{Request: web.RequestID(v.r.Context()), To: Prefix}
	told := (*site.Error)(nil)
	if errors.As(err, &told) {
		p := web.NewProblem(statusOf(told.Code), told.Detail)
		p.Code = string(told.Code)
		switch key := "refusal.text." + kindOfRefusal(p.Status); {
		case told.Code == site.PreconditionFailed:
			view.Text = v.T("refusal.moved")
		case v.Has(key):
			view.Text = v.T(key)
		default:
			view.Text = told.Detail.In(v.language)
		}
		return p, view
	}
	p := e.web.Problem(v.r.Context(), err)
	if p.Status == http.StatusUnauthorized {
		p = web.NewProblem(http.StatusUnauthorized, p.Detail) // browsers would ask for a password
		view.Login = true
	}
	if key := "refusal.text." + kindOfRefusal(p.Status); v.Has(key) {
		view.Text = v.T(key)
	} else {
		view.Text = p.Detail.In(v.language)
	}
	return p, view
}

// besideForm is what a page says above a form that is shown again, and its status.
func (e *Editor) besideForm(v *visit, told *site.Error) (int, string) {
	p, text := e.refusal(v, told)
	if told.Code == site.Unsure {
		return p.Status, v.unsure()
	}
	return p.Status, text.Text
}

// unsure says that nobody can tell yet whether something was saved.
func (v *visit) unsure() string { return v.T("refusal.unsure") + ". " + v.T("refusal.text.unsure") }

// statusOf is what a refusal of the site is over HTTP. A form carries no condition of its
// own: where one has failed, somebody else has saved, and where one lacks, the form is wrong.
func statusOf(code site.Code) int {
	switch code {
	case site.PreconditionFailed, site.Pointer, site.Tracked:
		return http.StatusConflict
	case site.PreconditionRequired:
		return http.StatusUnprocessableEntity
	}
	return cmp.Or(web.StatusOf(string(code)), http.StatusInternalServerError)
}

// kindOfRefusal names the texts of refusals.
func kindOfRefusal(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "session"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "missing"
	case http.StatusConflict, http.StatusPreconditionFailed:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "large"
	case http.StatusTooManyRequests:
		return "slow"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusGatewayTimeout:
		return "unsure"
	case http.StatusInsufficientStorage:
		return "full"
	case http.StatusInternalServerError:
		return "fault"
	}
	return "malformed"
}

// Caller is who looks at the page.
func (v *visit) Caller() *auth.Principal { return v.caller }

// Language is that of the page.
func (v *visit) Language() string { return v.language }

// initials are what stands for a person where there is little room.
func initials(name string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r == '-' || r == '.' || r == '@' }) {
		if b.Len() >= 6 {
			break
		}
		b.WriteRune(unicode.ToUpper([]rune(part)[0]))
		if len([]rune(b.String())) == 2 {
			break
		}
	}
	return b.String()
}

// Time is when something was, as people say it, with the exact time behind it.
func (v *visit) Time(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.In(v.zone)
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" title="` + //nolint:gosec // each part is escaped
		template.HTMLEscapeString(v.exactly(t)) + `">` + template.HTMLEscapeString(v.when(t)) + `</time>`)
}

func (v *visit) clock(t time.Time) string { return v.T("time.clock", t.Hour(), t.Format("04")) }

func (v *visit) day(t time.Time) string {
	y, m, d := t.Date()
	is := v.days[dayNumber{y, m, d}]
	if is == "" {
		is = v.T("time.day", dayOf(v, t), v.T("month."+strconv.Itoa(int(m))), strconv.Itoa(y))
		if v.days == nil {
			v.days = map[dayNumber]string{}
		}
		v.days[dayNumber{y, m, d}] = is
	}
	return is
}

// dayNumber is a day of the calendar.
type dayNumber struct {
	year  int
	month time.Month
	day   int
}

func dayOf(v *visit, t time.Time) string {
	if t.Day() == 1 && v.Has("time.first") {
		return v.T("time.first")
	}
	return strconv.Itoa(t.Day())
}

// exactly is a time to the minute.
func (v *visit) exactly(t time.Time) string {
	y, m, d := t.Date()
	minute := minuteNumber{dayNumber{y, m, d}, t.Hour(), t.Minute()}
	is := v.minutes[minute]
	if is == "" {
		is = v.T("time.exactly", v.day(t), v.clock(t))
		if v.minutes == nil {
			v.minutes = map[minuteNumber]string{}
		}
		v.minutes[minute] = is
	}
	return is
}

// minuteNumber is a minute of a day.
type minuteNumber struct {
	day          dayNumber
	hour, minute int
}

// since says that something is on the site since a time; "" where that is not known.
func (v *visit) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(v.zone)
	if y, m, d := v.now.In(t.Location()).Date(); t.Year() == y && t.Month() == m && t.Day() == d {
		return v.T("state.since", v.clock(t))
	}
	return v.T("state.since.day", v.day(t))
}

// json answers a script.
func (v *visit) json(x any) error {
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	_, err = v.w.Write(b)
	return err
}

// when is a time as it is said today.
func (v *visit) when(t time.Time) string {
	now := v.now.In(t.Location())
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, t.Location())
	switch age := now.Sub(t); {
	case age >= 0 && age < time.Minute:
		return v.T("time.now")
	case age >= 0 && age < time.Hour:
		return v.T("time.minutes", int(age/time.Minute))
	case !t.Before(midnight) && t.Before(midnight.AddDate(0, 0, 1)):
		return v.clock(t)
	case !t.Before(midnight.AddDate(0, 0, -1)) && t.Before(midnight):
		return v.T("time.yesterday", v.clock(t))
	}
	return v.day(t)
}

// Value is a value as a list or a comparison shows it.
func (v *visit) Value(x content.Value) string {
	switch x := x.(type) {
	case bool:
		if x {
			return v.T("yes")
		}
		return v.T("no")
	case content.Time:
		if x.DateOnly {
			return v.day(x.Time)
		}
		return v.exactly(x.Time)
	case []content.Value:
		parts := make([]string, len(x))
		for i, item := range x {
			parts[i] = v.Value(item)
		}
		return strings.Join(parts, " · ")
	}
	return textOf(x)
}

// Safe is HTML that the site has made of what people wrote.
func (v *visit) Safe(html string) template.HTML { return template.HTML(html) } //nolint:gosec // made safe where it was made

// Size is a number of bytes as people say it.
func (v *visit) Size(n int64) string {
	switch {
	case n < 1000:
		return v.T("size.bytes", n)
	case n < 1_000_000:
		return v.T("size.kb", float64(n)/1000)
	}
	return v.T("size.mb", float64(n)/1_000_000)
}

// Say is a text in the language of the page.
func (v *visit) Say(t say.Text) string { return t.In(v.language) }
