package cli

import "github.com/spf13/cobra"

const auditLong = `Read and verify the audit logs of controllers: each replica records every use of a key or a value
before it happens, in a log that nobody can change or cut unnoticed.

The order of things, for an auditor:

  seal audit anchor -o json > anchors.json  once, and then from time to time: what the cluster knows of
                                            its logs and their keys, to be kept elsewhere
  seal audit fetch URL --out FOLDER         copy a live log, again and again into the same folder
  seal audit verify FOLDER --anchor anchors.json
                                            offline, with public data: nothing was changed, dropped or
                                            put back, and which uses have no outcome
  seal audit prove INDEX FOLDER             one record with its proof, as a file that is verified alone

seal audit tail reads the records; seal audit restart is for a log that its controller refuses to go on
with.`

func newAuditCommand(env *Env) *cobra.Command {
	cmd := group(env, &cobra.Command{
		Use:     "audit COMMAND",
		Short:   "Read, copy and verify audit logs",
		Long:    auditLong,
		Example: "  seal audit verify --anchor anchors.json copy\n  seal audit tail -f --token-file token --ca-file ca.crt https://localhost:8443",
	})
	cmd.AddCommand(newAuditAnchorCommand(env), newAuditFetchCommand(env), newAuditVerifyCommand(env), newAuditProveCommand(env), newAuditTailCommand(env), newAuditRestartCommand(env))
	return cmd
}
