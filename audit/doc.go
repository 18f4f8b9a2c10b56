// Package audit records every operation that touches a key or a value: a durable intent before it, an outcome after it.
//
// The package guarantees that Intent returns only when its record is on stable storage; a caller must not act when Intent has failed.
// Records carry names and ids, never values and never digests of values. An intent without an outcome says that the operation may have happened:
// the process died in between, or the caller gave up waiting.
//
// Recorder is the log: it gathers records that wait at the same time and hands them to a Store. Package audit/tiles is the store on disk, a Merkle tree as C2SP tlog-tiles;
// package audit/verify reads and verifies it offline. An Anchor outside the log's volume says how much of it there has to be.
package audit
