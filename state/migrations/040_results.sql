-- With a key stands what the write did, for those who may see it when they ask
-- again, instead of its answer. Of the answers that were kept nothing stays: whether
-- such a write was made is found in Git.
ALTER TABLE idempotency_keys DROP COLUMN header;
ALTER TABLE idempotency_keys DROP COLUMN body;
ALTER TABLE idempotency_keys DROP COLUMN status;
ALTER TABLE idempotency_keys ADD COLUMN caller TEXT NOT NULL DEFAULT ''; -- a hash
ALTER TABLE idempotency_keys ADD COLUMN result TEXT NOT NULL DEFAULT ''; -- JSON; '' when there is none
ALTER TABLE idempotency_keys ADD COLUMN size BIGINT NOT NULL DEFAULT 0;  -- of result, in bytes
CREATE INDEX idempotency_keys_caller ON idempotency_keys (caller, created_at, size);
