package search

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func everything(string) ([]string, bool, error) { return nil, true, nil }

func find(t *testing.T, x *Index[string], query string, see Visible[string]) string {
	t.Helper()
	q, ok := ParseQuery(query, "fr")
	if !ok {
		t.Fatalf("%q is no query", query)
	}
	all, total, err := x.Find(t.Context(), q, see, nil, strings.Compare, 1000)
	if err != nil || len(all) != total {
		t.Fatalf("got %d of %d, %v", len(all), total, err)
	}
	for n := range total {
		if some, again, _ := x.Find(t.Context(), q, see, nil, strings.Compare, n); again != total || !slices.Equal(some, all[:n]) {
			t.Fatalf("the first %d: got %v of %d, want %v", n, some, again, all[:n])
		}
	}
	return strings.Join(all, " ")
}

func TestFindFrench(t *testing.T) {
	x := New[string]()
	for key, text := range map[string]string{
		"eau":      "La gestion de l’eau potable",
		"velo":     "Plan vélo : des pistes cyclables",
		"decision": "Une décision concertée avec les habitants",
		"coeur":    "Rénover le cœur de ville",
		"budget":   "Budget participatif 2026, qu'en pensez-vous ?",
	} {
		x.Put(key, "fr", []Text{{"title", text, 1}}, Undated)
	}
	for query, want := range map[string]string{
		"eau": "eau", "l'eau": "eau", "d’eaux": "eau", "EAU": "eau",
		"velo": "velo", "vélos": "velo", "VÉLO": "velo", "piste cyclable": "velo",
		"concertées": "decision", "concertee": "decision", "décisions": "decision", "decisions": "decision", "habitant": "decision",
		"coeur": "coeur", "cœurs": "coeur", "2026": "budget", "le budget": "budget",
		"eau vélo": "", "train": "", "ve\u0301lo": "velo",
	} {
		if got := find(t, x, query, everything); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"", "?!", strings.Repeat("a", 100), strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyz0123456789", ""), " ")} {
		if _, ok := ParseQuery(query, "fr"); ok {
			t.Errorf("%q is a query", query)
		}
	}
}

// Words that are in every text count where there are no others.
func TestFindStopWords(t *testing.T) {
	t.Parallel()
	x := New[string]()
	x.Put("une", "fr", []Text{{"title", "À la une", 1}}, Undated)
	x.Put("avis", "fr", []Text{{"title", "Avis de la commission", 1}}, Undated)
	x.Put("eau", "fr", []Text{{"title", "L’eau, qu'en dire ?", 1}}, Undated)
	x.Put("who", "en", []Text{{"title", "The Who", 1}}, Undated)
	for query, want := range map[string]string{
		"À la une": "une", "la": "avis une", "LA": "avis une", "de la": "avis", "l'": "eau", "la commission": "avis", "le une avis": "avis",
		"qu'en": "eau", "the": "who", "the who": "who", "a": "une",
	} {
		q, ok := ParseQuery(query, "fr", "en")
		if !ok {
			t.Errorf("%q is no query", query)
			continue
		}
		all, _, err := x.Find(t.Context(), q, everything, nil, strings.Compare, 10)
		slices.Sort(all)
		if got := strings.Join(all, " "); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", query, got, err, want)
		}
	}
}

// Text without spaces is found by each two letters that follow each other.
func TestFindWithoutSpaces(t *testing.T) {
	t.Parallel()
	x := New[string]()
	for key, text := range map[string]string{
		"tokyo": "東京都の公園計画について、2026年に意見を募集します。",
		"kyoto": "京都の図書館", "cafe": "カフェとﾊﾟｰｸの計画", "zh": "关于公园的公众咨询", "th": "สวนสาธารณะของเมือง", "ko": "공원 계획",
		"long": strings.Repeat("長", 100) + "文",
	} {
		x.Put(key, "fr", []Text{{"body", text, 1}}, Undated)
	}
	for query, want := range map[string]string{
		"東京": "tokyo", "京都": "kyoto tokyo", "公園計画": "tokyo", "園": "tokyo", "公园": "zh", "計画": "cafe tokyo", "2026年": "tokyo", "カフェ": "cafe", "ｶﾌｪ": "cafe", "パーク": "cafe",
		"สวน": "th", "공원": "ko", "長文": "long", "東都": "", "募集 計画": "tokyo", "意見を募集します": "tokyo",
	} {
		if got := strings.Join(slices.Sorted(slices.Values(strings.Fields(find(t, x, query, everything)))), " "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	q, _ := ParseQuery("公園計画", "fr")
	if got, want := q.Snippet("東京都の公園計画について", "fr"), "東京都の<mark>公園計画</mark>について"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Each text is found by the stems of its own language, in one search.
func TestFindInLanguages(t *testing.T) {
	t.Parallel()
	x := New[string]()
	x.Put("fr", "fr", []Text{{"title", "Les consultations publiques", 1}}, Undated)
	x.Put("en", "en", []Text{{"title", "Running consultations", 1}}, Undated)
	x.Put("de", "de", []Text{{"title", "Die Häuser der Stadt", 1}}, Undated)
	x.Put("eu", "eu", []Text{{"title", "Kontsultak", 1}}, Undated) // of which no stems are known
	for query, want := range map[string]string{
		"consultation": "en fr", "publique": "fr", "run": "en", "haus": "de", "HÄUSER": "de", "kontsultak": "eu", "kontsul": "", "running": "en",
	} {
		q, ok := ParseQuery(query, "fr", "en", "de", "eu")
		if !ok {
			t.Fatalf("%q is no query", query)
		}
		all, total, err := x.Find(t.Context(), q, everything, nil, strings.Compare, 10)
		slices.Sort(all)
		if got := strings.Join(all, " "); got != want || total != len(all) || err != nil {
			t.Errorf("%q: got %q, %v, want %q", query, got, err, want)
		}
	}
	if codes := Languages(); !slices.Contains(codes, DefaultLanguage) || len(codes) < 15 {
		t.Errorf("got the languages %v", codes)
	}
}

func TestFindRanks(t *testing.T) {
	x := New[string]()
	x.Put("body", "fr", []Text{{"title", "Un plan", 5}, {"body", "Le vélo et bien d'autres choses", 1}}, Undated)
	x.Put("often", "fr", []Text{{"title", "Un plan", 5}, {"body", "Le vélo, le vélo, le vélo en ville", 1}}, Undated)
	x.Put("title", "fr", []Text{{"title", "Plan vélo", 5}, {"body", "Pour rouler en ville", 1}}, Undated)
	if got := find(t, x, "vélo", everything); got != "title often body" {
		t.Errorf("got %s", got)
	}
}

// completed is what a query finds that may end in the middle of a word.
func completed(t *testing.T, x *Index[string], query string, see Visible[string]) string {
	t.Helper()
	q, ok := ParseQuery(query, "fr")
	if !ok {
		t.Fatalf("%q is no query", query)
	}
	q.Complete()
	all, total, err := x.Find(t.Context(), q, see, nil, strings.Compare, 5000)
	if err != nil || len(all) != total {
		t.Fatalf("got %d of %d, %v", len(all), total, err)
	}
	return strings.Join(all, " ")
}

// A document that is called what is asked for is first, then those that have all words in
// what they are called, then the others.
func TestFindByName(t *testing.T) {
	t.Parallel()
	x := New[string]("title", "slug")
	put := func(key, slug, title, body string) {
		x.Put(key, "fr", []Text{{"slug", slug, 3}, {"title", title, 5}, {"body", body, 1}}, Undated)
	}
	put("just", "a-just", "A-JUST", "Un outil.")
	put("people1", "jean-just", "Jean Just", "Just, just, just, just travaille à A-JUST avec Just.")
	put("people2", "x", "Anne", "A-JUST just just just just just just just just just just just.")
	put("velo", "plan-velo", "Le plan vélo", "Des pistes.")
	put("velos", "v", "Plan vélo et plan marche du pays, plan vélo", "Le plan vélo, le plan vélo, le plan vélo.")
	put("pistes", "p", "Des pistes", "Plan vélo plan vélo plan vélo plan vélo plan vélo plan vélo")
	put("slug", "2026/schema-des-trains", "Les nuits", "Rien.")
	put("trains", "t", "Gares", "Des trains, un schéma de trains, trains et schéma.")
	for query, want := range map[string]string{
		"a-just": "just people1 people2", "A JUST": "just people1 people2", "just": "just people1 people2",
		"plan vélo": "velo velos pistes", "le plan velo": "velo velos pistes", "des pistes": "pistes velo",
		"schéma des trains": "slug trains", "les nuits": "slug",
	} {
		if got := find(t, x, query, everything); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	see := func(string) ([]string, bool, error) { return []string{"title"}, true, nil }
	if got := find(t, x, "Anne", see); got != "" {
		t.Errorf("a title that is hidden: got %q", got)
	}
	if got := find(t, x, "des pistes", see); got != "velo" {
		t.Errorf("a title that is hidden: got %q", got)
	}
	q, _ := ParseQuery("plan", "fr")
	recent := func(key string, _ int64, _ []string) float64 { return map[string]float64{"b": 1, "c": 0.5}[key] }
	x = New[string]("title")
	for _, key := range []string{"a", "b", "c"} {
		x.Put(key, "fr", []Text{{"title", "Un plan de plus", 5}}, Undated)
	}
	if got, _, err := x.Find(t.Context(), q, everything, recent, strings.Compare, 3); err != nil || strings.Join(got, " ") != "b c a" {
		t.Errorf("by age: got %v, %v", got, err)
	}
}

// One typing error is forgiven in long words where nothing is found as it was typed, and
// words that are typed half are completed. Neither depends on what the reader does not see.
func TestFindWhatWasMeant(t *testing.T) {
	t.Parallel()
	x := New[string]("title")
	for key, text := range map[string]string{
		"aidants": "Aidants Connect", "conseil": "Conseil municipal", "consultation": "Les consultations publiques",
		"eau": "La gestion de l’eau 20261", "ecole": "Une école élémentaire", "parc": "Le parc naturel", "secret": "Connexion secrète",
	} {
		x.Put(key, "fr", []Text{{"title", text, 5}}, Undated)
	}
	for query, want := range map[string]string{
		"aidants connct": "aidants", "aidant conect": "aidants", "adiants connect": "aidants", "aidantss": "aidants", "iadants": "aidants",
		"aidents connct": "aidants", "consultatoin": "consultation", "consulttation publique": "consultation", "elementiare": "ecole", "gestoin": "eau",
		"prac": "", "20262": "", "conneet": "aidants", "aidxxts": "", "connexions": "secret", "cnseil": "conseil",
	} {
		if got := find(t, x, query, everything); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"cons": "conseil consultation", "conseil mun": "conseil", "consultati": "consultation", "consultations": "consultation", "CONS": "conseil consultation",
		"éco": "ecole", "eco": "ecole", "l’e": "eau ecole", "cons ": "", "aidants c": "aidants", "publi": "consultation", "zz": "", "aidants connct": "aidants", "2026": "eau",
	} {
		got := strings.Fields(completed(t, x, query, everything))
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%q, half: got %q, want %q", query, got, want)
		}
	}
	see := func(key string) ([]string, bool, error) { return nil, key != "secret", nil }
	for query, want := range map[string]string{"connexion": "", "conneet": "aidants", "secrète": ""} {
		if got := find(t, x, query, see); got != want {
			t.Errorf("%q, where one is out of sight: got %q, want %q", query, got, want)
		}
	}
	if got := completed(t, x, "secr", see); got != "" {
		t.Errorf("half: got %q", got)
	}
	for query, want := range map[string]string{"connct": "Aidants <mark>Connect</mark>", "aidan": "<mark>Aidants</mark> Connect"} {
		q, _ := ParseQuery(query, "fr")
		q.Complete()
		if _, _, err := x.Find(t.Context(), q, everything, nil, strings.Compare, 1); err != nil {
			t.Fatal(err)
		}
		if got := q.Snippet("Aidants Connect", "fr"); got != want {
			t.Errorf("%q: got %s, want %s", query, got, want)
		}
	}
}

// What a word that is typed half may stand for is bounded, by what the reader sees.
func TestCompletionsAreBounded(t *testing.T) {
	t.Parallel()
	x := New[string]("title")
	for i := range 3 * maxCompletions {
		x.Put(fmt.Sprint(i), "fr", []Text{{"title", fmt.Sprintf("mot%05dx", i), 5}}, Undated)
	}
	asked := map[string]int{}
	see := func(key string) ([]string, bool, error) {
		asked[key]++
		return nil, key != "0" && key != "2", nil
	}
	if got := strings.Fields(completed(t, x, "mot", see)); len(got) != maxCompletions || slices.Contains(got, "0") {
		t.Errorf("got %d", len(got))
	}
	if len(asked) > maxCompletions+2 {
		t.Errorf("looked at %d documents", len(asked))
	}
}

func TestFindOnlyWhatIsSeen(t *testing.T) {
	x := New[string]()
	x.Put("a", "fr", []Text{{"title", "Jardin", 5}, {"note", "secret", 1}}, Undated)
	x.Put("b", "fr", []Text{{"title", "Jardin secret", 5}}, Undated)
	see := func(key string) ([]string, bool, error) { return []string{"note"}, key != "b", nil }
	if got := find(t, x, "jardin", see); got != "a" {
		t.Errorf("got %q, want a", got)
	}
	for _, query := range []string{"secret", "jardin secret"} {
		if got := find(t, x, query, see); got != "" {
			t.Errorf("%s: got %q", query, got)
		}
	}
}

// TestIndexAgainstOneMadeAfresh changes an index at random and compares what it
// finds with what one finds that holds the same documents from the start.
func TestIndexAgainstOneMadeAfresh(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	vocabulary := strings.Fields("plan vélo ville eau jardin école budget forêt quartier avis")
	x, now := New[string](), map[string][]Text{}
	for step := range 6000 {
		key := fmt.Sprint(r.IntN(200))
		x.Remove(key)
		delete(now, key)
		if r.IntN(4) > 0 {
			var text []string
			for range 1 + r.IntN(6) {
				text = append(text, vocabulary[r.IntN(len(vocabulary))])
			}
			now[key] = []Text{{"body", strings.Join(text, " "), 1}}
			x.Put(key, "fr", now[key], Undated)
		}
		if step%97 != 96 { // during compactions too
			continue
		}
		fresh := New[string]()
		for _, key := range slices.Sorted(maps.Keys(now)) {
			fresh.Put(key, "fr", now[key], Undated)
		}
		for _, query := range []string{"plan", "vélo ville", "école avis eau"} {
			if got, want := find(t, x, query, everything), find(t, fresh, query, everything); got != want {
				t.Fatalf("after %d steps, %q: got %s\nwant %s", step, query, got, want)
			}
		}
	}
	if x.Len() != len(now) || len(x.docs) > 2*len(now)+1001 {
		t.Errorf("got %d documents in %d numbers, want %d", x.Len(), len(x.docs), len(now))
	}
}

func TestSnippet(t *testing.T) {
	q, _ := ParseQuery("vélos & pistes", "fr")
	for text, want := range map[string]string{
		"Le plan <b>vélo</b>": "Le plan &lt;b&gt;<mark>vélo</mark>&lt;/b&gt;",
		"rien":                "",
		"a & b, vélo":         "a &amp; b, <mark>vélo</mark>",
		strings.Repeat("mot ", 100) + "une piste " + strings.Repeat("suite ", 100): "… " + strings.Repeat("mot ", 13) + "une <mark>piste</mark> " + strings.TrimSpace(strings.Repeat("suite ", 30)) + " …",
	} {
		if got := q.Snippet(text, "fr"); got != want {
			t.Errorf("%.40q: got %q\nwant %q", text, got, want)
		}
	}
}

// Searches work in memory that others worked in before: of indexes of other sizes, of other
// words, and for readers who see other documents.
func TestSearchesShareNoSights(t *testing.T) {
	indexes := map[int]*Index[string]{}
	for _, n := range []int{3, 40, 1000} {
		x := New[string]()
		for i := range n {
			x.Put(fmt.Sprintf("%04d", i), "fr", []Text{{"title", "Plan vélo", 5}, {"body", fmt.Sprintf("une piste, %d places", i%3), 1}}, Undated)
		}
		indexes[n] = x
	}
	var wg sync.WaitGroup
	for n, x := range indexes {
		for every := 1; every <= 3; every++ {
			sees := func(key string) ([]string, bool, error) {
				i, _ := strconv.Atoi(key)
				return nil, i%every == 0, nil
			}
			wg.Go(func() {
				for range 30 {
					q, _ := ParseQuery("vélo place 0", "fr")
					all, total, err := x.Find(t.Context(), q, sees, nil, strings.Compare, n)
					var want []string
					for i := range n {
						if i%every == 0 && i%3 == 0 {
							want = append(want, fmt.Sprintf("%04d", i))
						}
					}
					if err != nil || total != len(want) || !slices.Equal(all, want) {
						t.Errorf("of %d, every %d seen: got %d of %d, %v, want %d", n, every, len(all), total, err, len(want))
					}
				}
			})
		}
	}
	wg.Wait()
}

func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		r := rand.New(rand.NewPCG(1, 2))
		text := func() []Text {
			var body strings.Builder
			for range 300 {
				fmt.Fprintf(&body, "mot%d ", int(r.ExpFloat64()*2000))
			}
			return []Text{{"title", "Consultation sur le plan vélo", 5}, {"body", body.String(), 1}}
		}
		x := New[int]()
		b.Run(fmt.Sprintf("put/%d", n), func(b *testing.B) {
			for b.Loop() {
				x = New[int]()
				for i := range n {
					x.Put(i, "fr", text(), Undated)
				}
			}
		})
		for i := range n {
			if x.Len() < n { // as where the benchmark above was left out
				x.Put(i, "fr", text(), Undated)
			}
		}
		for _, query := range []string{"mot100", "mot10 mot4000", "consultation vélo"} {
			b.Run(fmt.Sprintf("find/%d/%s", n, query), func(b *testing.B) {
				q, _ := ParseQuery(query, "fr")
				for b.Loop() {
					_, _, _ = x.Find(b.Context(), q, func(int) ([]string, bool, error) { return nil, true, nil }, nil, func(a, b int) int { return a - b }, 20)
				}
			})
		}
	}
}

// TestDatesAreKept: each document that is found has its date, also once most of those
// before it are gone.
func TestDatesAreKept(t *testing.T) {
	t.Parallel()
	const documents, left = 3000, 100
	x := New[int]()
	for i := range documents {
		x.Put(i, "fr", []Text{{Field: "title", Text: "Le parc", Weight: 1}}, int64(1000+i))
	}
	for i := range documents - left {
		x.Remove(i)
	}
	x.Put(documents, "fr", []Text{{Field: "title", Text: "Le parc", Weight: 1}}, Undated)
	q, _ := ParseQuery("parc", "fr")
	got := map[int]int64{}
	recent := func(key int, date int64, _ []string) float64 { got[key] = date; return 0 }
	everything := func(int) ([]string, bool, error) { return nil, true, nil }
	if _, total, err := x.Find(t.Context(), q, everything, recent, cmp.Compare[int], 1); err != nil || total != left+1 {
		t.Fatalf("found %d, %v", total, err)
	}
	for i := documents - left; i < documents; i++ {
		if got[i] != int64(1000+i) {
			t.Errorf("document %d has the date %d, want %d", i, got[i], 1000+i)
		}
	}
	if got[documents] != Undated {
		t.Errorf("one without a date has %d", got[documents])
	}
}

// TestDocumentsAreAskedAboutOnce: what the reader sees of a document is asked once, whatever
// words are asked for and however often the search begins again.
func TestDocumentsAreAskedAboutOnce(t *testing.T) {
	t.Parallel()
	x := New[int]("title")
	for i := range 10 {
		x.Put(i, []string{"fr", "en"}[i%2], []Text{{"title", "Connexion au plan de la ville", 5}, {"note", "secret", 1}}, Undated)
	}
	for _, query := range []string{"plan ville", "connexxion vilel", "plan secret"} {
		asked := map[int]int{}
		see := func(key int) ([]string, bool, error) {
			asked[key]++
			if key < 2 {
				return nil, false, nil
			}
			return []string{"note"}[:key%4/2], true, nil
		}
		q, _ := ParseQuery(query, "fr", "en")
		found, _, err := x.Find(t.Context(), q, see, nil, cmp.Compare[int], 10)
		if err != nil || slices.Contains(found, 0) || slices.Contains(found, 1) || len(asked) != 10 {
			t.Errorf("%s: got %v, %v, and asked about %d documents, want all", query, found, err, len(asked))
		}
		for key, n := range asked {
			if n != 1 {
				t.Errorf("%s: asked %d times about document %d", query, n, key)
			}
		}
		if slices.Sort(found); query == "plan secret" && !slices.Equal(found, []int{4, 5, 8, 9}) {
			t.Errorf("%s: got %v, want those in which it is not hidden", query, found)
		}
	}
}

// TestMemoryOfSearches: words that all documents have take a search some 40 bytes of each.
func TestMemoryOfSearches(t *testing.T) {
	const documents, searches, most = 10_000, 10, 64
	x := New[int]("title")
	for i := range documents {
		x.Put(i, "fr", []Text{{"title", "Le plan de la ville", 5}, {"body", "Un plan", 1}}, Undated)
	}
	q, _ := ParseQuery("plan ville", "fr")
	everything := func(int) ([]string, bool, error) { return nil, true, nil }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range searches {
		if _, total, err := x.Find(t.Context(), q, everything, nil, cmp.Compare[int], 20); err != nil || total != documents {
			t.Fatalf("found %d, %v", total, err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / (documents * searches); got > most {
		t.Errorf("a search takes %d bytes of each document, want at most %d", got, most)
	}
}
