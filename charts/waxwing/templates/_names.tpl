{{/* The names of everything: the release's, with "waxwing" in it. At most 41 characters: with -controller and a hash they are a label of the pods, which takes 63. */}}
{{- define "waxwing.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "waxwing" .Release.Name -}}
{{- .Release.Name | trunc 41 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-waxwing" (.Release.Name | trunc 33 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "waxwing.controller" -}}
{{- include "waxwing.fullname" . }}-controller
{{- end -}}

{{- define "waxwing.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "waxwing.controller" .) -}}
{{- else -}}
{{- required "serviceAccount.create is false: set serviceAccount.name to the ServiceAccount to use" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "waxwing.image" -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}{{- else -}}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{/* What selects the controller's pods. It never changes: a StatefulSet's selector cannot. */}}
{{- define "waxwing.selector" -}}
app.kubernetes.io/name: waxwing
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "waxwing.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: waxwing
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: waxwing
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object in the release's namespace: dict "ctx" $ "name" NAME, and optionally "annotations" */}}
{{- define "waxwing.metadata" -}}
name: {{ .name }}
namespace: {{ .ctx.Release.Namespace }}
{{ include "waxwing.metadata.rest" . }}
{{- end -}}

{{/* metadata of a cluster-scoped object */}}
{{- define "waxwing.metadata.cluster" -}}
name: {{ .name }}
{{ include "waxwing.metadata.rest" . }}
{{- end -}}

{{- define "waxwing.metadata.rest" -}}
labels:
  {{- include "waxwing.labels" .ctx | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with mergeOverwrite (dict) (.ctx.Values.commonAnnotations | default dict) (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What both policies of attribution go by: the stamp that an object has to have. It is the user of the request if that changes what the controller goes by, the spec and the
     annotations in our name; otherwise it stays. */}}
{{- define "waxwing.attribution.variables" -}}
- name: before
  expression: >-
    oldObject != null && has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {}
- name: now
  expression: >-
    has(object.metadata.annotations) ? object.metadata.annotations : {}
- name: same
  expression: >-
    oldObject != null && object.spec == oldObject.spec
    && variables.now.all(k, !k.startsWith("waxwing.io/") || (k in variables.before && variables.before[k] == variables.now[k]))
    && variables.before.all(k, !k.startsWith("waxwing.io/") || k in variables.now)
- name: stamp
  expression: >-
    !variables.same ? request.userInfo.username
    : "audit.waxwing.io/applied-by" in variables.before ? variables.before["audit.waxwing.io/applied-by"] : ""
{{- end -}}
