# The controller, for one keyring of source vaultTransit.
# TRANSIT is the path of the Transit engine, PREFIX what the names of this keyring's keys begin with, and those of no others: "prod-" would also allow "prod-eu-".

# Makes keys (update: Vault knows no "create" here), and looks whether they are what they have to be: rsa-4096, not exportable, one version.
# The * also stands for keys/NAME/config, hence the parameters: no key can be made exportable, backed up in the clear or prepared for deletion with this.
path "TRANSIT/keys/PREFIX*" {
  capabilities = ["read", "update"]
  allowed_parameters = {
    "type"                   = ["rsa-4096", "ed25519"]
    "exportable"             = [false]
    "allow_plaintext_backup" = [false]
  }
}

# Unwraps envelope keys, many in one call.
path "TRANSIT/decrypt/PREFIX*" {
  capabilities = ["update"]
}

# Signs recipient sets with the statement key, and nothing with any other.
path "TRANSIT/sign/PREFIXstatement-*" {
  capabilities = ["update"]
}
