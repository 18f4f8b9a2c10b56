{{/* The controller's flags. What is not set here is the program's own default. */}}
{{- define "waxwing.args" -}}
- --audit-log=/var/lib/waxwing/audit.jsonl
{{- if not .Values.persistence.enabled }}
- --audit-ephemeral
{{- end }}
{{- with .Values.namespaces }}
- --namespaces={{ join "," . }}
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
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
