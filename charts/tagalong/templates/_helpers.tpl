{{- define "tagalong.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where the objects are: one value moves them all, as umbrella charts need it. */}}
{{- define "tagalong.namespace" -}}{{ default .Release.Namespace .Values.namespaceOverride }}{{- end -}}

{{- define "tagalong.operator" -}}{{ include "tagalong.fullname" . }}-operator{{- end -}}
{{- define "tagalong.webhook" -}}{{ include "tagalong.fullname" . }}-webhook{{- end -}}
{{- define "tagalong.uninstall" -}}{{ include "tagalong.fullname" . }}-uninstall{{- end -}}

{{/* What finds the pods of a component: dict root, component. */}}
{{- define "tagalong.selector" -}}
app.kubernetes.io/name: tagalong
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The same labels of the operator's pods as its flag takes them. */}}
{{- define "tagalong.ownLabels" -}}
{{- $labels := list -}}
{{- range $name, $value := include "tagalong.selector" (dict "root" . "component" "operator") | fromYaml -}}
{{- $labels = append $labels (printf "%s=%s" $name $value) -}}
{{- end -}}
{{- join "," $labels -}}
{{- end -}}

{{/* A selector of the webhook's pods. */}}
{{- define "tagalong.webhookPods" -}}
{{- $labels := list -}}
{{- range $name, $value := include "tagalong.selector" (dict "root" . "component" "webhook") | fromYaml -}}
{{- $labels = append $labels (printf "%s=%s" $name $value) -}}
{{- end -}}
{{- join "," $labels -}}
{{- end -}}

{{/* Labels of every object: dict root, component. Not app.kubernetes.io/managed-by=tagalong: that is what the operator makes. */}}
{{- define "tagalong.labels" -}}
{{- $labels := include "tagalong.selector" . | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $labels .root.Values.commonLabels) -}}
{{- end -}}

{{/* Annotations of an object, if it has any, below its labels: dict root, own. */}}
{{- define "tagalong.annotations" -}}
{{- with merge (dict) (default (dict) .own) .root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* A reference to an image: dict root, image. */}}
{{- define "tagalong.image" -}}
{{- $repository := .image.repository -}}
{{- if .root.Values.image.registry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .root.Values.image.registry) $repository -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Secrets with certificates. */}}
{{- define "tagalong.secret.ca" -}}{{ include "tagalong.fullname" . }}-ca{{- end -}}
{{- define "tagalong.secret.operator" -}}
{{- if eq .Values.certificates.source "secret" -}}
{{- required "certificates.secret.operator: the name of a Secret, since certificates.source is secret" .Values.certificates.secret.operator -}}
{{- else -}}
{{- include "tagalong.operator" . }}-tls
{{- end -}}
{{- end -}}
{{- define "tagalong.secret.webhook" -}}
{{- if eq .Values.certificates.source "secret" -}}
{{- required "certificates.secret.webhook: the name of a Secret, since certificates.source is secret" .Values.certificates.secret.webhook -}}
{{- else -}}
{{- include "tagalong.webhook" . }}-tls
{{- end -}}
{{- end -}}

{{/*
A rules file with the names of this release: the ConfigMap's and the mark's are the same in every release. dict root, file.
Nothing of Secrets that are not in use: the right to create a free name is the right to any ServiceAccount's token in the namespace.
*/}}
{{- define "tagalong.rules" -}}
{{- $root := .root -}}
{{- $rules := list -}}
{{- $unused := ternary (list) (list "tagalong-webhook-tls") $root.Values.webhook.enabled -}}
{{- range $rule := $root.Files.Get .file | fromYamlArray -}}
{{- if or (eq $root.Values.certificates.source "operator") (not (has "secrets" $rule.resources)) -}}
{{- if and (hasKey $rule "resourceNames") (not (has "configmaps" $rule.resources)) (not (has "clusterroles" $rule.resources)) -}}
{{- $names := list -}}
{{- range $rule.resourceNames -}}
{{- if not (has . $unused) -}}
{{- $names = append $names (printf "%s%s" (include "tagalong.fullname" $root) (trimPrefix "tagalong" .)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $rule "resourceNames" $names -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/* What both Deployments' pods have: dict root, component, values. */}}
{{- define "tagalong.pod" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with default (ternary "ClusterFirstWithHostNet" "" (default false .values.hostNetwork)) .values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .values.topologySpreadConstraints }}
{{- $selector := dict "matchLabels" (include "tagalong.selector" . | fromYaml) }}
topologySpreadConstraints:
  {{- range .values.topologySpreadConstraints }}
  - {{ toYaml (merge (dict) . (dict "labelSelector" $selector)) | nindent 4 | trim }}
  {{- end }}
{{- end }}
# Services must not become variables: they would begin as the flags do.
enableServiceLinks: false
securityContext:
  {{- toYaml (mergeOverwrite (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) (default (dict) .values.podSecurityContext)) | nindent 2 }}
{{- end -}}

{{/* Restricted, but for what the argument says otherwise. */}}
{{- define "tagalong.containerSecurity" -}}
{{- $restricted := dict "allowPrivilegeEscalation" false "capabilities" (dict "drop" (list "ALL")) "readOnlyRootFilesystem" true -}}
securityContext:
  {{- toYaml (mergeOverwrite $restricted (default (dict) .)) | nindent 2 }}
{{- end -}}

{{/* Environment that both servers have. */}}
{{- define "tagalong.logEnv" -}}
- name: TAGALONG_LOG_FORMAT
  value: {{ .Values.logFormat }}
- name: TAGALONG_LOG
  value: {{ .Values.logLevel | quote }}
{{- end -}}

{{/* Environment that says which objects are this release's: for the operator, and for what takes them back. */}}
{{- define "tagalong.operatorEnv" -}}
- name: TAGALONG_NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
- name: TAGALONG_POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: TAGALONG_LEASE
  value: {{ include "tagalong.operator" . }}
{{- if eq .Values.certificates.source "operator" }}
- name: TAGALONG_CA_SECRET
  value: {{ include "tagalong.secret.ca" . }}
- name: TAGALONG_PUSH_SECRET
  value: {{ include "tagalong.secret.operator" . }}
- name: TAGALONG_WEBHOOK_SECRET
  value: {{ include "tagalong.secret.webhook" . }}
{{- else }}
- name: TAGALONG_TLS_DIR
  value: /var/run/tagalong/tls
{{- end }}
{{- if and .Values.customMetrics.enabled (eq .Values.customMetrics.apiService "auto") }}
- name: TAGALONG_CUSTOM_METRICS_SERVICE
  value: {{ include "tagalong.operator" . }}
- name: TAGALONG_CUSTOM_METRICS_PORT
  value: {{ .Values.customMetrics.port | int | quote }}
- name: TAGALONG_CUSTOM_METRICS_OWNER
  value: {{ include "tagalong.operator" . }}-api-services
{{- end }}
{{- if .Values.webhook.enabled }}
- name: TAGALONG_WEBHOOK_CONFIGURATION
  value: {{ include "tagalong.fullname" . }}
{{- end }}
{{- end -}}

{{- define "tagalong.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 5
{{- end -}}

{{/* Annotations of what exists only while the release is being uninstalled: dict root, weight (its place in the order). */}}
{{- define "tagalong.uninstall.hook" -}}
{{- if eq .root.Values.uninstall.hook "argocd" -}}
argocd.argoproj.io/hook: PreDelete
argocd.argoproj.io/hook-delete-policy: BeforeHookCreation,HookSucceeded
argocd.argoproj.io/sync-wave: {{ .weight | quote }}
{{- else -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
{{- end -}}
