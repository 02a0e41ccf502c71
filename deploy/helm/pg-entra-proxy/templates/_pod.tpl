{{/* The pod of every shape: labels and annotations, and what is in it. */}}
{{- define "pg-entra-proxy.podTemplate" -}}
{{- $isCronJob := hasPrefix "cronjob-" .Values.shape -}}
{{- $isBeside := has .Values.shape (list "sidecar" "cronjob-sidecar") -}}
metadata:
  labels:
    {{- include "pg-entra-proxy.selectorLabels" . | nindent 4 }}
    azure.workload.identity/use: "true"
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- include "pg-entra-proxy.checksum" . | nindent 4 }}
    {{- if $isBeside }}
    # Only the proxy gets the token.
    azure.workload.identity/skip-containers: app
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- if $isCronJob }}
  restartPolicy: Never
  {{- end }}
  serviceAccountName: {{ include "pg-entra-proxy.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "pg-entra-proxy.gracePeriod" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- include "pg-entra-proxy.podSecurity" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if not $isCronJob }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "pg-entra-proxy.selectorLabels" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- if $isBeside }}
  initContainers:
    {{- include "pg-entra-proxy.sidecar" . | nindent 4 }}
  {{- end }}
  containers:
    {{- if $isBeside }}
    {{- include "pg-entra-proxy.appContainer" . | nindent 4 }}
    {{- else if $isCronJob }}
    {{- include "pg-entra-proxy.execContainer" . | nindent 4 }}
    {{- else }}
    {{- include "pg-entra-proxy.sharedContainer" . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "pg-entra-proxy.volume" . | nindent 4 }}
    {{- if eq .Values.shape "shared" }}
    # 288 is 0440: for the pod's group only.
    - name: tls
      secret:
        secretName: {{ required "shared.tlsSecret: which Secret has tls.crt and tls.key?" .Values.shared.tlsSecret }}
        defaultMode: 288
    - name: users
      secret:
        secretName: {{ required "shared.usersSecret: which Secret has userlist.txt?" .Values.shared.usersSecret }}
        defaultMode: 288
    {{- end }}
    {{- if eq .Values.shape "cronjob-exec" }}
    - name: tmp
      emptyDir:
        medium: Memory
        sizeLimit: 1Mi
    {{- end }}
    {{- if ne .Values.shape "shared" }}
    {{- with .Values.app.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end }}
