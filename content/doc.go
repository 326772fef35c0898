// Package content is what a document is: a Markdown file with front matter.
//
// A [Document] keeps the bytes of its file and knows where each value of the
// front matter stands in them. An [Edit] splices the bytes of the value that
// changes and no others, in the habits of the file, and is verified by parsing
// the result again. Nothing here re-encodes a front matter.
//
// The package also holds what a collection expects of its documents ([Schema]),
// and how two edits of one document come together ([Merge]).
//
// Its files, from the bottom up:
//
//   - values: value.go, number.go, time.go, json.go, fieldpath.go, maybe.go
//   - names of entries: path.go, collection.go, slugpattern.go; of their pages: pagepattern.go
//   - what is expected of values: type.go, schema.go, coerce.go, validate.go, findings.go
//   - reading: document.go, budget.go, split.go, format.go, then yaml.go, toml.go and json.go to node.go's
//     tree, with scalars.go for what words without quotes are, and locate.go and place.go for
//     where each value begins and ends
//   - editing: edit.go, apply.go, replace.go, patch.go, pointer.go, jsonpatch.go and
//     patchedits.go say what, intent.go what that makes of the tree, splice.go, render.go, scalar.go and flow.go which
//     bytes, range.go and verify.go whether they are right
//   - comparing: diff.go, difference.go, diff3.go, merge.go, members.go, identity.go
//   - what readers take otherwise: dispute.go
package content
