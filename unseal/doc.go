// Package unseal decides what becomes of one sealed object: what is refused and why, which key opens it, what its Secret looks like, and what its
// status says. The table of reasons lives here.
//
// Decide is a pure function of what the caller has gathered: it reads no clock, no API server and no key, and nothing is opened before it has said so.
// Plan.Open opens and renders, also without I/O. Refusals name a field and a way out and never carry a value, nor the text of an API server's or a
// template's error, which could.
//
// The package does not talk to a cluster, does not write the audit log and does not decide when to try again: controller does.
package unseal
