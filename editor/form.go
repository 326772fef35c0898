package editor

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cms/content"
)

// A form shows what an entry holds and reads what comes back. Of what comes back, only
// what differs from what was shown is an edit: so a form can be read against any revision,
// and what a browser makes of a text on its way is no change.
//
// The names of controls are "f" and the JSON Pointer (RFC 6901) of a value below the
// fields. Items of a list have keys, which do not change while they are moved: their
// index, for those that the entry has, and n and a number for new ones. The values of "o"
// and the pointer of a list are the keys of its items in their order, behind an empty one
// that says that the list was in the form. The value of "z" and a pointer is the zone of
// a time. A control that does not come back is not edited.

// form is an entry's fields as controls, and what they come to.
type form struct {
	words  *words
	schema *content.Schema
	zone   *time.Location                              // that dates without one of their own are meant in
	posted url.Values                                  // nil for what is shown first
	frozen bool                                        // nothing can be changed
	linked func(content.FieldPath, string) *linkedFile // tells fields of their files; nil where none can be chosen
}

// control shows one value.
type control struct {
	Words *words
	Field *content.Field
	Kind  string // the template that shows it
	Name  string
	Path  content.FieldPath
	Label string
	Hint  string

	Value   string
	Zone    string
	Zones   []choice
	Choices []choice
	Items   []*control // of a list
	Members []*control // of an object
	Key     string     // of an item
	First   bool       // item of its list
	Last    bool
	Summary string // of an item that is folded

	Linked *linkedFile // of one for a file; nil where none can be chosen

	Required bool
	Frozen   bool
	Changed  bool
	Faults   []string
}

// choice is one value of several.
type choice struct {
	Value, Label string
	Chosen       bool
}

// ID names the control within its page.
func (c *control) ID() string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\n' || r == '\f' || r == '\r' {
			return '_'
		}
		return r
	}, c.Name)
}

// T is a text of the page.
func (c *control) T(key string, args ...any) string { return c.Words.T(key, args...) }

// Faulty says whether something is wrong with the value or in it.
func (c *control) Faulty() bool {
	return len(c.Faults) > 0 || slices.ContainsFunc(c.Items, (*control).Faulty) || slices.ContainsFunc(c.Members, (*control).Faulty)
}

// fields are the controls of all fields that a form shows, and the fields that they come
// to, which are was where nothing was changed.
func (f *form) fields(was *content.Object) ([]*control, *content.Object) {
	return f.members(f.schema.Fields, was, "", nil, true)
}

// members are the controls of the members of an object.
func (f *form) members(fields []content.Field, was *content.Object, pointer string, path content.FieldPath, top bool) ([]*control, *content.Object) {
	is := &content.Object{}
	if was != nil {
		is.Members = slices.Clone(was.Members)
	}
	var controls []*control
	add := func(field *content.Field) {
		value, present := was.Get(field.Name)
		before := content.Maybe{Value: value, Present: present}
		c, after := f.value(field, before, pointer+"/"+content.EscapeToken(field.Name), append(path[:len(path):len(path)], field.Name))
		controls = append(controls, c)
		switch i := slices.IndexFunc(is.Members, func(m content.Member) bool { return m.Key == field.Name }); {
		case !after.Present && i >= 0:
			is.Members = slices.Delete(is.Members, i, i+1)
		case after.Present && i >= 0:
			is.Members[i].Value = after.Value
		case after.Present:
			is.Members = append(is.Members, content.Member{Key: field.Name, Value: after.Value})
		}
	}
	known := map[string]bool{}
	for i := range fields {
		known[fields[i].Name] = true
		if !fields[i].Hidden {
			add(&fields[i])
		}
	}
	if was != nil && (top || len(fields) == 0) {
		for _, m := range was.Members {
			if !known[m.Key] {
				add(guessed(m))
				controls[len(controls)-1].Hint = ""
			}
		}
	}
	if was == nil && is.Len() == 0 {
		return controls, nil
	}
	return controls, is
}

// guessed is what is expected of a key that the schema does not name: what it holds.
func guessed(m content.Member) *content.Field {
	f := &content.Field{Name: m.Key, Type: content.TypeText}
	switch v := m.Value.(type) {
	case string:
		if !strings.ContainsAny(v, "\r\n") {
			f.Type = content.TypeString
		}
	case content.Number:
		f.Type = content.TypeNumber
	case bool:
		f.Type = content.TypeBoolean
	case content.Time:
		f.Type = content.TypeDatetime
	case []content.Value:
		if slices.ContainsFunc(v, func(item content.Value) bool { _, ok := item.(string); return !ok }) {
			f.Type = "" // as JSON
		} else {
			f.Type, f.Of = content.TypeList, &content.Field{Type: content.TypeString}
		}
	case *content.Object:
		f.Type = ""
	}
	return f
}

// value is the control of a value, and what that becomes.
func (f *form) value(field *content.Field, was content.Maybe, pointer string, path content.FieldPath) (*control, content.Maybe) {
	c := &control{
		Words: f.words, Field: field, Name: "f" + pointer, Path: path, Label: f.words.of(field.Label), Hint: f.words.of(field.Hint),
		Required: field.Required, Frozen: f.frozen || field.ReadOnly,
	}
	if c.Label == "" {
		c.Label = field.Name
	}
	c.Kind = kindOf(field, was)
	after := was
	switch c.Kind {
	case "list":
		after = f.list(c, was, pointer)
	case "object":
		object, _ := was.Value.(*content.Object)
		members, is := f.members(field.Fields, object, pointer, path, false)
		c.Members = members
		if is != nil && (was.Present || is.Len() > 0) {
			after = content.Maybe{Value: is, Present: true}
		}
		c.Summary = summary(members)
	default:
		after = f.scalar(c, was, pointer)
	}
	if c.Frozen {
		after = was
	}
	c.Changed = after.Present != was.Present || !content.Equal(after.Value, was.Value)
	return c, after
}

// kindOf is how a value is shown: as its field says, or as JSON where it is of another
// kind.
func kindOf(field *content.Field, was content.Maybe) string {
	blank := was.Value == nil
	switch _, text := was.Value.(string); field.Type {
	case content.TypeString, content.TypeURL, content.TypeEmail, content.TypeImage, content.TypeFile, content.TypeReference:
		switch {
		case !blank && !text:
			return loose(was.Value)
		case text && strings.ContainsAny(was.Value.(string), "\r\n\x00"):
			return "area" // an input would lose them
		case field.Type == content.TypeString:
			return "line"
		}
		return string(field.Type)
	case content.TypeText:
		if blank || text {
			return "area"
		}
	case content.TypeMarkdown:
		if blank || text {
			return "markdown"
		}
	case content.TypeInteger, content.TypeNumber:
		if _, ok := was.Value.(content.Number); ok || blank || text {
			return "number"
		}
	case content.TypeBoolean:
		if _, ok := was.Value.(bool); ok || blank {
			return "boolean"
		}
	case content.TypeDate, content.TypeDatetime:
		t, ok := was.Value.(content.Time)
		switch {
		case ok && !t.DateOnly, blank && field.Type == content.TypeDatetime, ok && field.Type == content.TypeDatetime:
			return "datetime"
		case ok, blank:
			return "date"
		}
	case content.TypeSelect:
		switch was.Value.(type) {
		case []content.Value, *content.Object:
			return "json"
		}
		if len(field.Options) <= 5 {
			return "radios"
		}
		return "select"
	case content.TypeList:
		if _, ok := was.Value.([]content.Value); (ok || blank) && field.Of != nil {
			return "list"
		}
	case content.TypeObject:
		if _, ok := was.Value.(*content.Object); (ok || blank) && len(field.Fields) > 0 {
			return "object"
		}
	}
	return loose(was.Value)
}

// loose is how a value is shown that is not of its field's type.
func loose(v content.Value) string {
	if s, ok := v.(string); ok {
		if strings.ContainsAny(s, "\r\n\x00") {
			return "area"
		}
		return "line"
	}
	return "json"
}

// list is a list's control and what it becomes.
func (f *form) list(c *control, was content.Maybe, pointer string) content.Maybe {
	items, _ := was.Value.([]content.Value)
	keys, asked := f.posted["o"+pointer]
	if !asked || c.Frozen {
		keys = make([]string, len(items))
		for i := range items {
			keys[i] = strconv.Itoa(i)
		}
	}
	of := c.Field.Of
	switch of.Type { // which stand in a row, beside the buttons that move them
	case content.TypeBoolean:
		other := *of
		other.Type, other.Options = content.TypeSelect, []content.Value{true, false}
		of = &other
	case content.TypeList:
		other := *of
		other.Type = "" // as JSON
		of = &other
	}
	seen := map[string]bool{"": true}
	var is []content.Value
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		var before content.Maybe
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(items) && strconv.Itoa(i) == key {
			before = content.Maybe{Value: items[i], Present: true}
		} else if n, ok := strings.CutPrefix(key, "n"); !ok || !digits(n) {
			continue
		}
		path := append(c.Path[:len(c.Path):len(c.Path)], len(is))
		item, after := f.value(of, before, pointer+"/"+key, path)
		if item.Kind == "radios" {
			item.Kind = "select"
		}
		item.Key, item.Label, item.Frozen = key, "", item.Frozen || c.Frozen
		c.Items = append(c.Items, item)
		if after.Present {
			is = append(is, after.Value)
		}
	}
	for i, item := range c.Items {
		item.First, item.Last = i == 0, i == len(c.Items)-1
	}
	if len(is) == 0 && len(items) == 0 {
		return was
	}
	if len(is) == 0 {
		return content.Maybe{Value: []content.Value{}, Present: true}
	}
	return content.Maybe{Value: is, Present: true}
}

func digits(s string) bool {
	return s != "" && len(s) <= 9 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// summary is what a folded object is known by: its first text.
func summary(members []*control) string {
	for _, m := range members {
		if (m.Kind == "line" || m.Kind == "reference" || m.Kind == "url" || m.Kind == "date" || m.Kind == "datetime") && m.Value != "" {
			return m.Value
		}
	}
	return ""
}

// scalar is a control of one value and what that becomes.
func (f *form) scalar(c *control, was content.Maybe, pointer string) content.Maybe {
	if f.linked != nil && (c.Kind == "image" || c.Kind == "file") {
		defer func() { c.Linked = f.linked(c.Path, c.Value) }()
	}
	before, zone := f.display(c, was)
	c.Value, c.Zone = before, zone
	posted, asked := f.posted["f"+pointer]
	if !asked || c.Frozen {
		f.choices(c, was)
		return was
	}
	value := received(posted[len(posted)-1])
	switch {
	case c.Kind == "boolean" && len(posted) > 1:
		value = "true"
	case c.Kind == "datetime":
		value = withSeconds(value)
	}
	if zones := f.posted["z"+pointer]; len(zones) > 0 {
		c.Zone = zones[0]
	}
	c.Value = value
	f.choices(c, was)
	if value == before && (c.Zone == zone || value == "") {
		return was
	}
	if strings.TrimSpace(value) == "" && c.Kind != "area" && c.Kind != "markdown" || value == "" {
		return content.Maybe{}
	}
	return content.Maybe{Value: f.read(c, was, value), Present: true}
}

// display is a value as its control shows it.
func (f *form) display(c *control, was content.Maybe) (value, zone string) {
	switch v := was.Value.(type) {
	case nil:
		if c.Kind == "datetime" {
			zone = f.zone.String()
		}
		if c.Kind == "boolean" {
			return "false", ""
		}
	case string:
		if c.Kind == "radios" || c.Kind == "select" {
			return jsonOf(v), ""
		}
		return shown(v), ""
	case content.Time:
		if c.Kind == "date" {
			return v.Format(time.DateOnly), ""
		}
		if v.DateOnly {
			return v.Format(time.DateOnly) + "T00:00:00", dayAlone
		}
		return v.Format("2006-01-02T15:04:05"), v.Format("Z07:00")
	case content.Number:
		if c.Kind == "number" {
			return v.String(), ""
		}
		return jsonOf(v), ""
	case bool:
		return strconv.FormatBool(v), ""
	default:
		return jsonIndented(v), ""
	}
	return "", zone
}

// dayAlone is the zone of a date without a time.
const dayAlone = "date"

// choices fill in what can be chosen.
func (f *form) choices(c *control, was content.Maybe) {
	switch c.Kind {
	case "radios", "select":
		known := false
		for _, v := range c.Field.Options {
			o := choice{jsonOf(v), textOf(v), jsonOf(v) == c.Value}
			if b, ok := v.(bool); ok {
				o.Label = f.words.T(map[bool]string{true: "yes", false: "no"}[b])
			}
			known = known || o.Chosen
			c.Choices = append(c.Choices, o)
		}
		if !known && c.Value != "" { // what is there, though it is none of them
			c.Choices = append(c.Choices, choice{c.Value, textOf(was.Value), true})
		}
	case "datetime":
		zones := []string{f.zone.String(), "Z"}
		if t, ok := was.Value.(content.Time); ok && !t.DateOnly {
			zones = append([]string{t.Format("Z07:00")}, zones...)
		}
		zones = append(zones, dayAlone)
		if c.Zone == "UTC" || c.Zone == "" {
			c.Zone = "Z"
		}
		seen := map[string]bool{}
		for _, z := range zones {
			if z == "UTC" {
				z = "Z"
			}
			if seen[z] {
				continue
			}
			seen[z] = true
			c.Zones = append(c.Zones, choice{z, f.zoneName(z), z == c.Zone})
		}
	}
}

func (f *form) zoneName(z string) string {
	switch {
	case z == dayAlone:
		return f.words.T("zone.day")
	case z == "Z":
		return "UTC"
	case strings.Contains(z, "/"):
		return strings.ReplaceAll(z[strings.LastIndex(z, "/")+1:], "_", " ")
	}
	return "UTC" + z
}

// read is the value that a text means in a control. What does not read as the type of its
// field is a text, which the schema then finds wrong.
func (f *form) read(c *control, was content.Maybe, value string) content.Value {
	switch c.Kind {
	case "number":
		n := strings.Map(func(r rune) rune {
			switch r {
			case ' ', '\u00a0', '\u202f':
				return -1
			case ',':
				return '.'
			case '−':
				return '-'
			}
			return r
		}, value)
		if n, ok := content.ParseNumber(strings.TrimPrefix(n, "+")); ok {
			return n
		}
	case "boolean":
		return value == "true"
	case "date":
		if t, ok := content.ParseTime(strings.TrimSpace(value)); ok {
			return t
		}
	case "datetime":
		return f.readTime(strings.TrimSpace(value), c.Zone)
	case "radios", "select", "json":
		if v, err := content.ParseJSON([]byte(value)); err == nil {
			return v
		}
	case "area", "markdown":
		text, _ := was.Value.(string)
		return restored(text, value)
	case "url", "email":
		return strings.TrimSpace(value)
	}
	return value
}

// withSeconds is a local time as it was sent: browsers leave out seconds that are 0.
func withSeconds(local string) string {
	local = strings.Replace(strings.TrimSpace(local), " ", "T", 1)
	if _, clock, timed := strings.Cut(local, "T"); timed && strings.Count(clock, ":") == 1 {
		return local + ":00"
	}
	return local
}

// readTime is the time that a date and a time of day mean in a zone.
func (f *form) readTime(local, zone string) content.Value {
	day, clock, timed := strings.Cut(local, "T")
	if zone == dayAlone || !timed {
		if t, ok := content.ParseTime(day); ok {
			return t
		}
		return local
	}
	offset := zone
	if zone == f.zone.String() && zone != "UTC" {
		at, err := time.ParseInLocation("2006-01-02T15:04:05", day+"T"+clock, f.zone)
		if err != nil {
			return local
		}
		offset = at.Format("Z07:00")
	}
	if t, ok := content.ParseTime(day + "T" + clock + offset); ok {
		return t
	}
	return local
}

func jsonOf(v content.Value) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func jsonIndented(v content.Value) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}

// textOf is a value as people read it.
func textOf(v content.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case content.Time:
		return v.String()
	}
	return jsonOf(v)
}

// Pointer is what the buttons of an item or a list name it by.
func (c *control) Pointer() string { return strings.TrimPrefix(c.Name, "f") }

// OrderName is the name of the inputs that hold the order of a list.
func (c *control) OrderName() string { return "o" + c.Pointer() }

// ZoneName is the name of the choice of a time's zone.
func (c *control) ZoneName() string { return "z" + c.Pointer() }

// Rows is how many lines of a text a form shows at once.
func (c *control) Rows() int { return min(max(3, strings.Count(c.Value, "\n")+1+len(c.Value)/80), 16) }

// Link is where an address leads to; "" for what is no web address.
func (c *control) Link() string {
	if strings.HasPrefix(c.Value, "https://") || strings.HasPrefix(c.Value, "http://") {
		return c.Value
	}
	return ""
}

// ItemLabel is what an item is called that has no name of its own.
func (c *control) ItemLabel(list *control, i int) string { return c.T("item.name", list.Label, i+1) }

// ItemName is what an object in a list is known by.
func (c *control) ItemName(i int) string {
	if c.Summary != "" {
		return c.Summary
	}
	return strconv.Itoa(i + 1)
}
