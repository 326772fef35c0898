-- What people are shown of their sessions, and operators of accounts.
ALTER TABLE sessions ADD COLUMN begun_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_at  BIGINT NOT NULL DEFAULT 0; -- about when
ALTER TABLE sessions ADD COLUMN address  TEXT   NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN browser  TEXT   NOT NULL DEFAULT ''; -- its name
ALTER TABLE accounts ADD COLUMN login_at BIGINT NOT NULL DEFAULT 0;  -- the last one
