# Somebody who looks whether all is as it should be. Nothing here shows a private key, or uses one.
# TRANSIT is the path of the Transit engine, KV that of the key/value store, FOLDER as in kv.hcl, AUTH that of the auth method.

# Types of keys, whether they are exportable, their versions; public halves.
path "TRANSIT/keys" {
  capabilities = ["list"]
}
path "TRANSIT/keys/*" {
  capabilities = ["read"]
}

# Which keys lie in the store, when each version was written, and which were deleted. The private keys are in KV/data.
path "KV/metadata/FOLDER/*" {
  capabilities = ["read", "list"]
}

# Who can log in, and what he may do then.
path "auth/AUTH/config" {
  capabilities = ["read"]
}
path "auth/AUTH/role" {
  capabilities = ["list"]
}
path "auth/AUTH/role/*" {
  capabilities = ["read"]
}
path "sys/policies/acl" {
  capabilities = ["list"]
}
path "sys/policies/acl/waxwing-*" {
  capabilities = ["read"]
}
