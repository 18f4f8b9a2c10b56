// Package trail reads audit logs as they lie in a folder or behind a controller's endpoint (audit/remote), and copies the latter into a folder. It verifies no signature and no anchor, which
// audit/verify does with what is in the folder.
//
// A log is a file system with a folder for each part, 0001, 0002 and so on, each a C2SP tlog-tiles log. Everything that is read is bounded: whoever wrote the log may be hostile.
package trail
