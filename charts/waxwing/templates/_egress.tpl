{{/* Egress rules that the controller and the agent both need: to the API server, and to look names up. */}}
{{- define "waxwing.egress" -}}
{{- with .Values.networkPolicy -}}
- ports:
    {{- range .apiServer.ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .apiServer.cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
{{- if .dns.enabled }}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  {{- with .dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}
{{- end -}}
