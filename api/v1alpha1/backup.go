package v1alpha1

// Conditions of Keyrings about backups of their keys.
const (
	// ConditionBackedUp says whether the ConfigMap waxwing-backup-KEYRING has all private keys that can be in a backup. Its reasons are those of package keyring.
	ConditionBackedUp = "BackedUp"
	// ConditionRestoring is true while somebody asks for keys to be taken from a backup, and false when that was done.
	ConditionRestoring = "Restoring"
)

// Reasons of ConditionRestoring.
const (
	ReasonRestoreInProgress = "InProgress" // it goes on by itself
	ReasonRestoreRefused    = "Refused"    // somebody has to change something
	ReasonRestoreDone       = "Done"       // the message says which
)
