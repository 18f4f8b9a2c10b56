// Package process is what a program in the cluster has around its audit log: it opens the log, with metrics and a copy on standard output, begins the terms of a leader in it, and
// serves its files to those whom the API server lets read them.
//
// The controller and the agent have it in common. What the log is kept in, and where its key is, is for the mains to choose.
package process
