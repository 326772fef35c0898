-- Passkeys: keys of devices and password managers, which people prove themselves by.
CREATE TABLE passkeys (
	id         TEXT   PRIMARY KEY, -- what the device calls it, in base64url
	account    TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	name       TEXT   NOT NULL,    -- that its owner gave
	public_key BLOB   NOT NULL,    -- in COSE
	flags      BIGINT NOT NULL,    -- of the authenticator, as it was added
	transports TEXT   NOT NULL,    -- how browsers reach it, parted by commas
	count      BIGINT NOT NULL,    -- of its signatures, the last that was told
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL     -- 0 for never
);
CREATE INDEX passkeys_account ON passkeys (account);

-- Challenges that passkeys have answered, by their hashes, so that each is answered once.
CREATE TABLE used_challenges (
	hash     TEXT   PRIMARY KEY,
	until_at BIGINT NOT NULL -- beyond which it is no good anyway
);
CREATE INDEX used_challenges_until ON used_challenges (until_at);
