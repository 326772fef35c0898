package content

import "errors"

var errStub = errors.New("content: not there yet")

func (d *Document) Apply(edits ...Edit) (*Document, error) { return nil, errStub }
func (d *Document) Replace(fields *Object, body string, order []string) (*Document, error) {
	return nil, errStub
}
func (d *Document) ReplaceSource(src []byte, order []string) (*Document, error) { return nil, errStub }
func (d *Document) MergePatch(patch *Object, order []string) (*Document, error) { return nil, errStub }
func (d *Document) JSONPatch(patch []byte, order []string) (*Document, error)   { return nil, errStub }
func New(fields *Object, body string, order []string) (*Document, error)        { return nil, errStub }
func decodeTOML(_ []byte, into any) error                                       { return errStub }

// ErrTestFailed is the error of a JSON Patch whose test operation fails.
var ErrTestFailed = errors.New("a test of the patch failed")
