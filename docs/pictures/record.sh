#!/usr/bin/env bash
# Makes the pictures of README: each scene is typed into a real terminal (tmux), and its screen becomes an SVG file beside this script, or in the folder $1.
# It needs bin/seal (make build) or another one in $SEAL, git and tmux. `make pictures` runs it.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "${1:-$root/docs/pictures}" && cd "${1:-$root/docs/pictures}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/waxwing-pictures.XXXXXX")
socket="$work/tmux"
trap 'tmux -S "$socket" kill-server 2>/dev/null || true; rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }' EXIT
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
mkdir "$work/home" "$work/bin" "$work/shop"
ln -s "${SEAL:-$root/bin/seal}" "$work/bin/seal"
(cd "$root" && go build -o "$work/bin/screenshot" ./e2e/tools/screenshot)
export GOCACHE=${GOCACHE:-$(go env GOCACHE)} HOME="$work/home" PATH="$work/bin:$PATH" TERM=xterm-256color
unset KUBECONFIG SEAL_RECIPIENTS_FILE SEAL_IDENTITY_FILE NO_COLOR GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE || true
git config --global user.name "Ada" && git config --global user.email ada@example.org && git config --global init.defaultBranch main
git config --global core.pager cat

# A shell without anybody's settings, with a prompt that is easy to wait for.
printf 'PS1="\\[\\e[2m\\]\\$\\[\\e[0m\\] "\nunset PROMPT_COMMAND HISTFILE\n' >"$work/rc"

# A server that ends with its last session could be met by the next scene just while it ends.
printf 'set -g exit-empty off\n' >"$work/tmux.conf"

screen() { tmux -S "$socket" capture-pane -p -t scene; }

# prompted: waits until the last line of the screen is an empty prompt.
prompted() {
  for _ in $(seq 300); do
    if [ "$(screen | sed '/^$/d' | tail -n 1)" = '$ ' ] || [ "$(screen | sed '/^ *$/d' | tail -n 1)" = '$' ]; then return; fi
    sleep 0.1
  done
  echo "pictures: the terminal does not answer; it shows:" >&2
  screen >&2
  exit 1
}

# scene NAME TITLE COLUMNS ROWS COMMAND…: types the commands into an empty terminal and keeps its screen.
scene() {
  local name=$1 title=$2 columns=$3 rows=$4
  shift 4
  tmux -S "$socket" -f "$work/tmux.conf" new-session -d -s scene -x "$columns" -y "$rows" -c "$work/shop" "bash --noprofile --rcfile '$work/rc' -i"
  prompted
  for command in "$@"; do
    tmux -S "$socket" send-keys -t scene -l "$command"
    tmux -S "$socket" send-keys -t scene Enter
    sleep 0.3
    prompted
  done
  tmux -S "$socket" capture-pane -e -p -t scene | sed -e '/^$/d' | sed -e '$d' | "$work/bin/screenshot" --title "$title" >"$out/$name.svg"
  tmux -S "$socket" kill-session -t scene
  echo "$name.svg"
}

cd "$work/shop"
git init -q
seal keys generate --out "$work/breakglass.txt" 2>"$work/pub"
recipient=$(sed -n 's/^Public key: //p' "$work/pub")
seal init -r "prod=$recipient" --namespace prod >/dev/null 2>&1
cat >db.yaml <<'YAML'
apiVersion: v1
kind: Secret
metadata:
  name: db
stringData:
  user: shop
  password: example-not-a-secret
YAML
scene seal "seal a Secret, and look at what Git gets" 100 34 "seal -w db.yaml" "head -n 26 db.yaml | cut -c1-96" "git add . && git commit -qm 'db: seal the credentials'"
printf %s another-not-a-secret | seal set db.yaml password
printf %s token-not-a-secret | seal set db.yaml api-token
scene diff "review a change without a key" 106 30 "seal diff" "git commit -qam 'db: rotate the password, add a token'" "seal log db.yaml"
scene explain "seal explain" 110 40 "seal explain db.yaml"
