package auth

import "cms/say"

// LoginError says why a login at a provider is refused. Its text is safe to show to who
// logs in.
type LoginError struct{ Detail say.Text }

func (e *LoginError) Error() string { return "login refused: " + e.Detail.String() }

// AttemptError says why somebody was not let in, for the log alone: it knows more than who
// is refused may. What it wraps is the refusal.
type AttemptError struct {
	error

	Why string // in English
	Of  string // whom the attempt says it is of, which nobody has proved; "" where it says so of none
}

// Unwrap gives the refusal.
func (e *AttemptError) Unwrap() error { return e.error }

// Why logins are refused. They are read only.
var (
	errNotBegun  = &LoginError{say.New("This login was not begun in this browser, or was ended already. Log in again.")}
	errEnded     = &LoginError{say.New("This login was ended already. Log in again.")}
	errElsewhere = &LoginError{say.New("This login was begun at another identity provider. Log in again.")}
	errOther     = &LoginError{say.New("The answer comes from another identity provider. Log in again.")}
	errDenied    = &LoginError{say.New("The identity provider says that the login was denied.")}
	errNotIn     = &LoginError{say.New("The identity provider has not let you in. Log in again.")}
	errUnknown   = &LoginError{say.New("The identity provider does not know of this login, or it took too long. Log in again.")}
	errReplayed  = &LoginError{say.New("The identity provider answered a different login. Log in again.")}
	errNoRole    = &LoginError{say.New("The identity provider knows you, but gives you no role here. Ask for one who looks after the accounts there.")}
	errNoLogout  = &LoginError{say.New("This logout was not begun in this browser, or was ended already.")}
)
