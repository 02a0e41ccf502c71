{{- define "pg-entra-proxy.containerSecurity" -}}
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "pg-entra-proxy.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* What every container of the program has, besides what it is told. */}}
{{- define "pg-entra-proxy.containerRest" -}}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- include "pg-entra-proxy.containerSecurity" . | nindent 2 }}
{{- end }}

{{- define "pg-entra-proxy.configMount" -}}
- name: pg-entra-proxy-config
  mountPath: /etc/pg-entra-proxy/config
  readOnly: true
{{- end }}

{{/* The volume that goes with "pg-entra-proxy.sidecar". */}}
{{- define "pg-entra-proxy.volume" -}}
- name: pg-entra-proxy-config
  configMap:
    name: {{ include "pg-entra-proxy.configMapName" . }}
{{- end }}

{{/* Makes a changed configuration a new version of the pods. */}}
{{- define "pg-entra-proxy.checksum" -}}
checksum/pg-entra-proxy-config: {{ toJson .Values.config | sha256sum }}
{{- end }}

{{/* Asks the program's admin listener on loopback, where the kubelet itself does not get. */}}
{{- define "pg-entra-proxy.waitProbe" -}}
exec:
  command: {{ concat .Values.image.program (list "wait" "--timeout=8s") | toJson }}
timeoutSeconds: 10
{{- end }}

{{/* A native sidecar, for initContainers. */}}
{{- define "pg-entra-proxy.sidecar" -}}
- name: pg-entra-proxy
  image: {{ include "pg-entra-proxy.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  # This makes an init container a sidecar.
  restartPolicy: Always
  args:
    - run
    - --config=/etc/pg-entra-proxy/config/proxy.yaml
    - --drain-timeout={{ .Values.drain.timeoutSeconds }}s
  env:
    - name: PGEP_ADMIN_PORT
      value: "9090"
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  # The application starts as soon as the proxy listens and has a token.
  startupProbe:
    {{- include "pg-entra-proxy.waitProbe" . | nindent 4 }}
    periodSeconds: 1
    failureThreshold: 15
  {{- if not (hasPrefix "cronjob-" .Values.shape) }}
  # Once it has started it stays so: this fails only if the proxy hangs.
  livenessProbe:
    {{- include "pg-entra-proxy.waitProbe" . | nindent 4 }}
    periodSeconds: 30
    failureThreshold: 4
  {{- end }}
  volumeMounts:
    {{- include "pg-entra-proxy.configMount" . | nindent 4 }}
  {{- include "pg-entra-proxy.containerRest" . | nindent 2 }}
{{- end }}

{{/* The proxy as a pod's only container, which other machines reach. */}}
{{- define "pg-entra-proxy.sharedContainer" -}}
- name: pg-entra-proxy
  image: {{ include "pg-entra-proxy.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - run
    - --config=/etc/pg-entra-proxy/config/proxy.yaml
    - --address=0.0.0.0
    - --allow-remote-clients
    - --local-auth=scram-sha-256
    - --local-users-file=/etc/pg-entra-proxy/users/userlist.txt
    - --local-tls-cert=/etc/pg-entra-proxy/tls/tls.crt
    - --local-tls-key=/etc/pg-entra-proxy/tls/tls.key
    - --drain-delay={{ .Values.drain.delaySeconds }}s
    - --drain-timeout={{ .Values.drain.timeoutSeconds }}s
    - --admin-address=0.0.0.0
    - --admin-port=9090
  {{- with .Values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range include "pg-entra-proxy.listeners" . | fromJsonArray }}
    - name: {{ .name }}
      containerPort: {{ .port }}
    {{- end }}
    - name: admin
      containerPort: 9090
  startupProbe:
    httpGet:
      path: /startup
      port: admin
    periodSeconds: 1
    timeoutSeconds: 5
    failureThreshold: 120
  # Does not ask the server: its outage is no reason to take the proxy away too.
  readinessProbe:
    httpGet:
      path: /readiness
      port: admin
    periodSeconds: 5
    timeoutSeconds: 5
    failureThreshold: 2
  livenessProbe:
    httpGet:
      path: /liveness
      port: admin
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  volumeMounts:
    {{- include "pg-entra-proxy.configMount" . | nindent 4 }}
    - name: tls
      mountPath: /etc/pg-entra-proxy/tls
      readOnly: true
    - name: users
      mountPath: /etc/pg-entra-proxy/users
      readOnly: true
  {{- include "pg-entra-proxy.containerRest" . | nindent 2 }}
{{- end }}
