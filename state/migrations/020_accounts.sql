-- Who may log in. An account with a password has no issuer, and the id as
-- subject; one that an identity provider vouches for has no password.
CREATE TABLE accounts (
	id         TEXT   PRIMARY KEY,
	issuer     TEXT   NOT NULL,
	subject    TEXT   NOT NULL,
	email      TEXT   NOT NULL,
	name       TEXT   NOT NULL,
	roles      TEXT   NOT NULL, -- a JSON list
	claims     TEXT   NOT NULL, -- a JSON object
	password   TEXT   NOT NULL, -- its hash
	disabled   BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	UNIQUE (issuer, subject)
);
CREATE UNIQUE INDEX accounts_email ON accounts (email) WHERE issuer = '';

-- Who is logged in. Of the tokens only hashes are kept.
CREATE TABLE sessions (
	id            TEXT   PRIMARY KEY,
	account       TEXT   NOT NULL REFERENCES accounts (id),
	access_hash   TEXT   NOT NULL,
	access_until  BIGINT NOT NULL,
	refresh_hash  TEXT   NOT NULL,
	refresh_until BIGINT NOT NULL,
	ends_at       BIGINT NOT NULL
);
CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_refresh_until ON sessions (refresh_until);

-- Browsers from which an account was logged in to.
CREATE TABLE devices (
	hash     TEXT   PRIMARY KEY,
	account  TEXT   NOT NULL REFERENCES accounts (id),
	until_at BIGINT NOT NULL
);

-- Tokens that were taken back before their time.
CREATE TABLE revoked_tokens (
	issuer     TEXT   NOT NULL,
	id         TEXT   NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (issuer, id)
);
