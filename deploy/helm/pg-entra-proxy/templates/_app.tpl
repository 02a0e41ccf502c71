{{/* Where the application finds the proxy, as far as its own env does not say so. */}}
{{- define "pg-entra-proxy.appEnv" -}}
{{- $listener := include "pg-entra-proxy.listeners" . | fromJsonArray | first -}}
{{- $env := .Values.app.env -}}
{{- $names := list -}}
{{- range $env }}{{ $names = append $names .name }}{{ end -}}
{{- $found := dict "PGHOST" "127.0.0.1" "PGPORT" (toString $listener.port) "PGUSER" "app" "PGSSLMODE" "disable" -}}
{{- range $name, $value := $found -}}
{{- if not (has $name $names) -}}{{- $env = append $env (dict "name" $name "value" $value) -}}{{- end -}}
{{- end -}}
{{- toYaml $env -}}
{{- end }}

{{/* What the values say of the application besides image, command, arguments and variables. */}}
{{- define "pg-entra-proxy.appRest" -}}
{{- range $key := list "envFrom" "ports" }}
{{- with index $.Values.app $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
securityContext:
  {{- include "pg-entra-proxy.containerSecurity" . | nindent 2 }}
{{- end }}

{{/* The application beside the proxy. */}}
{{- define "pg-entra-proxy.appContainer" -}}
- name: app
  image: {{ required "app.image: which image has the application?" .Values.app.image }}
  {{- with .Values.app.command }}
  command:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.app.args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  env:
    {{- include "pg-entra-proxy.appEnv" . | nindent 4 }}
  {{- with .Values.app.volumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.app.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "pg-entra-proxy.appRest" . | trim | nindent 2 }}
{{- end }}

{{/* The application inside of `pg-entra-proxy exec`, which is what the image must start. */}}
{{- define "pg-entra-proxy.execContainer" -}}
{{- if not .Values.app.command }}
{{- fail "app.command: what shall exec run? For example [psql, --file=/seed/seed.sql]" }}
{{- end -}}
- name: app
  image: {{ required "app.image: which image has the application and pg-entra-proxy?" .Values.app.image }}
  args:
    - exec
    - --config=/etc/pg-entra-proxy/config/proxy.yaml
    - --
    {{- concat .Values.app.command .Values.app.args | toYaml | nindent 4 }}
  {{- with concat .Values.app.env .Values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    {{- include "pg-entra-proxy.configMount" . | nindent 4 }}
    # For the Unix socket between the application and its proxy.
    - name: tmp
      mountPath: /tmp
    {{- with .Values.app.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml (.Values.app.resources | default .Values.resources) | nindent 4 }}
  {{- include "pg-entra-proxy.appRest" . | trim | nindent 2 }}
{{- end }}
