# Destroys keys of a keyring of source vaultTransit, for good: what is sealed to such a key opens with break glass alone.
# The controller, in addition to transit.hcl and only while it is to destroy keys (seal keys destroy; for rotation.destroyAfter, always); or somebody who does it by hand.
# TRANSIT and PREFIX are as in transit.hcl.

# Allows the deletion of a key (deletion_allowed at keys/NAME/config), and deletes it. The vault command sends values as text.
path "TRANSIT/keys/PREFIX*" {
  capabilities = ["read", "update", "delete"]
  allowed_parameters = {
    "deletion_allowed" = [true, "true"]
  }
}
