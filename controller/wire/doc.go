// Package wire reads watches of GitSecrets. The ordinary decoder of client-go goes over each event some seven times, and nearly all of it is a sealed part that
// the controller's cache does not keep. Here the sealed part is cut out as it came, and only the rest is decoded; whatever is not of the form that API servers
// send goes the ordinary way.
package wire
