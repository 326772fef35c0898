package repo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGitConfig: settings are read as Git reads them, and refused where it refuses them.
func TestGitConfig(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "config")
	for _, text := range []string{
		"",
		"[core]\n\tbare = true\n",
		"[remote \"origin\"]\n\tfetch = +refs/*:refs/*\n\tfetch = ^refs/pull/*\n\tfetch = tag v1\n",
		"[branch \"main\"]\n\trebase = merges\n\tmerge = main\n",
		"[pack]\n\twindow = 1k\n",
		"\uFEFF[core]\n\tbare = true\n",
		"[core]\r\n\tbare = true\r\n",
		"# one\n; two\n[a] b = c # three\n[d]e=f;g\n",
		"[a]\n\tb\n\tc # none\n",
		"[a]\n\tb",
		"[a] b\nc=\n d = \n",
		"[a]\n\tb\n\n\n\t = c\n",
		"[a]\n\tb = \"c  # d\" ; e\n\tf = g\"h # i\"j  \n",
		"[a]\n\tb = c  d e \\\n f\n",
		"[a]\n\tb = \\t\\b\\n\\\\\\\"\n",
		"[a]\n\tb = c\\\n",
		"[a]\n\tb = \"c \\\n d\"\n",
		"[a]\n\tb = \" c \"\n",
		"[a]\n\tb =   ==c\n",
		"[A.B-c]\n\tD9-e = F\n",
		"[a.b.C]\n\td = e\n",
		"[a \"B.c\\\"d\\\\e\\f\"]\n\tg = h\n",
		"[a \"\"]\n\tb = c\n",
		"[9a]\n\tb = c\n",
		"[user]\n\tname = Andr\xe9\n",
		"[a]\n\tb = c\n[a]\n\tb = d\n",
		"[a \"b\"",
		"[a \"b\nc\"]\n",
		"[a \"b\" ]\n",
		"[a b]\n",
		"[]\n",
		"[a",
		"a = b\n",
		"[a]\n\t9b = c\n",
		"[a]\n\t-b = c\n",
		"[a]\n\tb_c = d\n",
		"[a]\n\tb c\n",
		"[a]\n\tb = \"c\n",
		"[a]\n\tb = \\q\n",
		"[a]\n\tb = \\",
		"[a]\n= b\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		said, refused := exec.Command("git", "config", "--file", name, "--null", "--list").Output()
		got, err := parseGitConfig([]byte(text))
		if (err != nil) != (refused != nil) {
			t.Errorf("%q: got error %v, Git %v", text, err, refused)
			continue
		}
		var list strings.Builder
		for _, s := range got {
			if s.section != "" {
				list.WriteString(s.section + ".")
			}
			if s.subsection != "" || strings.Contains(text, `""`) {
				list.WriteString(s.subsection + ".")
			}
			list.WriteString(s.key + "\n" + s.value + "\x00")
		}
		want := ""
		for item := range strings.SplitSeq(strings.TrimSuffix(string(said), "\x00"), "\x00") {
			if item != "" && !strings.Contains(item, "\n") { // it has no value
				item += "\ntrue"
			}
			if item != "" {
				want += item + "\x00"
			}
		}
		if err == nil && list.String() != want {
			t.Errorf("%q: got %q, Git %q", text, list.String(), want)
		}
	}
}
