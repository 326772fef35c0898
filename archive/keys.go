package archive

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// Recipient is whom an archive is encrypted for, a key of age.
type Recipient = age.Recipient

// Identity opens an archive that was encrypted for its recipient.
type Identity = age.Identity

// MinPassphrase is how many bytes a passphrase has at least: an archive may lie about
// where it can be tried for years.
const MinPassphrase = 16

// The work of a passphrase: 2^16 rounds of scrypt, 64 MB and a fifth of a second.
const passphraseWork = 16

// ParseRecipients reads public keys (age1…), one a line; lines that begin with # are
// comments.
func ParseRecipients(text string) ([]Recipient, error) {
	keys, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("recipients of age: %w", err)
	}
	return keys, nil
}

// ParseIdentities reads private keys, as age-keygen writes them.
func ParseIdentities(r io.Reader) ([]Identity, error) {
	keys, err := age.ParseIdentities(r)
	if err != nil {
		return nil, errors.New("that is no file of age identities") // the error may repeat a line of it
	}
	return keys, nil
}

// PassphraseRecipient encrypts for those who know the passphrase. It can be the only key.
func PassphraseRecipient(passphrase string) (Recipient, error) {
	if len(passphrase) < MinPassphrase {
		return nil, fmt.Errorf("the passphrase has fewer than %d bytes", MinPassphrase)
	}
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(passphraseWork)
	return r, nil
}

// PassphraseIdentity opens what PassphraseRecipient has closed.
func PassphraseIdentity(passphrase string) (Identity, error) {
	return age.NewScryptIdentity(passphrase)
}
