-- Why a build failed, and which pages of the site were looked for when it was live.
ALTER TABLE deployments ADD COLUMN reason TEXT NOT NULL DEFAULT ''; -- of the last report
ALTER TABLE deployments ADD COLUMN pages  TEXT NOT NULL DEFAULT ''; -- a line for each: + there, - not, and the entry
