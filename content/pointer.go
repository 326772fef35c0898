package content

import "strings"

var (
	escaping   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaping = strings.NewReplacer("~0", "~", "~1", "/")
)

// EscapeToken is the reference token of a JSON Pointer that stands for a key (RFC 6901,
// section 3).
func EscapeToken(key string) string { return escaping.Replace(key) }

// UnescapeToken is the key that a reference token of a JSON Pointer stands for.
func UnescapeToken(token string) string { return unescaping.Replace(token) }
