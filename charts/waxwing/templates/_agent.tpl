{{- define "waxwing.agent" -}}
{{- include "waxwing.fullname" . }}-agent
{{- end -}}

{{- define "waxwing.agent.image" -}}
{{- .Values.agent.image.repository -}}
{{- if .Values.agent.image.digest -}}@{{ .Values.agent.image.digest }}{{- else -}}:{{ .Values.agent.image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{/* What selects the agent's pods. It never changes: a StatefulSet's selector cannot. */}}
{{- define "waxwing.agent.selector" -}}
app.kubernetes.io/name: waxwing
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{/* What is wrong with the values together, which their schema cannot say. */}}
{{- define "waxwing.agent.check" -}}
{{- $seen := dict -}}
{{- range .Values.agent.accounts -}}
{{- $id := printf "%s/%s" .namespace .name -}}
{{- if hasKey $seen $id -}}
{{- fail (printf "agent.accounts names %s twice: put its targets together" $id) -}}
{{- end -}}
{{- $_ := set $seen $id true -}}
{{- range concat (list .namespace) (.targets | default list) -}}
{{- if and $.Values.agent.namespaces (not (has . $.Values.agent.namespaces)) -}}
{{- fail (printf "agent.accounts: %s is of %s, which agent.namespaces does not name: the agent would neither read SecretSyncs nor apply anything there" $id .) -}}
{{- end -}}
{{- if eq . $.Release.Namespace -}}
{{- fail (printf "agent.accounts: %s is of %s, which is the controller's own namespace: no GitSecret is opened there, and nobody else has an account there" $id .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $seen = dict -}}
{{- range .Values.agent.credentials -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "agent.credentials names %s twice: put its urls and namespaces together, or give it another name" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- range .urls -}}
{{- with include "waxwing.agent.url" . -}}{{- fail (printf "agent.credentials: %s" .) -}}{{- end -}}
{{- if and (hasPrefix "http://" .) (not $.Values.agent.insecureHTTP) -}}
{{- fail (printf "agent.credentials: %s sends all in the clear: use https://, or set agent.insecureHTTP" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.agent.proxy -}}
{{- with include "waxwing.agent.url" . -}}{{- fail (printf "agent.proxy: %s" .) -}}{{- end -}}
{{- end -}}
{{- if has .Release.Namespace .Values.agent.namespaces -}}
{{- fail (printf "agent.namespaces names %s, which is the controller's own: who could write a SecretSync there needs none" .Release.Namespace) -}}
{{- end -}}
{{- end -}}

{{/* What the agent would refuse about an address, and not start; nothing: it takes it (agent/settings). */}}
{{- define "waxwing.agent.url" -}}
{{- $place := regexReplaceAll "^[a-z]+://([^/]*).*$" . "${1}" -}}
{{- $path := regexReplaceAll "^[a-z]+://[^/]*" . "" -}}
{{- if and (contains "@" $place) (not (hasPrefix "ssh://" .)) -}}
{{ regexReplaceAll "^([a-z]+://)[^/]*@" . "${1}…@" }} has a user in it: put it into the credentials, as their file username
{{- else if regexMatch ":[^@]*@" $place -}}
{{ regexReplaceAll "^([a-z]+://)[^/]*@" . "${1}…@" }} has a password in it: SSH takes a key, the credentials' file identity
{{- else if not (regexMatch "^([^@:]+@)?([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$" $place) -}}
{{ . }} has no host, or one that is none: it is as git.example.com or git.example.com:8443
{{- else if or (regexMatch "//|\\\\" $path) (regexMatch "/\\.\\.?(/|$)" $path) -}}
{{ . }} has //, \, . or .. in its path
{{- end -}}
{{- end -}}

{{/* The addresses that the agent connects to, going by the values: JSON. A proxy stands before all but SSH. */}}
{{- define "waxwing.agent.addresses" -}}
{{- $all := list -}}
{{- range .Values.agent.credentials -}}
{{- range .urls -}}
{{- if or (not $.Values.agent.proxy) (hasPrefix "ssh://" .) -}}{{- $all = append $all . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.agent.proxy -}}{{- $all = append $all . -}}{{- end -}}
{{- uniq $all | toJson -}}
{{- end -}}

{{/* The port of an address. */}}
{{- define "waxwing.agent.port" -}}
{{- $place := regexReplaceAll "^[a-z]+://([^/]*).*$" . "${1}" -}}
{{- $own := dict "https" "443" "http" "80" "ssh" "22" -}}
{{- regexFind ":[0-9]+$" $place | trimPrefix ":" | default (get $own (splitList ":" . | first)) -}}
{{- end -}}

{{/* The agent's configuration file. Its fields are those of agent/settings. */}}
{{- define "waxwing.agent.config" -}}
{{- $config := dict -}}
{{- $credentials := list -}}
{{- range .Values.agent.credentials -}}
{{- $credentials = append $credentials (dict "name" .name "urls" .urls "namespaces" .namespaces) -}}
{{- end -}}
{{- with $credentials -}}{{- $_ := set $config "credentials" . -}}{{- end -}}
{{- $accounts := list -}}
{{- range .Values.agent.accounts -}}
{{- $accounts = append $accounts (dict "namespace" .namespace "serviceAccount" .name) -}}
{{- end -}}
{{- with $accounts -}}{{- $_ := set $config "impersonate" . -}}{{- end -}}
{{- $limits := dict -}}
{{- range $name, $value := .Values.agent.limits -}}
{{- with $value -}}{{- $_ := set $limits $name (int64 .) -}}{{- end -}}
{{- end -}}
{{- with $limits -}}{{- $_ := set $config "limits" . -}}{{- end -}}
{{- with .Values.agent.proxy -}}{{- $_ := set $config "proxy" . -}}{{- end -}}
{{- with .Values.agent.insecureHTTP -}}{{- $_ := set $config "insecureHTTP" . -}}{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The agent's flags. What is not set here is the program's own default. */}}
{{- define "waxwing.agent.args" -}}
- --config=/etc/waxwing/agent/config.yaml
{{- if .Values.agent.credentials }}
- --credentials=/etc/waxwing/credentials
{{- end }}
- --cache=/var/cache/waxwing
- --audit-log=/var/lib/waxwing/audit
- --audit-key=/var/lib/waxwing/audit.key
{{- if not .Values.audit.endpoint }}
- --audit-bind-address=0
{{- else if .Values.audit.tlsSecret }}
- --audit-tls-cert-file=/etc/waxwing/audit-tls/tls.crt
- --audit-tls-key-file=/etc/waxwing/audit-tls/tls.key
- "--audit-peers=https://{replica}.{set}.{{ .Release.Namespace }}.svc:8443"
- --audit-peers-ca-file=/etc/waxwing/audit-tls/ca.crt
{{- with .Values.audit.serverName }}
- --audit-peers-server-name={{ . }}
{{- end }}
{{- end }}
{{- if .Values.audit.stdout }}
- --audit-stdout
{{- end }}
{{- with .Values.agent.namespaces }}
- --namespaces={{ join "," . }}
{{- end }}
- --log-level={{ .Values.logLevel }}
{{- with .Values.agent.workers }}
- --workers={{ int . }}
{{- end }}
{{- if not .Values.metrics.enabled }}
- --metrics-bind-address=0
{{- end }}
{{- if not .Values.agent.hook.enabled }}
- --hook-bind-address=0
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
{{- $values := dict "--namespaces" "agent.namespaces" "--log-level" "logLevel" "--workers" "agent.workers" "--metrics-bind-address" "metrics.enabled" "--hook-bind-address" "agent.hook.enabled"
  "--audit-bind-address" "audit.endpoint" "--audit-tls-cert-file" "audit.tlsSecret" "--audit-tls-key-file" "audit.tlsSecret" "--audit-peers" "audit.tlsSecret" "--audit-peers-ca-file" "audit.tlsSecret" "--audit-peers-server-name" "audit.serverName" "--audit-stdout" "audit.stdout" "--credentials" "agent.credentials" "--config" "agent.accounts, agent.credentials, agent.limits and agent.proxy"
  "--leader-elect-lease-duration" "leaderElection.leaseDuration" "--leader-elect-renew-deadline" "leaderElection.renewDeadline" "--leader-elect-retry-period" "leaderElection.retryPeriod" }}
{{- range .Values.agent.extraArgs }}
{{- $flag := . | splitList "=" | first }}
{{- with get $values $flag }}
{{- fail (printf "agent.extraArgs has %s: set the value %s, which other parts of the chart depend on" $flag .) }}
{{- end }}
{{- if has $flag (list "--audit-log" "--audit-key" "--cache" "--namespace" "--kubeconfig" "--health-bind-address" "--replica") }}
{{- fail (printf "agent.extraArgs has %s, which the chart sets or depends on: volumes, rights and probes would not fit" $flag) }}
{{- end }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* CEL: two maps among the variables are the same but for some keys: list FIRST SECOND KEYS. */}}
{{- define "waxwing.agent.same" -}}
{{- $a := printf "variables.%s" (index . 0) -}}
{{- $b := printf "variables.%s" (index . 1) -}}
{{- $but := index . 2 -}}
{{ $a }}.all(k, k in [{{ $but }}] || (k in {{ $b }} && {{ $a }}[k] == {{ $b }}[k])) && {{ $b }}.all(k, k in [{{ $but }}] || k in {{ $a }})
{{- end -}}
