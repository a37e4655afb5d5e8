{{- define "lvm-local-csi.driverImage" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "lvm-local-csi.image" -}}
{{ .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Labels of a part: node, controller or certificates. */}}
{{- define "lvm-local-csi.labels" -}}
app.kubernetes.io/name: lvm-local-csi
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* Empty where the sidecars are in the node's pod. */}}
{{- define "lvm-local-csi.isCluster" -}}
{{ if eq .Values.mode "cluster" }}yes{{ end }}
{{- end }}

{{- define "lvm-local-csi.pluginDirectory" -}}
{{ .Values.kubeletDirectory }}/plugins/lvm.local.csi
{{- end }}

{{/* A container that needs nothing of the machine. */}}
{{- define "lvm-local-csi.unprivileged" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "lvm-local-csi.unprivilegedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "lvm-local-csi.healthProbes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 30
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}
