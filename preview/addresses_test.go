package preview

import (
	"runtime"
	"strings"
	"testing"
)

// TestAddresses finds what leads somewhere in a text, and leaves alone what only looks
// like it. Each X begins an address that is one, each Y one that is none.
func TestAddresses(t *testing.T) {
	r := New()
	for _, tt := range []string{
		"![a](X/a.jpg) et [b](X/b.pdf \"Titre\"), [c]( X/c.pdf )",
		"![](<X/a b.jpg>) [x](X/plan_(1).pdf) [x](X/plan\\).pdf)",
		"[a]\n\n[a]: X/a.jpg 'Titre'\n[inutile]: X/b.jpg\n",
		"`![a](Y/a.jpg)` ![a](X/b.jpg)\n\n    ![a](Y/c.jpg)\n\n```\n[a](Y/d.jpg)\n<img src=\"Y/e.jpg\">\n```\n",
		"<img src=\"X/a.jpg\" alt='Y/b.jpg'> <a href='X/c.pdf'>c</a> <img src=X/d.jpg>",
		"<figure>\n<IMG SRC = \"X/a.jpg\" srcset=\"X/b.jpg 1x, X/c.jpg 2x\">\n![a](Y/d.jpg)\n</figure>\n",
		"<!-- <img src=\"Y/a.jpg\"> -->\n\n<video poster=\"X/a.jpg\"><source src=\"X/b.mp4\"></video>\n",
		"![a]({{ site.baseurl }}X/a.jpg) ![a]({{ \"X/b.jpg\" | relative_url }}) [c]({% link X/c.pdf %}) ![a]({{ page.image }})",
		"<img src=\"{{ site.baseurl }}X/a.jpg\"> <img src=\"{{ \"X/b.jpg\" | relative_url }}\"> <a href='{% link X/c.pdf %}'>c</a>",
		"> ![a](X/a.jpg)\n\n- un\n  ![b](X/b.jpg)\n\n| a |\n|---|\n| ![c](X/c.jpg) |\n",
		"[a\\](Y/a.jpg) \\![a](X/b.jpg) a](Y/c.jpg) data=\"Y/d.jpg\" [a](Y/e f.jpg)",
		"[![a](X/a.jpg)](X/b.jpg)[^1]\n\n[^1]: ![n](X/n.jpg)\n",
		"cms-address-0- ![cms-address-0-](X/a.jpg)\r\n\r\n[b]: <X/b.jpg>\r\n\xff ![é](X/é.jpg)",
		"](", "]: ", "[a](", "[a](<", "<img src=", "<img src=\"", "<img src=\"{{", "[a]({{", "=", "[a]({% link %})", "[a]({%}", "[a](<{%}>)", "<img src={{}", "<img src='{%}'>", "[a]({{ \"\" }})", "[a](\\",
		strings.Repeat("> ", 200) + "![a](X/a.jpg)",
	} {
		var want []string
		for _, part := range strings.Split(tt, "X")[1:] {
			want = append(want, "X"+part[:strings.IndexAny(part, "pgf")+1])
		}
		found, err := r.Addresses(t.Context(), tt, func(a Address) bool { return strings.ContainsAny(tt[a.From:a.To], "XY") })
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range found {
			s := tt[a.From:a.To]
			got = append(got, s)
			if s[0] != 'X' {
				t.Errorf("%q: got %q", tt, s)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%q: got %q, want %d", tt, got, len(want))
		}
	}
	long := strings.Repeat("`[a](Y)` ", MaxBytes/8)
	if found, err := r.Addresses(t.Context(), long, func(Address) bool { return true }); err != nil || len(found) != MaxBytes/8 {
		t.Errorf("in a text that is too long: got %d, %v", len(found), err)
	}
}

// A text that is full of what addresses could be called costs no more than another one.
func TestAddressesInTimeOfTheLength(t *testing.T) {
	r := New()
	cost := func(unit string) int {
		markdown := "[a](b) cms-address" + strings.Repeat(unit, 20_000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := r.Addresses(t.Context(), markdown, func(Address) bool { return true }); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc - before.TotalAlloc)
	}
	cost("ab") // what is made once
	if other, named := cost("ab"), cost("-x"); named > 4*other+1<<20 {
		t.Errorf("took %d bytes, another text %d", named, other)
	}
}
