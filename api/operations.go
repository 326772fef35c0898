package api

import (
	"cms/api/openapi"
	"cms/api/operation"
)

// What most files of this package say of operations.
type (
	reply = operation.Reply
	doc   = operation.Doc
)

// answer is v as JSON.
func answer(status int, v any) (*reply, error) { return operation.JSON(status, v) }

const (
	mediaJSON       = openapi.JSON
	mediaMarkdown   = openapi.Markdown
	mediaMergePatch = openapi.MergePatch
	mediaJSONPatch  = openapi.JSONPatch

	smallBody    = operation.SmallBody
	transferTime = operation.TransferTime
)
