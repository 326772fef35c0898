package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"cms/cmd/cms/internal/sarif"
)

// checkFormats are the forms that what a check found is printed in.
var checkFormats = map[string]func(io.Writer, *checked) error{
	"text": writeCheckText, "json": writeCheckJSON, "github": writeCheckGitHub, "sarif": writeCheckSARIF,
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// printablePath is a path as a terminal may show it: it acts upon some that are not.
func printablePath(path string) string {
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}

// writeCheckText is for people: how much there is of what, where that is more than one
// thing, and then a line for each.
func writeCheckText(w io.Writer, c *checked) error {
	if c.Problems+c.Hints > 1 {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, g := range c.Groups {
			fmt.Fprintf(table, "%s\t%s\t%d in %d entries\n", g.Collection, g.Rule, g.Count, g.Entries)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	for _, f := range c.Findings {
		fmt.Fprintln(w, f)
	}
	fmt.Fprintf(w, "%d entries checked, %d with problems, %d problems\n", c.Entries, c.Faulty, c.Problems)
	if c.Hints > 0 {
		fmt.Fprintf(w, "%d values that readers disagree about (ambiguous)\n", c.Hints)
	}
	return nil
}

// String is the finding on a line.
func (f finding) String() string {
	where := printablePath(f.File)
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", where, f.Line, max(f.Column, 1))
	}
	if where != "" {
		where += ": "
	}
	if f.Field != "" {
		where += f.Field + ": "
	}
	if f.Collection == "" {
		return where + f.Detail
	}
	return fmt.Sprintf("%s%s (%s)", where, f.message(), f.Rule)
}

// message is what is wrong, with the value and who else has it.
func (f finding) message() string {
	m := f.Detail
	switch {
	case f.placed && f.Value != "":
		m += fmt.Sprintf("; line %d has %s", f.Line, f.Value)
	case f.placed:
		m += fmt.Sprintf("; line %d", f.Line)
	case f.Value != "" && f.Level == levelError:
		m += "; it is " + f.Value
	}
	if f.Other != "" {
		m += ", as has " + printablePath(f.Other)
	}
	return m
}

func writeCheckJSON(w io.Writer, c *checked) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// writeCheckGitHub is for the log of a GitHub Action, which shows it beside the lines.
func writeCheckGitHub(w io.Writer, c *checked) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, f := range c.Findings {
		command := map[string]string{levelError: "error", levelWarning: "warning", levelNote: "notice"}[f.Level]
		with := []string{"title=" + property.Replace(f.Rule)}
		if f.File != "" {
			with = append(with, "file="+property.Replace(f.File))
		}
		if f.Line > 0 {
			with = append(with, fmt.Sprintf("line=%d,col=%d", f.Line, max(f.Column, 1)))
		}
		message := f.message()
		if f.Field != "" {
			message = f.Field + ": " + message
		}
		fmt.Fprintf(w, "::%s %s::%s\n", command, strings.Join(with, ","), data.Replace(message))
	}
	_, err := fmt.Fprintf(w, "%d entries checked, %d with problems, %d problems\n", c.Entries, c.Faulty, c.Problems)
	return err
}

// writeCheckSARIF is for tools that read the Static Analysis Results Interchange Format.
func writeCheckSARIF(w io.Writer, c *checked) error {
	var results []sarif.Result
	for _, f := range c.Findings {
		message := f.message()
		if f.Field != "" {
			message = f.Field + ": " + message
		}
		results = append(results, sarif.Result{Rule: f.Rule, Level: f.Level, Message: message, File: f.File, Line: f.Line, Column: f.Column})
	}
	return sarif.Write(w, "cms check", versionOf(), results)
}
