package content

import (
	"encoding/json"
	"time"
)

// A Value of a field is one of
//
//	nil           null, and a key without a value
//	bool
//	Number        an integer or a float, as its decimal text
//	string
//	Time          a date or a date-time written plain
//	[]Value       a list
//	*Object       a mapping, in the order of the file
//
// Other types never occur in a Document; [ParseJSON] yields all of them but
// Time, which a [Schema] makes of the strings of its date fields.
type Value = any

// Number is a number as its JSON text (RFC 8259, section 6).
type Number = json.Number

// Time is a date or a date-time. In JSON it is RFC 3339: a full-date or a
// date-time. On disk it keeps the layout of the file.
type Time struct {
	time.Time
	DateOnly bool
}

// Member is a key and its value.
type Member struct {
	Key   string
	Value Value
}

// Object is a mapping that keeps the order of its keys. The zero Object is
// empty. An Object that is part of a Document must not be changed.
type Object struct {
	Members []Member
}
