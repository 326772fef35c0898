package content

import (
	"slices"
	"strings"
)

// Replace makes the fields and the body those that are given. It applies only
// what differs, field by field and item by item: values that mean the same stay
// as they are written, keys keep their order, and keys that fields has not are
// removed. New keys go behind the ones that come before them in order, which
// may be nil, or to the end. A date-time that differs in nothing but that it is
// given in UTC is no change: so clients write it that keep no zone.
func (d *Document) Replace(fields *Object, body string, order []string) (*Document, error) {
	return d.replace(fields, body, order, comparison{times: repeats, rounds: true, forms: true})
}

func (d *Document) replace(fields *Object, body string, order []string, same comparison) (*Document, error) {
	if fields == nil {
		fields = &Object{}
	}
	if same.equal(d.fields, fields) {
		return d.setBody(body)
	}
	d = d.framed()
	e, err := d.edit(nil)
	if err != nil {
		return nil, err
	}
	e.comparison = same
	if err := e.check(Edit{Value: fields}); err != nil {
		return nil, err
	}
	if err := e.replace(fields, orderOf(order)); err != nil {
		return nil, err
	}
	out, err := d.write(e.root)
	if err != nil {
		return nil, err
	}
	return out.setBody(body)
}

func (e *editor) replace(fields *Object, order keyOrder) error {
	n := e.root.was
	if n == nil {
		e.root = fresh(&Object{Members: order.sort(fields.Members)})
		return nil
	}
	it, err := e.diffMapping(n, fields, order)
	if it != nil {
		e.root = it
	}
	return err
}

// Reread reads another file as d was read.
func (d *Document) Reread(src []byte) *Document { return ParseAs(d.version, src) }

// framed is the document with an empty front matter where it has none.
func (d *Document) framed() *Document {
	if d.block.format != None || d.block.unclosed || d.pointer() {
		return d
	}
	fence := "---" + d.block.eol
	return d.Reread([]byte(string(d.src[:d.block.body]) + fence + fence + d.Body()))
}

// ReplaceSource makes the document what src says. If both can be read and have
// front matter in the same format, only what differs in meaning is applied, as
// by Replace, so that the noise of a client that re-serialises does not reach
// the file; nor does a date that became the midnight with which it begins, or a
// date-time in another zone. Else the result is src as it is; as it is where keys of the document
// are the same, which no other edit can mend.
func (d *Document) ReplaceSource(src []byte, order []string) (*Document, error) {
	to := d.Reread(src)
	if string(src) == string(d.src) {
		return d, nil
	}
	doubled := slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Rule == RuleDuplicateKey })
	if d.err != nil || to.err != nil || doubled || d.block.format == None || to.block.format != d.block.format {
		return to, nil
	}
	return d.replace(to.fields, to.Body(), order, comparison{times: reserialized, rounds: true, forms: true})
}

// NewAs makes a document with YAML front matter, for readers of a version of YAML, and LF
// line endings. Keys stand as in order, those that it does not name at the end.
func NewAs(version Version, fields *Object, body string, order []string) (*Document, error) {
	body = strings.ReplaceAll(body, "\r\n", "\n")
	return ParseAs(version, []byte("---\n---\n"+body)).Replace(fields, body, order)
}
