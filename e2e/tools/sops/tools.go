//go:build tools

// Package sops pins the program that `make bench` compares rewraps with.
package sops

import _ "github.com/getsops/sops/v3/cmd/sops"
