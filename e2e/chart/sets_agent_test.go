package chart_test

// teamsOfAgent are values with an agent for two teams, one of which has two namespaces.
const teamsOfAgent = `agent:
  enabled: true
  accounts: [{namespace: team, name: waxwing-sync, targets: [team, team-web]}, {namespace: prod, name: sync}]
  credentials: [{name: infra, secretName: git-infra, urls: ["https://git.example.com/team/"], namespaces: [team, "prod-*"]}]
`

// agentSets are the ways people install the agent.
func agentSets() map[string]set {
	return map[string]set{
		"an agent alone": {
			values: "agent: {enabled: true}",
			has: []string{"StatefulSet/waxwing-agent", "ServiceAccount/waxwing-agent", "ConfigMap/waxwing-agent", "ClusterRole/waxwing-agent", "ClusterRoleBinding/waxwing-agent", "Role/waxwing-agent",
				"RoleBinding/waxwing-agent", "ClusterRole/waxwing-sync", "Service/waxwing-agent", "Service/waxwing-agent-hook", "Service/waxwing-agent-metrics", "NetworkPolicy/waxwing-agent",
				"ValidatingAdmissionPolicy/waxwing-agent-guard", "ValidatingAdmissionPolicyBinding/waxwing-agent-guard"},
			hasNot: []string{"PodDisruptionBudget/waxwing-agent"},
			text:   []string{`image: "waxwing-agent:0.1.0"`, "--audit-key=/var/lib/waxwing/audit.key", "config.yaml: |\n    {}"},
			noText: []string{"verbs: [impersonate]", "--credentials", "--audit-peers", "# The agent reads it, for the checkpoints that it keeps in Git."},
		},
		"an agent for two teams": {
			values: teamsOfAgent,
			has: []string{"ServiceAccount/team/waxwing-sync", "ServiceAccount/prod/sync", "Role/team/waxwing-agent-impersonate", "RoleBinding/team/waxwing-agent-impersonate", "Role/prod/waxwing-agent-impersonate",
				"RoleBinding/team/waxwing-sync.team.waxwing-sync", "RoleBinding/team-web/waxwing-sync.team.waxwing-sync", "RoleBinding/prod/waxwing-sync.prod.sync"},
			hasNot: []string{"ServiceAccount/team-web/waxwing-sync", "Role/team-web/waxwing-agent-impersonate", "Role/team/waxwing-agent"},
			text: []string{"--credentials=/etc/waxwing/credentials", "mountPath: /etc/waxwing/credentials/infra", "secretName: git-infra", "optional: true", "serviceAccount: sync\n",
				`"system:serviceaccount:team:waxwing-sync", "system:serviceaccount:prod:sync"`},
			noText: []string{"secretName: infra"},
		},
		"an agent of some namespaces": {
			values: "agent: {enabled: true, namespaces: [team, prod]}",
			has:    []string{"Role/team/waxwing-agent", "RoleBinding/team/waxwing-agent", "Role/prod/waxwing-agent", "RoleBinding/prod/waxwing-agent"},
			text:   []string{"--namespaces=team,prod"},
		},
		"an agent whose audit log is read with a certificate": {
			values: "audit: {tlsSecret: audit-tls}\nagent: {enabled: true}\nnetworkPolicy: {auditFrom: [{namespaceSelector: {}}]}",
			text: []string{"--audit-tls-cert-file=/etc/waxwing/audit-tls/tls.crt", "# audit/process/gate.go: ask who it is that wants to read the audit log", "nonResourceURLs: [/v1/audit/]\n    verbs: [get]",
				".svc:8443\"", "--audit-peers-ca-file=/etc/waxwing/audit-tls/ca.crt", "# The agent reads it, for the checkpoints that it keeps in Git."},
			noText: []string{"--audit-peers-server-name"},
		},
		"an agent that reads the other audit logs by one name": {
			values: "audit: {tlsSecret: audit-tls, serverName: audit.example.org}\nagent: {enabled: true}",
			text:   []string{"--audit-peers-server-name=audit.example.org"},
		},
		"an agent whose audit log nobody reads over the network": {
			values: "audit: {endpoint: false}\nagent: {enabled: true}\nnetworkPolicy: {auditFrom: [{namespaceSelector: {}}]}",
			text:   []string{"--audit-bind-address=0"},
			noText: []string{"tokenreviews", "8443", "port: audit"},
		},
		"an agent without its guard": {
			values: "agent: {enabled: true, guard: false}",
			hasNot: []string{"ValidatingAdmissionPolicy/waxwing-agent-guard", "ValidatingAdmissionPolicyBinding/waxwing-agent-guard"},
		},
		"an agent that nobody wakes or scrapes": {
			values: "agent: {enabled: true, hook: {enabled: false, from: [{namespaceSelector: {}}]}}\nmetrics: {enabled: false}",
			hasNot: []string{"Service/waxwing-agent-hook", "Service/waxwing-agent-metrics"},
			text:   []string{"--hook-bind-address=0", "--metrics-bind-address=0"},
			noText: []string{"port: hook", "containerPort: 9292"},
		},
		"an agent by proxy, with webhooks": {
			values: "agent: {enabled: true, proxy: \"http://proxy.example.org:3128\", git: {ports: [3128], to: [{ipBlock: {cidr: 10.3.0.0/16}}]}, hook: {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]}}",
			text:   []string{"proxy: http://proxy.example.org:3128", "port: 3128", "cidr: 10.3.0.0/16", "port: hook", "kubernetes.io/metadata.name: ingress"},
			noText: []string{"port: 22\n"},
		},
		"an agent with credentials from elsewhere": {
			values: "agent: {enabled: true, insecureHTTP: true, credentials: [{name: lab, volume: {csi: {driver: secrets.example.org, readOnly: true}}, urls: [\"http://git.lab/\"], namespaces: [\"*\"]}]}",
			text:   []string{"driver: secrets.example.org", "mountPath: /etc/waxwing/credentials/lab", "insecureHTTP: true"},
			noText: []string{"secretName"},
		},
		"two agents with settings": {
			values: "audit: {stdout: true}\nagent: {enabled: true, replicas: 2, persistence: {size: 3Gi, storageClass: fast-ssd}, workers: 8, limits: {packMiB: 64, files: 1000}, cache: {size: 20Gi}, " +
				"image: {digest: \"sha256:" + digest + "\"}, extraArgs: [--leader-elect=true], extraEnv: [{name: GOMEMLIMIT, value: 200MiB}], resources: {limits: {memory: 300Mi}}}",
			has: []string{"PodDisruptionBudget/waxwing-agent"},
			text: []string{"--audit-stdout", "storage: 3Gi", "storageClassName: fast-ssd", "sizeLimit: 20Gi", "--workers=8", "packMiB: 64", "files: 1000", "- waxwing-audit-waxwing-agent-0\n", "- waxwing-audit-waxwing-agent-1\n",
				`image: "waxwing-agent@sha256:` + digest + `"`, `"--leader-elect=true"`, "name: GOMEMLIMIT", "memory: 300Mi"},
			noText: []string{"objectMiB"},
		},
		"an agent whose rights somebody else makes": {
			values: "rbac: {create: false}\nagent: {enabled: true, accounts: [{namespace: team, name: sync}]}",
			has:    []string{"ServiceAccount/waxwing-agent", "ServiceAccount/team/sync"},
			hasNot: []string{"ClusterRole/waxwing-agent", "Role/waxwing-agent", "Role/team/waxwing-agent-impersonate", "ClusterRole/waxwing-sync", "RoleBinding/team/waxwing-sync.team.sync"},
		},
	}
}
