package state

import (
	"context"
	"fmt"
)

// Secret is the secret of that name, which all services of the database share. The
// first one to ask makes it: it is fresh then.
func (db *DB) Secret(ctx context.Context, name string, fresh []byte) ([]byte, error) {
	_, err := db.exec(ctx, `INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, fresh)
	if err != nil {
		return nil, fmt.Errorf("keep a secret: %w", err)
	}
	var value []byte
	if err := db.sql.QueryRowContext(ctx, db.Bind(`SELECT value FROM secrets WHERE name = ?`), name).Scan(&value); err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	return value, nil
}
