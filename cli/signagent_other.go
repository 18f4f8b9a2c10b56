//go:build !windows

package cli

// defaultAgent is where the SSH agent is looked for when SSH_AUTH_SOCK is not set: nowhere.
const defaultAgent = ""
