-- Links by which the owner of an account chooses a password, once. Each account has the
-- newest alone.
CREATE TABLE links (
	account  TEXT   PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	hash     TEXT   NOT NULL UNIQUE, -- of its token
	until_at BIGINT NOT NULL
);
