package content

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"cms/say"
)

// storable refuses new numbers that a reader of the file would take for another
// one. Those that the file has already are left alone.
func (it *intent) storable(format Format) error {
	if it.was == nil && !it.opened {
		return storable(it.value, format)
	}
	for i := range it.parts {
		if v := it.parts[i].val; v != nil {
			if err := v.storable(format); err != nil {
				if it.kind == mapping {
					return below(it.parts[i].name, err)
				}
				return below(i, err)
			}
		}
	}
	return nil
}

func storable(v Value, format Format) error {
	switch x := v.(type) {
	case Number:
		return storableNumber(string(x), format)
	case []Value:
		for i, item := range x {
			if err := storable(item, format); err != nil {
				return below(i, err)
			}
		}
	case *Object:
		for i := range x.Len() {
			if err := storable(x.Members[i].Value, format); err != nil {
				return below(x.Members[i].Key, err)
			}
		}
	}
	return nil
}

func storableNumber(s string, format Format) error {
	if isInteger(s) {
		if _, err := strconv.ParseInt(s, 10, 64); err != nil && format == TOML {
			return &EditError{Kind: KindRefused, Detail: say.New("the number is out of range: a TOML integer has 64 bits")}
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
	switch {
	case err != nil:
		return &EditError{Kind: KindRefused, Detail: say.New("the number is out of range: it is beyond the largest float of 64 bits")}
	case f == 0 && strings.ContainsAny(mantissa, "123456789"):
		return &EditError{Kind: KindRefused, Detail: say.New("the number is out of range: it is so small that it would be read as 0")}
	}
	return nil
}

// below puts a step before the path of a refusal.
func below(step any, err error) error {
	var e *EditError
	if errors.As(err, &e) {
		e.Path = slices.Insert(e.Path, 0, step)
	}
	return err
}
