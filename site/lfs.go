package site

import (
	"cms/content"
	"cms/lfs"
	"cms/repo"
	"cms/say"
)

// checkStored refuses a write that would put into the repository at path what Git LFS
// keeps elsewhere: where .gitattributes has it keep files, there are pointers, which are
// not made here, and nowhere else. Git would take other content there for a change by
// whoever checks it out, and not store it where it belongs.
func checkStored(tx *repo.Tx, path content.Path, pointer bool) error {
	tracked, err := tx.Tracked(path)
	switch {
	case err != nil || tracked == pointer:
		return err
	case pointer:
		return &Error{Code: Tracked, Detail: say.New("The file is a Git LFS pointer, and Git LFS does not keep files at the new path, by .gitattributes. Choose another path, or move it with Git.")}
	}
	return &Error{Code: Tracked, Detail: say.New("Git LFS keeps files at this path, by .gitattributes, and cannot be written to here. Nothing was saved. Choose another path, or save the file with Git."),
		Problems: []content.Problem{{Rule: string(Tracked), Detail: say.New("Git LFS keeps %s: .gitattributes gives it filter=lfs.", path.String())}}}
}

// isPointer says whether a file of a collection is a pointer of Git LFS.
func isPointer(doc *content.Document) bool {
	_, is := lfs.ParsePointer(doc.Source())
	return is
}

// errPointer refuses to give what is not in the repository.
func errPointer() error {
	return &Error{Code: Pointer, Detail: say.New("The content is kept by Git LFS, and not in this repository, which has a pointer to it. Get the file with Git.")}
}
