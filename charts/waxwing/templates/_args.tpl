{{/* The controller's flags. What is not set here is the program's own default. */}}
{{- define "waxwing.args" -}}
- --audit-log=/var/lib/waxwing/audit
{{- if not .Values.persistence.enabled }}
- --audit-ephemeral
{{- end }}
{{- if not .Values.audit.endpoint }}
- --audit-bind-address=0
{{- else if .Values.audit.tlsSecret }}
- --audit-tls-cert-file=/etc/waxwing/audit-tls/tls.crt
- --audit-tls-key-file=/etc/waxwing/audit-tls/tls.key
{{- end }}
{{- if .Values.audit.stdout }}
- --audit-stdout
{{- end }}
{{- if .Values.audit.attribution }}
- --audit-applied-by
{{- end }}
{{- with .Values.namespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- if and .Values.vault.enabled .Values.vault.tokens }}
- --vault-tokens=/etc/waxwing/vault-tokens
{{- end }}
- --log-level={{ .Values.logLevel }}
{{- with .Values.workers }}
- --workers={{ int . }}
{{- end }}
{{- if not .Values.metrics.enabled }}
- --metrics-bind-address=0
{{- end }}
{{- with .Values.leaderElection.leaseDuration }}
- --leader-elect-lease-duration={{ . }}
{{- end }}
{{- with .Values.leaderElection.renewDeadline }}
- --leader-elect-renew-deadline={{ . }}
{{- end }}
{{- with .Values.leaderElection.retryPeriod }}
- --leader-elect-retry-period={{ . }}
{{- end }}
{{- $values := dict "--namespaces" "namespaces" "--log-level" "logLevel" "--workers" "workers" "--metrics-bind-address" "metrics.enabled" "--audit-ephemeral" "persistence.enabled"
  "--audit-bind-address" "audit.endpoint" "--audit-tls-cert-file" "audit.tlsSecret" "--audit-tls-key-file" "audit.tlsSecret" "--audit-stdout" "audit.stdout" "--audit-applied-by" "audit.attribution"
  "--vault-tokens" "vault.tokens" "--leader-elect-lease-duration" "leaderElection.leaseDuration" "--leader-elect-renew-deadline" "leaderElection.renewDeadline" "--leader-elect-retry-period" "leaderElection.retryPeriod" }}
{{- range .Values.extraArgs }}
{{- $flag := . | splitList "=" | first }}
{{- with get $values $flag }}
{{- fail (printf "extraArgs has %s: set the value %s, which other parts of the chart depend on" $flag .) }}
{{- end }}
{{- if has $flag (list "--audit-log" "--namespace" "--kubeconfig" "--health-bind-address" "--recipients-bind-address" "--replica" "--service-account") }}
{{- fail (printf "extraArgs has %s, which the chart sets or depends on: volumes, rights and probes would not fit" $flag) }}
{{- end }}
- {{ . | quote }}
{{- end }}
{{- end -}}
