# The controller, however it logs in, in addition to the policy of its keyring's source. Its role should have no other policy, not even Vault's "default".

# Has its token live on, instead of logging in again and again.
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# Gives the token back when the controller stops.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
