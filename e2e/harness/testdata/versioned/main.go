// Command versioned prints the version that it was built with.
package main

import "fmt"

var version string // set by the linker

func main() { fmt.Println(version) }
