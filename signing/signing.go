// Package signing signs commits with a key of the service, as git verify-commit checks
// them: by SSH (OpenSSH's PROTOCOL.sshsig) or by OpenPGP (RFC 9580).
package signing

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"
)

// Formats are the kinds of signatures, by the names that Git has for them in gpg.format.
func Formats() []string { return []string{"ssh", "openpgp"} }

// A Key signs. It may be used by several at once.
type Key struct {
	sign   func(content []byte) ([]byte, error)
	public string
}

// Open reads a private key of a format: for ssh as ssh-keygen writes it, for openpgp as
// gpg --armor --export-secret-keys does. The passphrase is that of the key, none for one
// without. An error says what to do, and holds nothing of the key.
func Open(format string, private, passphrase []byte) (*Key, error) {
	switch format {
	case "ssh":
		return openSSH(private, passphrase)
	case "openpgp":
		return openPGP(private, passphrase)
	}
	return nil, fmt.Errorf("there is no signature format %q", format)
}

// Sign is the signature of a commit, which is the header gpgsig of Git: lines of text, of
// which the last ends, too.
func (k *Key) Sign(commit []byte) ([]byte, error) { return k.sign(commit) }

// Public is what others know the key by: for SSH the line of an authorized_keys file, for
// OpenPGP the fingerprint.
func (k *Key) Public() string { return k.public }

func openSSH(private, passphrase []byte) (*Key, error) {
	signer, err := ssh.ParsePrivateKey(private)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if len(passphrase) == 0 {
			return nil, errors.New("the key is protected by a passphrase; name it with passphrase_env or passphrase_file")
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(private, passphrase); err != nil {
			return nil, errors.New("the passphrase is not that of the key")
		}
	}
	if err != nil {
		return nil, errors.New("is no private key of SSH; make one with ssh-keygen -t ed25519")
	}
	algorithm := signer.PublicKey().Type()
	if algorithm == ssh.KeyAlgoRSA {
		algorithm = ssh.KeyAlgoRSASHA512 // ssh-keygen takes no SHA-1
	}
	with, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("keys of type %s cannot sign commits; make one with ssh-keygen -t ed25519", signer.PublicKey().Type())
	}
	public := signer.PublicKey().Marshal()
	return &Key{
		public: string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(signer.PublicKey()))),
		sign: func(content []byte) ([]byte, error) {
			return signSSH(with, algorithm, public, content)
		},
	}, nil
}

// What a signature by SSH is for, and how the content is hashed first.
const (
	sshMagic     = "SSHSIG"
	sshNamespace = "git"
	sshHash      = "sha512"
)

func signSSH(signer ssh.AlgorithmSigner, algorithm string, public, content []byte) ([]byte, error) {
	sum := sha512.Sum512(content)
	signed := append([]byte(sshMagic), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Sum                       []byte
	}{sshNamespace, "", sshHash, sum[:]})...)
	signature, err := signer.SignWithAlgorithm(rand.Reader, signed, algorithm)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: append([]byte(sshMagic), ssh.Marshal(struct {
		Version                   uint32
		Public                    []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}{1, public, sshNamespace, "", sshHash, ssh.Marshal(signature)})...)}), nil
}

func openPGP(private, passphrase []byte) (*Key, error) {
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(private))
	if err != nil {
		ring, err = openpgp.ReadKeyRing(bytes.NewReader(private))
	}
	if err != nil || len(ring) == 0 {
		return nil, errors.New("is no private key of OpenPGP; write one with gpg --armor --export-secret-keys")
	}
	if len(ring) > 1 {
		return nil, errors.New("holds several keys; write one with gpg --armor --export-secret-keys and its fingerprint")
	}
	owner := ring[0]
	key, ok := owner.SigningKey(time.Now())
	if !ok {
		return nil, errors.New("the key cannot sign; it is expired, revoked or for other uses")
	}
	if key.PrivateKey == nil || key.PrivateKey.Dummy() {
		return nil, errors.New("is a public key alone; write the private one with gpg --armor --export-secret-keys")
	}
	if key.PrivateKey.Encrypted {
		if len(passphrase) == 0 {
			return nil, errors.New("the key is protected by a passphrase; name it with passphrase_env or passphrase_file")
		}
		if err := owner.DecryptPrivateKeys(passphrase); err != nil {
			return nil, errors.New("the passphrase is not that of the key")
		}
	}
	options := &packet.Config{SigningKeyId: key.PublicKey.KeyId}
	return &Key{
		public: fmt.Sprintf("%X", owner.PrimaryKey.Fingerprint),
		sign: func(content []byte) ([]byte, error) {
			var b bytes.Buffer
			if err := openpgp.ArmoredDetachSign(&b, owner, bytes.NewReader(content), options); err != nil {
				return nil, fmt.Errorf("sign: %w", err)
			}
			b.WriteByte('\n')
			return b.Bytes(), nil
		},
	}, nil
}
