package lfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// checkAttr is what git check-attr says of the filter of each path, in a folder that has
// these files .gitattributes, by their folders.
func checkAttr(t *testing.T, files map[string]string, paths []string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(".git/HEAD", "ref: refs/heads/main\n") // what makes a repository, without a process for it
	write(".git/objects/none", "")
	write(".git/refs/none", "")
	for folder, content := range files {
		write(filepath.Join(folder, ".gitattributes"), content)
	}
	cmd := exec.Command("git", "check-attr", "-z", "--stdin", "filter")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(paths, "\x00")+"\x00")
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_ATTR_NOSYSTEM=1", "HOME="+dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for three := range slices.Chunk(strings.Split(string(out), "\x00"), 3) {
		if len(three) == 3 {
			said[three[0]] = three[2]
		}
	}
	return said
}

// tracked is what we say.
func tracked(file string, files map[string]string) bool {
	var in []*Attributes
	for folder := range ancestors(file) {
		if content, ok := files[folder]; ok {
			in = append(in, ParseAttributes(folder, []byte(content)))
		}
	}
	return Tracked(file, in)
}

// ancestors yields the folders of a path, the root first.
func ancestors(file string) func(func(string) bool) {
	return func(yield func(string) bool) {
		if !yield("") {
			return
		}
		for i := range len(file) {
			if file[i] == '/' && !yield(file[:i]) {
				return
			}
		}
	}
}

var attributePaths = []string{
	"a.jpg", "a.JPG", "a.png", "img/a.jpg", "img/b/a.jpg", "img/b/c/d.jpg", "img/b/c/e.txt", "x/img/a.jpg", "img.jpg", "a b.jpg", "été.jpg", "img/ét/x.jpg",
	"[a].jpg", "#a.jpg", "!a.jpg", "\"a\".jpg", "a\tb.jpg", "b/a", "a/b", "ax/y/b", "a/x/y/b", "ab", "a-b.bin", "5.bin", "]x", "*.jpg", "a\\b", "lfs", "docs/lfs/z", ".hidden.jpg",
}

// TestAttributes holds what is read of .gitattributes against git check-attr.
func TestAttributes(t *testing.T) {
	t.Parallel()
	only := func(lines ...string) map[string]string {
		return map[string]string{"": strings.Join(lines, "\n") + "\n"}
	}
	const lfs = " filter=lfs diff=lfs merge=lfs -text"
	for name, files := range map[string]map[string]string{
		"nothing":                  only(),
		"as git lfs track":         only("*.jpg" + lfs),
		"a folder":                 only("img/**" + lfs),
		"a folder's name":          only("img/" + lfs),
		"one level":                only("img/*" + lfs),
		"at any depth":             only("**/a.jpg" + lfs),
		"in between":               only("img/**/d.jpg" + lfs),
		"stars in a name":          only("a**/b" + lfs),
		"stars behind a class":     only("[a]**/b" + lfs),
		"three stars":              only("***/b" + lfs),
		"stars without a slash":    only("img**.jpg" + lfs),
		"from the root":            only("/a.jpg" + lfs),
		"in the root":              only("/*.jpg" + lfs),
		"everything":               only("*" + lfs),
		"a dot":                    only("./a.jpg"+lfs, "../a.jpg"+lfs),
		"classes":                  only("[a-c].jpg"+lfs, "[!a]b"+lfs),
		"a class with a caret":     only("[^a]*.bin" + lfs),
		"a class of digits":        only("[[:digit:]].bin" + lfs),
		"a class that is none":     only("[[:number:]].bin" + lfs),
		"a class without an end":   only("[a.jpg" + lfs),
		"a class with a bracket":   only("[]]x" + lfs),
		"a class with a slash":     only("a[/]b"+lfs, "b[!x]a"+lfs),
		"a range to the end":       only("a[b-]b.bin"+lfs, "a[--b]b.bin"+lfs),
		"escapes":                  only(`\#a.jpg`+lfs, `\!a.jpg`+lfs, `\*.jpg`+lfs, `a\\b`+lfs),
		"an escape at the end":     only(`a.jpg\` + lfs),
		"a question mark":          only("?.jpg"+lfs, "img?a.jpg"+lfs),
		"quoted":                   only(`"a b.jpg"`+lfs, `"\303\251t\303\251.jpg"`+lfs, `"\"a\".jpg"`+lfs, `"a\tb.jpg"`+lfs),
		"quoted badly":             only(`"a.jpg`+lfs, `"\9.jpg"`+lfs),
		"quoted, stuck":            only(`"a.jpg"filter=lfs`),
		"bytes":                    only("ét?.jpg"+lfs, "??t??.jpg"+lfs),
		"a comment":                only("# *.jpg"+lfs, "   #"+lfs),
		"blanks before":            only(" \t*.jpg" + lfs),
		"CRLF":                     only("*.jpg"+lfs+"\r", "\r", "a.png filter=lfs\r"),
		"a BOM":                    only("\ufeff*.jpg" + lfs),
		"no end":                   {"": "*.jpg" + lfs},
		"a NUL":                    only("*.jpg filter=lfs\x00 -filter", "a.png\x00 filter=lfs"),
		"a negated pattern":        only("*.jpg"+lfs, "!a.jpg -filter", "!img/** filter=lfs"),
		"the last counts":          only("*.jpg"+lfs, "a.jpg -filter", "img/a.jpg !filter", "img/b/** filter", "img/b/c/* filter=lfs"),
		"twice in a line":          only("*.jpg filter=lfs -filter", "a.png -filter filter=lfs"),
		"another filter":           only("*.jpg filter=git-crypt", "*.png filter=LFS", "ab filter="),
		"odd states":               only("*.jpg -filter=lfs", "a.png !filter=lfs", "ab filter=lfs=x", "5.bin filter=lfs,x"),
		"a bad name":               only("*.jpg filter=lfs a@b", "a.png filter=lfs -", "ab filter=lfs =x", "5.bin filter=lfs --x"),
		"macros":                   only("[attr]lfs"+lfs, "*.jpg lfs", "img/a.jpg -lfs", "img/b/a.jpg !filter", "a.png lfs=yes"),
		"a macro behind its use":   only("*.jpg large", "[attr]large filter=lfs"),
		"macros of macros":         only("[attr]a filter=lfs", "[attr]b a", "[attr]c b -filter", "*.jpg b", "*.png c", "ab a -b"),
		"a macro that undoes":      only("[attr]plain !filter", "*"+lfs, "*.jpg plain", "*.png -plain"),
		"macros that turn":         only("[attr]a b", "[attr]b a filter=lfs", "*.jpg a", "a.png b"),
		"a macro defined again":    only("[attr]a filter=lfs", "[attr]a -filter", "*.jpg a"),
		"a macro with a bad name":  only("[attr]-x filter=lfs", "[attr] y filter=lfs", "*.jpg -x", "*.png y"),
		"binary":                   only("*.jpg binary", "*.png binary filter=lfs"),
		"binary defined again":     only("[attr]binary filter=lfs", "*.jpg binary"),
		"a macro in a folder":      {"": "*.png lfs\n", "img": "[attr]lfs filter=lfs\n*.jpg lfs\n"},
		"a macro used in a folder": {"": "[attr]lfs filter=lfs\n", "img/b": "*.jpg lfs\n"},
		"a folder's own":           {"": "*.jpg" + lfs + "\n", "img": "*.jpg !filter\n", "img/b/c": "*" + lfs + "\n"},
		"a folder's own root":      {"img": "/a.jpg" + lfs + "\nb/**/d.jpg" + lfs + "\n"},
		"a folder before the root": {"": "img/a.jpg -filter\n", "img": "a.jpg filter=lfs\n"},
		"a folder with an accent":  {"img/ét": "*.jpg" + lfs + "\n"},
		"a long line":              only("*.jpg filter=lfs "+strings.Repeat("a", maxLine), "a.png filter=lfs "+strings.Repeat("a", maxLine-18), "ab filter=lfs "+strings.Repeat("a", maxLine-15)),
		"a pattern alone":          only("*.jpg", "*.png ", "ab filter=lfs"),
		"many stars":               only(strings.Repeat("*a", 40)+"x"+lfs, strings.Repeat("**/", 40)+"x"+lfs),
	} {
		said := checkAttr(t, files, attributePaths)
		for _, file := range attributePaths {
			if got, want := tracked(file, files), said[file] == "lfs"; got != want {
				t.Errorf("%s: %q: got %t, and git says %s", name, file, got, said[file])
			}
		}
	}
}

// TestRandomAttributes holds patterns that nobody would write against git check-attr.
func TestRandomAttributes(t *testing.T) {
	t.Parallel()
	parts := []string{"a", "b", "img", ".jpg", "*", "**", "/", "?", "[ab]", "[!a]", `\a`, "/**/", "**/", "/**", "x", "y", "-", "[a-y]", "[", "]", "é"}
	states := []string{"filter=lfs", "-filter", "!filter", "filter", "m", "-m", "n", "!n", "filter=other", "text"}
	rounds := 25
	if testing.Short() {
		rounds = 8
	}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func(from []string, most int) string {
			var b strings.Builder
			for range 1 + r.IntN(most) {
				b.WriteString(from[r.IntN(len(from))])
			}
			return b.String()
		}
		file := func() string {
			var b strings.Builder
			for range 1 + r.IntN(12) {
				fmt.Fprintf(&b, "%s %s %s\n", pick(parts, 5), states[r.IntN(len(states))], states[r.IntN(len(states))])
			}
			return b.String()
		}
		files := map[string]string{"": "[attr]m filter=lfs -n\n[attr]n -filter m\n" + file(), "img": file(), "img/b": file()}
		said := checkAttr(t, files, attributePaths)
		for _, path := range attributePaths {
			if got, want := tracked(path, files), said[path] == "lfs"; got != want {
				t.Errorf("seed %d: %q: got %t, and git says %s of\n%q", seed, path, got, said[path], files)
			}
		}
	}
}
