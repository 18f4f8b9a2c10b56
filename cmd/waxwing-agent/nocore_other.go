//go:build !linux

package main

// noCore is for Linux, where the agent runs.
func noCore() {}
