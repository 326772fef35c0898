-- An account has the newest link of an operator, and beside it the newest that was asked for
-- by who says to have forgotten the password: what anybody may ask for ends no invitation.
CREATE TABLE account_links (
	account  TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	asked    INTEGER NOT NULL, -- 1 of one that was asked for
	hash     TEXT    NOT NULL UNIQUE, -- of its token
	until_at BIGINT  NOT NULL,
	PRIMARY KEY (account, asked)
);
INSERT INTO account_links (account, asked, hash, until_at) SELECT account, 0, hash, until_at FROM links;
DROP TABLE links;
ALTER TABLE account_links RENAME TO links;
