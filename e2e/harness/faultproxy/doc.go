// Package faultproxy stands between one client, such as a controller process, and a real API server, and does to its requests what a network, a busy API
// server or a kill at the wrong moment would do.
//
// It tells each request by what it asks for (verb, kind of patch, resource, namespace, name), calls hooks before it is forwarded and after the API server has
// answered, and answers in the API server's place, cuts the connection or waits as they say. It can drop watches, end them with 410 Gone, hold their events
// back, and be down. It keeps a record of every request.
//
// It speaks HTTP/1.1 over TLS with a certificate that only its own kubeconfigs trust, passes bearer tokens through, and forwards a write that has reached it
// even if the client is gone by then, as a network does. It does no upgrades (exec, port-forward). It asks for watches as JSON, whatever the client would
// rather have, so that it can tell events apart. What is not the API server, such as a Vault, can stand behind it as well: its requests are told by method and
// path.
package faultproxy
