package demosite

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	product "cms/site"
	"cms/site/sitetest"
)

// searched is a site of collections with these files, and someone who reads it.
func searched(t *testing.T, files map[string]string, collections ...content.Collection) (*sitetest.Fixture, *auth.Principal) {
	t.Helper()
	f := sitetest.New(t, sitetest.Options{Collections: collections, Roles: map[string]map[string]auth.Grant{"reader": {"*": {Actions: []auth.Action{auth.Read}}}}})
	f.Commit(files)
	return f, &auth.Principal{Issuer: "test", Subject: "ann", Name: "Ann", Email: "ann@example.org", Roles: []string{"reader"}}
}

// query is what somebody looks for, and the entry that should come first; "" is none.
type query struct {
	text  string
	half  bool // they are still typing
	first string
}

// ask holds what is found against a table.
func ask(t *testing.T, f *sitetest.Fixture, pr *auth.Principal, queries []query) {
	t.Helper()
	for _, q := range queries {
		hits, err := f.Search(t.Context(), pr, product.Search{Text: q.text, Prefix: q.half, Limit: 5})
		if err != nil {
			t.Fatalf("%q: %v", q.text, err)
		}
		var slugs []string
		for _, h := range hits.Items {
			slugs = append(slugs, h.Entry.Slug.String())
		}
		if first := append(slugs, "")[0]; first != q.first {
			t.Errorf("%q (half: %t): got %q, want %q first", q.text, q.half, slugs, q.first)
		}
	}
}

// TestSearchesOfPeople are what people would type who look for the sample entries.
func TestSearchesOfPeople(t *testing.T) {
	t.Parallel()
	f, pr := searched(t, sampleEntries(t), content.Collection{Name: "consultations", Folder: "_consultations", Extension: ".md"})
	const (
		littoral, budget, cantines = "avenir-du-littoral-baie-de-sarlonne", "budget-participatif-villeneuve-sur-lys", "cantines-bio-et-locales"
		centre, charte, eau        = "centre-ancien-aubeterre", "charte-du-numerique-au-lycee", "convention-citoyenne-eau-bassin-de-lorme"
		mediatheque, climat, velo  = "nouvelle-mediatheque-des-cordeliers", "plan-climat-vallee-de-lance", "plan-velo-pays-des-trois-rivieres"
		place, trains, tarifs      = "reamenagement-place-du-marche", "schema-regional-des-trains-de-nuit", "tarification-solidaire-des-transports"
	)
	ask(t, f, pr, []query{
		// titles and slugs, whole and in part
		{"Que mange-t-on à la cantine ?", false, cantines},
		{"plan vélo", false, velo},
		{"plan climat", false, climat},
		{"budget participatif", false, budget},
		{"zone à trafic limité", false, centre},
		{"charte du numérique", false, charte},
		{"convention citoyenne", false, eau},
		{"médiathèque", false, mediatheque},
		{"place du marché", false, place},
		{"trains de nuit", false, trains},
		{"tarification solidaire", false, tarifs},
		{"transports", false, tarifs},
		{"trait de côte", false, littoral},
		{"schema-regional-des-trains-de-nuit", false, trains},
		{"cantines bio", false, cantines},
		{"littoral", false, littoral},
		// without accents, in other cases and forms
		{"PLAN VELO", false, velo},
		{"mediatheque des cordeliers", false, mediatheque},
		{"l’eau", false, eau},
		{"lycées", false, charte},
		{"cantine", false, cantines},
		{"marchés", false, place},
		{"le train de nuit", false, trains},
		{"villeneuve", false, budget},
		// with a typing error
		{"mediateque", false, mediatheque},
		{"particpatif", false, budget},
		{"convnetion citoyenne", false, eau},
		{"numerqiue lycée", false, charte},
		{"reamenagment place", false, place},
		{"tarificaton solidaire", false, tarifs},
		{"littorral", false, littoral},
		{"aubetere", false, centre},
		{"abcdefgh", false, ""},
		// while it is typed
		{"méd", true, mediatheque},
		{"plan cli", true, climat},
		{"plan vé", true, velo},
		{"zone à tra", true, centre},
		{"conv", true, eau},
		{"tarif", true, tarifs},
		{"budget part", true, budget},
		{"trains de nu", true, trains},
		{"reamé", true, place},
	})
}

// TestSearchesOfACorpus are the same on real pages, where there are some.
func TestSearchesOfACorpus(t *testing.T) {
	t.Parallel()
	docs := filepath.Join(os.Getenv("CMS_CORPUS"), "jekyll", "docs")
	if _, err := os.Stat(docs); os.Getenv("CMS_CORPUS") == "" || err != nil {
		t.Skip("CMS_CORPUS names no folder with the documents of Jekyll")
	}
	files := map[string]string{}
	for _, folder := range []string{"_docs", "_posts", "_tutorials"} {
		err := fs.WalkDir(os.DirFS(docs), folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".md") {
				return err
			}
			b, err := os.ReadFile(filepath.Join(docs, path))
			files[path] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	english := func(name string) content.Collection {
		return content.Collection{Name: name, Folder: "_" + name, Extension: ".md", Language: "en"}
	}
	f, pr := searched(t, files, english("docs"), english("posts"), english("tutorials"))
	ask(t, f, pr, []query{
		{"Quickstart", false, "index"}, {"installation", false, "installation"}, {"permalinks", false, "permalinks"}, {"permalink", false, "permalinks"},
		{"front matter", false, "front-matter"}, {"data files", false, "datafiles"}, {"collections", false, "collections"}, {"plugins", false, "plugins"},
		{"themes", false, "themes"}, {"pagination", false, "pagination"}, {"static files", false, "static_files"}, {"variables", false, "variables"},
		{"github pages", false, "github-pages"}, {"permalnks", false, "permalinks"}, {"instalation", false, "installation"},
		{"colections", false, "collections"}, {"pagin", true, "pagination"}, {"front mat", true, "front-matter"}, {"permal", true, "permalinks"}, {"troublesh", true, "troubleshooting"},
		{"troubleshooting", false, "troubleshooting"}, {"upgrading", false, "upgrading"}, {"liquid filters", false, "liquid/filters"}, {"windows", false, "installation/windows"},
	})
}
