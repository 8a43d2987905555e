{{- define "wheelwarden.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "wheelwarden.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "wheelwarden.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "wheelwarden.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wheelwarden.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wheelwarden.labels" -}}
{{ include "wheelwarden.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "wheelwarden.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "wheelwarden.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the service account to use, or set serviceAccount.create=true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "wheelwarden.image" -}}
{{- $repository := required "image.repository: set it to the repository of your Wheelwarden image, for example --set image.repository=registry.example.com/wheelwarden" .Values.image.repository -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if hasPrefix "sha256:" $tag -}}
{{- printf "%s@%s" $repository $tag -}}
{{- else -}}
{{- printf "%s:%s" $repository $tag -}}
{{- end -}}
{{- end -}}

{{- define "wheelwarden.certificateSecret" -}}
{{- printf "%s-certificate" (include "wheelwarden.fullname" .) -}}
{{- end -}}

{{- define "wheelwarden.lease" -}}
{{- printf "%s-controller" (include "wheelwarden.fullname" .) -}}
{{- end -}}

{{- define "wheelwarden.policyConfigMap" -}}
{{- printf "%s-policy" (include "wheelwarden.fullname" .) -}}
{{- end -}}

{{/* Environment variables of both programs. */}}
{{- define "wheelwarden.environment" -}}
- name: WHEELWARDEN_LOG_LEVEL
  value: {{ .Values.log.level | quote }}
- name: WHEELWARDEN_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: WHEELWARDEN_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: WHEELWARDEN_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: WHEELWARDEN_POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- name: WHEELWARDEN_KINDS
  value: {{ join "," .Values.kinds | quote }}
- name: WHEELWARDEN_POLICY_FILE
  value: /etc/wheelwarden/policy.yaml
{{- end -}}

{{/* Both containers and the test pod meet the Pod Security level restricted. The image sets a numeric user. */}}
{{- define "wheelwarden.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Namespaces whose objects and pods reach the webhooks. */}}
{{- define "wheelwarden.namespaceSelector" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ concat (list "kube-system" .Release.Namespace) .Values.excludeNamespaces | uniq | toJson }}
{{- with .Values.watchNamespaces }}
  - key: kubernetes.io/metadata.name
    operator: In
    values: {{ toJson . }}
{{- end }}
{{- end -}}

{{- define "wheelwarden.clientConfig" -}}
# No caBundle: the webhook creates its certificate and fills in the caBundle; an upgrade does not change it.
service:
  name: {{ include "wheelwarden.fullname" .root }}
  namespace: {{ .root.Release.Namespace }}
  path: {{ .path }}
  port: 443
{{- end -}}

{{/* The guarded kinds from files/kinds.yaml: {kinds: [...]}. */}}
{{- define "wheelwarden.kinds" -}}
{{- $guarded := .Values.kinds -}}
{{- $found := list -}}
{{- range (.Files.Get "files/kinds.yaml" | fromYaml).kinds -}}
{{- if has .name $guarded -}}
{{- $found = append $found . -}}
{{- end -}}
{{- end -}}
{{- dict "kinds" $found | toYaml -}}
{{- end -}}

{{/* These kinds, in every served version. */}}
{{- define "wheelwarden.guardedResources" -}}
{{- range . }}
- apiGroups: [{{ .group }}]
  apiVersions: {{ toJson .versions }}
  resources: [{{ .plural }}]
  operations: [CREATE, UPDATE]
  scope: Namespaced
{{- end }}
{{- end -}}

{{/* Which changes the webhook has to judge. */}}
{{- define "wheelwarden.matchConditions" -}}
- name: is-not-being-deleted
  expression: '!has(object.metadata.deletionTimestamp)'
- name: asks-or-asked-for-packages
  expression: >-
    object.?spec.?pythonPackages.hasValue() ||
    object.metadata.?annotations.orValue({}).exists(key, key.startsWith('wheelwarden.dev/')) ||
    (oldObject != null && (
    oldObject.?spec.?pythonPackages.hasValue() ||
    oldObject.metadata.?annotations.orValue({}).exists(key, key.startsWith('wheelwarden.dev/'))))
- name: changes-what-it-asks
  expression: >-
    oldObject == null ||
    object.?spec.?pythonPackages != oldObject.?spec.?pythonPackages ||
    object.metadata.?annotations.orValue({}).exists(key, key.startsWith('wheelwarden.dev/') &&
    object.metadata.?annotations[?key] != oldObject.metadata.?annotations[?key]) ||
    oldObject.metadata.?annotations.orValue({}).exists(key, key.startsWith('wheelwarden.dev/') &&
    object.metadata.?annotations[?key] != oldObject.metadata.?annotations[?key])
{{- end -}}

{{/* The action for a missing Secret, empty if Secrets are not checked. Note that off without quotes is false in YAML. */}}
{{- define "wheelwarden.secretVerify" -}}
{{- if has (toString .Values.secretRef.verify) (list "warn" "deny") -}}
{{- .Values.secretRef.verify -}}
{{- end -}}
{{- end -}}
