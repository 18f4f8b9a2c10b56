# The controller, for one keyring of source vaultKV.
# KV is the path of the key/value store (version 2), FOLDER the folder in it that has this keyring's keys and nothing else.

# Makes keys (create), reads them (read) and writes a key's state into a new version (update), each with check-and-set. What is left of a destroyed key is here too.
path "KV/data/FOLDER/keys/*" {
  capabilities = ["create", "read", "update"]
}

# The same for the statement key and the recipient set that it has signed.
path "KV/data/FOLDER/statement" {
  capabilities = ["create", "read", "update"]
}

# Finds the keys.
path "KV/metadata/FOLDER/keys" {
  capabilities = ["list"]
}

# Looks once a minute which version is the newest, so that a key is read only when it has changed.
path "KV/metadata/FOLDER/keys/*" {
  capabilities = ["read"]
}
path "KV/metadata/FOLDER/statement" {
  capabilities = ["read"]
}

# Nothing here deletes: see kv-remove.hcl.
