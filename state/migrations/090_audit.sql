-- What was changed or refused, and by whom, as the audit log has it.
CREATE TABLE audit (
	id         TEXT   NOT NULL PRIMARY KEY, -- in order of time
	at         BIGINT NOT NULL,
	address    TEXT   NOT NULL, -- of the client
	issuer     TEXT   NOT NULL, -- '' where nobody was verified, as the next three
	subject    TEXT   NOT NULL,
	name       TEXT   NOT NULL,
	email      TEXT   NOT NULL,
	claimed    TEXT   NOT NULL, -- whom a refused request says it is of
	operation  TEXT   NOT NULL,
	method     TEXT   NOT NULL,
	path       TEXT   NOT NULL,
	status     BIGINT NOT NULL,
	outcome    TEXT   NOT NULL, -- changed, done, refused
	code       TEXT   NOT NULL, -- of the problem that was answered; '' for none
	reason     TEXT   NOT NULL,
	request_id TEXT   NOT NULL
);
CREATE INDEX audit_at ON audit (at);

-- What was changed or, where it was refused, was asked to be.
CREATE TABLE audit_targets (
	audit      TEXT   NOT NULL,
	n          BIGINT NOT NULL, -- from 0
	collection TEXT   NOT NULL,
	name       TEXT   NOT NULL,
	commit_id  TEXT   NOT NULL, -- '' for none
	PRIMARY KEY (audit, n)
);
CREATE INDEX audit_targets_of ON audit_targets (collection, name, audit);
