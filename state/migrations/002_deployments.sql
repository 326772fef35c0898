-- What became of builds of the site, by commit; the last ones.
CREATE TABLE deployments (
	commit_id TEXT   NOT NULL PRIMARY KEY,
	state     TEXT   NOT NULL, -- queued, building, live, failed: the last report
	url       TEXT   NOT NULL, -- '' when none was told
	at        BIGINT NOT NULL, -- of the last report
	live_at   BIGINT NOT NULL  -- of the first report that it is live; 0: none
);
