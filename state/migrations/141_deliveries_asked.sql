-- Deliveries are listed by what they are about and by their state, whatever else is kept.
CREATE INDEX webhook_deliveries_subject ON webhook_deliveries (subject, id);
CREATE INDEX webhook_deliveries_state ON webhook_deliveries (state, id);
CREATE INDEX webhook_deliveries_endpoint_state ON webhook_deliveries (endpoint, state, id);
