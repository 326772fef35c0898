package main

import (
	"fmt"
	"sync"
)

// outcome is what a client was told of a write.
type outcome int

const (
	unknown outcome = iota // nothing yet, or that it may be saved: a cut connection, 500, 504
	acked                  // 2xx, or the commit that an earlier attempt made
	refused                // that nothing was saved
)

func (o outcome) String() string {
	return [...]string{"may be saved", "acknowledged", "told as not saved"}[o]
}

// A ledger knows of each write, by the subject of its commit, what its client was
// told. No two writes share a subject, so history shows which were made, and how
// often.
type ledger struct {
	mu     sync.Mutex
	writes map[string]*ledgerEntry
}

// ledgerEntry is one write of a ledger.
type ledgerEntry struct {
	outcome outcome
	commit  string // that the answer named; "" where it named none
	answer  string // the last one, for the account
	dropped bool   // a commit with it was taken off the branch by a force push
}

func newLedger() *ledger { return &ledger{writes: make(map[string]*ledgerEntry)} }

// begin notes a write before its client sends it.
func (l *ledger) begin(subject string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes[subject] = &ledgerEntry{}
}

// settle notes what its client was told, in which words, and the commit if that was
// named.
func (l *ledger) settle(subject string, o outcome, commit, answer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.writes[subject]
	p.outcome, p.commit, p.answer = o, commit, answer
}

// told is what the client of a write was told; known is false for a subject that
// no write had.
func (l *ledger) told(subject string) (o outcome, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known := l.writes[subject]
	if !known {
		return unknown, false
	}
	return p.outcome, true
}

// drop notes that a force push took commits off the branch.
func (l *ledger) drop(commits []logged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range commits {
		if p := l.writes[c.subject]; p != nil {
			p.dropped = true
		}
	}
}

// isDropped says whether a force push took the commit of a write off the branch.
func (l *ledger) isDropped(subject string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.writes[subject]
	return p != nil && p.dropped
}

// counts is how many writes had each outcome, and how many acknowledged ones were
// dropped.
func (l *ledger) counts() (told map[outcome]int, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told = make(map[outcome]int)
	for _, p := range l.writes {
		told[p.outcome]++
		if p.dropped && p.outcome == acked {
			dropped++
		}
	}
	return told, dropped
}

// logged is a commit of the branch.
type logged struct{ commit, subject string }

// check holds the commits of the branch against what was told. Those in initial
// were there before the first write.
func (l *ledger) check(branch []logged, initial map[string]bool) (wrong []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	made := make(map[string][]string)
	for _, c := range branch {
		if initial[c.commit] {
			continue
		}
		if l.writes[c.subject] == nil {
			wrong = append(wrong, fmt.Errorf("commit %s: nobody has written %q", c.commit, c.subject))
		}
		made[c.subject] = append(made[c.subject], c.commit)
	}
	for subject, p := range l.writes {
		commits := made[subject]
		switch n := len(commits); {
		case n > 1:
			wrong = append(wrong, fmt.Errorf("%s was %s, and made %d times: %v", subject, p.outcome, n, commits))
		case p.outcome == refused && n > 0:
			wrong = append(wrong, fmt.Errorf("%s was told as not saved (%s), and is commit %s", subject, p.answer, commits[0]))
		case p.outcome != acked || p.dropped:
		case n == 0:
			wrong = append(wrong, fmt.Errorf("%s was acknowledged (commit %q), and is not in the branch's history", subject, p.commit))
		case p.commit != "" && p.commit != commits[0]:
			wrong = append(wrong, fmt.Errorf("%s was acknowledged as commit %s, and is %s", subject, p.commit, commits[0]))
		}
	}
	return wrong
}

// checkTold holds the commits that the service tells against those of the branch:
// all of them, and no others.
func checkTold(told []string, branch []logged) (wrong []error) {
	there, seen := make(map[string]bool, len(branch)), make(map[string]bool, len(told))
	for _, c := range branch {
		there[c.commit] = true
	}
	for _, c := range told {
		if !there[c] && !seen[c] {
			wrong = append(wrong, fmt.Errorf("the service tells commit %s, which the branch has not", c))
		}
		seen[c] = true
	}
	for _, c := range branch {
		if !seen[c.commit] {
			wrong = append(wrong, fmt.Errorf("the service does not tell commit %s (%s), which the branch has", c.commit, c.subject))
		}
	}
	return wrong
}
