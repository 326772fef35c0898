package content_test

import (
	"context"
	"fmt"

	"cms/content"
)

// To set a field changes its line and no other byte: quotes, comments, the order of the
// keys and the layout of the date stay.
func Example() {
	d := content.Parse([]byte(`---
title: 'Le port'   # on the home page
date: 2021-06-01 18:30:00 +0200
tags: [mer, "phare"]
---
It opens in *June*.
`))
	edited, err := d.Apply(content.Set(content.FieldPath{"title"}, "Le phare"))
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s", edited.Source())
	// Output:
	// ---
	// title: 'Le phare'   # on the home page
	// date: 2021-06-01 18:30:00 +0200
	// tags: [mer, "phare"]
	// ---
	// It opens in *June*.
}

// A client that sends all fields back changes those alone that it has changed.
func ExampleDocument_Replace() {
	d := content.Parse([]byte("---\nprice: 1.50 # euros\nopen: \"yes\"\n---\nText\n"))
	fields, err := content.ParseJSON([]byte(`{"price": 1.5, "open": "no"}`))
	if err != nil {
		fmt.Println(err)
	}
	edited, err := d.Replace(fields.(*content.Object), d.Body(), nil)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s", edited.Source())
	// Output:
	// ---
	// price: 1.50 # euros
	// open: "no"
	// ---
	// Text
}

// Two edits of one document come together where they do not concern the same.
func ExampleMerge() {
	base := content.Parse([]byte("---\ntitle: Le port\nyear: 2020\n---\nText\n"))
	ours, err := base.Apply(content.Set(content.FieldPath{"title"}, "Le phare"))
	if err != nil {
		fmt.Println(err)
	}
	theirs, err := base.Apply(content.SetBody("Other text\n"))
	if err != nil {
		fmt.Println(err)
	}
	merged, err := content.Merge(context.Background(), base, ours, theirs)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s", merged.Source())
	// Output:
	// ---
	// title: Le phare
	// year: 2020
	// ---
	// Other text
}

// What is wrong with the fields of a document is said by field and rule.
func ExampleSchema_Validate() {
	s := content.Schema{Defined: true, Fields: []content.Field{
		{Name: "title", Type: content.TypeString, Required: true},
		{Name: "when", Type: content.TypeDatetime},
	}}
	d := content.Parse([]byte("---\nwhen: 2024-01-03 10:00\n---\n"))
	for _, p := range s.Validate(d.Fields(), nil) {
		fmt.Println(p.Field, p.Rule, p.Hint())
	}
	// Output:
	// title required false
	// when ambiguous true
}
