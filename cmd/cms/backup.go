package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"cms/archive"
	"cms/config"
	"cms/lfs"
	"cms/repo"
	"cms/state"
)

// A manifest is the first file of a backup: what it is of. Format grows when an older
// version could not restore what a newer one writes.
type manifest struct {
	Format     int       `json:"format"`
	Version    string    `json:"version"` // of the program that made it
	Made       time.Time `json:"made"`
	Database   string    `json:"database"`             // its kind; "" where it was left out
	Migrations []string  `json:"migrations,omitempty"` // that the database has seen
	Branch     string    `json:"branch"`
	Commit     string    `json:"commit,omitempty"` // the branch's; "" where it has none
	References int       `json:"references"`
}

const (
	manifestName   = "backup.json"
	manifestFormat = 1
	maxManifest    = 1 << 20
	databaseName   = "database"
	repositoryName = "repository/"
	passphraseEnv  = "CMS_BACKUP_PASSPHRASE" //nolint:gosec // the name of a variable
)

func (p *program) backupCommand() *cobra.Command {
	var (
		recipients, recipientFiles []string
		passphraseFile             string
		noDatabase                 bool
	)
	c := &cobra.Command{
		Use:   "backup DIR|-",
		Short: "Make one archive of the repository and the database, beside a running service",
		Long: "Writes one archive of the repository and the database to a new file in DIR, or to\n" +
			"standard output, while the service goes on; with the files that Git LFS keeps here,\n" +
			"and without those that it keeps at a Git host. The database is read first, so that\n" +
			"the repository has every commit that it knows of. The archive holds secrets: only\n" +
			"its owner may read the file. With --recipient or a passphrase it is encrypted, as\n" +
			"age does. A database of PostgreSQL is read by pg_dump, which has to be installed.",
		Example: "  cms backup /var/backups/cms --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n" +
			"  cms backup - | ssh backup@example.org 'cat >cms.tar'",
		Args: oneArgument("a folder for the archive, or - for standard output"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.loadWith(config.NoSecrets)
			if err != nil {
				return err
			}
			keys, err := p.sealing(recipients, recipientFiles, passphraseFile)
			if err != nil {
				return err
			}
			b := &backup{config: cfg, keys: keys, noDatabase: noDatabase}
			if args[0] == "-" {
				if f, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
					return &usageError{errors.New("an archive is not for a terminal: send standard output to a file or a program")}
				}
				made, err := b.write(cmd.Context(), p.stdout, scratchOf(cfg))
				if err != nil {
					return fmt.Errorf("the archive is not complete: %w", err)
				}
				fmt.Fprintln(p.stderr, made.summary("standard output", len(keys) > 0))
				return nil
			}
			made, name, err := b.writeFile(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, made.summary(name, len(keys) > 0))
			return nil
		},
	}
	p.configFlag(c)
	f := c.Flags()
	f.StringArrayVar(&recipients, "recipient", nil, "a public `key` of age (age1…) to encrypt for; may be repeated")
	f.StringArrayVar(&recipientFiles, "recipients-file", nil, "a `file` of such keys, one a line; may be repeated")
	f.StringVar(&passphraseFile, "passphrase-file", "", "a `file` whose first line is a passphrase to encrypt with ("+passphraseEnv+")")
	f.BoolVar(&noDatabase, "no-database", false, "leave the database out: whoever uses it backs it up in another way")
	return c
}

// oneArgument asks for one, which is what.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return &usageError{fmt.Errorf("%s takes one argument, %s", cmd.CommandPath(), what)}
		}
		return nil
	}
}

// sealing are the keys to encrypt for, none for no encryption.
func (p *program) sealing(given, files []string, passphraseFile string) ([]archive.Recipient, error) {
	lines := slices.Clone(given)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, &usageError{err}
		}
		lines = append(lines, string(raw))
	}
	passphrase, err := p.passphrase(passphraseFile)
	switch {
	case err != nil:
		return nil, err
	case len(given)+len(files) > 0 && passphrase != "":
		return nil, &usageError{errors.New("a passphrase cannot stand beside other keys")}
	case passphrase != "":
		key, err := archive.PassphraseRecipient(passphrase)
		if err != nil {
			return nil, &usageError{err}
		}
		return []archive.Recipient{key}, nil
	case len(given)+len(files) == 0:
		return nil, nil
	}
	keys, err := archive.ParseRecipients(strings.Join(lines, "\n"))
	if err != nil {
		return nil, &usageError{err}
	}
	return keys, nil
}

// passphrase is that of the file or of the environment, "" for none.
func (p *program) passphrase(file string) (string, error) {
	if file == "" {
		return p.getenv(passphraseEnv), nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", &usageError{err}
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", &usageError{fmt.Errorf("%s: its first line is no passphrase", file)}
	}
	return line, nil
}

// scratchOf is a folder with room for a copy of the database, which nobody else reads.
func scratchOf(c *config.Config) string {
	if path, lite := strings.CutPrefix(string(c.State.URL), "sqlite:"); lite {
		return filepath.Dir(path)
	}
	return filepath.Dir(c.Repository.Path)
}

// A backup is one that is being made.
type backup struct {
	config     *config.Config
	keys       []archive.Recipient
	noDatabase bool
}

// writeFile makes a new file in the folder, which has its name once it is whole.
func (b *backup) writeFile(ctx context.Context, folder string) (made manifest, name string, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return made, "", err
	}
	f, err := os.CreateTemp(folder, ".cms-backup-*.partial") // which only its owner may read
	if err != nil {
		return made, "", err
	}
	defer os.Remove(f.Name())
	made, err = b.write(ctx, f, folder)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return made, "", err
	}
	name = filepath.Join(folder, "cms-"+made.Made.Format("20060102T150405Z")+".tar")
	if len(b.keys) > 0 {
		name += ".age"
	}
	if err := os.Link(f.Name(), name); err != nil { // which overwrites nothing
		return made, "", err
	}
	return made, name, syncFolder(folder)
}

// write writes the archive, with a copy of the database in a folder below scratch meanwhile.
func (b *backup) write(ctx context.Context, w io.Writer, scratch string) (m manifest, err error) {
	m = manifest{Format: manifestFormat, Version: version, Made: clock().UTC().Truncate(time.Second)}
	dir, err := os.MkdirTemp(scratch, ".cms-backup-*")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	dump := filepath.Join(dir, databaseName)
	if !b.noDatabase {
		address := string(b.config.State.URL)
		m.Database = state.Kind(address)
		if m.Migrations, err = state.Dump(ctx, address, dump); errors.Is(err, state.ErrNoProgram) {
			return m, fmt.Errorf("%w. Install it, or back the database up in another way and say --no-database", err)
		} else if err != nil {
			return m, fmt.Errorf("%w; state.url in the configuration says where it is", err)
		}
	}
	c, err := repo.NewCopy(b.config.Repository.Path) // after the database, so that it knows of no commit that is missing
	if errors.Is(err, repo.ErrNoRepository) {
		return m, noRepository(b.config)
	} else if err != nil {
		return m, fmt.Errorf("%s: %w", b.config.Repository.Path, err)
	}
	defer c.Close()
	branch, commit := c.Branch()
	m.Branch, m.References = branch, c.References()
	if !commit.IsZero() {
		m.Commit = commit.String()
	}
	a, err := archive.NewWriter(w, m.Made, b.keys)
	if err != nil {
		return m, err
	}
	raw, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return m, err
	}
	if err := a.Add(archive.File{Name: manifestName, Mode: 0o600, Size: int64(len(raw)), Content: bytes.NewReader(raw)}); err != nil {
		return m, err
	}
	if !b.noDatabase {
		if err := addFile(a, databaseName, dump); err != nil {
			return m, err
		}
	}
	err = c.Files(ctx, func(f repo.CopiedFile) error {
		return a.Add(archive.File{Name: repositoryName + f.Name, Mode: f.Mode, Size: f.Size, Content: f.Content})
	})
	if err != nil {
		return m, fmt.Errorf("%s: %w", b.config.Repository.Path, err)
	}
	// Behind the references, so that there is each object that a pointer of theirs names.
	err = lfs.Own(b.config.Repository.Path, func(k lfs.Kept, content io.Reader) error {
		return a.Add(archive.File{Name: repositoryName + k.Name, Mode: 0o444, Size: k.Size, Content: content})
	})
	if err != nil {
		return m, fmt.Errorf("%s: %w", b.config.Repository.Path, err)
	}
	return m, a.Close()
}

func addFile(a *archive.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return a.Add(archive.File{Name: name, Mode: 0o600, Size: info.Size(), Content: f})
}

// summary tells what is in a backup and where it is.
func (m *manifest) summary(at string, encrypted bool) string {
	s := at + ": " + m.contents()
	if !encrypted {
		s += "\nIt is not encrypted, and holds hashes of passwords and secrets of webhooks: guard it as you guard those."
	}
	return s
}

func (m *manifest) contents() string {
	commit := m.Commit
	if commit == "" {
		commit = "its beginning"
	}
	s := fmt.Sprintf("the repository with %s at %s, %d references", m.Branch, commit, m.References)
	switch m.Database {
	case "":
		return s + "; without the database"
	case state.SQLite:
		return s + "; the database of SQLite"
	}
	return s + "; the database of PostgreSQL"
}

// syncFolder makes durable which names a folder has.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
