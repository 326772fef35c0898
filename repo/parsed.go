package repo

import (
	"errors"
	"time"

	"cms/content"
	"cms/say"
)

// A parsed is what parsing gives.
type parsed struct {
	fields   *content.Object
	problems []content.Problem
}

// A reading is kept on disk as its fields, an object, and the list of its
// problems. Numbers and texts are as in the index. A value is one byte for what
// it is, and
//
//	number, text  its text
//	time          whether it is a date, Unix seconds, nanoseconds, offset in seconds
//	list, object  how many bytes follow, how many items there are, and them: of an
//	              object each is the text of its key and its value
//
// so that what is not asked for is passed over without being read.
const (
	isNull = iota
	isFalse
	isTrue
	isNumber
	isText
	isTime
	isDate
	isList
	isObject
)

// maxParsed bounds what is kept of one file, as aliases may stand for far
// more than is written. What is longer is parsed when it is asked for.
const maxParsed = 1 << 20

// encodeParsed is false for what is too long.
func encodeParsed(r *parsed) ([]byte, bool) {
	var e encoder
	e.object(r.fields)
	e.number(len(r.problems))
	for _, p := range r.problems {
		format, args := p.Detail.Parts()
		for _, s := range []string{p.Field, p.Pointer, p.Rule, format, args} {
			e.text(s)
		}
		e.number(p.Line)
		e.number(p.Column)
	}
	if len(e) > maxParsed {
		return nil, false
	}
	return e, true
}

func (e *encoder) value(v content.Value) {
	switch v := v.(type) {
	case bool:
		kind := byte(isFalse)
		if v {
			kind = isTrue
		}
		*e = append(*e, kind)
	case content.Number:
		*e = append(*e, isNumber)
		e.text(string(v))
	case string:
		*e = append(*e, isText)
		e.text(v)
	case content.Time:
		kind := byte(isTime)
		if v.DateOnly {
			kind = isDate
		}
		*e = append(*e, kind)
		_, offset := v.Zone()
		e.number(int(v.Unix()))
		e.number(v.Nanosecond())
		e.number(offset)
	case []content.Value:
		*e = append(*e, isList)
		e.sized(func(e *encoder) {
			e.number(len(v))
			for _, item := range v {
				e.value(item)
			}
		})
	case *content.Object:
		*e = append(*e, isObject)
		e.object(v)
	default:
		*e = append(*e, isNull)
	}
}

func (e *encoder) object(o *content.Object) {
	e.sized(func(e *encoder) {
		e.number(o.Len())
		for i := range o.Len() {
			e.text(o.Members[i].Key)
			e.value(o.Members[i].Value)
		}
	})
}

// sized is what write adds, with its length in front.
func (e *encoder) sized(write func(*encoder)) {
	var inner encoder
	write(&inner)
	e.number(len(inner))
	*e = append(*e, inner...)
}

// said reads a text for people.
func (d *decoder[S]) said() say.Text {
	t, ok := say.Kept(d.text(), d.text())
	if !ok && d.err == nil {
		d.err = errors.New("a text for people is cut short")
	}
	return t
}

// decodeParsed is the parse result that was encoded to s, of which its texts are parts.
func decodeParsed(s string) (*parsed, error) {
	d := decoder[string]{rest: s}
	r := &parsed{fields: d.object()}
	for range d.count() {
		r.problems = append(r.problems, content.Problem{
			Field: d.text(), Pointer: d.text(), Rule: d.text(), Detail: d.said(), Line: d.number(), Column: d.number(),
		})
	}
	if d.err == nil && len(d.rest) > 0 {
		d.err = errors.New("values are left over")
	}
	return r, d.err
}

// decodeMember is the value of one key of the fields, which costs little more
// than that. It keeps nothing of b.
func decodeMember(b []byte, key string) (v content.Value, ok bool, err error) {
	d := decoder[[]byte]{rest: b}
	d.number() // the length
	for range d.count() {
		if string(d.next(d.number())) == key {
			v = d.value()
			return v, d.err == nil, d.err
		}
		d.skip()
	}
	return nil, false, d.err
}

func (d *decoder[S]) value() content.Value {
	kind := d.kind()
	switch kind {
	case isFalse, isTrue:
		return kind == isTrue
	case isNumber:
		return content.Number(d.text())
	case isText:
		return d.text()
	case isTime, isDate:
		at, zone := time.Unix(int64(d.number()), int64(d.number())), time.UTC
		if offset := d.number(); offset != 0 {
			zone = time.FixedZone("", offset)
		}
		return content.Time{Time: at.In(zone), DateOnly: kind == isDate}
	case isList:
		d.number() // the length
		items := make([]content.Value, d.count())
		for i := range items {
			items[i] = d.value()
		}
		return items
	case isObject:
		return d.object()
	}
	return nil
}

func (d *decoder[S]) object() *content.Object {
	d.number() // the length
	o := new(content.Object)
	if n := d.count(); n > 0 {
		o.Members = make([]content.Member, n)
		for i := range o.Members {
			o.Members[i] = content.Member{Key: d.text(), Value: d.value()}
		}
	}
	return o
}

// skip passes over a value.
func (d *decoder[S]) skip() {
	switch d.kind() {
	case isNumber, isText, isList, isObject:
		d.next(d.number())
	case isTime, isDate:
		d.number()
		d.number()
		d.number()
	}
}

// kind is the byte that begins a value; what is none is null.
func (d *decoder[S]) kind() byte {
	if s := d.next(1); len(s) > 0 {
		return s[0]
	}
	return isNull
}

// weight is about how many bytes of memory a parse result takes, with what it costs to
// give them back.
func (r *parsed) weight() int64 {
	n := int64(256) + weigh(r.fields)
	for _, p := range r.problems {
		n += int64(112 + len(p.Field) + len(p.Pointer) + p.Detail.Len())
	}
	return n
}

func weigh(v content.Value) int64 {
	const word, header = 8, 16
	n := int64(0)
	switch v := v.(type) {
	case string:
		n = int64(header + len(v))
	case content.Number:
		n = int64(header + len(v))
	case content.Time:
		n = 4 * word
	case []content.Value:
		n = 3 * word
		for _, item := range v {
			n += header + weigh(item)
		}
	case *content.Object:
		n = 3 * word
		for i := range v.Len() {
			n += 2*header + int64(len(v.Members[i].Key)) + weigh(v.Members[i].Value)
		}
	}
	return n
}
