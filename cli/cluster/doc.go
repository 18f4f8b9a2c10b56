// Package cluster reads what a keyring publishes (its signed recipient set, from the Keyring's status or from the ConfigMap beside it), Secrets that are to be
// sealed, GitSecrets with the metadata of what was made of them, the anchors of audit logs, and what says whether Waxwing is well there.
//
// It makes plain requests with the user's kubeconfig, as kubectl would, and nothing else: no discovery, no watch, and one write, Client.SetData; the only
// other one that is no GET asks what the user may do, and is not stored. Lists are read page by page and object by object, so that memory does not grow with their length. It does not
// verify notes, and it decides nothing about trust. No error of it carries what a Secret holds.
package cluster
