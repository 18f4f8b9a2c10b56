//go:build !linux

package main

// noCore is for Linux, where the controller runs.
func noCore() {}
