package site

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// textKeys makes the keys by which texts are sorted: those of a collator, in French, and
// numbers in them by their values. The key of a text of common letters is put together
// from what the collator gives for each, which takes an eighth of the time; that it is the
// same is tested for each pair of them. It is not for use by two goroutines at once.
type textKeys struct {
	collator *collate.Collator // nil until there is a text that needs it
	buffer   *collate.Buffer

	key, second, third []byte // of the text at hand, and levels of it
}

func newCollator() *collate.Collator { return collate.New(language.French, collate.Numeric) }

// of is the key of s, until the next one is asked for.
func (k *textKeys) of(s string) []byte {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	if !k.compose(s) {
		k.key = append(k.key[:0], k.collate(s)...)
	}
	return k.key[:min(len(k.key), maxTextKey)]
}

func (k *textKeys) collate(s string) []byte {
	if k.collator == nil {
		k.collator, k.buffer = newCollator(), new(collate.Buffer)
	}
	k.buffer.Reset()
	return k.collator.KeyFromString(k.buffer, s)
}

// compose makes the key of s. It is false where only the collator can.
func (k *textKeys) compose(s string) bool {
	common := commonLetters()
	first, second, third := k.key[:0], k.second[:0], k.third[:0]
	for i := 0; i < len(s); {
		if d := s[i] - '0'; d <= 9 { // a number: what begins it, how many digits count, and them
			first = append(first, common.number.first...)
			for ; i < len(s) && s[i] == '0'; i++ {
			}
			from := i
			for ; i < len(s) && s[i]-'0' <= 9; i++ {
			}
			n := i - from
			if n > 0 {
				first = append(first, byte(n>>8), byte(n))
			}
			for _, c := range []byte(s[from:i]) {
				first = append(first, common.digits[c-'0'][0], common.digits[c-'0'][1])
			}
			for range n + 2 {
				second, third = append(second, common.number.second[0], common.number.second[1]), append(third, common.number.third[0])
			}
			continue
		}
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		l := common.letter(r)
		if l == nil {
			return false
		}
		i += size
		if len(l.third) == 1 && len(l.first) == 2 { // most are: a call less for each level
			first, second, third = append(first, l.first[0], l.first[1]), append(second, l.second[0], l.second[1]), append(third, l.third[0])
			continue
		}
		first, second, third = append(first, l.first...), append(second, l.second...), append(third, l.third...)
	}
	first = append(first, 0, 0)
	first = append(first, second...)
	first = append(first, 0, 0)
	k.key, k.second, k.third = append(first, third...), second, third
	return true
}

// A letterKey is the part of a letter in the three levels of a key.
type letterKey struct{ first, second, third []byte }

// letters are those whose part in a key is the same wherever they stand.
type letters struct {
	latin       [0x180]letterKey // by rune
	punctuation [0x50]letterKey  // by rune, from 0x2000 on
	number      letterKey        // of what begins a number, and of each element of it
	digits      [10][2]byte      // first level
}

func (l *letters) letter(r rune) *letterKey {
	var k *letterKey
	switch {
	case r < rune(len(l.latin)):
		k = &l.latin[r]
	case r >= 0x2000 && r < 0x2000+rune(len(l.punctuation)):
		k = &l.punctuation[r-0x2000]
	default:
		return nil
	}
	if k.third == nil {
		return nil
	}
	return k
}

// commonLetters asks the collator for each letter, once. What is not clearly of the form
// that is known is left to it.
var commonLetters = sync.OnceValue(func() *letters {
	k, all := new(textKeys), new(letters)
	level := func(s string) letterKey { return splitKey(bytes.Clone(k.collate(s))) }
	for r := range all.latin {
		if r >= ' ' && !unicode.IsNumber(rune(r)) && r != '·' { // which is one letter with an l before it, as ² may be a digit behind another
			all.latin[r] = level(string(rune(r)))
		}
	}
	for i := range all.punctuation {
		all.punctuation[i] = level(string(rune(0x2000 + i)))
	}
	one := level("1")
	all.number = letterKey{one.first[:2], one.second[:2], one.third[:1]}
	for d := range all.digits {
		first := level("1" + string(rune('0'+d))).first
		all.digits[d] = [2]byte(first[len(first)-2:])
	}
	return all
})

// splitKey is the levels of the key of a letter, none where they cannot be told apart for
// certain: primary weights of two bytes, secondary ones of two and tertiary ones of
// one, of as many elements.
func splitKey(key []byte) letterKey {
	var found []letterKey
	for elements := 1; 2+2+3*elements <= len(key); elements++ {
		first := len(key) - 4 - 3*elements
		if first%2 != 0 || first > 2*elements {
			continue
		}
		second, third := key[first+2:][:2*elements], key[first+2+2*elements+2:]
		if key[first] != 0 || key[first+1] != 0 || key[first+2+2*elements] != 0 || key[first+2+2*elements+1] != 0 {
			continue
		}
		found = append(found, letterKey{key[:first], second, third})
	}
	if len(found) != 1 {
		return letterKey{}
	}
	return found[0]
}
