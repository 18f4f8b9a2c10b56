//go:build tools

// Package kubeseal pins the program that `make bench` compares with.
package kubeseal

import _ "github.com/bitnami/sealed-secrets/cmd/kubeseal"
