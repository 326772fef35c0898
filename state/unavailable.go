package state

import (
	"database/sql/driver"
	"errors"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Unavailable says whether err is of a database that cannot be used for now: its disk is
// full or fails, it is busy, or it cannot be reached. What was to be committed may
// have been, unless that could not even begin.
func Unavailable(err error) bool {
	var (
		lite    *sqlite.Error
		refused *pgconn.PgError
		connect *pgconn.ConnectError
		network *net.OpError
	)
	switch {
	case errors.As(err, &lite):
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
			sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL:
			return true
		}
		return false
	case errors.As(err, &refused):
		// Of the connection, want of resources, an operator's doing, the system.
		return refused.Code == "25006" || slices.Contains([]string{"08", "53", "57", "58"}, refused.Code[:min(2, len(refused.Code))])
	case errors.As(err, &connect), errors.As(err, &network):
		return true
	}
	return errors.Is(err, driver.ErrBadConn)
}
