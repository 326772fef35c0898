-- What people prove themselves by beside their password.
CREATE TABLE totps (
	account TEXT   PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	secret  BLOB   NOT NULL, -- encrypted
	step    BIGINT NOT NULL  -- of the last code that was used
);
CREATE TABLE recovery_codes (
	account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	hash    TEXT NOT NULL,
	PRIMARY KEY (account, hash)
);
ALTER TABLE sessions ADD COLUMN factor TEXT NOT NULL DEFAULT ''; -- by which it began, '' for none
