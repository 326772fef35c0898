-- The trace of the request whose commit an event is of, as W3C's Trace Context has it; ''
-- for none. Each attempt to deliver the event continues it.
ALTER TABLE webhook_deliveries ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook_deliveries ADD COLUMN tracestate TEXT NOT NULL DEFAULT '';
