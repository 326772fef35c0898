package repo_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"cms/content"
	"cms/repo"
)

// A repository is opened, its writer runs, an update puts an entry, and the snapshot
// of its commit is read.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	r, err := repo.Open(context.Background(), repo.Options{
		Path:        filepath.Join(dir, "site.git"), // made where there is none
		Committer:   repo.Person{Name: "CMS", Email: "cms@ville.example"},
		Collections: []content.Collection{{Name: "news", Folder: "_news", Extension: ".md"}},
	})
	if err != nil {
		panic(err)
	}
	defer r.Close()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()

	slug, err := content.ParseSlug("parc")
	if err != nil {
		panic(err)
	}
	author := repo.Person{Name: "Anne", Email: "anne@ville.example"}
	res, err := r.Update(ctx, repo.Meta{Author: author}, func(tx *repo.Tx) error {
		_, err := tx.Put("news", slug, content.Parse([]byte("---\ntitle: Le parc ouvre\n---\nVenez nombreux.\n")))
		return err
	})
	if err != nil {
		panic(err)
	}
	for _, e := range res.Snapshot.Entries("news") {
		title, _ := e.Fields().Get("title")
		fmt.Printf("%s: %s, by %s: %s\n", e.Path, title, e.Updated().Author.Name, e.Updated().Message)
	}
	stop()
	fmt.Println(<-done)
	// Output:
	// _news/parc.md: Le parc ouvre, by Anne: Create news/parc
	// <nil>
}
