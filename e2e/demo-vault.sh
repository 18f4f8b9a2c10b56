#!/usr/bin/env bash
# Keys from Vault, end to end, on a real control plane and a real Vault on loopback: every line after a $ is what a person would type (docs/vault.md explains each).
# It needs bin/ (make build) and the tools (make tools); `make demo-vault` sees to both. KEEP=1 leaves everything up and prints how to get at it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/waxwing-demo.XXXXXX")
controller=""
cluster=""
vault=""

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'; else bold="" dim="" off=""; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
run() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; eval "$*"; }

cleanup() {
  status=$?
  trap - EXIT INT TERM
  if [ "${KEEP:-}" = 1 ] && [ "$status" = 0 ]; then
    say "KEEP=1: everything stays up."
    echo "export KUBECONFIG=$work/kubeconfig PATH=$work/bin:\$PATH"
    echo "export VAULT_ADDR=$VAULT_ADDR VAULT_CACERT=$VAULT_CACERT VAULT_TOKEN=\$(cat $work/vault-token) UNSEAL_KEY=\$(cat $work/vault-unseal)"
    echo "cd $work/repo"
    echo "stop it with: kill $controller $cluster $vault; rm -rf $work"
    exit 0
  fi
  for pid in $controller $cluster $vault; do kill "$pid" 2>/dev/null || true; done
  for pid in $controller $cluster $vault; do wait "$pid" 2>/dev/null || true; done
  if [ "$status" != 0 ]; then
    echo "demo: failed; the last lines of the logs:" >&2
    tail -n 15 "$work"/*.log >&2 2>/dev/null || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# until_true CONDITION WHAT: polls for at most two minutes.
until_true() {
  for _ in $(seq 1200); do if eval "$1" >/dev/null 2>&1; then return; fi; sleep 0.1; done
  echo "demo: timed out waiting for $2" >&2
  exit 1
}

# policy FILE SED-EXPRESSION NAME: a policy of the chart, with its words in capitals filled in.
policy() { sed "$2" "$root/charts/waxwing/files/vault/$1.hcl" | vault policy write "$3" - >/dev/null; }

# role NAME: who may log in as it is the controller's ServiceAccount, with a token for Vault alone.
role() {
  vault write "auth/kubernetes/role/$1" bound_service_account_names=waxwing-controller bound_service_account_namespaces=waxwing-system \
    audience=vault token_policies="waxwing-login,$1" token_no_default_policy=true token_ttl=20m >/dev/null
}

# connection INDENT ROLE: the vault: of a source.
connection() {
  printf '%svault:\n%s  address: %s\n%s  auth: {kubernetes: {role: %s}}\n%s  caBundle: |\n' "$1" "$1" "$VAULT_ADDR" "$1" "$2" "$1"
  sed "s/^/$1    /" "$VAULT_CACERT"
}

# It is the only one: it has nobody to agree with on who leads, and no kubelet starts it again when it has lost the lead.
start_controller() {
  "$root/bin/waxwing-controller" --kubeconfig "$work/controller.kubeconfig" --namespace waxwing-system --audit-log "$work/audit" --service-account waxwing-controller --leader-elect=false \
    --metrics-bind-address 127.0.0.1:0 --health-bind-address 127.0.0.1:0 --recipients-bind-address 127.0.0.1:0 --audit-bind-address 127.0.0.1:0 >>"$work/controller.log" 2>&1 &
  controller=$!
}

# seal_for KEYRING NAMESPACE [HOLDER=RECIPIENT]: a Secret, sealed and applied.
seal_for() {
  kubectl create namespace "$2" >/dev/null
  seal keys fetch --keyring "$1" --out "$1.note" 2>/dev/null
  run "kubectl create secret generic db -n $2 --from-literal=password=$1-not-a-secret --dry-run=client -o yaml | seal -R $1.note ${3:+-r $3 }- > $2.yaml"
  run kubectl apply -f "$2.yaml"
}

say "1. A control plane and a Vault on loopback"
mapfile -t tools < <(cd "$root" && go run ./e2e/tools/fetch controlplane kubectl helm vault vault-plugin-auth-kubernetes)
mkdir -p "$work/bin" "$work/repo" "$work/tls" "$work/plugins"
ln -s "${tools[1]}" "$work/bin/kubectl"
ln -s "${tools[2]}" "$work/bin/helm"
ln -s "${tools[3]}" "$work/bin/vault"
ln -s "$root/bin/seal" "$work/bin/seal"
cp "${tools[4]}" "$work/plugins/kubernetes" # Vault takes no link; its own builds have this auth method in them
export PATH="$work/bin:$PATH" KUBECONFIG="$work/kubeconfig" HOME="$work"
"${tools[0]}" --dir "$work/cluster" --kubeconfig "$KUBECONFIG" >"$work/cluster.out" --log "$work/cluster.log" 2>&1 &
cluster=$!
port=""
for candidate in $(shuf -i 20000-29999 -n 50); do # Vault's own listener takes no port 0
  if ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then port=$candidate && break; fi
done
vault server -dev-tls -dev-tls-cert-dir "$work/tls" -dev-listen-address "127.0.0.1:$port" -dev-plugin-dir "$work/plugins" -dev-no-store-token >"$work/vault.log" 2>&1 &
vault=$!
export VAULT_ADDR="https://127.0.0.1:$port" VAULT_CACERT="$work/tls/vault-ca.pem"
until_true "grep -q '^Root Token: ' '$work/vault.log' && vault status" "Vault"
(
  umask 077
  sed -n 's/^Root Token: //p' "$work/vault.log" >"$work/vault-token"
  sed -n 's/^Unseal Key: //p' "$work/vault.log" >"$work/vault-unseal"
)
VAULT_TOKEN=$(cat "$work/vault-token")
export VAULT_TOKEN
until_true 'kubectl get --raw /readyz && kubectl get serviceaccount default' "the API server"
run vault version
run kubectl version

say "2. Waxwing, which may ask for tokens of its own ServiceAccount"
cd "$root"
run helm install waxwing charts/waxwing --namespace waxwing-system --create-namespace --set replicas=0 --set vault.enabled=true --hide-notes
kubectl -n waxwing-system create token waxwing-controller --duration 2h >"$work/token"
(
  umask 077
  kubectl config view --raw --flatten --minify >"$work/controller.kubeconfig"
  KUBECONFIG="$work/controller.kubeconfig" kubectl config set-credentials waxwing-controller --token "$(cat "$work/token")" >/dev/null
  KUBECONFIG="$work/controller.kubeconfig" kubectl config set-context --current --user waxwing-controller >/dev/null
)
until_true 'kubectl get keyrings,gitsecrets,secretsyncs -A' "the kinds"
start_controller
cd "$work/repo"

say "3. Vault learns to know the cluster: it has the API server review the controller's tokens"
run kubectl create namespace vault
run kubectl -n vault create serviceaccount vault-reviewer
run kubectl create clusterrolebinding vault-reviewer --clusterrole system:auth-delegator --serviceaccount vault:vault-reviewer
run vault auth enable kubernetes
kubectl config view --raw --minify --flatten -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 -d >cluster-ca.crt
kubectl -n vault create token vault-reviewer --duration 2h | vault write auth/kubernetes/config disable_local_ca_jwt=true token_reviewer_jwt=- \
  kubernetes_host="$(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}')" kubernetes_ca_cert=@cluster-ca.crt >/dev/null
policy login "" waxwing-login

say "4. Sealed keys: age keys in Secrets, encrypted by a key of Vault that nobody can export"
run vault secrets enable transit
run vault write -f transit/keys/waxwing type=aes256-gcm96
policy sealed-keys 's|TRANSIT|transit|; s|KEY|waxwing|' waxwing-sealed
role waxwing-sealed
{
  printf 'apiVersion: waxwing.io/v1alpha1\nkind: Keyring\nmetadata: {name: sealed}\nspec:\n  namespaces: [team]\n  source:\n    secret:\n      encryptedBy:\n        transit:\n          key: waxwing\n'
  connection "          " waxwing-sealed
} >sealed.yaml
run "grep -v -e '-----' sealed.yaml | cut -c1-60 | head -n 17"
run kubectl apply -f sealed.yaml
run kubectl wait --for=condition=Ready keyring/sealed --timeout=60s

say "5. Keys in Vault's key/value store"
run vault secrets enable -path=keys kv-v2
policy kv 's|KV|keys|; s|FOLDER|waxwing/stored|' waxwing-stored
role waxwing-stored
{
  printf 'apiVersion: waxwing.io/v1alpha1\nkind: Keyring\nmetadata: {name: stored}\nspec:\n  namespaces: [shop]\n  source:\n    vaultKV:\n      mount: keys\n      path: waxwing/stored\n'
  connection "      " waxwing-stored
} >stored.yaml
run kubectl apply -f stored.yaml
run kubectl wait --for=condition=Ready keyring/stored --timeout=60s

say "6. Keys that never leave Vault, and the break glass that this takes"
run seal keys generate --classical --out breakglass.txt
breakglass=$(sed -n 's/^.*public key: //Ip' breakglass.txt)
policy transit 's|TRANSIT|transit|; s|PREFIX|waxwing-remote-|' waxwing-remote
role waxwing-remote
{
  printf 'apiVersion: waxwing.io/v1alpha1\nkind: Keyring\nmetadata: {name: remote}\nspec:\n  namespaces: [bank]\n  class: classical\n  breakGlass:\n    recipients: [%s]\n' "$breakglass"
  printf '  source:\n    vaultTransit:\n      prefix: waxwing-remote-\n'
  connection "      " waxwing-remote
} >remote.yaml
run kubectl apply -f remote.yaml
run kubectl wait --for=condition=Ready keyring/remote --timeout=600s
run kubectl get keyrings

say "7. Seal for each of them, offline, and apply"
seal_for sealed team
seal_for stored shop
seal_for remote bank "breakglass=$breakglass"
for ns in team shop bank; do run kubectl wait --for=condition=Ready gitsecret/db -n $ns --timeout=60s; done
run kubectl get gitsecrets,secrets -A --field-selector metadata.name=db
until_true "vault list transit/keys" "Vault"
run vault list transit/keys

say "8. Vault is locked. What has its keys in memory goes on; what asks Vault each time waits; every Secret stays"
run vault operator seal
for keyring in sealed stored remote; do
  ns=$(sed -n 's/^  namespaces: \[\(.*\)\]$/\1/p' "$keyring.yaml")
  printf %s "$keyring-changed-not-a-secret" | seal set -R "$keyring.note" ${breakglass:+$([ "$keyring" = remote ] && printf -- '-r breakglass=%s' "$breakglass")} "$ns.yaml" password
  run kubectl apply -f "$ns.yaml"
done
run kubectl wait --for=jsonpath='{.status.observedGeneration}'=2 gitsecret/db -n team --timeout=60s
run kubectl wait --for=jsonpath='{.status.observedGeneration}'=2 gitsecret/db -n shop --timeout=60s
until_true "kubectl get gitsecret db -n bank | grep -q KeySourceUnavailable" "the Keyring that needs Vault"
run kubectl get gitsecrets -A -o wide
run kubectl get secrets -A --field-selector metadata.name=db

say "9. The controller starts anew, and Vault is still locked"
kill "$controller" && wait "$controller" || true
start_controller
until_true "kubectl get keyring sealed | grep -q KeySourceUnavailable && kubectl get keyring stored | grep -q KeySourceUnavailable" "the Keyrings"
run kubectl get keyrings -o wide

say "10. Vault is unlocked. Nothing else has to be done"
echo "${dim}\$ vault operator unseal ...${off}"
vault operator unseal "$(cat "$work/vault-unseal")" >/dev/null
run kubectl wait --for=condition=Ready keyring/sealed keyring/stored keyring/remote --timeout=120s
for ns in team shop bank; do run kubectl wait --for=condition=Ready gitsecret/db -n $ns --timeout=60s; done
for ns in team shop bank; do run "kubectl get secret db -n $ns -o jsonpath='{.data.password}' | base64 -d; echo"; done

say "11. Vault gone for good? The break-glass key opens the file, here and now, without cluster and without Vault"
run seal open -i breakglass.txt --key password bank.yaml
echo

[ "${KEEP:-}" = 1 ] || say "Done. Nothing is left running, nothing is left behind."
