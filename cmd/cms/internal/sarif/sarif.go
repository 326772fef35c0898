// Package sarif writes what a tool found in the Static Analysis Results Interchange Format,
// version 2.1.0.
package sarif

import (
	"encoding/json"
	"io"
	"net/url"
)

// A Result is one thing that was found.
type Result struct {
	Rule    string
	Level   string // "error", "warning" or "note"
	Message string
	File    string // relative, with slashes; "" for no place
	Line    int    // from 1; 0 for the whole file
	Column  int    // from 1, in runes; 0 for the line's first
}

// Write writes one run of a tool.
func Write(w io.Writer, tool, version string, found []Result) error {
	type object = map[string]any
	rules, results := []object{}, []object{}
	known := map[string]bool{}
	for _, f := range found {
		if !known[f.Rule] {
			known[f.Rule] = true
			rules = append(rules, object{"id": f.Rule})
		}
		result := object{"ruleId": f.Rule, "level": f.Level, "message": object{"text": f.Message}}
		if f.File != "" {
			at := object{"artifactLocation": object{"uri": (&url.URL{Path: f.File}).String()}}
			if f.Line > 0 {
				at["region"] = object{"startLine": f.Line, "startColumn": max(f.Column, 1)}
			}
			result["locations"] = []object{{"physicalLocation": at}}
		}
		results = append(results, result)
	}
	return json.NewEncoder(w).Encode(object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []object{{
			"tool":        object{"driver": object{"name": tool, "version": version, "rules": rules}},
			"columnKind":  "unicodeCodePoints",
			"results":     results,
			"invocations": []object{{"executionSuccessful": true}},
		}},
	})
}
