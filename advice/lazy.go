package advice

import (
	"regexp"
	"sync"
)

// lazy is a pattern that is compiled when it is first asked for: to compile all that are
// here takes longer than all else that most commands do.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
