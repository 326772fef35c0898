package content

import "encoding/json"

// Maybe is a value that may be absent, which null is not.
type Maybe struct {
	Value   Value
	Present bool
}

// MarshalJSON gives the value. Absent values are for omitzero to leave out.
func (m Maybe) MarshalJSON() ([]byte, error) { return json.Marshal(m.Value) }

// IsZero says whether the value is absent.
func (m Maybe) IsZero() bool { return !m.Present }

func (m Maybe) equal(n Maybe) bool { return m.Present == n.Present && Equal(m.Value, n.Value) }
