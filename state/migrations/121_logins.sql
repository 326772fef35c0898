-- How somebody proved themselves who was let in by a request.
ALTER TABLE audit ADD COLUMN how TEXT NOT NULL DEFAULT '';
