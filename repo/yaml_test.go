package repo

import (
	"testing"

	"cms/content"
)

// A blob that two collections read by different versions of YAML is two parse results,
// also in the index; and a collection that changes its version is read anew.
func TestBlobsAreReadByTheirCollection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/site.git"
	o := options(dir)
	versions := func(consultations, news content.Version) {
		o.Collections = append([]content.Collection(nil), collectionsForTest...)
		for i, c := range o.Collections {
			o.Collections[i].YAML = map[string]content.Version{"consultations": consultations, "news": news}[c.Name]
		}
	}
	is := func(r *Repo, collection, s, want string) {
		t.Helper()
		e, ok := r.View().Entry(collection, slug(t, s))
		if !ok {
			t.Fatalf("there is no %s in %s", s, collection)
		}
		if b, err := e.Fields().MarshalJSON(); err != nil || string(b) != want {
			t.Errorf("%s in %s: got %s, %v, want %s", s, collection, b, err, want)
		}
		d, err := e.Document()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := d.Fields().MarshalJSON(); err != nil || string(b) != want {
			t.Errorf("%s in %s, its document: got %s, %v, want %s", s, collection, b, err, want)
		}
	}
	const src, old, now = "---\na: yes\nb: 010\n---\n", `{"a":true,"b":8}`, `{"a":"yes","b":10}`
	versions("", content.YAML12)
	r, stop := run(t, o)
	update(t, r, func(tx *Tx) error {
		for _, collection := range []string{"consultations", "news"} {
			for _, s := range []string{"un", "deux"} {
				if _, err := tx.Put(collection, slug(t, s), content.Parse([]byte(src))); err != nil { // whoever it was read by
					return err
				}
			}
		}
		if err := tx.Move("consultations", slug(t, "deux"), "news", slug(t, "trois")); err != nil {
			return err
		}
		e, _ := tx.Entry("news", slug(t, "trois"))
		if v, _ := e.Fields().Get("a"); v != "yes" {
			t.Errorf("before it is committed, it is read as %v", v)
		}
		return nil
	})
	update(t, r, func(tx *Tx) error { return tx.Move("news", slug(t, "deux"), "consultations", slug(t, "deux")) })
	told := func(r *Repo, consultations, news string) {
		t.Helper()
		for _, s := range []string{"un", "deux"} {
			is(r, "consultations", s, consultations)
		}
		for _, s := range []string{"un", "trois"} {
			is(r, "news", s, news)
		}
	}
	told(r, old, now)
	stop()
	verify(t, r)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		consultations, news content.Version
		first, second       string
		known               bool
	}{
		{content.YAML11, content.YAML12, old, now, true},
		{content.YAML12, content.YAML12, now, now, true}, // as the other collection was
		{content.YAML12, content.YAML11, now, old, true},
	} {
		versions(tt.consultations, tt.news)
		r, stop := run(t, o)
		e, _ := r.View().Entry("consultations", slug(t, "un"))
		if e.blob.pos.Load() == nil && tt.known {
			t.Errorf("by %s: the index does not know it", tt.consultations)
		}
		told(r, tt.first, tt.second)
		stop()
		if err := r.store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
