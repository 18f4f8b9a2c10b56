// Package standing tells how sealed objects stand: what Git says of each, what the cluster says, and whether the two agree.
//
// It is pure: it reads no file, asks no cluster and no clock, and holds no key. Of each version of an object it keeps a digest of what is sealed and a few
// names, well under 2 KiB, so that ten thousand of them fit into little memory. What the cluster says is output of the controller, and is shown, never
// trusted: nothing here decides who may open what.
package standing
