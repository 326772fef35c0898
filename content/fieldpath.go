package content

import (
	"fmt"
	"strconv"
	"strings"
)

// FieldPath leads from the front matter to a value: string keys and int
// indexes from 0.
type FieldPath []any

// String is the path as people write it: etapes[1].date.
func (p FieldPath) String() string {
	var b strings.Builder
	for i, step := range p {
		switch x := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", x)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, x)
		}
	}
	return b.String()
}

// Pointer is the path as a JSON Pointer (RFC 6901): /etapes/1/date.
func (p FieldPath) Pointer() string {
	var b strings.Builder
	for _, step := range p {
		b.WriteByte('/')
		switch x := step.(type) {
		case int:
			b.WriteString(strconv.Itoa(x))
		default:
			b.WriteString(EscapeToken(fmt.Sprint(x)))
		}
	}
	return b.String()
}
