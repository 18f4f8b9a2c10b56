package chart_test

// set is one way to set the chart's values, and what must and must not come of it.
type set struct {
	values string   // YAML
	has    []string // KIND/NAME of objects
	hasNot []string
	text   []string // in the rendered text
	noText []string
}

// always is there with every values.
func always() []string {
	return []string{"StatefulSet/waxwing-controller", "Service/waxwing-controller"}
}

// sets are the ways people install it.
func sets() map[string]set {
	all := map[string]set{}
	for _, group := range []map[string]set{whatIsInstalled(), rightSets(), workloadSets(), networkSets(), agentSets()} {
		for name, s := range group {
			all[name] = s
		}
	}
	return all
}

func whatIsInstalled() map[string]set {
	return map[string]set{
		"as it comes": {
			has: []string{
				"CustomResourceDefinition/gitsecrets.waxwing.io", "CustomResourceDefinition/keyrings.waxwing.io", "CustomResourceDefinition/secretsyncs.waxwing.io", "ValidatingAdmissionPolicy/waxwing-crd-guard",
				"ValidatingAdmissionPolicyBinding/waxwing-crd-guard", "ServiceAccount/waxwing-controller", "ClusterRole/waxwing-controller", "Role/waxwing-controller",
				"ClusterRole/waxwing-view", "ClusterRole/waxwing-edit", "ClusterRole/waxwing-keyring-admin", "ClusterRole/waxwing-auditor", "Role/waxwing-auditor",
				"NetworkPolicy/waxwing-default-deny", "NetworkPolicy/waxwing-controller", "Service/waxwing-metrics",
			},
			hasNot: []string{"Namespace/waxwing-system", "MutatingAdmissionPolicy/waxwing-applied-by", "ValidatingAdmissionPolicy/waxwing-applied-by", "PodDisruptionBudget/waxwing-controller", "ServiceMonitor/waxwing-controller"},
			text:   []string{"helm.sh/resource-policy: keep", "volumeClaimTemplates:", `image: "waxwing-controller:0.1.0"`},
			noText: []string{"waxwing-agent", "verbs: [impersonate]", "--audit-ephemeral", "--namespaces", "emptyDir", "allow-deletion: \"true\"", "topologySpreadConstraints", "--workers", "storageClassName"},
		},
		"without the kinds": {
			values: "crds: {install: false}",
			has:    []string{"ValidatingAdmissionPolicy/waxwing-crd-guard"},
			hasNot: []string{"CustomResourceDefinition/gitsecrets.waxwing.io", "CustomResourceDefinition/keyrings.waxwing.io", "CustomResourceDefinition/secretsyncs.waxwing.io"},
		},
		"without the guard": {
			values: "crds: {guard: false}",
			has:    []string{"CustomResourceDefinition/gitsecrets.waxwing.io"},
			hasNot: []string{"ValidatingAdmissionPolicy/waxwing-crd-guard", "ValidatingAdmissionPolicyBinding/waxwing-crd-guard"},
		},
		"kinds that go with the release": {
			values: "crds: {keep: false}",
			text:   []string{`waxwing.io/allow-deletion: "true"`},
			noText: []string{"helm.sh/resource-policy"},
		},
		"another name": {
			values: "fullnameOverride: seals",
			has:    []string{"ClusterRole/seals-view", "StatefulSet/seals-controller", "ValidatingAdmissionPolicy/seals-crd-guard"},
			hasNot: []string{"StatefulSet/waxwing-controller", "Service/waxwing-controller", "ClusterRole/waxwing-view"},
			text:   []string{"serviceAccountName: seals-controller"},
		},
		"labels and annotations of everything": {
			values: "commonLabels: {team: platform}\ncommonAnnotations: {contact: ops}\npodLabels: {team: keys}\npodAnnotations: {scrape: \"no\"}",
			text:   []string{"team: platform", "contact: ops", "team: keys", `scrape: "no"`},
		},
	}
}

func rightSets() map[string]set {
	return map[string]set{
		"some namespaces": {
			values: "namespaces: [prod, staging]",
			has: []string{"Role/prod/waxwing-controller", "RoleBinding/prod/waxwing-controller", "Role/staging/waxwing-controller", "RoleBinding/staging/waxwing-controller",
				"Role/default/waxwing-controller-keyring-events", "RoleBinding/default/waxwing-controller-keyring-events"},
			text:   []string{"--namespaces=prod,staging", "verbs: [get, list, watch, create, update, delete]"},
			noText: []string{"resources: [namespaces]\n    verbs: [list, watch]"},
		},
		"rights that somebody else makes": {
			values: "rbac: {create: false}",
			hasNot: []string{"ClusterRole/waxwing-controller", "Role/waxwing-controller", "ClusterRoleBinding/waxwing-controller", "ClusterRole/waxwing-view", "Role/waxwing-auditor"},
		},
		"roles that are not aggregated": {
			values: "rbac: {aggregate: false}",
			has:    []string{"ClusterRole/waxwing-view", "ClusterRole/waxwing-edit"},
			noText: []string{"aggregate-to"},
		},
		"an account with a role of its cloud": {
			values: "serviceAccount: {name: seals, annotations: {eks.amazonaws.com/role-arn: \"arn:aws:iam::1:role/w\"}}",
			has:    []string{"ServiceAccount/seals"},
			text:   []string{"serviceAccountName: seals", "arn:aws:iam::1:role/w"},
		},
		"an account that is there": {
			values: "serviceAccount: {create: false, name: given}",
			hasNot: []string{"ServiceAccount/given", "ServiceAccount/waxwing-controller"},
			text:   []string{"serviceAccountName: given", "    name: given\n"},
		},
	}
}

func workloadSets() map[string]set {
	return map[string]set{
		"a log that ends with its pod": {
			values: "persistence: {enabled: false, size: 2Gi}",
			text:   []string{"- --audit-ephemeral", "emptyDir:", "sizeLimit: 2Gi"},
			noText: []string{"volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy"},
		},
		"a volume of another class": {
			values: "persistence: {size: 5Gi, storageClass: fast-ssd}",
			text:   []string{"storageClassName: fast-ssd", "storage: 5Gi", "whenDeleted: Retain"},
			noText: []string{"--audit-ephemeral"},
		},
		"three replicas": {
			values: "replicas: 3\nleaderElection: {leaseDuration: 4s, renewDeadline: 3s, retryPeriod: 500ms}",
			has:    []string{"PodDisruptionBudget/waxwing-controller"},
			text: []string{"replicas: 3", "maxUnavailable: 1", "topologyKey: kubernetes.io/hostname", "podManagementPolicy: Parallel",
				"--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=500ms"},
		},
		"two replicas without a budget": {
			values: "replicas: 2\npodDisruptionBudget: {enabled: false}\ntopologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}]",
			hasNot: []string{"PodDisruptionBudget/waxwing-controller"},
			text:   []string{"topologyKey: topology.kubernetes.io/zone"},
			noText: []string{"topologyKey: kubernetes.io/hostname"},
		},
		"no replica": {values: "replicas: 0", text: []string{"replicas: 0"}, hasNot: []string{"PodDisruptionBudget/waxwing-controller"}},
		"a private image by digest": {
			values: "image: {repository: registry.example.org/keys/waxwing-controller, digest: \"sha256:" + digest + "\", pullPolicy: Always}\nimagePullSecrets: [{name: registry}]",
			text:   []string{`image: "registry.example.org/keys/waxwing-controller@sha256:` + digest + `"`, "imagePullPolicy: Always", "- name: registry"},
		},
		"an image by tag": {values: "image: {tag: v1.2.3}", text: []string{`image: "waxwing-controller:v1.2.3"`}},
		"where it runs": {
			values: "nodeSelector: {kubernetes.io/os: linux}\ntolerations: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]\npriorityClassName: system-cluster-critical\n" +
				"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: Exists}]}]}}}",
			text: []string{"kubernetes.io/os: linux", "key: node-role.kubernetes.io/control-plane", "priorityClassName: system-cluster-critical", "nodeAffinity:"},
		},
		"flags and resources": {
			values: "logLevel: DEBUG\nworkers: 32\nextraArgs: [--leader-elect=false]\nextraEnv: [{name: GOMEMLIMIT, value: 400MiB}]\nresources: {requests: {cpu: 1}, limits: {memory: 512Mi, cpu: \"2\"}}",
			text:   []string{"--log-level=DEBUG", "--workers=32", `"--leader-elect=false"`, "name: GOMEMLIMIT", "memory: 512Mi"},
		},
		"ids that the cluster gives": {
			values: "runAs: {user: null, group: null, fsGroup: null}",
			text:   []string{"runAsNonRoot: true"},
			noText: []string{"runAsUser", "runAsGroup", "fsGroup"},
		},
		"with Vault": {
			values: "vault: {enabled: true}",
			text:   []string{"resources: [serviceaccounts/token]\n    resourceNames: [waxwing-controller]\n    verbs: [create]", "name: POD_SERVICE_ACCOUNT", "fieldPath: spec.serviceAccountName", "port: 8200"},
			noText: []string{"/etc/waxwing/vault-tokens"},
		},
		"with Vault by an account that is there, and tokens that something else writes": {
			values: "serviceAccount: {create: false, name: given}\nvault: {enabled: true, ports: [443], to: [{ipBlock: {cidr: 10.2.0.0/16}}], tokens: {secret: {secretName: vault-token}}}",
			text:   []string{"resourceNames: [given]", "--vault-tokens=/etc/waxwing/vault-tokens", "mountPath: /etc/waxwing/vault-tokens", "secretName: vault-token", "cidr: 10.2.0.0/16"},
			noText: []string{"port: 8200"},
		},
		"without Vault": {
			values: "vault: {tokens: {secret: {secretName: vault-token}}}",
			noText: []string{"serviceaccounts/token", "POD_SERVICE_ACCOUNT", "/etc/waxwing/vault-tokens", "secretName: vault-token", "port: 8200"},
		},
		"as a part of another chart": {values: "global: {anything: true}\nenabled: true"},
	}
}

func networkSets() map[string]set {
	return map[string]set{
		"without network policies": {
			values: "networkPolicy: {enabled: false}",
			hasNot: []string{"NetworkPolicy/waxwing-controller", "NetworkPolicy/waxwing-default-deny"},
		},
		"in a namespace with others": {
			values: "networkPolicy: {defaultDeny: false}",
			has:    []string{"NetworkPolicy/waxwing-controller"},
			hasNot: []string{"NetworkPolicy/waxwing-default-deny"},
		},
		"an API server by address, and callers": {
			values: "networkPolicy: {apiServer: {cidrs: [10.0.0.1/32], ports: [6443]}, dns: {enabled: false}, recipientsFrom: [{namespaceSelector: {}}], " +
				"metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], extraEgress: [{to: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}",
			text:   []string{"cidr: 10.0.0.1/32", "port: recipients", "kubernetes.io/metadata.name: monitoring", "cidr: 10.1.0.0/16"},
			noText: []string{"port: 53", "port: 443", "ingress: []"},
		},
		"an audit log for those outside": {
			values: "audit: {tlsSecret: audit-tls, stdout: true, attribution: true}\nnetworkPolicy: {auditFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: audit}}}]}",
			has: []string{"MutatingAdmissionPolicy/waxwing-applied-by", "MutatingAdmissionPolicyBinding/waxwing-applied-by", "ValidatingAdmissionPolicy/waxwing-applied-by",
				"ValidatingAdmissionPolicyBinding/waxwing-applied-by"},
			text: []string{"--audit-stdout", "--audit-applied-by", "--audit-tls-cert-file=/etc/waxwing/audit-tls/tls.crt", "secretName: audit-tls", "port: audit", "kubernetes.io/metadata.name: audit"},
		},
		"an audit log that nobody reads over the network": {
			values: "audit: {endpoint: false, tlsSecret: audit-tls}\nnetworkPolicy: {auditFrom: [{namespaceSelector: {}}]}",
			text:   []string{"--audit-bind-address=0", "ingress: []"},
			noText: []string{"8443", "tokenreviews", "audit-tls"},
		},
		"scraped": {
			values: "metrics: {serviceMonitor: {enabled: true, interval: 10s, labels: {release: prometheus}}}",
			has:    []string{"ServiceMonitor/waxwing-controller"},
			text:   []string{"interval: 10s", "release: prometheus", "app.kubernetes.io/component: metrics"},
		},
		"without metrics": {
			values: "metrics: {enabled: false}\nnetworkPolicy: {metricsFrom: [{namespaceSelector: {}}]}",
			hasNot: []string{"Service/waxwing-metrics"},
			text:   []string{"--metrics-bind-address=0", "ingress: []"},
			noText: []string{"port: metrics", "containerPort: 8080"},
		},
	}
}

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
