package state

import (
	"context"
	"database/sql"
	"fmt"
)

// Lock is held by one service at a time of those that share the database, until
// it releases the lock, ends, or loses its connection.
type Lock struct{ conn *sql.Conn }

// TryLock takes the lock called name, or returns nil when another service has
// it. On SQLite, which one service uses, it is always to be had. On PostgreSQL
// it is a session's advisory lock, and takes a connection of its own.
func (db *DB) TryLock(ctx context.Context, name string) (*Lock, error) {
	if !db.postgres {
		return &Lock{}, nil
	}
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	var mine bool
	err = conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, $2))`, name, migrateLock).Scan(&mine)
	if err != nil || !mine {
		conn.Close()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		return nil, nil
	}
	return &Lock{conn}, nil
}

// Lock takes the lock called name once no other service has it: those who wait get it in
// the order in which they came. It says whether another one had it. On SQLite nobody does.
func (db *DB) Lock(ctx context.Context, name string) (l *Lock, waited bool, err error) {
	l, err = db.TryLock(ctx, name)
	if l != nil || err != nil {
		return l, false, err
	}
	conn, err := db.sql.Conn(ctx)
	if err == nil {
		if _, err = conn.ExecContext(ctx, `SELECT pg_advisory_lock(hashtextextended($1, $2))`, name, migrateLock); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		return nil, true, fmt.Errorf("wait for lock %s: %w", name, err)
	}
	return &Lock{conn}, true, nil
}

// Check says why the lock may be lost, or nil.
func (l *Lock) Check(ctx context.Context) error {
	if l.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if _, err := l.conn.ExecContext(ctx, `SELECT 1`); err != nil {
		return fmt.Errorf("the connection that holds a lock: %w", err)
	}
	return nil
}

// Release gives the lock back.
func (l *Lock) Release() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	//nolint:errcheck // a connection that cannot say so is lost, and the lock with it
	l.conn.ExecContext(ctx, `SELECT pg_advisory_unlock_all()`)
	l.conn.Close()
}
