-- The turn that the branch's history has taken: a new one begins whenever it is
-- rewritten. One row, which the first service makes. An endpoint's cursor is a
-- commit in a turn.
CREATE TABLE webhook_history (
	id      BIGINT NOT NULL PRIMARY KEY, -- 1
	turn    BIGINT NOT NULL, -- grows; the second at which it began, or the next that was free
	tip     TEXT   NOT NULL, -- the newest commit of it that was looked at; '' for none
	seen_at BIGINT NOT NULL
);
ALTER TABLE webhook_endpoints ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;
