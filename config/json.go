package config

import (
	"bytes"
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// json writes n as JSON, in the order of the file. Dates stay the text that
// they are. It is false, with the reason noted, for what JSON cannot hold, and
// for a key that is not there.
func (d *decoder) json(n *yaml.Node, path []any) (json.RawMessage, bool) {
	if n == nil {
		return nil, false
	}
	before := len(d.found)
	var b bytes.Buffer
	d.writeJSON(&b, n, path)
	return b.Bytes(), len(d.found) == before
}

func (d *decoder) writeJSON(b *bytes.Buffer, n *yaml.Node, path []any) {
	switch n = follow(n); n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		sep := ""
		for k, v := range d.members(n, path) {
			name, _ := json.Marshal(k.Value)
			b.WriteString(sep)
			b.Write(name)
			b.WriteByte(':')
			d.writeJSON(b, v, path)
			sep = ","
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, v := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			d.writeJSON(b, v, path)
		}
		b.WriteByte(']')
	default:
		var v any = n.Value
		switch n.ShortTag() {
		case "!!null", "!!bool", "!!int", "!!float":
			if err := n.Decode(&v); err != nil {
				v = n.Value
			}
		}
		text, err := json.Marshal(v)
		if err != nil {
			d.add(path, "is not a number that JSON can hold")
		}
		b.Write(text)
	}
}
