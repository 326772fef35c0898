package say_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cms/say"
)

// An error of another package, whose text is wrapped.
type refusal struct{ detail say.Text }

func (r refusal) Error() string { return r.detail.String() }
func (r refusal) Say() say.Text { return r.detail }

func TestIn(t *testing.T) {
	entry := say.New("There is no such entry.")
	for _, tt := range []struct {
		text            say.Text
		english, french string
	}{
		{say.Text{}, "", ""},
		{entry, "There is no such entry.", "Cette entrée n’existe pas."},
		{say.New("%s; edit the source", say.New("not UTF-8")), "not UTF-8; edit the source", "le texte n’est pas en UTF-8\u202f; modifiez la source"},
		{say.New("Give at most %d filters.", 20), "Give at most 20 filters.", "Indiquez au plus 20 filtres."},
		{say.New("The file is larger than %d bytes.", int64(10485760)), "The file is larger than 10485760 bytes.", "Le fichier dépasse 10\u00a0485\u00a0760 octets."},
		{say.New("%d more of these are not listed", 1), "1 more of these are not listed", "1 autre problème du même genre n’est pas indiqué"},
		{say.New("%d more of these are not listed", 1200), "1200 more of these are not listed", "1\u00a0200 autres problèmes du même genre ne sont pas indiqués"},
		{say.New("must be at least %v", 0.5), "must be at least 0.5", "doit être supérieur ou égal à 0,5"},
		{say.New("must be at least %v", 3.0), "must be at least 3", "doit être supérieur ou égal à 3"},
		{say.New("coalesce is not between 0s and %s", 10*time.Minute), "coalesce is not between 0s and 10m0s", "coalesce n’est pas compris entre 0s et 10m0s"},
		{say.New("%s: %s", "etapes[1].titre", say.New("must not be empty")), "etapes[1].titre: must not be empty", "etapes[1].titre\u00a0: ne doit pas être vide"},
		{say.New("The %s.", fmt.Errorf("read: %w", refusal{say.New("slug %s", say.New("is empty"))})), "The slug is empty.", "L’identifiant (slug) est vide."},
		{say.New("the member %q is duplicated", "a%d\"b"), `the member "a%d\"b" is duplicated`, `le membre "a%d\"b" est en double`},
		{say.Foreign("did not find %s"), "did not find %s", "message de l’analyseur, en anglais\u00a0: did not find %s"},
		{say.Verbatim("50 %s"), "50 %s", "50 %s"},
		{say.Of(errors.New("no route to host")), "no route to host", "no route to host"},
		{say.Join(say.Text{}, entry, say.New("Nothing was changed.")), "There is no such entry. Nothing was changed.", "Cette entrée n’existe pas. Rien n’a été modifié."},
		{say.New("The answer can be %s.", say.Or("text/html", "application/json")), "The answer can be text/html or application/json.", "La réponse peut être en text/html ou application/json."},
		{say.Status(412), "Precondition Failed", "Condition préalable non remplie"},
		{say.Status(299), "", ""},
	} {
		if got := tt.text.String(); got != tt.english {
			t.Errorf("got %q, want %q", got, tt.english)
		}
		for _, other := range []string{say.English, "", "de"} {
			if got := tt.text.In(other); got != tt.english {
				t.Errorf("in %q: got %q, want %q", other, got, tt.english)
			}
		}
		if got := tt.text.In(say.French); got != tt.french {
			t.Errorf("got %q, want %q", got, tt.french)
		}
		kept, ok := say.Kept(tt.text.Parts())
		if !ok || kept != tt.text || kept.In(say.French) != tt.french {
			t.Errorf("%q is kept as %q", tt.text, kept)
		}
	}
}

func TestJSON(t *testing.T) {
	type problem struct {
		Detail say.Text `json:"detail"`
		Other  say.Text `json:"other,omitzero"`
	}
	b, err := json.Marshal(problem{Detail: say.New("must be at least %v", 3)})
	if want := `{"detail":"must be at least 3"}`; err != nil || string(b) != want {
		t.Fatalf("got %s, %v, want %s", b, err, want)
	}
	var p problem
	if err := json.Unmarshal(b, &p); err != nil || p.Detail.String() != "must be at least 3" || !p.Other.IsZero() {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestAll(t *testing.T) {
	one, two, three := say.New("is empty"), say.New("is not UTF-8"), say.New("the value is not a list")
	got := say.All(errors.Join(say.Error(one), errors.Join(say.Error(two), say.Error(three))))
	if len(got) != 3 || got[0] != one || got[1] != two || got[2] != three {
		t.Errorf("got %v", got)
	}
}

// Texts that say the same are equal, in whatever way they came to be, and what is no text
// is refused.
func TestKept(t *testing.T) {
	if a, b := say.New("The field %s %s.", "a", "bc"), say.New("The field %s %s.", "ab", "c"); a == b {
		t.Errorf("%q equals %q", a, b)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := say.New("line %d, column %d: %s", rapid.Int().Draw(t, "line"), rapid.Int().Draw(t, "column"), rapid.String().Draw(t, "detail"))
		format, args := text.Parts()
		if got, ok := say.Kept(format, args); !ok || got != text {
			t.Fatalf("got %v, want %v", got, text)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		if text, ok := say.Kept(rapid.String().Draw(t, "format"), rapid.String().Draw(t, "args")); ok {
			_, _ = text.String(), text.In(say.French)
		}
	})
}
