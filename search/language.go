package search

import (
	"maps"
	"slices"
	"strings"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/irish"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/turkish"
)

// DefaultLanguage is that of texts of which none is said.
const DefaultLanguage = "fr"

// language is how words of a text are found: by their stems, and without those that are
// in every text.
type language struct {
	stem   func(*snowballstem.Env) bool // nil for none
	stop   map[string]bool
	elided map[string]bool // before an apostrophe
}

func set(words string) map[string]bool {
	made := map[string]bool{}
	for _, w := range strings.Fields(words) {
		made[w] = true
	}
	return made
}

// languages are by their codes (ISO 639-1). Other languages have words, too, which are
// found as they are written.
var languages = map[string]language{
	"fr": {french.Stem,
		set("le la les de du des un une et ou à au aux en dans par pour sur ce cet cette ces que qui se il elle ils elles est sont a ne pas son sa ses avec"),
		set("l d j m t s n c qu jusqu lorsqu puisqu quoiqu")},
	"en": {english.Stem, set("the a an and or of to in on at by for with from is are was were be as it its this that these those not"), nil},
	"de": {german.Stem, set("der die das den dem des ein eine einen einem einer eines und oder in im an am auf mit von vom zu zum zur für ist sind war nicht als auch es sie er"), nil},
	"es": {spanish.Stem, set("el la los las de del un una unos unas y e o u a al en por para con que se su sus es son no lo como"), nil},
	"it": {italian.Stem, set("il lo la i gli le di del della dei delle un uno una e o a al alla ai alle in nel nella con per su da dal che si è sono non"),
		set("l un d dell all nell sull dall c s n")},
	"pt": {portuguese.Stem, set("o a os as de do da dos das um uma e ou em no na nos nas por para com que se é são não ao à"), nil},
	"nl": {dutch.Stem, set("de het een en of van in op te aan met voor door uit bij is zijn was niet dat die dit er"), nil},
	"da": {danish.Stem, set("den det de en et og eller i på af til med for er var ikke som at fra"), nil},
	"sv": {swedish.Stem, set("den det de en ett och eller i på av till med för är var inte som att från"), nil},
	"no": {norwegian.Stem, set("den det de en et ei og eller i på av til med for er var ikke som at fra"), nil},
	"fi": {finnish.Stem, set("ja tai on ei se että oli ovat"), nil},
	"hu": {hungarian.Stem, set("a az egy és vagy is nem hogy van"), nil},
	"ro": {romanian.Stem, set("un o al a ale ai și sau în pe la de cu din este sunt nu că"), nil},
	"ru": {russian.Stem, set("и или в во на по с со к у о от до за из не что это как а но"), nil},
	"tr": {turkish.Stem, set("bir ve veya ile bu şu o da de için"), nil},
	"ga": {irish.Stem, set("an na agus nó i ar le do de is tá"), nil},
}

// Languages are the codes of those whose stems are known.
func Languages() []string { return slices.Sorted(maps.Keys(languages)) }
