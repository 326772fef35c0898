package lfs

import (
	"strings"
	"testing"
)

func TestParsePointer(t *testing.T) {
	t.Parallel()
	const hash = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
	const version, oid, size = "version https://git-lfs.github.com/spec/v1\n", "oid sha256:" + hash + "\n", "size 12345\n"
	whole := version + oid + size
	for name, taken := range map[string]string{
		"of now":            whole,
		"of Hawser":         "version https://hawser.github.com/spec/v1\n" + oid + size,
		"of git-media":      "version http://git-media.io/v/2\n" + oid + size,
		"with extensions":   version + "ext-0-foo sha256:" + hash + "\next-1-bar sha256:" + hash + "\n" + oid + size,
		"CRLF":              strings.ReplaceAll(whole, "\n", "\r\n"),
		"without its end":   strings.TrimSuffix(whole, "\n"),
		"an empty line":     whole + "\n",
		"as long as may be": version + "ext-0-foo " + strings.Repeat("a", MaxPointer-1-len(whole)-len("ext-0-foo \n")) + "\n" + oid + size,
	} {
		if p, ok := ParsePointer([]byte(taken)); !ok || p != (Pointer{"sha256:" + hash, 12345}) {
			t.Errorf("%s: got %v, %t", name, p, ok)
		}
	}
	if p, ok := ParsePointer([]byte(version + oid + "size 0")); !ok || p.Size != 0 {
		t.Errorf("an empty file: got %v, %t", p, ok)
	}
	for name, refused := range map[string]string{
		"nothing":             "",
		"a picture":           "\x89PNG\r\n\x1a\n",
		"another version":     "version https://git-lfs.github.com/spec/v2\n" + oid + size,
		"a version alone":     version,
		"no size":             version + oid,
		"no oid":              version + size,
		"another order":       version + size + oid,
		"another beginning":   "# " + whole,
		"a blank before":      " " + whole,
		"more behind":         whole + "x y\n",
		"twice":               whole + whole,
		"another key":         version + "author Ann\n" + oid + size,
		"a bad extension":     version + "ext-10-foo sha256:" + hash + "\n" + oid + size,
		"a late extension":    whole + "ext-0-foo sha256:" + hash + "\n",
		"a short hash":        version + "oid sha256:4d7a\n" + size,
		"another hash":        version + "oid md5:" + hash + "\n" + size,
		"capitals":            version + strings.ToUpper(oid) + size,
		"a size below 0":      version + oid + "size -1\n",
		"a size that is none": version + oid + "size 1e3\n",
		"a huge size":         version + oid + "size 9223372036854775808\n",
		"front matter":        "---\n" + whole + "---\n",
		"too long":            version + "ext-0-foo " + strings.Repeat("a", MaxPointer-len(whole)-len("ext-0-foo \n")) + "\n" + oid + size,
		"not UTF-8":           version + "ext-0-foo \xff\n" + oid + size,
	} {
		if p, ok := ParsePointer([]byte(refused)); ok {
			t.Errorf("%s: got %v", name, p)
		}
	}
}
