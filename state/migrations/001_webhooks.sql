-- Receivers of events, those of the configuration and those made through the
-- API. The events of every commit up to commit_id have been enqueued.
CREATE TABLE webhook_endpoints (
	name            TEXT   NOT NULL PRIMARY KEY,
	configured      BIGINT NOT NULL, -- 1: the configuration has the settings
	settings        TEXT   NOT NULL, -- JSON, secrets included; '' when configured
	commit_id       TEXT   NOT NULL, -- '' before the first commit of a branch
	moved_at        BIGINT NOT NULL,
	next_seq        BIGINT NOT NULL,
	disabled_at     BIGINT NOT NULL, -- 0: it is enabled
	disabled_reason TEXT   NOT NULL,
	succeeded_at    BIGINT NOT NULL, -- 0: never
	created_at      BIGINT NOT NULL
);

-- Events on their way, and those of late. Of those of an endpoint that share a
-- path, the one of the lowest seq goes first; a move has two paths.
CREATE TABLE webhook_deliveries (
	id          TEXT   NOT NULL PRIMARY KEY, -- in order of time
	endpoint    TEXT   NOT NULL,
	seq         BIGINT NOT NULL,
	event_id    TEXT   NOT NULL, -- the webhook-id
	type        TEXT   NOT NULL,
	subject     TEXT   NOT NULL, -- collection/slug of an entry
	path        TEXT   NOT NULL,
	moved_from  TEXT,            -- NULL when nothing was moved
	commit_id   TEXT   NOT NULL,
	body        TEXT   NOT NULL,
	state       TEXT   NOT NULL, -- pending, delivered, failed, superseded
	attempts    BIGINT NOT NULL,
	created_at  BIGINT NOT NULL,
	started_at  BIGINT NOT NULL, -- 0: not tried yet
	next_at     BIGINT NOT NULL,
	finished_at BIGINT NOT NULL, -- 0: pending
	UNIQUE (endpoint, seq)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, state, next_at, seq);
CREATE INDEX webhook_deliveries_path ON webhook_deliveries (endpoint, state, path, seq);
CREATE INDEX webhook_deliveries_moved ON webhook_deliveries (endpoint, state, moved_from, seq);
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (endpoint, id);
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (state, finished_at);

CREATE TABLE webhook_attempts (
	delivery TEXT   NOT NULL,
	n        BIGINT NOT NULL, -- from 1
	at       BIGINT NOT NULL,
	took     BIGINT NOT NULL, -- milliseconds
	status   BIGINT NOT NULL, -- of the answer; 0 when there was none
	error    TEXT   NOT NULL,
	response TEXT   NOT NULL, -- its beginning
	PRIMARY KEY (delivery, n)
);
