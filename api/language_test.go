package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cms/api"
	"cms/content"
)

// inFrench asks again in French for what was refused, and holds the answer against the
// English one: all is the same but the texts, of which none is.
func (s *server) inFrench(r request, english response) api.Problem {
	s.Helper()
	r.header = maps.Clone(r.header)
	if r.header == nil {
		r.header = map[string]string{}
	}
	r.header["Accept-Language"] = "fr-FR, fr;q=0.9, en;q=0.8"
	res := s.do(r)
	var was, is api.Problem
	for answer, p := range map[*response]*api.Problem{&english: &was, &res: &is} {
		if err := json.Unmarshal(answer.body, p); err != nil {
			s.Fatalf("%v: %s", err, answer.body)
		}
	}
	for answer, language := range map[*response]string{&english: "en", &res: "fr"} {
		vary := strings.Join(answer.header.Values("Vary"), ", ")
		if got := answer.header.Values("Content-Language"); !slices.Equal(got, []string{language}) || !strings.Contains(vary, "Accept-Language") {
			s.Errorf("got Content-Language %q, Vary %q, want %s", got, vary, language)
		}
	}
	if is.Status != was.Status || is.Code != was.Code || is.Title == was.Title || is.Detail == was.Detail || len(is.Errors) != len(was.Errors) {
		s.Errorf("got %s, in French %s", english.body, res.body)
		return is
	}
	for i, fault := range is.Errors {
		if fault.Detail == was.Errors[i].Detail {
			s.Errorf("%q is not French", fault.Detail)
		}
		if fault.Detail = was.Errors[i].Detail; fault != was.Errors[i] {
			s.Errorf("got %+v, in French %+v", was.Errors[i], fault)
		}
	}
	return is
}

// TestRulesInFrench: what is wrong with a field is told in French, and otherwise as in
// English.
func TestRulesInFrench(t *testing.T) {
	t.Parallel()
	field := func(f content.Field) content.Field {
		f.Name = "champ"
		return f
	}
	for i, tt := range []struct {
		field  content.Field
		value  string
		rule   string
		french string
	}{
		{content.Field{Type: "string", Required: true}, `""`, "required", "ne doit pas être vide"},
		{content.Field{Type: "string"}, `3`, "type", "doit être un texte\u202f; dans le fichier, ce qui se lit comme un nombre, une date ou un booléen doit être entre guillemets pour être un texte"},
		{content.Field{Type: "integer"}, `"trois"`, "type", "doit être un nombre entier, sans guillemets"},
		{content.Field{Type: "boolean"}, `"oui"`, "type", "doit être true (vrai) ou false (faux), sans guillemets"},
		{content.Field{Type: "date"}, `"demain"`, "type", "doit être une date sans heure, comme 2019-01-15"},
		{content.Field{Type: "url"}, `"plan"`, "type", "doit être l’adresse d’une page web, commençant par https:// ou http://, ou un chemin de ce site, commençant par /"},
		{content.Field{Type: "email"}, `"Ann"`, "type", "doit être une adresse électronique seule, comme nom@example.org"},
		{content.Field{Type: "list", Of: &content.Field{Type: "string"}}, `"un"`, "type", "doit être une liste"},
		{content.Field{Type: "number", Min: "0.5"}, `0.25`, "min", "doit être supérieur ou égal à 0,5"},
		{content.Field{Type: "integer", Max: "12000"}, `12001`, "max", "doit être inférieur ou égal à 12\u00a0000"},
		{content.Field{Type: "string", Min: "3"}, `"un"`, "min", "doit avoir au moins 3 caractères"},
		{content.Field{Type: "string", Max: "1"}, `"un"`, "max", "doit avoir au plus 1 caractère"},
		{content.Field{Type: "list", Min: "1", Required: true, Of: &content.Field{Type: "string"}}, `[]`, "required", "ne doit pas être vide"},
		{content.Field{Type: "list", Max: "2", Of: &content.Field{Type: "string"}}, `["a", "b", "c"]`, "max", "doit avoir au plus 2 éléments"},
		{content.Field{Type: "string", Pattern: "[0-9]{5}"}, `"75"`, "pattern", "doit correspondre au motif [0-9]{5} du premier au dernier caractère"},
		{content.Field{Type: "select", Options: []content.Value{"ouvert", "clos"}}, `"bientôt"`, "options", "doit être l’une de ces valeurs\u00a0: ouvert, clos"},
		{content.Field{Type: "string", Unique: true}, `"pris"`, "unique", "doit différer du champ «\u00a0champ\u00a0» de toutes les autres entrées"},
		{content.Field{Type: "reference", Collection: "tout"}, `"nulle-part"`, "reference", "doit être l’identifiant (slug) d’une entrée de tout\u202f; il n’y en a pas de ce nom"},
		{content.Field{Type: "string", ReadOnly: true}, `"autre"`, "read_only", "doit rester tel quel\u00a0: ce champ n’est pas à modifier"},
	} {
		t.Run(fmt.Sprint(i, " ", tt.rule), func(t *testing.T) {
			t.Parallel()
			schema := content.Schema{Defined: true, Strict: true, Fields: []content.Field{field(tt.field)}}
			if err := schema.Check(); err != nil {
				t.Fatal(err)
			}
			s := newServerOf(t, []content.Collection{{Name: "tout", Folder: "tout", Extension: ".md", Schema: schema}}, func(*options) {})
			if tt.rule == "unique" {
				s.create("tout", "premier", "---\nchamp: pris\n---\n")
			}
			r := request{method: "POST", path: "/v1/collections/tout/entries", header: jsonBody(""), body: `{"slug": "un", "fields": {"champ": ` + tt.value + `}}`}
			res := s.do(r)
			p := s.inFrench(r, res)
			if res.status != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Rule != tt.rule || p.Errors[0].Detail.String() != tt.french {
				t.Errorf("got %d %s\n%+v, want %s: %s", res.status, res.body, p.Errors, tt.rule, tt.french)
			}
			if title, detail := "Contenu non valide", "L’entrée n’est pas valide. Rien n’a été enregistré."; p.Title != title || p.Detail.String() != detail {
				t.Errorf("got %q, %q", p.Title, p.Detail)
			}
		})
	}
}

// TestLanguages picks the language by what the request accepts, also where several lines
// say so, and says nothing of one where nothing is refused.
func TestLanguages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "velo", sample)
	for accept, want := range map[string]string{
		"": "There is no such entry.", "en": "There is no such entry.", "de": "There is no such entry.", "*": "There is no such entry.",
		"fr": "Cette entrée n’existe pas.", "fr-CA": "Cette entrée n’existe pas.", "de, fr;q=0.5, en;q=0.4": "Cette entrée n’existe pas.",
		"fr;q=0.3, en": "There is no such entry.", "fr;q=0": "There is no such entry.", "fr;q=x": "There is no such entry.", ";;,,": "There is no such entry.",
	} {
		res := s.do(request{method: "GET", path: entryPath("nulle-part"), header: map[string]string{"Accept-Language": accept}})
		if !bytes.Contains(res.body, []byte(`"detail":"`+want+`"`)) {
			t.Errorf("%q: got %s, want %s", accept, res.body, want)
		}
	}
	req, err := http.NewRequest("GET", s.url+entryPath("nulle-part"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"], req.Header["Accept-Language"] = []string{"Bearer " + s.token}, []string{"de", "fr"}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("Content-Language"); got != "fr" {
		t.Errorf("two lines: got Content-Language %q", got)
	}
	for _, path := range []string{entryPath("velo"), "/v1/collections", "/healthz"} {
		if res := s.do(request{method: "GET", path: path, header: map[string]string{"Accept-Language": "fr"}}); res.status != http.StatusOK || res.header.Get("Content-Language") != "" {
			t.Errorf("%s: got %d, Content-Language %q", path, res.status, res.header.Get("Content-Language"))
		}
	}
}

// TestRefusalsInFrench asks for refusals that are made in several parts, or kept.
func TestRefusalsInFrench(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "velo", sample)
	for _, tt := range []struct {
		request
		detail, fault string // "": not looked at
	}{
		{request{method: "POST", path: "/v1/batch", header: jsonBody(""), body: `{"operations": [{"op": "delete", "collection": "pages", "slug": "rien"}]}`},
			"Opération 0 du lot, en comptant à partir de 0\u00a0: Cette entrée n’existe pas. Aucune n’a été exécutée.", ""},
		{request{method: "PATCH", path: entryPath("velo"), token: s.mint("reader"), header: map[string]string{"If-Match": tag, "Content-Type": "application/merge-patch+json"}, body: `{}`},
			"Vos rôles ne vous permettent pas de modifier les entrées de consultations.", ""},
		{request{method: "POST", path: "/v1/collections/pages/entries", header: jsonBody(""), body: `{"slug": "../x", "fields": {}}`},
			"", "L’identifiant (slug) a un segment «\u00a0.\u00a0» ou «\u00a0..\u00a0»."},
		{request{method: "GET", path: "/v1/collections/consultations/entries?limit=1001"},
			"La requête a des paramètres inconnus ou incorrects.", "nombre attendu\u00a0: 1000 au plus"},
		{request{method: "GET", path: "/v1/collections/consultations/entries?where=x"}, "", "un filtre s’écrit field:op:value, où op est l’un de "},
		{request{method: "GET", path: "/v1/collections/consultations/entries?sorted=x"}, "", "paramètre inconnu"},
		{request{method: "GET", path: "/nulle-part", token: "-"}, "Il n’y a rien à ce chemin. /openapi.json énumère ce qu’il y a.", ""},
		{request{method: "POST", path: entryPath("velo")}, "Ce chemin répond à GET, HEAD, PUT, PATCH, DELETE.", ""},
		{request{method: "GET", path: entryPath("velo"), token: "un.jeton.faux"}, "", ""},
		{request{method: "GET", path: entryPath("velo"), header: map[string]string{"Accept": "image/png"}}, "La réponse peut être en application/json ou text/markdown.", ""},
		{request{method: "PUT", path: entryPath("velo"), header: map[string]string{"If-Match": "*", "Content-Type": "text/markdown"}, body: "---\ntitle: [\n---\n"}, "", "message de l’analyseur, en anglais\u00a0: "},
		{request{method: "PUT", path: entryPath("velo"), header: map[string]string{"If-Match": "*", "Content-Type": "text/markdown"}, body: "---\ntitle: x\ntitle: y\n---\n"},
			"", "la clé est en double\u202f; la dernière compte"},
		{request{method: "GET", path: "/v1/media/rien.png"}, "Ce fichier n’existe pas.", ""},
		{request{method: "GET", path: "/v1/changes?since=0123456789012345678901234567890123456789"}, "Ce commit n’est pas dans l’historique, qui a peut-être été réécrit.", ""},
		{request{method: "PATCH", path: entryPath("velo"), header: map[string]string{"If-Match": "*", "Content-Type": "application/json-patch+json"}, body: `[{"op": "remove", "path": "/fields/rien"}]`},
			"opération 0 du patch\u00a0: il n’y a pas de valeur à l’endroit qu’elle désigne", ""},
	} {
		res := s.do(tt.request)
		if res.status < 400 {
			t.Errorf("%s %s: got %d %s", tt.method, tt.path, res.status, res.body)
			continue
		}
		p := s.inFrench(tt.request, res)
		if !strings.HasPrefix(p.Detail.String(), tt.detail) {
			t.Errorf("%s %s: got %q, want %q", tt.method, tt.path, p.Detail, tt.detail)
		}
		if tt.fault != "" && (len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Detail.String(), tt.fault)) {
			t.Errorf("%s %s: got %+v, want %q", tt.method, tt.path, p.Errors, tt.fault)
		}
	}
}
