package vaultrights_test

import (
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
)

func mounted(p place) string    { return "sys/mounts/" + p.Transit }
func storeMount(p place) string { return "sys/mounts/" + p.KV }
func authMount(p place) string  { return "sys/auth/" + p.Auth }
func authConfig(p place) string { return "auth/" + p.Auth + "/config" }
func authRole(p place) string   { return "auth/" + p.Auth + "/role/waxwing-prod" }
func policyPath(place) string   { return "sys/policies/acl/waxwing-prod" }

func transitKey(name string) func(place) string {
	return func(p place) string { return p.Transit + "/keys/" + name }
}

func ofKeyring(name string) func(place) string {
	return func(p place) string { return p.Transit + "/keys/" + p.Prefix + name }
}

func metadata(name string) func(place) string {
	return func(p place) string { return p.KV + "/metadata/" + p.Folder + "/" + name }
}

func at(path string) func(place) string { return func(place) string { return path } }

// requests are what people do with the policies, one for each right.
func requests() []asked {
	return append(append(operatorRequests(), auditorRequests()...), removerRequests()...)
}

func operatorRequests() []asked {
	safe := map[string]any{"type": "aes256-gcm96", "exportable": false, "allow_plaintext_backup": false}
	jwt := map[string]any{"type": "jwt"}
	of := func(path, capability string) right { return right{vaultpolicy.Operator, path, capability} }
	return []asked{
		{right: of("sys/mounts/TRANSIT", "update"), bare: true, do: write(mounted, map[string]any{"type": "transit"})},
		{right: of("sys/mounts/KV", "update"), bare: true, do: write(storeMount, map[string]any{"type": "kv-v2"})},
		{right: of("TRANSIT/keys/*", "read"), do: read(transitKey("waxwing"))},
		{right: of("TRANSIT/keys/*", "update"), do: write(transitKey("another"), safe)},
		{right: of("sys/auth/AUTH", "update"), bare: true, do: write(authMount, jwt)},
		{right: of("sys/auth/AUTH", "sudo"), bare: true, do: write(authMount, jwt)},
		{right: of("auth/AUTH/config", "read"), do: read(authConfig)},
		{right: of("auth/AUTH/config", "update"), do: write(authConfig, authSettings())},
		{right: of("auth/AUTH/role/waxwing-*", "create"), do: write(func(p place) string { return authRole(p) + "-2" }, roleSettings())},
		{right: of("auth/AUTH/role/waxwing-*", "read"), do: read(authRole)},
		{right: of("auth/AUTH/role/waxwing-*", "update"), do: write(authRole, roleSettings())},
		{right: of("auth/AUTH/role/waxwing-*", "delete"), do: remove(authRole)},
		{right: of("sys/policies/acl/waxwing-*", "read"), do: read(policyPath)},
		{right: of("sys/policies/acl/waxwing-*", "update"), do: write(policyPath, map[string]any{"policy": nothing})},
		{right: of("sys/policies/acl/waxwing-*", "delete"), do: remove(policyPath)},
	}
}

func auditorRequests() []asked {
	of := func(path, capability string) right { return right{vaultpolicy.Auditor, path, capability} }
	return []asked{
		{right: of("TRANSIT/keys", "list"), do: list(func(p place) string { return p.Transit + "/keys" })},
		{right: of("TRANSIT/keys/*", "read"), do: read(transitKey("waxwing"))},
		{right: of("KV/metadata/FOLDER/*", "read"), do: read(metadata("keys/one"))},
		{right: of("KV/metadata/FOLDER/*", "list"), do: list(metadata("keys"))},
		{right: of("auth/AUTH/config", "read"), do: read(authConfig)},
		{right: of("auth/AUTH/role", "list"), do: list(func(p place) string { return "auth/" + p.Auth + "/role" })},
		{right: of("auth/AUTH/role/*", "read"), do: read(authRole)},
		{right: of("sys/policies/acl", "list"), do: list(at("sys/policies/acl"))},
		{right: of("sys/policies/acl/waxwing-*", "read"), do: read(policyPath)},
	}
}

func removerRequests() []asked {
	transit := func(capability string) right {
		return right{vaultpolicy.TransitRemove, "TRANSIT/keys/PREFIX*", capability}
	}
	config := func(p place) string { return ofKeyring("old")(p) + "/config" }
	return []asked{
		{right: transit("read"), do: read(ofKeyring("old"))},
		{right: transit("update"), do: write(config, map[string]any{"deletion_allowed": true})},
		{right: transit("delete"), do: remove(ofKeyring("doomed"))},
		{right: right{vaultpolicy.KVRemove, "KV/metadata/FOLDER/keys/*", "delete"}, do: remove(metadata("keys/one"))},
		{right: right{vaultpolicy.KVRemove, "KV/metadata/FOLDER/statement", "delete"}, do: remove(metadata("statement"))},
		{right: right{vaultpolicy.Login, "auth/token/renew-self", "update"}, do: write(at("auth/token/renew-self"), nil)},
		{right: right{vaultpolicy.Login, "auth/token/revoke-self", "update"}, do: write(at("auth/token/revoke-self"), nil)},
	}
}

// forbidden are requests that would undo what a policy is for.
func forbidden() []asked {
	of := func(policy string) right { return right{policy: policy} }
	config := func(p place) string { return ofKeyring("old")(p) + "/config" }
	rsa := func(more map[string]any) map[string]any {
		data := map[string]any{"type": "rsa-4096"}
		for k, v := range more {
			data[k] = v
		}
		return data
	}
	aes := func(p place) string { return p.Transit + "/encrypt/missing" }
	return []asked{
		{right: of(vaultpolicy.SealedKeys), do: write(aes, map[string]any{"plaintext": "AAAA"})},
		{right: of(vaultpolicy.SealedKeys), do: write(transitKey("another"), nil)},
		{right: of(vaultpolicy.SealedKeys), do: write(func(p place) string { return transitKey("waxwing")(p) + "/config" }, map[string]any{"exportable": true})},
		{right: of(vaultpolicy.SealedKeys), do: read(func(p place) string { return p.Transit + "/export/encryption-key/waxwing" })},
		{right: of(vaultpolicy.Transit), do: write(ofKeyring("x"), rsa(map[string]any{"exportable": true}))},
		{right: of(vaultpolicy.Transit), do: write(ofKeyring("x"), rsa(map[string]any{"allow_plaintext_backup": true}))},
		{right: of(vaultpolicy.Transit), do: write(config, map[string]any{"exportable": true})},
		{right: of(vaultpolicy.Transit), do: write(config, map[string]any{"deletion_allowed": true})},
		{right: of(vaultpolicy.Transit), do: write(config, map[string]any{"min_decryption_version": 2})},
		{right: of(vaultpolicy.Transit), do: remove(ofKeyring("doomed"))},
		{right: of(vaultpolicy.Transit), do: read(transitKey("waxwing"))},
		{right: of(vaultpolicy.Transit), do: write(func(p place) string { return p.Transit + "/sign/" + p.Prefix + "old" }, map[string]any{"input": "AAAA"})},
		{right: of(vaultpolicy.KV), do: remove(metadata("keys/one"))},
		{right: of(vaultpolicy.KV), do: write(func(p place) string { return p.KV + "/destroy/" + p.Folder + "/keys/one" }, map[string]any{"versions": []int{1}})},
		{right: of(vaultpolicy.KV), do: read(func(p place) string { return p.KV + "/data/other/keys/one" })},
		{right: of(vaultpolicy.KVRemove), do: read(func(p place) string { return p.KV + "/data/" + p.Folder + "/keys/one" })},
		{right: of(vaultpolicy.TransitRemove), do: write(config, map[string]any{"exportable": true})},
		{right: of(vaultpolicy.TransitRemove), do: remove(transitKey("waxwing"))},
		{right: of(vaultpolicy.Operator), do: write(transitKey("another"), map[string]any{"type": "aes256-gcm96", "exportable": true})},
		{right: of(vaultpolicy.Operator), do: read(func(p place) string { return p.KV + "/data/" + p.Folder + "/keys/one" })},
		{right: of(vaultpolicy.Operator), do: write(func(p place) string { return p.Transit + "/decrypt/waxwing" }, map[string]any{"ciphertext": "vault:v1:AAAA"})},
		{right: of(vaultpolicy.Auditor), do: read(func(p place) string { return p.KV + "/data/" + p.Folder + "/keys/one" })},
		{right: of(vaultpolicy.Auditor), do: write(policyPath, map[string]any{"policy": nothing})},
	}
}

// nothing is a policy that allows nothing.
const nothing = "# nothing"
