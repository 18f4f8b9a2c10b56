# Somebody who sets Vault up for Waxwing, as docs/vault.md does. Whoever writes policies and roles can give himself what they allow: hand this out for the time of it.
# TRANSIT is the path of the Transit engine, KV that of the key/value store, AUTH that of the auth method.

# Turns the engines on.
path "sys/mounts/TRANSIT" {
  capabilities = ["update"]
}
path "sys/mounts/KV" {
  capabilities = ["update"]
}

# Makes the key that sealed keys are encrypted with, and looks at keys. Its later versions (rotate) too. The vault command sends values as text.
path "TRANSIT/keys/*" {
  capabilities = ["read", "update"]
  allowed_parameters = {
    "type"                   = ["aes256-gcm96"]
    "exportable"             = [false, "false"]
    "allow_plaintext_backup" = [false, "false"]
  }
}

# Turns the auth method on, which Vault asks "sudo" for, and tells it of the cluster.
path "sys/auth/AUTH" {
  capabilities = ["update", "sudo"]
}
path "auth/AUTH/config" {
  capabilities = ["read", "update"]
}

# Says who logs in as what, and what that may do.
path "auth/AUTH/role/waxwing-*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "sys/policies/acl/waxwing-*" {
  capabilities = ["read", "update", "delete"]
}
