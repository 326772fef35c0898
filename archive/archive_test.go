package archive

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"cms/race"
)

var files = map[string]string{"backup.json": "{}", "repository/HEAD": "ref: refs/heads/main\n", "repository/objects/pack/pack-1.pack": strings.Repeat("pack", 50_000), "empty": ""}

func write(t *testing.T, keys ...age.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, time.Unix(1_800_000_000, 0), keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"backup.json", "repository/HEAD", "repository/objects/pack/pack-1.pack", "empty"} {
		if err := w.Add(File{name, 0o600, int64(len(files[name])), strings.NewReader(files[name])}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte, keys ...age.Identity) (map[string]string, error) {
	got := map[string]string{}
	err := Read(bytes.NewReader(b), keys, func(f File) error {
		content, err := io.ReadAll(f.Content)
		got[f.Name] = string(content)
		return err
	})
	return got, err
}

func TestReadGivesWhatWasWritten(t *testing.T) {
	t.Parallel()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	word, err := PassphraseRecipient("une phrase de passe longue")
	if err != nil {
		t.Fatal(err)
	}
	known, err := PassphraseIdentity("une phrase de passe longue")
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	plain, sealed, spoken := write(t), write(t, key.Recipient()), write(t, word)
	for name, b := range map[string][]byte{"plain": plain, "sealed": sealed, "spoken": spoken} {
		var keys []age.Identity
		switch name {
		case "sealed":
			keys = []age.Identity{other, key}
		case "spoken":
			keys = []age.Identity{known}
		}
		if got, err := read(b, keys...); err != nil || !maps.Equal(got, files) {
			t.Errorf("%s: got %d files, %v", name, len(got), err)
		}
		if (name == "plain") != bytes.Contains(b, []byte("refs/heads")) {
			t.Errorf("%s: is it encrypted?", name)
		}
	}
	for want, err := range map[error]error{
		ErrEncrypted: second(read(sealed)), ErrKey: second(read(sealed, other)), ErrPlain: second(read(plain, key)),
	} {
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if _, err := PassphraseRecipient("trop court"); err == nil {
		t.Error("a short passphrase is taken")
	}
	if _, err := ParseIdentities(strings.NewReader("AGE-SECRET-KEY-1WRONG")); err == nil || strings.Contains(err.Error(), "WRONG") {
		t.Errorf("a wrong key: %v", err)
	}
}

func second(_ any, err error) error { return err }

// TestReadMissesNothing: no end that comes early, and no bit that is another one.
func TestReadMissesNothing(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, whole := range map[string][]byte{"plain": write(t), "sealed": write(t, key.Recipient())} {
		var keys []age.Identity
		if name == "sealed" {
			keys = []age.Identity{key}
		}
		end := len(whole)
		if name == "plain" {
			end -= 1024 // of zeros, which say nothing
		}
		for n := 0; n < end; n += 1 + n/64 {
			if _, err := read(whole[:n], keys...); err == nil {
				t.Errorf("%s: %d of %d bytes are taken for all", name, n, len(whole))
			}
			broken := bytes.Clone(whole)
			broken[n] ^= 1
			if got, err := read(broken, keys...); err == nil && !maps.Equal(got, files) {
				t.Errorf("%s: another byte at %d is missed", name, n)
			}
		}
		if _, err := read(append(bytes.Clone(whole), 'x'), keys...); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: a byte more: %v", name, err)
		}
		if _, err := read(whole[:len(whole)-1], keys...); name == "sealed" && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: a byte less: %v", name, err)
		}
	}
}

// TestOtherPrograms read an archive, too.
func TestOtherPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a.tar", write(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", "cd "+dir+" && tar xf a.tar && sha256sum --strict -c SHA256SUMS").CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != len(files) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAddRefuses names that lead elsewhere, and contents of another size.
func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for _, f := range []File{
		{Name: "../HEAD", Content: strings.NewReader("")}, {Name: "/etc/passwd", Content: strings.NewReader("")}, {Name: sums, Content: strings.NewReader("")},
		{Name: "a\nb", Content: strings.NewReader("")}, {Name: "short", Size: 2, Content: strings.NewReader("1")}, {Name: "long", Size: 1, Content: strings.NewReader("12")},
	} {
		w, err := NewWriter(io.Discard, time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(f); err == nil {
			t.Errorf("%s: is taken", f.Name)
		}
	}
}
