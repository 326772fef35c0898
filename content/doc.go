// Package content is what a document is: a Markdown file with front matter.
//
// A [Document] keeps the bytes of its file and knows where each value of the
// front matter stands in them. An [Edit] splices the bytes of the value that
// changes and no others, in the habits of the file, and is verified by parsing
// the result again. Nothing here re-encodes a front matter.
//
// The package also holds what a collection expects of its documents ([Schema]),
// and how two edits of one document come together ([Merge]).
package content
