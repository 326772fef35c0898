-- Reports of builds that were signed, so that none is taken twice, and when a report
-- was made, by whoever made it.
CREATE TABLE deployment_reports (
	id TEXT   NOT NULL PRIMARY KEY, -- of the message
	at BIGINT NOT NULL              -- when it was taken
);
CREATE INDEX deployment_reports_at ON deployment_reports (at);
ALTER TABLE deployments ADD COLUMN made_at BIGINT NOT NULL DEFAULT 0; -- the last report
