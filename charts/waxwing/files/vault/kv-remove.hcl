# The controller, in addition to kv.hcl and only for the time of it: keys are moved out of the folder (spec.moveFrom), or destroyed (seal keys destroy; for rotation.destroyAfter, always).
# KV and FOLDER are as in kv.hcl.

# Removes a key with all its versions, once it has been proved where it was moved to, or to destroy it.
path "KV/metadata/FOLDER/keys/*" {
  capabilities = ["delete"]
}

# The same for the statement key, which is moved and never destroyed.
path "KV/metadata/FOLDER/statement" {
  capabilities = ["delete"]
}
