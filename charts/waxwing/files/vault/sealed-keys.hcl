# The controller, for one keyring of source secret with encryptedBy.transit (sealed keys).
# TRANSIT is the path of the Transit engine, KEY the name of the key that private keys are encrypted with.

# Looks, before anything is encrypted with it, whether the key is what the keyring needs: aes256-gcm96, not exportable, no backup in the clear.
path "TRANSIT/keys/KEY" {
  capabilities = ["read"]
}

# Encrypts a private key when one is made. Without "create" Vault refuses to make a key that is missing: one with Vault's defaults
# would be made silently in place of the one that you have set up or lost.
path "TRANSIT/encrypt/KEY" {
  capabilities = ["update"]
}

# Decrypts the private keys of the keyring, all in one call when the controller starts.
path "TRANSIT/decrypt/KEY" {
  capabilities = ["update"]
}

# Looks whether this policy could make the key anew: the controller refuses to work with one that says "create" above.
path "sys/capabilities-self" {
  capabilities = ["update"]
}
