// Package lfs is what Git LFS has in a repository: pointers, which stand there in the place
// of files, which paths .gitattributes has it keep, and the files themselves, its objects,
// which are beside the repository or at its remote.
package lfs

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxPointer is a size that no pointer has: one is shorter.
const MaxPointer = 1024

// A Pointer stands in a repository for a file that is kept elsewhere
// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
type Pointer struct {
	OID  string // of the file: the name of a hash, a colon, and it in hexadecimal
	Size int64  // of the file, in bytes
}

// hashName is the name of the hash by which objects are called.
const hashName = "sha256:"

// NewPointer is the pointer to an object by its hash, in hexadecimal; false for what is none.
func NewPointer(hash string, size int64) (Pointer, bool) {
	return Pointer{hashName + hash, size}, hexHash.MatchString(hash) && size >= 0
}

// Hash is that of the file, in hexadecimal.
func (p Pointer) Hash() string { return strings.TrimPrefix(p.OID, hashName) }

// Text is the pointer as Git LFS writes it.
func (p Pointer) Text() string {
	return fmt.Sprintf("version %s\noid %s\nsize %d\n", versions[0], p.OID, p.Size)
}

var (
	// versions are the first line of a pointer: the one of now, and those that Git LFS
	// still reads.
	versions  = []string{"https://git-lfs.github.com/spec/v1", "https://hawser.github.com/spec/v1", "http://git-media.io/v/2"}
	extension = regexp.MustCompile(`^ext-[0-9]-[0-9a-zA-Z_]+$`)
	hexHash   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParsePointer reads a blob that may be a pointer. Like Git LFS it takes what is not
// canonical: CR before the end of a line, empty lines, and a last line without an end.
func ParsePointer(b []byte) (Pointer, bool) {
	if len(b) >= MaxPointer || !bytes.HasPrefix(b, []byte("version ")) || !utf8.Valid(b) {
		return Pointer{}, false
	}
	var p Pointer
	want := []string{"version", "oid", "size"}
	for line := range strings.SplitSeq(string(b), "\n") {
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, " ")
		switch {
		case !ok || len(want) == 0:
			return Pointer{}, false
		case len(want) < 3 && extension.MatchString(name):
			continue
		case name != want[0]:
			return Pointer{}, false
		}
		switch name {
		case "version":
			ok = slices.Contains(versions, value)
		case "oid":
			hash, named := strings.CutPrefix(value, hashName)
			p.OID, ok = value, named && hexHash.MatchString(hash)
		case "size":
			var err error
			p.Size, err = strconv.ParseInt(value, 10, 64)
			ok = err == nil && p.Size >= 0
		}
		if !ok {
			return Pointer{}, false
		}
		want = want[1:]
	}
	return p, len(want) == 0
}
