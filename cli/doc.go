// Package cli is the command line of Waxwing: `seal FILE` and the commands below it, as constructors without globals.
//
// Main runs one command line in an Env and gives the exit code; New gives the cobra command, for documentation and for other binaries. The package
// guarantees that data goes to standard output and everything else to standard error, that a command which fails has written nothing, that several
// files are written all or none, that a plaintext Secret never passes through unsealed, and that no message carries a value. It holds no cryptography
// (crypto/seal does), no YAML (manifest does) and no merge (repo/merge does), and keeps no state between runs. It talks to a cluster only where a command says
// so (`seal keys fetch`, `seal init --keyring`, `seal from-cluster`, `seal doctor --cluster`), and runs no program but git, the editor of the person, and age
// plugins that --plugin allows.
package cli
