{{/* What the agent may do where it works: everywhere, or in the namespaces of .Values.agent.namespaces. It writes no GitSecret: the accounts that it applies as do. */}}
{{- define "waxwing.agent.rules.objects" -}}
# agent/live: what the cluster has is held against what Git has; agent/writeback takes new wraps from the status
- apiGroups: [waxwing.io]
  resources: [gitsecrets]
  verbs: [list, watch]
# agent/syncs.go: SecretSyncs say what is taken from where (get reads past the cache, so that the inventory which is pruned by is the stored one)
# patch, agent/retire.go: the finalizer of one whose objects go with it, and nothing else (agent.guard)
- apiGroups: [waxwing.io]
  resources: [secretsyncs]
  verbs: [get, list, watch, patch]
# agent/report.go: say what became of them
- apiGroups: [waxwing.io]
  resources: [secretsyncs/status]
  verbs: [patch]
# agent/report.go: events on SecretSyncs
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* What the agent may do with what belongs to no namespace. */}}
{{- define "waxwing.agent.rules.cluster" -}}
# agent/writeback: the signed recipients of a Keyring, which a repository's note is renewed with
- apiGroups: [waxwing.io]
  resources: [keyrings]
  verbs: [list, watch]
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
{{- if .Values.audit.tlsSecret }}
# agent/peers.go: read the audit logs of the other replicas at their endpoints, for the proof that those have only grown whose checkpoints are kept in Git
- nonResourceURLs: [/v1/audit/]
  verbs: [get]
{{- end }}
{{- end }}
{{- end -}}

{{/* What the agent may do in its own namespace besides. None of it is a Secret: its credentials are mounted, and its audit log's key is on its volume. */}}
{{- define "waxwing.agent.rules.home" -}}
# audit/cluster: the anchor of the audit log is a ConfigMap, which cannot be named in a rule before it exists (agent.guard does)
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
# audit/cluster: a leader cites the anchors of all audit logs of the cluster; agent/writeback puts their checkpoints into Git (what else is in ConfigMaps there is no secret)
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list]
# audit/cluster: the anchors of the agent's own replicas are changed in place
- apiGroups: [""]
  resources: [configmaps]
  resourceNames:
    {{- range $i := until (max 1 (int .Values.agent.replicas) | int) }}
    - waxwing-audit-{{ include "waxwing.agent" $ }}-{{ $i }}
    {{- end }}
  verbs: [patch]
# agent/run.go: leader election makes its Lease, which cannot be named in a rule before it exists (agent.guard does)
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
# agent/run.go: leader election holds and renews its own Lease only; audit/process/term.go reads from it which term it is
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [waxwing-agent]
  verbs: [get, update]
# agent/run.go: leader election says in an event who leads
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
