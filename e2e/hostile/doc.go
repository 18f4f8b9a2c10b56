// Package hostile builds repositories that are meant to harm the agent, or that accidents make, and says what has to become of each.
//
// Each begins with a commit that is well: good.yaml and victim.yaml, a GitSecret each. The commit after it is the hostile one, in which something else stands where victim.yaml was.
// The objects of both are made here, byte by byte, because git refuses to make many of them. What git serves nevertheless is served by git (harness/githttp); the rest comes from
// FakeServer.
//
// Whatever a repository holds, four things have to be true: what is refused is named with its file and a reason, good.yaml is applied all the same (unless the repository is refused as a
// whole), prod/victim is deleted only where it is certain that Git does not have it any more, and memory stays below MaxMemory.
package hostile
