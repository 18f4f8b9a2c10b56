#!/usr/bin/env bash
# Waxwing's state outside of a cluster, and back into a new one: docs/recovery.md. It runs kubectl, helm and seal, and takes the cluster that kubectl takes.
#
#   recovery.sh keep FOLDER BREAKGLASS.pub       copies what Git does not have into FOLDER. Nothing in it can be opened without the break-glass key. Run it every night
#   recovery.sh prepare FOLDER BREAKGLASS.txt    in the new cluster, before a controller runs: kinds and rights, marks, MAC key
#   recovery.sh start                            has the chart start the controller
#   recovery.sh restore FOLDER BREAKGLASS.txt    keyrings, and the keys of each; then apply Git as ever
#   recovery.sh all FOLDER BREAKGLASS.txt        prepare, start and restore
#
# CHART is the chart, charts/waxwing by default; HELM_ARGS has your values, such as "-f values.yaml".
set -euo pipefail

namespace=${NAMESPACE:-waxwing-system}
chart=${CHART:-charts/waxwing}
kube() { kubectl -n "$namespace" "$@"; }
say() { printf 'recovery: %s\n' "$*" >&2; }

# plain takes out of manifests what the next API server gives anew.
plain() { sed -E '/^ *(resourceVersion|uid|creationTimestamp|selfLink): /d'; }

keep() {
  mkdir -p "$1"
  kubectl get keyrings -o name | sed 's|.*/||' > "$1/keyrings.txt"
  : > "$1/keyrings.yaml"
  while read -r name; do
    # The spec alone: what a person would have written.
    printf -- '---\napiVersion: waxwing.io/v1alpha1\nkind: Keyring\nmetadata: {name: %s}\nspec: %s\n' "$name" "$(kubectl get keyring "$name" -o jsonpath='{.spec}')" >> "$1/keyrings.yaml"
    kubectl get keyring "$name" -o jsonpath='{.status.statementKey}' > "$1/$name.vkey"
    seal keys backup --keyring "$name" -n "$namespace" --statement-key "$(cat "$1/$name.vkey")" --out "$1/$name.backup.note" || say "no backup of keyring $name"
  done < "$1/keyrings.txt"
  kube get configmaps -l waxwing.io/marks=true -o yaml | plain > "$1/marks.yaml"
  # The key of the MACs in the marks is a secret: it is sealed, for break glass alone.
  rm -f "$1/value-mac.yaml"
  if kube get secret waxwing-value-mac -o name >/dev/null 2>&1; then
    kube get secret waxwing-value-mac -o yaml | plain | seal -r "breakglass=$(grep -o 'age1[a-z0-9]*' "$2" | head -n 1)" --out "$1/value-mac.yaml" -
  fi
  seal audit anchor -n "$namespace" -o json > "$1/anchors.json" || say "no anchor of an audit log"
}

prepare() {
  # shellcheck disable=SC2086
  helm upgrade --install waxwing "$chart" --namespace "$namespace" --create-namespace ${HELM_ARGS:-} --set replicas=0
  if [ "$(grep -c '^- ' "$1/marks.yaml")" != 0 ]; then kube create -f "$1/marks.yaml"; fi
  if [ -e "$1/value-mac.yaml" ]; then seal open -i "$2" "$1/value-mac.yaml" | kube create -f -; fi
}

start() {
  # shellcheck disable=SC2086
  helm upgrade waxwing "$chart" --namespace "$namespace" --reuse-values ${HELM_ARGS:-} --set "replicas=${REPLICAS:-1}"
}

restore() {
  kubectl apply -f "$1/keyrings.yaml"
  while read -r name; do
    if [ ! -e "$1/$name.backup.note" ]; then say "keyring $name has no backup"; continue; fi
    seal keys restore "$1/$name.backup.note" -i "$2" -n "$namespace" --statement-key "$(cat "$1/$name.vkey")" --yes < /dev/null
  done < "$1/keyrings.txt"
}

case "${1:-}:$#" in
  keep:3) keep "$2" "$3" ;;
  prepare:3) prepare "$2" "$3" ;;
  start:1) start ;;
  restore:3) restore "$2" "$3" ;;
  all:3) prepare "$2" "$3"; start; restore "$2" "$3" ;;
  *) sed -n '4,8s/^#   //p' "$0" >&2; exit 2 ;;
esac
