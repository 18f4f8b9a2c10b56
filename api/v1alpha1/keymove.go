package v1alpha1

import (
	"cmp"
	"strings"
)

// MoveSamePlace is what MoveRefusal says of two sources that are one.
const MoveSamePlace = "moveFrom names the same place as source"

// MoveRefusal says why keys cannot be moved between two sources, as far as the two tell; empty: they can.
func MoveRefusal(from, to KeySource) string {
	if from.VaultTransit != nil || to.VaultTransit != nil {
		return "keys of source vaultTransit cannot leave Vault, and others cannot become such: make another keyring and rewrap"
	}
	switch {
	case from.sealed() && to.sealed():
		return "sealed keys lie in the same Secrets whichever Transit key encrypts them: move them to secret or to vaultKV first, and from there"
	case from.Clear() && to.Clear(), samePath(from.VaultKV, to.VaultKV):
		return MoveSamePlace
	}
	return ""
}

// Clear says whether private keys lie in a source as they are, so that backups of etcd have them.
func (s KeySource) Clear() bool { return s.Secret != nil && s.Secret.EncryptedBy == nil }

func (s KeySource) sealed() bool { return s.Secret != nil && s.Secret.EncryptedBy != nil }

// samePath says whether two folders are one, as far as their names tell: a Vault may have several addresses.
func samePath(a, b *VaultKVSource) bool {
	if a == nil || b == nil {
		return false
	}
	address := func(s *VaultKVSource) string { return strings.ToLower(strings.TrimRight(s.Vault.Address, "/")) }
	mount := func(s *VaultKVSource) VaultPath { return cmp.Or(s.Mount, "secret") }
	return address(a) == address(b) && a.Vault.Namespace == b.Vault.Namespace && mount(a) == mount(b) && a.Path == b.Path
}
