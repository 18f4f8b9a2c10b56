# Somebody who destroys keys of a keyring of source vaultTransit, for good: what is sealed to such a key opens with break glass alone.
# TRANSIT and PREFIX are as in transit.hcl. Not for the controller's own role.

# Allows the deletion of a key (deletion_allowed at keys/NAME/config), and deletes it. The vault command sends values as text.
path "TRANSIT/keys/PREFIX*" {
  capabilities = ["read", "update", "delete"]
  allowed_parameters = {
    "deletion_allowed" = [true, "true"]
  }
}
