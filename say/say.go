// Package say has the sentences that the product says to people, in their languages.
//
// A sentence is written where it is said, in English, and kept with what it is about, so
// that whoever shows it can show it in the reader's language. The other languages are
// catalogues here, by the English format.
package say

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
)

// A Text is a sentence for people, or a part of one. Its zero value says nothing. Texts
// that say the same compare equal.
type Text struct {
	format string // in English; what the catalogues know it by
	args   string // encoded, so that texts can be compared, and kept
}

// New is the text of a format as [fmt.Sprintf] has them, which must be a constant that
// the catalogues have: a test asks for it. A text among the arguments is translated with
// it, as is that of an error and of what else has a method Say; numbers are written as is
// the habit of the language.
func New(format string, args ...any) Text {
	if false {
		_ = fmt.Sprintf(format, args...) // has vet check the calls
	}
	return Text{format, encode(args)}
}

const verbatim = "%s"

// Verbatim is a text that is the same in every language.
func Verbatim(words string) Text {
	if words == "" {
		return Text{}
	}
	return Text{verbatim, encode([]any{words})}
}

// Foreign is what a library says, whose words are English: the other languages say so.
func Foreign(words string) Text { return New("%[1]s", words) }

// Join is texts behind each other, with a blank between.
func Join(texts ...Text) Text {
	var all Text
	for _, t := range texts {
		switch {
		case t.IsZero():
		case all.IsZero():
			all = t
		default:
			all = New("%s %s", all, t)
		}
	}
	return all
}

// Or is a choice among words that are the same in every language.
func Or(words ...string) Text {
	var all Text
	for i, w := range words {
		if i == 0 {
			all = Verbatim(w)
		} else {
			all = New("%s or %s", all, w)
		}
	}
	return all
}

// A textError is an error that is said to people.
type textError struct{ text Text }

func (e *textError) Error() string { return e.text.String() }

// Say is the text of the error.
func (e *textError) Say() Text { return e.text }

// Error is an error whose text is for people: [Of] finds it.
func Error(t Text) error { return &textError{t} }

// Of is what err says to people: the text of the first error in its chain that has one,
// else its words, as they are.
func Of(err error) Text {
	var said interface{ Say() Text }
	if errors.As(err, &said) {
		return said.Say()
	}
	return Verbatim(err.Error())
}

// All are the texts of the errors that err joins, or its own.
func All(err error) []Text {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []Text{Of(err)}
	}
	var all []Text
	for _, e := range joined.Unwrap() {
		all = append(all, All(e)...)
	}
	return all
}

// IsZero says whether t says nothing.
func (t Text) IsZero() bool { return t == Text{} }

// Made says whether t was made of a format.
func (t Text) Made(format string) bool { return t.format == format }

// String is t in English.
func (t Text) String() string {
	if t.args == "" && !strings.Contains(t.format, "%") {
		return t.format
	}
	return fmt.Sprintf(t.format, decode(t.args)...)
}

// Len is how many bytes it takes to keep t.
func (t Text) Len() int { return len(t.format) + len(t.args) }

// MarshalText implements [encoding.TextMarshaler] by the English text.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. The text is verbatim.
func (t *Text) UnmarshalText(b []byte) error {
	*t = Verbatim(string(b))
	return nil
}

// Parts are what t is kept by: [Kept] makes it again of them, in the same version of this
// program.
func (t Text) Parts() (format, args string) { return t.format, t.args }

// Kept is the text that had these parts. The second is false if they are no text.
func Kept(format, args string) (Text, bool) {
	t := Text{format, args}
	if known, ok := canonical()[format]; ok {
		t.format = known // the one of this program, which is there anyway
	}
	for rest := args; rest != ""; {
		var ok bool
		if _, rest, ok = next(rest); !ok {
			return Text{}, false
		}
	}
	return t, true
}

// The kinds of arguments, each followed by what it is.
const (
	kindString  = 's' // its length and its bytes
	kindInteger = 'd' // a varint
	kindFloat   = 'f' // its bits
	kindText    = 't' // its format and its arguments, as strings
)

// encode writes arguments behind each other.
func encode(args []any) string {
	size := 0
	for _, arg := range args {
		size += 12
		switch x := arg.(type) {
		case string:
			size += len(x)
		case Text:
			size += x.Len()
		}
	}
	var b strings.Builder
	b.Grow(size)
	for _, arg := range args {
		switch x := arg.(type) {
		case string:
			writeString(&b, kindString, x)
		case int:
			writeInteger(&b, int64(x))
		case int64:
			writeInteger(&b, x)
		case float64:
			var bits [8]byte
			binary.LittleEndian.PutUint64(bits[:], math.Float64bits(x))
			b.WriteByte(kindFloat)
			b.Write(bits[:])
		case Text:
			writeText(&b, x)
		case interface{ Say() Text }:
			writeText(&b, x.Say())
		case error:
			writeText(&b, Of(x))
		case fmt.Stringer:
			writeString(&b, kindString, x.String())
		default:
			writeOther(&b, arg)
		}
	}
	return b.String()
}

// writeOther writes what is of a type of its own as the number or the text that it is.
func writeOther(b *strings.Builder, arg any) {
	switch x := reflect.ValueOf(arg); {
	case x.CanInt():
		writeInteger(b, x.Int())
	case x.CanUint() && x.Uint() <= math.MaxInt64:
		writeInteger(b, int64(x.Uint()))
	default:
		writeString(b, kindString, fmt.Sprint(arg))
	}
}

func writeString(b *strings.Builder, kind byte, s string) {
	var size [binary.MaxVarintLen64]byte
	b.WriteByte(kind)
	b.Write(size[:binary.PutUvarint(size[:], uint64(len(s)))])
	b.WriteString(s)
}

func writeInteger(b *strings.Builder, x int64) {
	var digits [binary.MaxVarintLen64]byte
	b.WriteByte(kindInteger)
	b.Write(digits[:binary.PutVarint(digits[:], x)])
}

func writeText(b *strings.Builder, t Text) {
	writeString(b, kindText, t.format)
	var size [binary.MaxVarintLen64]byte
	b.Write(size[:binary.PutUvarint(size[:], uint64(len(t.args)))])
	b.WriteString(t.args)
}

// decode reads what encode wrote.
func decode(args string) []any {
	var all []any
	for args != "" {
		arg, rest, ok := next(args)
		if !ok {
			break
		}
		all, args = append(all, arg), rest
	}
	return all
}

// next reads one argument.
func next(args string) (arg any, rest string, ok bool) {
	kind, rest := args[0], args[1:]
	switch kind {
	case kindString:
		return nextString(rest)
	case kindInteger:
		x, n := binary.Varint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		if n <= 0 {
			return nil, "", false
		}
		return x, rest[n:], true
	case kindFloat:
		if len(rest) < 8 {
			return nil, "", false
		}
		return math.Float64frombits(binary.LittleEndian.Uint64([]byte(rest[:8]))), rest[8:], true
	case kindText:
		format, rest, ok := nextString(rest)
		if !ok {
			return nil, "", false
		}
		inner, rest, ok := nextString(rest)
		if !ok {
			return nil, "", false
		}
		t, ok := Kept(format.(string), inner.(string))
		return t, rest, ok
	}
	return nil, "", false
}

func nextString(b string) (s any, rest string, ok bool) {
	size, n := binary.Uvarint([]byte(b[:min(len(b), binary.MaxVarintLen64)]))
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, "", false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}
