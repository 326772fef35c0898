package editor

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"html/template"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// parts keep what templates make of values that come again with most requests, such as the
// rows of a list. A part is found by all that its template is given, so it is never old,
// and nobody is shown what was made of what they do not see.
type parts struct {
	made *lru.Cache[[sha256.Size]byte, template.HTML]
	size atomic.Int64 // bytes of all that was made
}

// How much of what was made is kept, and of how long parts, in bytes.
const (
	maxParts = 8 << 20
	maxPart  = 64 << 10
)

func newParts() *parts {
	p := &parts{}
	p.made, _ = lru.NewWithEvict(maxParts/64, func(_ [sha256.Size]byte, html template.HTML) { p.size.Add(-int64(len(html))) }) // a positive size is no error
	return p
}

// keep keeps a part, in the place of those that were not asked for lately.
func (p *parts) keep(key [sha256.Size]byte, html template.HTML) {
	if len(html) > maxPart {
		return
	}
	if known, _ := p.made.ContainsOrAdd(key, html); known {
		return
	}
	for p.size.Add(int64(len(html))) > maxParts {
		p.made.RemoveOldest()
		p.size.Add(-int64(len(html)))
	}
}

// of is the function by which the templates of a page have parts of it made by the template
// of this name: one for each value of a list, or one of another value. That is given the
// texts of the page and a value of plain data.
func (p *parts) of(t *template.Template, w *words) func(name string, values any) (template.HTML, error) {
	return func(name string, values any) (template.HTML, error) {
		m := maker{p, t, w, name, nil}
		all := reflect.ValueOf(values)
		if all.Kind() != reflect.Slice {
			return m.part(all)
		}
		made, size := make([]template.HTML, all.Len()), 0
		for i := range made {
			var err error
			if made[i], err = m.part(all.Index(i)); err != nil {
				return "", err
			}
			size += len(made[i])
		}
		var b strings.Builder
		b.Grow(size)
		for _, html := range made {
			b.WriteString(string(html))
		}
		return template.HTML(b.String()), nil //nolint:gosec // of parts, which are escaped
	}
}

// maker makes parts by one template.
type maker struct {
	*parts
	of    *template.Template
	words *words
	name  string
	key   []byte // of the part before, whose room the next one takes
}

func (m *maker) part(value reflect.Value) (template.HTML, error) {
	m.key = append(append(m.key[:0], m.words.language...), 0)
	m.key = written(append(append(m.key, m.name...), 0), value)
	key := sha256.Sum256(m.key)
	if html, ok := m.made.Get(key); ok {
		return html, nil
	}
	var b strings.Builder
	if err := m.of.ExecuteTemplate(&b, m.name, []any{m.words, value.Interface()}); err != nil {
		return "", err
	}
	html := template.HTML(b.String()) //nolint:gosec // made by a template, which has escaped it
	m.keep(key, html)
	return html, nil
}

var timeType = reflect.TypeFor[time.Time]()

// written is a value as bytes, which no other value of its type has, behind b: of structures
// the exported fields, which are what a template can read.
func written(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int:
		return binary.AppendVarint(b, v.Int())
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float()))
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		for i := range v.Len() {
			b = written(b, v.Index(i))
		}
		return b
	case reflect.Map:
		return writtenMap(b, v)
	case reflect.Struct:
		if v.Type() == timeType {
			return v.Interface().(time.Time).AppendFormat(b, time.RFC3339Nano)
		}
		for _, i := range exported(v.Type()) {
			b = written(b, v.Field(i))
		}
		return b
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		return written(append(b, 1), v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return append(b, 0)
		}
		return written(append(append(append(b, 1), v.Elem().Type().String()...), 0), v.Elem())
	}
	panic(fmt.Sprintf("a part of a page is made of a %s", v.Type()))
}

// readable are the numbers of the exported fields of each structure that was written.
var readable sync.Map // reflect.Type to []int

func exported(t reflect.Type) []int {
	if known, ok := readable.Load(t); ok {
		return known.([]int)
	}
	var fields []int
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			fields = append(fields, i)
		}
	}
	readable.Store(t, fields)
	return fields
}

// writtenMap is a map from strings in the order of its keys.
func writtenMap(b []byte, v reflect.Value) []byte {
	keys := make([]string, 0, v.Len())
	for _, key := range v.MapKeys() {
		keys = append(keys, key.String())
	}
	slices.Sort(keys)
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, key := range keys {
		k := reflect.ValueOf(key)
		b = written(written(b, k), v.MapIndex(k))
	}
	return b
}
