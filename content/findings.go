package content

import (
	"unicode/utf8"

	"cms/say"
)

// What is told of what is wrong: so many problems at most, of so many bytes together,
// so that no answer is many times as long as what it is about.
const (
	maxListed      = 100
	maxListedBytes = 64 << 10
)

// RuleMore is that of a problem that stands for others, and says how many.
const RuleMore = "more"

// Findings collects problems to be told: the first ones, and how many more there are.
type Findings struct {
	rule     string // of the problem that stands for more; RuleMore if ""
	problems []Problem
	bytes    int
	more     int
}

// Add adds a problem, or counts it. One that stands for others is always told.
func (f *Findings) Add(p Problem) {
	if f.Full() && !p.Stands() {
		f.more++
		return
	}
	f.problems = append(f.problems, p)
	f.bytes += len(p.Field) + len(p.Pointer) + len(p.Detail.String())
}

// Join adds what was found in a part, whose pointers lead on from at.
func (f *Findings) Join(part *Findings, at string) {
	for _, p := range part.problems {
		p.Pointer = at + p.Pointer
		f.Add(p)
	}
	f.more += part.more
}

// Len is how many problems were added.
func (f *Findings) Len() int { return len(f.problems) + f.more }

// Full says whether problems are only counted from now on.
func (f *Findings) Full() bool { return len(f.problems) >= maxListed || f.bytes >= maxListedBytes }

// Told are the problems that were added, of which the last says how many more there
// are, if there are more.
func (f *Findings) Told() []Problem {
	if f.more == 0 {
		return f.problems
	}
	p := Problem{Rule: RuleMore, Detail: say.New(notListed, f.more)}
	if f.rule != "" {
		p.Rule = f.rule
	}
	return append(f.problems[:len(f.problems):len(f.problems)], p)
}

const notListed = "%d more of these are not listed"

// Stands says whether p stands for others that are not told. Which fields they concern
// nobody can tell.
func (p Problem) Stands() bool { return p.Detail.Made(notListed) }

// Told are problems as they are told: the first ones, and how many more there are.
func Told(problems []Problem) []Problem {
	var f Findings
	for _, p := range problems {
		f.Add(p)
	}
	return f.Told()
}

// shortened is what a parser says, without most of a long text that it repeats.
func shortened(detail say.Text) say.Text {
	const most = 500
	words := detail.String()
	if len(words) <= most {
		return detail
	}
	n := most
	for n > 0 && !utf8.RuneStart(words[n]) {
		n--
	}
	return say.Foreign(words[:n] + "…")
}
