{{/* The release's name, as Kubernetes takes it for everything. */}}
{{- define "pg-entra-proxy.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{/* In a parent chart the ServiceAccount has the release's name too. */}}
{{- define "pg-entra-proxy.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "pg-entra-proxy.name" .) -}}
{{- end }}

{{- define "pg-entra-proxy.configMapName" -}}
{{- printf "%s-pg-entra-proxy" (include "pg-entra-proxy.name" .) -}}
{{- end }}

{{- define "pg-entra-proxy.selectorLabels" -}}
app.kubernetes.io/name: {{ ternary "pg-entra-proxy" (include "pg-entra-proxy.name" .) (eq .Values.shape "shared") }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pg-entra-proxy.labels" -}}
{{ include "pg-entra-proxy.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "pg-entra-proxy.image" -}}
{{- $repository := required "image.repository: where is the image? For example myregistry.azurecr.io/pg-entra-proxy" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/*
The proxy's listeners, as a JSON list of names and ports: as the program counts them, from config.port up,
past servers with ports of their own.
*/}}
{{- define "pg-entra-proxy.listeners" -}}
{{- $config := .Values.config -}}
{{- $next := int ($config.port | default 6432) -}}
{{- $listeners := list -}}
{{- if $config.servers -}}
  {{- range $index, $server := $config.servers -}}
    {{- $port := int ($server.port | default $next) -}}
    {{- if not $server.port -}}{{- $next = add1 $next | int -}}{{- end -}}
    {{- $name := ternary "postgres" (printf "postgres-%d" $index) (eq $index 0) -}}
    {{- $listeners = append $listeners (dict "name" $name "port" $port) -}}
  {{- end -}}
{{- else -}}
  {{- $listeners = append $listeners (dict "name" "postgres" "port" $next) -}}
{{- end -}}
{{- toJson $listeners -}}
{{- end }}

{{/* More than all that may happen between SIGTERM and the end, in seconds. */}}
{{- define "pg-entra-proxy.gracePeriod" -}}
{{- $drain := .Values.drain -}}
{{- if eq .Values.shape "shared" -}}
{{- add $drain.delaySeconds $drain.timeoutSeconds 15 -}}
{{- else if eq .Values.shape "cronjob-exec" -}}
{{- add .Values.app.terminationSeconds 15 -}}
{{- else -}}
{{- add .Values.app.terminationSeconds $drain.timeoutSeconds 15 -}}
{{- end -}}
{{- end }}
