#!/usr/bin/env bash
# The main job, end to end, on a real control plane on loopback: every line after a $ is what a person would type.
# It needs bin/ (make build) and the tools (make tools); `make demo` sees to both. KEEP=1 leaves everything up and prints the kubeconfig.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/waxwing-demo.XXXXXX")
controller=""
cluster=""
gitserver=""
agent=""

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'; else bold="" dim="" off=""; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
run() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; eval "$*"; }

cleanup() {
  status=$?
  trap - EXIT INT TERM
  if [ "${KEEP:-}" = 1 ] && [ "$status" = 0 ]; then
    say "KEEP=1: everything stays up."
    echo "export KUBECONFIG=$work/kubeconfig GIT_SSL_CAINFO=$GIT_SSL_CAINFO PATH=$work/bin:\$PATH"
    echo "cd $work/repo"
    echo "stop it with: kill $agent $controller $gitserver $cluster; rm -rf $work"
    exit 0
  fi
  for pid in $agent $controller $gitserver $cluster; do kill "$pid" 2>/dev/null || true; done
  for pid in $agent $controller $gitserver $cluster; do wait "$pid" 2>/dev/null || true; done
  if [ "$status" != 0 ]; then
    echo "demo: failed; the last lines of the logs:" >&2
    tail -n 30 "$work"/*.log >&2 2>/dev/null || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# until_true CONDITION WHAT: polls for at most a minute.
until_true() {
  for _ in $(seq 600); do if eval "$1" >/dev/null 2>&1; then return; fi; sleep 0.1; done
  echo "demo: timed out waiting for $2" >&2
  exit 1
}

# as ACCOUNT: a kubeconfig of a ServiceAccount of Waxwing's, with the RBAC that ships, for a program that has no pod here.
as() {
  (
    umask 077
    kubectl config view --raw --flatten --minify >"$work/$1.kubeconfig"
    export KUBECONFIG="$work/$1.kubeconfig"
    token=$(kubectl -n waxwing-system create token "$1" --duration 2h)
    kubectl config set-credentials "$1" --token "$token" >/dev/null
    kubectl config set-context --current --user "$1" >/dev/null
  )
}

say "1. A control plane on loopback: etcd, kube-apiserver, kube-controller-manager"
mapfile -t tools < <(cd "$root" && go run ./e2e/tools/fetch controlplane kubectl helm)
mkdir -p "$work/bin" "$work/repo"
ln -s "${tools[1]}" "$work/bin/kubectl"
ln -s "${tools[2]}" "$work/bin/helm"
ln -s "$root/bin/seal" "$work/bin/seal"
export PATH="$work/bin:$PATH" KUBECONFIG="$work/kubeconfig"
"${tools[0]}" --dir "$work/cluster" --kubeconfig "$KUBECONFIG" >"$work/cluster.out" --log "$work/cluster.log" 2>&1 &
cluster=$!
until_true 'kubectl get --raw /readyz && kubectl get serviceaccount default' "the API server"
run kubectl version

say "2. Waxwing: its kinds, its rights, its controller (a ServiceAccount with the RBAC that ships)"
cd "$root"
run helm install waxwing charts/waxwing --namespace waxwing-system --create-namespace --set replicas=0 --hide-notes
as waxwing-controller
until_true 'kubectl get keyrings,gitsecrets,secretsyncs -A' "the kinds"
# It is the only one: it has nobody to agree with on who leads, and no kubelet starts it again when it has lost the lead.
"$root/bin/waxwing-controller" --kubeconfig "$work/waxwing-controller.kubeconfig" --namespace waxwing-system --audit-log "$work/audit" --leader-elect=false \
  --metrics-bind-address 127.0.0.1:0 --health-bind-address 127.0.0.1:0 --recipients-bind-address 127.0.0.1:0 --audit-bind-address 127.0.0.1:0 >"$work/controller.log" 2>&1 &
controller=$!
until_true 'kubectl wait --for=condition=Ready keyring/default --timeout=1s' "the default keyring"
run kubectl get keyrings

say "3. A repository, and the cluster's public keys in it"
cd "$work/repo"
git init -q -b main . && git config user.name demo && git config user.email demo@example.invalid
run seal init --keyring default

say "4. Seal a Secret and commit it"
kubectl create namespace prod >/dev/null
kubectl create secret generic db -n prod --from-literal=user=app --from-literal=password=demo-not-a-secret --dry-run=client -o yaml >db.yaml
run cat db.yaml
run seal -w db.yaml
run "cut -c1-110 db.yaml | sed -n 1,24p"
run "git add . && git commit -q -m 'db: seal the credentials' && git log --oneline"

say "5. Apply the committed file; the controller opens it inside the cluster"
run kubectl apply -f db.yaml
run kubectl wait --for=condition=Ready gitsecret/db -n prod --timeout=60s
run kubectl get gitsecret,secret -n prod
run "kubectl get secret db -n prod -o jsonpath='{.data.password}' | base64 -d; echo"

say "6. Add a key: no private key is needed, and the diff shows only what changed"
run "printf demo-token-not-a-secret | seal set db.yaml api-token"
run "git diff --stat && git diff | cut -c1-110 | sed -n 1,30p"
run "git commit -qam 'db: add the API token' && kubectl apply -f db.yaml"
until_true "kubectl get secret db -n prod -o jsonpath='{.data.api-token}' | grep -q ." "the new key"
run "kubectl get secret db -n prod -o go-template='{{range \$k, \$v := .data}}{{\$k}}={{base64decode \$v}}{{\"\\n\"}}{{end}}'"

say "7. Tamper: somebody with push rights exchanges two values"
user=$(kubectl get gitsecret db -n prod -o jsonpath='{.spec.items.user.value}')
password=$(kubectl get gitsecret db -n prod -o jsonpath='{.spec.items.password.value}')
echo "${dim}\$ sed -e 's|USER|@|' -e 's|PASSWORD|USER|' -e 's|@|PASSWORD|' db.yaml > evil.yaml   # the two ciphertexts${off}"
sed -e "s|$user|@|" -e "s|$password|$user|" -e "s|@|$password|" db.yaml >evil.yaml
run kubectl apply -f evil.yaml
until_true "kubectl get gitsecret db -n prod | grep -q Tampered" "the refusal"
run kubectl get gitsecret -n prod -o wide
echo "The Secret is as it was:"
run "kubectl get secret db -n prod -o jsonpath='{.data.password}' | base64 -d; echo"

say "8. Rotate the key: first a backup of it, which only an offline key opens; then another key takes its place, and nothing else changes"
run "kubectl apply -f db.yaml && rm evil.yaml"
kubectl wait --for=condition=Ready gitsecret/db -n prod --timeout=60s >/dev/null
run seal keys generate --out "$work/breakglass.txt"
glass=$(sed -n 's/^# public key: //p' "$work/breakglass.txt")
kubectl patch keyring default --type merge -p "{\"spec\":{\"breakGlass\":{\"recipients\":[\"$glass\"]}}}" >/dev/null
until_true 'kubectl get configmap -n waxwing-system waxwing-backup-default' "the backup"
run seal keys backup --out "$work/first.backup.note"
before=$(kubectl get secret db -n prod -o jsonpath='{.metadata.uid} {.metadata.resourceVersion}')
first=$(kubectl get keyring default -o jsonpath='{.status.activeKey}')
run seal keys rotate
run seal keys list --cluster

say "9. Git follows: the controller offers new wraps, seal puts them into the files; values, signatures and the Secret stay"
until_true "kubectl get gitsecret db -n prod -o jsonpath='{.status.rewrap[0].holder}' | grep -q default" "the offer"
run seal rewrap .
run "git diff --stat && git diff db.yaml | cut -c1-110 | sed -n 1,20p"
run "git add . && git commit -q -m 'wraps for the new key' && kubectl apply -f db.yaml"
until_true "kubectl get gitsecret db -n prod -o jsonpath='{.status.keys[*].id}' | grep -q . && ! kubectl get gitsecret db -n prod -o jsonpath='{.status.keys[*].id}' | grep -q '$first'" "the new key to open it"
test "$before" = "$(kubectl get secret db -n prod -o jsonpath='{.metadata.uid} {.metadata.resourceVersion}')"
echo "The Secret is the same, down to its resource version."

say "10. Nobody is known to need the first key any more: it is destroyed"
run seal keys uses "$first"
run seal keys destroy "$first" --yes --reason "'all is rewrapped'"
run "git show HEAD~1:db.yaml > $work/old.yaml"
run "seal open -i $work/breakglass.txt --key password $work/old.yaml || echo 'exit status '\$?"
run "seal open -i $work/first.backup.note -i $work/breakglass.txt --key password $work/old.yaml; echo"

say "11. Without hands from here on: a bare repository on a Git server, and waxwing-agent, which follows it"
mkdir -p "$work/git" "$work/credentials/team"
git init -q --bare -b main "$work/git/team.git" && git -C "$work/git/team.git" config http.receivepack true
printf agent >"$work/credentials/team/username"
head -c 18 /dev/urandom | base64 >"$work/credentials/team/password"
(cd "$root" && go build -o "$work/bin/gitserver" ./e2e/tools/gitserver)
"$work/bin/gitserver" "$work/git" agent "$work/credentials/team/password" "$work/credentials/team/ca.crt" >"$work/git.url" 2>"$work/git.log" &
gitserver=$!
until_true 'grep -q https "$work/git.url"' "the Git server"
url=$(cat "$work/git.url")
export GIT_SSL_CAINFO="$work/credentials/team/ca.crt" # which wins over everybody's settings
git config "http.$url/.extraHeader" "Authorization: Basic $(printf 'agent:%s' "$(cat "$work/credentials/team/password")" | base64 | tr -d '\n')"
run "git remote add origin $url/team.git && git push -q origin main"
echo "An administrator says as whom the agent may apply, and who may use which credentials for which addresses:"
cat >"$work/agent.yaml" <<END
agent:
  enabled: true
  accounts: [{namespace: prod, name: waxwing-sync}]
  credentials: [{name: team, secretName: git-team, urls: ["$url/team.git"], namespaces: [prod]}]
END
cat "$work/agent.yaml"
(cd "$root" && run "helm upgrade waxwing charts/waxwing -n waxwing-system --reuse-values --values $work/agent.yaml >/dev/null")
as waxwing-agent
kubectl -n waxwing-system get configmap waxwing-agent -o jsonpath='{.data.config\.yaml}' >"$work/agent-config.yaml"
"$root/bin/waxwing-agent" --kubeconfig "$work/waxwing-agent.kubeconfig" --namespace waxwing-system --replica waxwing-agent-0 --config "$work/agent-config.yaml" \
  --credentials "$work/credentials" --cache "$work/cache" --audit-log "$work/agent-audit" --leader-elect=false \
  --metrics-bind-address 0 --health-bind-address 0 --audit-bind-address 0 --hook-bind-address 0 >"$work/agent.log" 2>&1 &
agent=$!
echo "And the team says what it follows; its account may write GitSecrets in prod, and read no Secret:"
cat >"$work/sync.yaml" <<END
apiVersion: waxwing.io/v1alpha1
kind: SecretSync
metadata: {name: team, namespace: prod}
spec:
  source: {url: "$url/team.git", branch: main, credentials: team, interval: 10s}
  serviceAccountName: waxwing-sync
  writeBack: {strategy: Push}
END
cat "$work/sync.yaml"
run kubectl apply -f "$work/sync.yaml"
run kubectl wait --for=condition=Ready secretsync/team -n prod --timeout=60s

say "12. A push is enough: Git -> agent -> GitSecret -> controller -> Secret"
run "kubectl create secret generic web -n prod --from-literal=token=pushed-not-a-secret --dry-run=client -o yaml > web.yaml && seal -w web.yaml"
run "git add . && git commit -q -m 'web: a token' && git push -q origin main"
until_true "kubectl get secret web -n prod" "the Secret that was pushed"
run "kubectl get secret web -n prod -o jsonpath='{.data.token}' | base64 -d; echo"
pushed=$(git rev-parse HEAD)
until_true "kubectl get secretsync team -n prod -o jsonpath='{.status.applied.revision}' | grep -q $pushed" "the commit to be applied"
run kubectl get secretsync -n prod

say "13. Rotate again: this time the new wraps come to Git by themselves, and back"
second=$(kubectl get keyring default -o jsonpath='{.status.activeKey}')
before=$(kubectl get secret db web -n prod -o jsonpath='{.items[*].metadata.resourceVersion}')
run seal keys rotate
until_true "git -C $work/git/team.git log -1 --format=%s main | grep -q rewrap" "the agent's commit"
run git pull -q --ff-only origin main
run "git log -1 --format='%h %an%n%B' && git diff --stat HEAD~1"
rewrapped=$(git rev-parse HEAD)
until_true "kubectl get secretsync team -n prod -o jsonpath='{.status.applied.revision}' | grep -q $rewrapped" "the agent's own commit to be applied"
until_true "kubectl get gitsecrets -n prod -o jsonpath='{.items[*].status.keys[*].id}' | grep -q . && ! kubectl get gitsecrets -n prod -o jsonpath='{.items[*].status.keys[*].id}' | grep -q '$second'" "the new key to open both"
test "$before" = "$(kubectl get secret db web -n prod -o jsonpath='{.items[*].metadata.resourceVersion}')"
echo "The cluster has that commit, and the Secrets are the same. The second key goes if nobody is known to need it, neither in the cluster nor in Git; the controller counts:"
echo "${dim}\$ seal keys destroy $second --yes --reason 'all is rewrapped'${off}"
until_true "seal keys destroy $second --yes --reason 'all is rewrapped' >$work/destroyed 2>&1" "the second key to be without use"
tail -n 1 "$work/destroyed"
run seal keys list --cluster

say "14. What the audit logs say, and that it is all of it: verified against what the cluster keeps outside of the logs' volumes"
run "seal audit tail -n 4 $work/audit && seal audit tail -n 8 $work/agent-audit --action 'sync.*'"
until_true "test \$(seal audit anchor | grep -c 'records, root') = 2" "the anchors"
run "seal audit anchor -o json > $work/anchors.json"
echo "${dim}\$ seal audit verify $work/audit $work/agent-audit --anchor $work/anchors.json${off}"
until_true "seal audit verify $work/audit $work/agent-audit --anchor $work/anchors.json >$work/verified.log 2>&1" "seal audit verify to find nothing; what it said last is in verified.log"
cat "$work/verified.log"

[ "${KEEP:-}" = 1 ] || say "Done. Nothing is left running, nothing is left behind."
