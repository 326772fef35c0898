// Package auth says who is asking and what they may do.
//
// A [Verifier] turns a bearer token (RFC 6750) that is a signed JWT (RFC 7519)
// into a [Principal]. It follows RFC 8725: the issuer that a token names is
// looked up first, and from then on only that issuer's algorithms, keys and
// audience count. A [Policy] says which roles may do what in which collection.
// [Mint] makes tokens for an issuer whose secret or private key is at hand, and
// [Revocations] take tokens back.
//
// People who use a browser have [Sessions]: they log in with the password of an
// account, one of [Accounts], or are vouched for by an issuer.
//
// No error, and nothing that is logged, holds a token, a secret or a key.
package auth
