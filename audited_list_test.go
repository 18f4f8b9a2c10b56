package waxwing_test

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// audited lists the functions that touch a key or a value, directly or by what they call, each with the audit actions whose intents come before.
func audited() map[string]string {
	return map[string]string{
		"keyring/secretsource.Restores.Restore":        "key.load",
		"keyring/secretsource.Restores.RefuseRestore":  "key.load",
		"keyring/secretsource.Restores.FinishRestore":  "key.restore",
		"keyring.run.saveBackup":                       "key.backup",
		"keyring.run.restoreStep":                      "key.load key.restore",
		"keyring.run.restoreStatement":                 "key.restore",
		"keyring.run.restoreState":                     "key.restore",
		"keyring.run.restoreSet":                       "key.restore",
		"keyring.run.restoreKey":                       "key.restore",
		"keyring.run.restorable":                       "key.load",
		"keyring.run.noteRefusal":                      "key.load",
		"keyring.run.next":                             "key.load",
		"keyring.run.finishRestore":                    "key.restore",
		"keyring.run.dropFresh":                        "key.restore",
		"keyring.run.decideRestore":                    "key.load",
		"keyring.run.contents":                         "key.backup",
		"keyring.run.checked":                          "key.load",
		"keyring.run.askRestore":                       "key.load",
		"controller.backups.SaveBackup":                "key.backup",
		"controller.applyBody":                         "drift.repair unseal",
		"controller.gitSecrets.open":                   "drift.repair unseal",
		"controller.gitSecrets.unseal":                 "drift.repair unseal",
		"controller.offerLane.make":                    "rewrap.offered",
		"controller.offerLane.sign":                    "rewrap.offered",
		"controller.secretWriter.apply":                "drift.repair unseal",
		"controller.secretWriter.create":               "drift.repair unseal",
		"controller.secretWriter.exact":                "drift.repair unseal",
		"controller.secretWriter.first":                "drift.repair unseal",
		"controller.secretWriter.frozen":               "drift.repair unseal",
		"controller.secretWriter.patch":                "drift.repair unseal",
		"controller.secretWriter.rehearse":             "drift.repair unseal",
		"controller.secretWriter.replace":              "drift.repair unseal",
		"controller.secretWriter.upgrade":              "drift.repair unseal",
		"controller.secretWriter.write":                "drift.repair unseal",
		"controller.unwrapper.fetch":                   "key.unwrap",
		"controller.valueMAC.load":                     "key.load",
		"controller.valueMAC.make":                     "key.generate",
		"controller.wanted":                            "drift.repair unseal",
		"keyring.Key.export":                           "key.backup key.move key.restore",
		"keyring.Manager.Offerer":                      "key.load",
		"keyring.Manager.statementOf":                  "key.load",
		"keyring.NewKey":                               "key.load",
		"keyring.Probe":                                "key.activate key.move key.restore",
		"keyring.run.activate":                         "key.activate",
		"keyring.run.all":                              "key.load",
		"keyring.run.change":                           "key.compromise key.deactivate key.destroy key.load key.resume key.suspend",
		"keyring.run.claimApart":                       "key.move",
		"keyring.run.copyKey":                          "key.move",
		"keyring.run.copySet":                          "key.move",
		"keyring.run.copyState":                        "key.move",
		"keyring.run.copyStatement":                    "key.move",
		"keyring.run.dropKey":                          "key.move",
		"keyring.run.dropStatement":                    "key.move",
		"keyring.run.glance":                           "key.load",
		"keyring.run.look":                             "key.load",
		"keyring.run.markKey":                          "key.move",
		"keyring.run.moveStep":                         "key.move",
		"keyring.run.proveStatement":                   "key.move",
		"keyring.run.publish":                          "keyring.publish",
		"keyring.run.recorded":                         "(as handed in)",
		"keyring.run.setApart":                         "key.move",
		"keyring.run.setState":                         "key.compromise key.deactivate key.destroy key.resume key.suspend",
		"keyring.run.settle":                           "key.load",
		"keyring.run.step":                             "key.activate key.generate key.load keyring.publish",
		"keyring.run.take":                             "key.load",
		"keyring.take":                                 "key.load",
		"keyring.run.unclaimed":                        "key.load",
		"keyring/sealed.Custody.Identities":            "key.load",
		"keyring/sealed.Custody.Keep":                  "key.move key.restore",
		"keyring/sealed.Custody.KeepSigner":            "key.move key.restore",
		"keyring/sealed.Custody.NewKey":                "key.generate",
		"keyring/sealed.Custody.NewSigner":             "key.generate",
		"keyring/sealed.Custody.Seal":                  "key.generate key.move key.restore",
		"keyring/sealed.Custody.SealSigner":            "key.generate key.move key.restore",
		"keyring/sealed.Custody.Signer":                "key.load key.move",
		"keyring/sealed.Custody.SignerKey":             "key.backup key.move",
		"keyring/sealed.Custody.decrypt":               "key.load",
		"keyring/sealed.Custody.openSigner":            "key.load key.move",
		"keyring/sealed.Custody.signerKey":             "key.backup key.load key.move",
		"keyring/sealed.transit.batch":                 "key.backup key.load key.move",
		"keyring/sealed.transit.check":                 "key.backup key.generate key.load key.move key.restore",
		"keyring/sealed.transit.decrypt":               "key.backup key.load key.move",
		"keyring/sealed.transit.encrypt":               "key.backup key.generate key.load key.move key.restore",
		"keyring/sealed.transit.noUpsert":              "key.backup key.generate key.load key.move key.restore",
		"keyring/secretsource.Generate":                "key.generate",
		"keyring/secretsource.generate":                "key.generate",
		"keyring/secretsource.IdentityFile":            "key.generate key.move key.restore",
		"keyring/secretsource.PrivateFile":             "key.move key.restore",
		"keyring/secretsource.ReadIdentityFile":        "key.load key.move key.restore",
		"keyring/secretsource.Source.Create":           "key.generate",
		"keyring/secretsource.Source.CreateStatement":  "key.generate",
		"keyring/secretsource.Source.ExportStatement":  "key.backup key.move",
		"keyring/secretsource.Source.Import":           "key.move key.restore",
		"keyring/secretsource.Source.ImportStatement":  "key.move key.restore",
		"keyring/secretsource.Source.Load":             "key.load",
		"keyring/secretsource.Source.LoadStatement":    "key.load key.move",
		"keyring/secretsource.Source.MarkClear":        "key.move",
		"keyring/secretsource.Source.Remove":           "key.move",
		"keyring/secretsource.Source.RemoveStatement":  "key.move key.restore",
		"keyring/secretsource.Source.SaveStatement":    "key.load key.move key.restore keyring.publish",
		"keyring/secretsource.Source.SetState":         "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/secretsource.Source.annotate":         "key.activate key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/secretsource.Source.bury":             "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/secretsource.Source.create":           "key.activate key.compromise key.deactivate key.destroy key.generate key.move key.restore key.resume key.suspend",
		"keyring/secretsource.Source.current":          "key.activate key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/secretsource.Source.destroy":          "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/secretsource.Source.destroyElsewhere": "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/secretsource.Source.readKey":          "key.load",
		"keyring/secretsource.Source.readStatement":    "key.load key.move",
		"keyring/secretsource.Source.remove":           "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/secretsource.Source.there":            "key.activate key.backup key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend",
		"keyring/secretsource.Source.Unbury":           "key.load",
		"keyring/secretsource.Source.dropLeft":         "key.move",
		"keyring/secretsource.Source.update":           "key.load key.move key.restore keyring.publish",
		"keyring/secretsource.clearKeys.Identities":    "key.load",
		"keyring/secretsource.clearKeys.Keep":          "key.move key.restore",
		"keyring/secretsource.clearKeys.NewKey":        "key.generate",
		"keyring/secretsource.clearKeys.NewSigner":     "key.generate",
		"keyring/secretsource.clearKeys.Signer":        "key.load key.move",
		"keyring/secretsource.clearKeys.SignerKey":     "key.backup key.move",
		"keyring/vaultkv.Source.Create":                "key.generate",
		"keyring/vaultkv.Source.CreateStatement":       "key.generate",
		"keyring/vaultkv.Source.ExportStatement":       "key.backup key.move",
		"keyring/vaultkv.Source.Import":                "key.move key.restore",
		"keyring/vaultkv.Source.ImportStatement":       "key.move key.restore",
		"keyring/vaultkv.Source.Load":                  "key.load",
		"keyring/vaultkv.Source.LoadStatement":         "key.load key.move",
		"keyring/vaultkv.Source.MarkClear":             "key.move",
		"keyring/vaultkv.Source.Remove":                "key.move",
		"keyring/vaultkv.Source.RemoveStatement":       "key.move key.restore",
		"keyring/vaultkv.Source.SaveStatement":         "key.load key.move key.restore keyring.publish",
		"keyring/vaultkv.Source.SetState":              "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaultkv.Source.bury":                  "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaultkv.Source.destroy":               "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaultkv.Source.load":                  "key.load",
		"keyring/vaultkv.Source.mark":                  "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaultkv.Source.Unbury":                "key.load",
		"keyring/vaultkv.Source.dropLeft":              "key.move",
		"keyring/vaultkv.Source.update":                "key.activate key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/vaultkv.readEntry":                    "key.load",
		"keyring/vaultkv.readKey":                      "key.load",
		"keyring/vaultkv.readStatement":                "key.load key.move",
		"keyring/vaultkv.store.data":                   "key.activate key.backup key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/vaultkv.store.known":                  "key.activate key.backup key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/vaultkv.store.list":                   "key.load",
		"keyring/vaultkv.store.look":                   "key.activate key.backup key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/vaultkv.store.put":                    "key.activate key.compromise key.deactivate key.destroy key.generate key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/vaultkv.store.remove":                 "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaultkv.store.unchanged":              "key.activate key.compromise key.deactivate key.destroy key.load key.move key.restore key.resume key.suspend keyring.publish",
		"keyring/vaulttransit.Custody.Destroy":         "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaulttransit.Custody.Identities":      "key.load",
		"keyring/vaulttransit.Custody.NewKey":          "key.generate",
		"keyring/vaulttransit.Custody.NewSigner":       "key.generate",
		"keyring/vaulttransit.Custody.check":           "key.load",
		"keyring/vaulttransit.Custody.describe":        "key.activate key.compromise key.deactivate key.destroy key.generate key.load key.move key.restore key.resume key.suspend key.unwrap",
		"keyring/vaulttransit.Custody.goneAfter":       "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaulttransit.Custody.identity":        "key.load",
		"keyring/vaulttransit.Custody.make":            "key.generate",
		"keyring/vaulttransit.Custody.read":            "key.activate key.compromise key.deactivate key.destroy key.generate key.load key.move key.restore key.resume key.suspend",
		"keyring/vaulttransit.Custody.remove":          "key.activate key.compromise key.deactivate key.destroy key.move key.restore key.resume key.suspend",
		"keyring/vaulttransit.identity.why":            "key.load key.unwrap",
		"keyring/vaulttransit.identity.Prefetch":       "key.load key.unwrap",
		"keyring/vaulttransit.identity.ask":            "key.load key.unwrap",
		"keyring/vaulttransit.identity.askWithWitness": "key.load key.unwrap",
		"keyring/vaulttransit.identity.decrypt":        "key.load",
		"unseal.Contents.Clear":                        "drift.repair unseal",
		"unseal.Contents.Data":                         "drift.repair unseal",
		"unseal.Contents.MAC":                          "drift.repair unseal",
		"unseal.Contents.Names":                        "drift.repair unseal",
		"unseal.MACKey.of":                             "drift.repair unseal",
		"unseal.Plan.Open":                             "drift.repair unseal",
		"unseal.Plan.Rewrap":                           "rewrap.offered",
		"unseal.program.run":                           "drift.repair unseal",
		"unseal.render":                                "drift.repair unseal",
	}
}

// excuses lists calls that look like touches and are none, by function and call, with the reason.
func excuses() map[string]string {
	const client = "sigs.k8s.io/controller-runtime/pkg/client."
	return map[string]string{
		"controller.KeyringReconciler.publish -> " + client + "Writer.Apply": "the object is the ConfigMap of a recipient set, which is public",
		"unseal.Plan.Remote -> crypto/seal.Checked.RSACiphertexts":           "it asks for no key, only whether there is one, and gives ciphertexts",
		"controller.patchStatus -> " + client + "SubResourceWriter.Patch":    "the object is a GitSecret, its status alone",
		"keyring/sources.Sources.secret -> keyring/secretsource.Reader.Get":  "the object is a Secret with what a login to Vault takes, and no key of a keyring",
		"controller.markShard.write -> " + client + "Writer.Patch":           "the object is a ConfigMap, which holds ids of envelopes",
		"agent.syncs.store -> " + client + "SubResourceWriter.Patch":         "the object is a SecretSync, its status alone",
		"agent.syncs.setFinalizers -> " + client + "Writer.Patch":            "the object is a SecretSync, its finalizers alone",
		// The agent's keys are credentials of Git. None of them opens anything, and what they sign or are shown for is public, or told by the record of the push.
		"agent.syncs.signingKey -> golang.org/x/crypto/ssh.ParsePrivateKey": "the key signs the agent's commits",
		"agent.syncs.verifier -> golang.org/x/crypto/ssh.Signer.PublicKey":  "the key signs the agent's commits, and it is its public half",
		"agent/source.write -> github.com/hiddeco/sshsig.Sign":              "the key signs the agent's commits, each within the intent of its push (agent/writeback.Log)",
		"agent/writeback.Remote.Push -> agent/writeback.Repository.Commit":  "the key signs the agent's commits, each within the intent of its push (agent/writeback.Log)",
		"agent/source.sshConfig -> golang.org/x/crypto/ssh.ParsePrivateKey": "the key logs in to a Git server",
		"agent/source.sshConfig -> golang.org/x/crypto/ssh.PublicKeys":      "the key logs in to a Git server",
		"repo/rewrap.Make -> crypto/seal.Checked.MakeWraps":                 "it is for `seal rewrap -i`: the programs of the cluster do not call it",
	}
}

// precious are the types that are a key or a value, or hold one: a call with one of them as receiver, parameter or result is a touch.
func precious() []string {
	return []string{
		"filippo.io/age.Identity", "filippo.io/age.X25519Identity", "filippo.io/age.HybridIdentity",
		module + "crypto/seal.Identity", module + "crypto/seal.Identities", module + "crypto/seal.Keys",
		module + "crypto/seal.Opened", module + "crypto/seal.Value", module + "crypto/seal.Values",
		module + "keyring.Private", module + "crypto/statement.Contents",
		"golang.org/x/mod/sumdb/note.Signer", "golang.org/x/crypto/ssh.Signer",
	}
}

// touches says what a call of f touches; empty: nothing. f is none of those that are looked at, or a method of an interface.
func touches(f *types.Func, call *ast.CallExpr, info *types.Info) string {
	if f.Pkg() == nil {
		return ""
	}
	path, recv := f.Pkg().Path(), ""
	sig := f.Signature()
	if sig.Recv() != nil {
		recv = typeName(sig.Recv().Type())
	}
	name := short(path) + "." + strings.TrimPrefix(recv+"."+f.Name(), ".")
	switch {
	case path == module+"keyring" && slices.Contains([]string{"KeyStore", "StatementStore", "Mover", "Restores"}, recv),
		name == "keyring.Prefetcher.Prefetch", recv == "Vault" && strings.HasPrefix(path, module+"keyring/"),
		path == module+"keyring/secretsource" && slices.Contains([]string{"Reader", "Writer"}, recv),
		path == module+"crypto/statement" && f.Name() == "GenerateKey", // gives texts
		recv == "SecretInterface":
		return name
	case name == "crypto/seal.Checked.Open" && call != nil && types.ExprString(call.Args[1]) == "nil":
		return "" // without keys it is asked for the text of its error
	case path == "sigs.k8s.io/controller-runtime/pkg/client":
		if isPreciousObject(f.Name(), call, info) {
			return name
		}
		return ""
	}
	all := []types.Type{sig.Params(), sig.Results()}
	if sig.Recv() != nil {
		all = append(all, sig.Recv().Type())
	}
	for _, t := range all {
		if isPrecious(t) {
			return name
		}
	}
	return ""
}

func isPrecious(t types.Type) bool {
	if tuple, ok := t.(*types.Tuple); ok {
		for v := range tuple.Variables() {
			if isPrecious(v.Type()) {
				return true
			}
		}
		return false
	}
	if s, ok := t.Underlying().(*types.Slice); ok && isPrecious(s.Elem()) {
		return true
	}
	return slices.Contains(precious(), full(t))
}

// isPreciousObject says whether a request by way of controller-runtime's client writes a Secret, or reads one with its values. What the type does not tell counts.
func isPreciousObject(method string, call *ast.CallExpr, info *types.Info) bool {
	writes := slices.Contains([]string{"Create", "Update", "Patch", "Delete", "DeleteAllOf", "Apply"}, method)
	if !writes && method != "Get" && method != "List" {
		return false
	}
	if call == nil {
		return writes
	}
	for _, arg := range call.Args {
		switch kind := full(info.Types[arg].Type); {
		case strings.HasPrefix(kind, "k8s.io/api/core/v1.Secret"):
			return true
		case slices.Contains([]string{"k8s.io/api/core/v1.ConfigMap", module + "api/v1alpha1.GitSecret", module + "api/v1alpha1.Keyring"}, kind):
			return false
		}
	}
	return writes
}
