-- Keys by which clients repeat a write safely (Idempotency-Key), and what the
-- write was answered with.
CREATE TABLE idempotency_keys (
	id          TEXT   NOT NULL PRIMARY KEY, -- a hash of the caller and the key
	fingerprint TEXT   NOT NULL,             -- a hash of the request
	head        TEXT   NOT NULL,             -- the commit before the write; '' before the first
	lease_until BIGINT NOT NULL,             -- 0: nobody is at work on it
	created_at  BIGINT NOT NULL,
	status      BIGINT NOT NULL,             -- of the answer; 0 when there is none
	header      TEXT   NOT NULL,             -- JSON
	body        BLOB
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
