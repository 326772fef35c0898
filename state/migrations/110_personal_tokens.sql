-- Tokens that people make for programs of theirs, such as Git. Of each only the hash is
-- kept. They go with the account.
CREATE TABLE personal_tokens (
	id         TEXT   PRIMARY KEY,
	account    TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	hash       TEXT   NOT NULL UNIQUE,
	name       TEXT   NOT NULL,
	limits     TEXT   NOT NULL, -- a JSON object; '' for none
	created_at BIGINT NOT NULL,
	ends_at    BIGINT NOT NULL,
	used_at    BIGINT NOT NULL  -- about when it was last used; 0 for never
);
CREATE INDEX personal_tokens_account ON personal_tokens (account);
