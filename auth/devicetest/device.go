// Package devicetest gives tests a device with passkeys, as browsers use one.
package devicetest

import (
	"fmt"

	virtual "github.com/descope/virtualwebauthn"
)

// Device makes passkeys at a page of an origin, and answers by the one that it made last.
type Device struct {
	virtual.Authenticator
	at virtual.RelyingParty
}

// New is a device without passkeys, at a page of an origin whose passkeys are for a name.
func New(id, origin string) Device {
	return Device{virtual.NewAuthenticator(), virtual.RelyingParty{Name: "CMS", ID: id, Origin: origin}}
}

// At is the same device at a page of another origin.
func (d Device) At(origin string) Device {
	d.at.Origin = origin
	return d
}

// Make makes a passkey as options ask, and gives what a browser answers.
func (d *Device) Make(options string) (string, error) {
	asked, err := virtual.ParseAttestationOptions(options)
	if err != nil {
		return "", fmt.Errorf("make a passkey by %q: %w", options, err)
	}
	key := d.Add()
	d.Options.UserHandle = []byte(asked.UserID)
	return virtual.CreateAttestationResponse(d.at, d.Authenticator, key, *asked), nil
}

// Sign answers options with the passkey that was made last.
func (d *Device) Sign(options string) (string, error) {
	asked, err := virtual.ParseAssertionOptions(options)
	if err != nil {
		return "", fmt.Errorf("answer %q: %w", options, err)
	}
	return virtual.CreateAssertionResponse(d.at, d.Authenticator, d.Credentials[len(d.Credentials)-1], *asked), nil
}

// Add adds a passkey that nobody knows of, none whose coordinates begin with a zero: the
// library leaves that out, and such a key is refused.
func (d *Device) Add() virtual.Credential {
	const whole = 77 // bytes of a key for P-256, as COSE has it
	for {
		if key := virtual.NewCredential(virtual.KeyTypeEC2); len(key.Key.AttestationData()) == whole {
			d.AddCredential(key)
			return key
		}
	}
}
