-- held is 1 while an earlier delivery of the endpoint is pending that shares a
-- path, so that those which may be tried are found without looking at the others.
ALTER TABLE webhook_deliveries ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
UPDATE webhook_deliveries SET held = 1 WHERE state = 'pending' AND (
	EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = webhook_deliveries.endpoint AND e.state = 'pending' AND e.path = webhook_deliveries.path AND e.seq < webhook_deliveries.seq)
	OR EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = webhook_deliveries.endpoint AND e.state = 'pending' AND e.path = webhook_deliveries.moved_from AND e.seq < webhook_deliveries.seq)
	OR EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = webhook_deliveries.endpoint AND e.state = 'pending' AND e.moved_from = webhook_deliveries.path AND e.seq < webhook_deliveries.seq)
	OR EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.endpoint = webhook_deliveries.endpoint AND e.state = 'pending' AND e.moved_from = webhook_deliveries.moved_from AND e.seq < webhook_deliveries.seq));
CREATE INDEX webhook_deliveries_heads ON webhook_deliveries (endpoint, next_at, seq) WHERE state = 'pending' AND held = 0;
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (finished_at) WHERE state <> 'pending';
DROP INDEX webhook_deliveries_due;
DROP INDEX webhook_deliveries_finished;
