package main

import (
	"fmt"
	"slices"
)

// state is what an entity is at one moment. The values are of one write each, so
// that no two states of an entity are alike.
type state struct {
	path        string // in the repository; "" when it is gone
	mark, extra string
}

// transition is a write that may be saved: where it was sent, and what it makes
// of it.
type transition struct{ from, to state }

// entity is an entry or a file that one client alone writes: what it is, as far as
// its client was told.
type entity struct {
	id       string
	known    state        // after the last write that was acknowledged or seen
	possible []transition // writes since then that may be saved, in the order they were sent
	tag      string       // the ETag of known; "" where it is not known
	frozen   bool         // its client waits to hear of its last write
}

// became is that a write was acknowledged, or a state seen. What was sent before
// for another state cannot be made any more.
func (e *entity) became(s state, tag string) {
	e.known, e.tag = s, tag
	e.possible = slices.DeleteFunc(e.possible, func(t transition) bool { return t.from != s })
}

// mayBecome is that a write was sent that may be saved, then or later.
func (e *entity) mayBecome(to state) {
	for _, from := range e.states() {
		e.possible = append(e.possible, transition{from, to})
	}
}

// states are those that the entity may be in.
func (e *entity) states() []state {
	all := []state{e.known}
	for i := 0; i < len(all); i++ {
		for _, t := range e.possible {
			if t.from == all[i] && !slices.Contains(all, t.to) {
				all = append(all, t.to)
			}
		}
	}
	return all
}

// found is what the branch holds of an entity.
type found struct {
	id string
	state
}

// checkStates holds the files of the branch against the states in which their
// entities may be, and gives the state of each entity.
func checkStates(entities []*entity, files []found) (is map[string]state, wrong []error) {
	is = make(map[string]state)
	for _, f := range files {
		if other, twice := is[f.id]; twice {
			wrong = append(wrong, fmt.Errorf("%s is there twice: %s and %s", f.id, other.path, f.path))
		}
		is[f.id] = f.state
	}
	for _, e := range entities {
		if may := e.states(); !slices.Contains(may, is[e.id]) {
			wrong = append(wrong, fmt.Errorf("%s is %+v, and may be %+v", e.id, is[e.id], may))
		}
	}
	return is, wrong
}
