// Package pattern has regular expressions that are compiled when they are first asked for,
// and not at each start of a program that may never ask.
package pattern

import (
	"regexp"
	"sync"
)

// Lazy gives the compiled expression, which has to be one that [regexp.MustCompile] takes,
// or it panics when it is first called. It may be called by several goroutines.
func Lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
