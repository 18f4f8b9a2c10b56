{{/* What the controller may do in the namespaces that it opens GitSecrets for: all of them, or those of .Values.namespaces. */}}
{{- define "waxwing.rules.objects" -}}
# list and watch: controller/watch.go, controller/gather.go look at GitSecrets
# get: controller/confirm.go reads one that is looked at again, because the cache keeps no sealed parts, and where the cache may be behind
- apiGroups: [waxwing.io]
  resources: [gitsecrets]
  verbs: [get, list, watch]
# controller/status.go: say what became of them
- apiGroups: [waxwing.io]
  resources: [gitsecrets/status]
  verbs: [patch]
# list and watch: controller/watch.go notices changed and deleted Secrets (it asks for metadata only, but RBAC cannot tell that apart)
# get: controller/confirm.go asks for the metadata of one Secret where the watch may be behind, or somebody has changed it
# create: controller/create.go makes Secrets
# patch: controller/write.go applies them, and removes keys that are not sealed
# delete: controller/replace.go makes a Secret anew whose type changes, or an immutable one that may be made anew
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# controller/events.go: events on GitSecrets
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* Keyrings are in no namespace, and the events about them in the namespace default. */}}
{{- define "waxwing.rules.keyring-events" -}}
# controller/keyring_status.go: events on Keyrings
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* What the controller may do with what belongs to no namespace. */}}
{{- define "waxwing.rules.cluster" -}}
{{- if not .Values.namespaces }}
# controller/gather.go: nothing is opened for a namespace that is being deleted
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}
# audit/cluster: the UID of kube-system, which names the audit log
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system]
  verbs: [get]
{{- if .Values.audit.endpoint }}
# audit/process/gate.go: ask who it is that wants to read the audit log
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
# audit/process/gate.go: ask whether he may
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
# controller/keyring.go: look at Keyrings (get reads past the cache, so that the status that is compared is the stored one), and make the default one
- apiGroups: [waxwing.io]
  resources: [keyrings]
  verbs: [get, list, watch, create]
# controller/keyring_status.go: say how they are, and publish their recipients
- apiGroups: [waxwing.io]
  resources: [keyrings/status]
  verbs: [patch]
# controller/uses_git.go: SecretSyncs say which keys the files that they follow need (in namespaced mode too: a repository may be followed from any namespace)
- apiGroups: [waxwing.io]
  resources: [secretsyncs]
  verbs: [list]
{{- end -}}

{{/* What the controller may do in its own namespace besides. */}}
{{- define "waxwing.rules.home" -}}
{{- if .Values.namespaces }}
# keyring/secretsource: makes and reads the Secrets with the keys; states and recipient sets are annotations of these
# delete: a key that was moved to another source, or is destroyed, is deleted here
# watch: controller/watch.go notices that a key has come (it asks for metadata only)
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update, delete]
{{- else }}
# keyring/secretsource: states and recipient sets are annotations of the Secrets with the keys (making, reading and deleting them, after a move or to destroy a key, is in the ClusterRole)
- apiGroups: [""]
  resources: [secrets]
  verbs: [update]
{{- end }}
# audit/cluster: the audit log's key is a Secret, and its anchor a ConfigMap that is changed in place (the rules for Secrets and ConfigMaps allow it)
# controller/keyring_status.go: the recipients of each keyring, for people and programs without access to Keyrings; controller/backups.go: the encrypted backup of its keys
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create, patch]
# controller/marks.go: marks against rollback are ConfigMaps: read at the start and after conflicts, and watched so that a mark that a person removes counts at once
# (making and writing them is in the rule above)
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
# controller/run.go: leader election makes its Lease, which cannot be named in a rule before it exists
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
# controller/run.go: leader election holds and renews its own Lease only; audit/process/term.go reads from it which term it is
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [waxwing-controller]
  verbs: [get, update]
# controller/run.go: leader election says in an event who leads
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.vault.enabled }}
# keyring/sources/cluster.go: make tokens of the controller's own ServiceAccount, for the audience of Vault, to log in with
- apiGroups: [""]
  resources: [serviceaccounts/token]
  resourceNames: [{{ include "waxwing.serviceAccount" . }}]
  verbs: [create]
{{- end }}
{{- end -}}
