-- How far each webhook endpoint has come: it has the events of every commit up
-- to this one.
CREATE TABLE webhook_cursors (
	endpoint  TEXT   NOT NULL PRIMARY KEY,
	commit_id TEXT   NOT NULL, -- '' before the first commit of a branch
	moved_at  BIGINT NOT NULL
);
