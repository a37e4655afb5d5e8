{{/* The two sidecars, beside a driver whose socket is /csi/csi.sock for them. */}}
{{- define "lvm-local-csi.sidecars" -}}
{{- $cluster := include "lvm-local-csi.isCluster" . -}}
- name: csi-provisioner
  image: {{ include "lvm-local-csi.image" .Values.provisioner.image }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/csi.sock
    {{- if $cluster }}
    - --leader-election
    {{- else }}
    # it acts for this node only: no leases, no watch of nodes
    - --node-deployment
    - --node-deployment-base-delay=100ms
    - --node-deployment-max-delay=1s
    {{- end }}
    # a volume is made where its pod will run, or not at all
    - --strict-topology
    # without a pod to follow, the driver finds the node
    - --immediate-topology=false
    - --enable-capacity
    # whose end ends the capacity objects too: the {{ if $cluster }}Deployment{{ else }}DaemonSet{{ end }}
    - --capacity-ownerref-level={{ if $cluster }}2{{ else }}1{{ end }}
    - --capacity-poll-interval={{ .Values.provisioner.capacityPollInterval }}
    - --capacity-threads={{ .Values.provisioner.capacityThreads }}
    - --kube-api-capacity-qps=5
    - --kube-api-capacity-burst=20
    - --kube-api-qps=20
    - --kube-api-burst=40
    # claim and namespace are kept in a tag, for people who look at the node
    - --extra-create-metadata
    - --default-fstype=ext4
    # zeroing takes its time; the driver answers before this
    - --timeout=60s
    - --retry-interval-max={{ .Values.provisioner.retryIntervalMax }}
    - --worker-threads={{ .Values.provisioner.workerThreads }}
    - --v={{ .Values.sidecarVerbosity }}
  env:
    - name: NAMESPACE
      valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    - name: POD_NAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    {{- if not $cluster }}
    - name: NODE_NAME
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    {{- end }}
  {{- include "lvm-local-csi.sidecarRest" (dict "cluster" $cluster "resources" .Values.provisioner.resources) | nindent 2 }}
- name: csi-resizer
  image: {{ include "lvm-local-csi.image" .Values.resizer.image }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/csi.sock
    {{- if $cluster }}
    - --leader-election
    {{- end }}
    # volumes grow while they are in use; with this on it would watch every pod
    - --handle-volume-inuse-error=false
    - --timeout=60s
    - --retry-interval-max={{ .Values.resizer.retryIntervalMax }}
    - --workers={{ .Values.resizer.workers }}
    - --kube-api-qps=20
    - --kube-api-burst=40
    - --v={{ .Values.sidecarVerbosity }}
  {{- include "lvm-local-csi.sidecarRest" (dict "cluster" $cluster "resources" .Values.resizer.resources) | nindent 2 }}
{{- end }}

{{- define "lvm-local-csi.sidecarRest" -}}
securityContext:
  {{- include "lvm-local-csi.unprivileged" . | nindent 2 }}
  {{- if not .cluster }}
  # root, since the socket is root's; SELinux would keep any other type from it
  runAsUser: 0
  seLinuxOptions: {type: spc_t}
  seccompProfile: {type: RuntimeDefault}
  {{- end }}
terminationMessagePolicy: FallbackToLogsOnError
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: {{ if .cluster }}csi{{ else }}plugin{{ end }}
    mountPath: /csi
  {{- if not .cluster }}
  - name: token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- end }}
{{- end }}
