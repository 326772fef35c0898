-- Devices whose time is over are forgotten with each login, and those of an account with
-- its password; of each account the last ones are kept.
CREATE INDEX devices_until ON devices (until_at);
CREATE INDEX devices_account ON devices (account, until_at);
