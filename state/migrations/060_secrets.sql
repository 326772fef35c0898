-- What the services of this database sign with, so that one of them knows what
-- another has signed.
CREATE TABLE secrets (
	name  TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
);
