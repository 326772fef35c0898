package githttp

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Packets of Git's protocol (gitprotocol-common): four hexadecimal digits that say how long
// they are, themselves included, and what they hold.

// flush is the packet that ends a part.
const flush = "0000"

// maxPacket is how many bytes a packet has at most.
const maxPacket = 65520

// packet is a packet with a text.
func packet(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

var errPacket = errors.New("the request is not of packets")

// readPacket reads a packet. Ended says that it is a flush.
func readPacket(r io.Reader) (text string, ended bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", false, fmt.Errorf("%w: %w", errPacket, err)
	}
	n, err := strconv.ParseUint(string(head[:]), 16, 16)
	switch {
	case err != nil || n > maxPacket || n > 0 && n < 4:
		return "", false, errPacket
	case n == 0:
		return "", true, nil
	}
	body := make([]byte, n-4)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", false, fmt.Errorf("%w: %w", errPacket, err)
	}
	return string(body), false, nil
}

// Bands of an answer (gitprotocol-pack): what is for the program, and what is for people.
const (
	bandData   = 1
	bandPeople = 2
)

// writeBand writes a text on a band, in as many packets as it takes.
func writeBand(w io.Writer, band byte, text string) error {
	for len(text) > 0 {
		n := min(len(text), maxPacket-5)
		if _, err := io.WriteString(w, packet(string(band)+text[:n])); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}
