package webhooks

import "context"

// Send sends an event to e, as a worker does.
func Send(ctx context.Context, e Endpoint, id string, event []byte) error {
	s, err := newSender(e)
	if err != nil {
		return err
	}
	defer s.close()
	_, err = s.post(ctx, id, event)
	return err
}
