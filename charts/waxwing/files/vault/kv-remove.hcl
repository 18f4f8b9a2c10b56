# The controller, in addition to kv.hcl and only for the time of it: keys are moved out of the folder (spec.moveFrom), or destroyed.
# KV and FOLDER are as in kv.hcl.

# Removes a key with all its versions, once it has been proved where it was moved to.
path "KV/metadata/FOLDER/keys/*" {
  capabilities = ["delete"]
}

# The same for the statement key.
path "KV/metadata/FOLDER/statement" {
  capabilities = ["delete"]
}
