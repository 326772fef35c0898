package content

import "cms/say"

// Op is what an Edit does.
type Op string

// What edits do.
const (
	OpSet     Op = "set"
	OpAppend  Op = "append"
	OpInsert  Op = "insert"
	OpMove    Op = "move"
	OpRemove  Op = "remove"
	OpRename  Op = "rename"
	OpSetBody Op = "body"
)

// Edit is one change of a document. The functions below make them.
type Edit struct {
	Op    Op
	Path  FieldPath
	Value Value
	To    int    // move: the index in the list without the item
	Name  string // rename
	After string // set: the key after which a new one goes; at the end if ""
}

// Set creates or replaces the value at path. Mappings that are missing on the
// way are made. Where the value there is a mapping or a list too, only what
// differs is written. A string that [ParseTime] reads, set where a time stands
// plain, stays a time. A string that some readers of YAML take for another value,
// as yes, is put in quotes where it stands plain.
func Set(path FieldPath, v Value) Edit { return Edit{Op: OpSet, Path: path, Value: v} }

// Append adds an item at the end of the list at path, which is made if there
// is none.
func Append(path FieldPath, v Value) Edit { return Edit{Op: OpAppend, Path: path, Value: v} }

// Insert puts an item into a list, at the index that ends path.
func Insert(path FieldPath, v Value) Edit { return Edit{Op: OpInsert, Path: path, Value: v} }

// MoveItem moves the item that path leads to within its list, so that it ends
// up at the index to, with its bytes and its comments as they are.
func MoveItem(path FieldPath, to int) Edit { return Edit{Op: OpMove, Path: path, To: to} }

// Remove takes away a key or an item.
func Remove(path FieldPath) Edit { return Edit{Op: OpRemove, Path: path} }

// Rename gives the key that ends path another name, in its place.
func Rename(path FieldPath, name string) Edit { return Edit{Op: OpRename, Path: path, Name: name} }

// SetBody replaces the body. Lines keep the line ending they have, new ones
// take that of the body; a text that differs in line endings only is no change.
func SetBody(text string) Edit { return Edit{Op: OpSetBody, Value: text} }

// Kind tells why an edit was not made.
type Kind string

// Why edits are not made.
const (
	KindRefused       Kind = "refused"         // it would touch more than it should
	KindAmbiguous     Kind = "ambiguous"       // the key is duplicated
	KindSyntax        Kind = "syntax"          // the front matter cannot be read
	KindNotFound      Kind = "not_found"       // the path leads nowhere
	KindNoFrontMatter Kind = "no_front_matter" // there is nothing to edit
	KindTooLarge      Kind = "too_large"       // it is beyond a bound, or what is there is
)

// EditError says why an edit was not made, and what can be done.
type EditError struct {
	Kind         Kind
	Path         FieldPath
	Lines        []int // of the keys that are the same
	Line, Column int   // from 1, in the file; 0 where there is none
	Detail       say.Text
}

func (e *EditError) Error() string { return e.Say().String() }

// Say is the error for people.
func (e *EditError) Say() say.Text {
	s := e.Detail
	if len(e.Path) > 0 {
		s = say.New("%s: %s", e.Path.String(), s)
	}
	if e.Line > 0 {
		s = say.New("line %d: %s", e.Line, s)
	}
	return s
}
