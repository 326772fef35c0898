package webhooks

import (
	"regexp"
	"sync"
)

// lazy is a pattern that is compiled when it is first asked for, and not at each start of a
// program that may never ask.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
