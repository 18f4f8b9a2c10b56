#!/usr/bin/env bash
# Waxwing's state outside of a cluster, and back into a new one: docs/recovery.md. It runs kubectl, helm and seal, and takes the cluster that kubectl takes.
#
#   recovery.sh keep FOLDER BREAKGLASS.pub       copies what Git does not have into FOLDER. Nothing in it can be opened without the break-glass key, but who can write there says what is restored. Run it every night
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

die() { say "$*"; exit 1; }

# pin is the statement key that .seal.yaml, here or at the top of the repository, pins for a keyring; nothing where it pins none.
pin() {
  local top
  top=$(git rev-parse --show-toplevel 2>/dev/null) || top=.
  cat .seal.yaml "$top/.seal.yaml" 2>/dev/null | sed '/^ *#/d' | sed -nE "s|^.*statementKey: *[\"']?($1\+[0-9a-f]+\+[A-Za-z0-9+/=]+).*|\1|p" | sed -n 1p || true
}

# count is the number of objects in a list of them.
count() { grep -c '^- ' "$1" || true; }

# keep makes all files anew beside those of the last time, which it replaces at the end only: whatever goes wrong, and whatever has become of the cluster, they stay.
keep() {
  local to=$1 glass name mac
  glass=$(grep -o 'age1[a-z0-9]*' "$2" | sed -n 1p) || die "$2 has no recipient"
  mkdir -p "$to"
  new=$to/.new
  rm -rf "$new"
  trap 'rm -rf "$new"' EXIT
  mkdir "$new"
  kubectl get namespace kube-system -o jsonpath='{.metadata.uid}' > "$new/cluster.txt"
  [ ! -s "$to/cluster.txt" ] || cmp -s "$to/cluster.txt" "$new/cluster.txt" || die "$to is of another cluster: keep this one in another folder"
  kubectl get keyrings -o name | sed 's|.*/||' > "$new/keyrings.txt"
  [ -s "$new/keyrings.txt" ] || die "there is no Keyring in this cluster"
  if [ -e "$to/keyrings.txt" ]; then
    while read -r name; do
      grep -qxF -- "$name" "$new/keyrings.txt" || die "there is no keyring $name any more: if that is meant, keep this cluster in another folder"
    done < "$to/keyrings.txt"
  fi
  while read -r name; do keep_keyring "$to" "$name"; done < "$new/keyrings.txt"
  kube get configmaps -l waxwing.io/marks=true -o yaml | plain > "$new/marks.yaml"
  if [ -e "$to/marks.yaml" ] && [ "$(count "$to/marks.yaml")" != 0 ] && [ "$(count "$new/marks.yaml")" = 0 ]; then die "the cluster has no marks, and $to has"; fi
  # The key of the MACs in the marks is a secret: it is sealed, for break glass alone.
  mac=$(kube get secret waxwing-value-mac --ignore-not-found -o name)
  if [ -n "$mac" ]; then
    kube get secret waxwing-value-mac -o yaml | plain | seal -r "breakglass=$glass" --out "$new/value-mac.yaml" -
  elif [ -e "$to/value-mac.yaml" ]; then
    die "the cluster has no Secret waxwing-value-mac, and $to has"
  fi
  seal audit anchor -n "$namespace" -o json > "$new/anchors.json" || { say "no anchor of an audit log"; rm "$new/anchors.json"; }
  mv -f "$new"/* "$to/"
}

# keep_keyring keeps the spec of a keyring, its statement key and its backup. Nothing of another statement key takes the place of what was kept.
keep_keyring() {
  local to=$1 name=$2 vkey pinned said
  vkey=$(kubectl get keyring "$name" -o jsonpath='{.status.statementKey}')
  pinned=$(pin "$name")
  [ -z "$pinned" ] || [ "$pinned" = "$vkey" ] || die "the statement key of keyring $name is ${vkey:-not there}, and .seal.yaml pins $pinned"
  [ ! -s "$to/$name.vkey" ] || [ "$(cat "$to/$name.vkey")" = "$vkey" ] || die "the statement key of keyring $name is ${vkey:-not there}, and $to has $(cat "$to/$name.vkey"): restore the keyring first, or keep it in another folder"
  printf %s "$vkey" > "$new/$name.vkey"
  printf -- '---\napiVersion: waxwing.io/v1alpha1\nkind: Keyring\nmetadata: {name: %s}\n' "$name" >> "$new/keyrings.yaml"
  kubectl get keyring "$name" -o yaml | spec >> "$new/keyrings.yaml"
  [ -n "$vkey" ] || { say "keyring $name has no statement key yet"; return; }
  # Over the one of the last time, so that seal holds them against each other.
  [ ! -e "$to/$name.backup.note" ] || cp "$to/$name.backup.note" "$new/"
  said=$(seal keys backup --keyring "$name" -n "$namespace" --statement-key "$vkey" --out "$new/$name.backup.note" 2>&1 < /dev/null) || {
    printf '%s\n' "$said" >&2
    [ ! -e "$to/$name.backup.note" ] || die "the backup of keyring $name cannot be renewed"
    say "no backup of keyring $name"
  }
}

# spec takes the spec out of a manifest, as a person would have written it. Requests are left out: what was asked for in a cluster that is lost is not to be done to keys that have just come back.
spec() {
  awk '/^spec:/ { on = 1; full = ($0 != "spec:"); print; next }
    /^[^ ]/ { on = 0 }
    !on { next }
    /^  requests:/ { skip = 1; next }
    skip && /^  [- ]/ { next }
    { skip = 0; full = 1; print }
    END { if (!full) print "  {}" }'
}

# listed refuses a folder without what keep has written last.
listed() { [ -s "$1/keyrings.txt" ] || die "$1 has no list of keyrings: recovery.sh keep has not written it"; }

# prepare refuses a namespace in which a controller has run: what it knows is newer than what was kept, and it is not to be stopped by a second try.
prepare() {
  local there mac
  listed "$1"
  there=$(kube get configmaps -l waxwing.io/marks=true -o name)
  [ -z "$there" ] || die "$namespace has marks already. If a controller has run, go on with: recovery.sh restore $1 $2. If none has, because this script was cut short: kubectl -n $namespace delete configmaps -l waxwing.io/marks=true, and do the same again"
  # shellcheck disable=SC2086
  helm upgrade --install waxwing "$chart" --namespace "$namespace" --create-namespace ${HELM_ARGS:-} --set replicas=0
  mac=$(kube get secret waxwing-value-mac --ignore-not-found -o name)
  if [ -e "$1/value-mac.yaml" ] && [ -z "$mac" ]; then seal open -i "$2" "$1/value-mac.yaml" | kube create -f -; fi
  if [ "$(count "$1/marks.yaml")" != 0 ]; then kube create -f "$1/marks.yaml"; fi
}

start() {
  # shellcheck disable=SC2086
  helm upgrade waxwing "$chart" --namespace "$namespace" --reuse-values ${HELM_ARGS:-} --set "replicas=${REPLICAS:-1}"
}

# restore goes on after a keyring that cannot be restored, and fails at the end.
restore() {
  local name vkey pinned failed=
  listed "$1"
  # Twice, where the controller makes the Keyring default in between.
  kubectl apply -f "$1/keyrings.yaml" || kubectl apply -f "$1/keyrings.yaml"
  while read -r name; do
    if [ ! -e "$1/$name.backup.note" ]; then say "keyring $name has no backup"; continue; fi
    vkey=$(cat "$1/$name.vkey")
    pinned=$(pin "$name")
    if [ -n "$pinned" ] && [ "$pinned" != "$vkey" ]; then
      say ".seal.yaml pins $pinned for keyring $name, and $1 has $vkey"
    elif seal keys restore "$1/$name.backup.note" -i "$2" -n "$namespace" --statement-key "$vkey" --yes < /dev/null; then
      continue
    fi
    failed="$failed $name"
  done < "$1/keyrings.txt"
  [ -z "$failed" ] || die "not restored:$failed. Mend what is said above, then: recovery.sh restore $1 $2"
}

case "${1:-}:$#" in
  keep:3) keep "$2" "$3" ;;
  prepare:3) prepare "$2" "$3" ;;
  start:1) start ;;
  restore:3) restore "$2" "$3" ;;
  all:3) prepare "$2" "$3"; start; restore "$2" "$3" ;;
  *) sed -n '4,8s/^#   //p' "$0" >&2; exit 2 ;;
esac
