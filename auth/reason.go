package auth

// LoginError says why a login at a provider is refused, in the languages that pages are
// in. Its texts are safe to show to who logs in.
type LoginError struct{ Detail, French string }

func (e *LoginError) Error() string { return "login refused: " + e.Detail }

// Why logins are refused. They are read only.
var (
	errNotBegun  = &LoginError{"This login was not begun in this browser, or was ended already. Log in again.", "Cette connexion n’a pas été commencée dans ce navigateur, ou est déjà terminée. Connectez-vous à nouveau."}
	errEnded     = &LoginError{"This login was ended already. Log in again.", "Cette connexion est déjà terminée. Connectez-vous à nouveau."}
	errElsewhere = &LoginError{"This login was begun at another identity provider. Log in again.", "Cette connexion a été commencée auprès d’un autre fournisseur d’identité. Connectez-vous à nouveau."}
	errOther     = &LoginError{"The answer comes from another identity provider. Log in again.", "La réponse vient d’un autre fournisseur d’identité. Connectez-vous à nouveau."}
	errDenied    = &LoginError{"The identity provider says that the login was denied.", "Le fournisseur d’identité indique que la connexion a été refusée ou abandonnée."}
	errNotIn     = &LoginError{"The identity provider has not let you in. Log in again.", "Le fournisseur d’identité ne vous a pas laissé entrer. Connectez-vous à nouveau."}
	errUnknown   = &LoginError{"The identity provider does not know of this login, or it took too long. Log in again.", "Le fournisseur d’identité ne connaît pas cette connexion, ou elle a pris trop de temps. Connectez-vous à nouveau."}
	errReplayed  = &LoginError{"The identity provider answers another login. Log in again.", "Le fournisseur d’identité répond à une autre connexion. Connectez-vous à nouveau."}
	errNoRole    = &LoginError{"The identity provider knows you, but gives you no role here. Ask for one who looks after the accounts there.", "Le fournisseur d’identité vous connaît, mais ne vous donne aucun rôle ici. Demandez-en un à qui gère les comptes chez lui."}
	errNoLogout  = &LoginError{"This logout was not begun in this browser, or was ended already.", "Cette déconnexion n’a pas été commencée dans ce navigateur, ou est déjà terminée."}
)
