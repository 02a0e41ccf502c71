# What the documentation's commands find besides programs. Run by bash in front of them, with
#   STAGE         a directory of this run's own
#   STAGE_PORT    what takes the place of port 6432
#   STAGE_NODE    Node.js, and
#   STAGE_MAIN    the program that it runs
set -euo pipefail

# What is under way, and the proxy that serves.
step=nothing
server=''

finish() {
  local status=$?
  [ "$status" = 0 ] || echo "failed: $step" >&2
  end_server || exit 1
  exit "$status"
}
trap finish EXIT

# The program. What would serve until somebody ends it goes into the background as soon as it serves, as if in
# a terminal of its own.
pg-entra-proxy() {
  local word port=(PGEP_PORT="$STAGE_PORT") serves=yes
  case "${1-}" in
  check | doctor | exec | connect | token | wait | shutdown | completion) serves=no ;;
  esac
  for word; do
    case "$word" in
    --) break ;;
    --help | --version | --check-config | --print-config) serves=no ;;
    # There the port is said, and variables would win.
    --config) port=() ;;
    esac
  done
  if [ "$serves" = yes ]; then
    end_server
    # What the one before it has logged is not its word.
    : >"$STAGE/log"
    env ${port[@]+"${port[@]}"} "$STAGE_NODE" "$STAGE_MAIN" "$@" </dev/null >/dev/null 2>>"$STAGE/log" &
    server=$!
    logged hint
  else
    env ${port[@]+"${port[@]}"} "$STAGE_NODE" "$STAGE_MAIN" "$@"
    if [ "$1" = shutdown ]; then see_off; fi
  fi
}

# Waits until the proxy that serves has logged an event.
logged() {
  local tries=0
  until grep -q "\"event\":\"$1\"" "$STAGE/log"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 400 ] || ! kill -0 "$server" 2>/dev/null; then
      echo "the proxy has not logged \"$1\", but:" >&2
      cat "$STAGE/log" >&2
      return 1
    fi
    sleep 0.05
  done
}

# As Ctrl-C in its terminal.
end_server() {
  [ -n "$server" ] || return 0
  kill -INT "$server"
  see_off
}

# Waits for the end of a proxy that has been asked to stop.
see_off() {
  local ending=$server
  server=''
  wait "$ending" || {
    echo 'the proxy did not end well:' >&2
    cat "$STAGE/log" >&2
    return 1
  }
}

npx() {
  [ "$1" = pg-entra-proxy ] || {
    echo "npx $*: there is no such package" >&2
    return 1
  }
  "$@"
}

sudo() { "$@"; }

# There is one user here.
useradd() { [ "$*" = '--system pg-entra-proxy' ]; }

install() {
  [ "$1 $2" = '--owner pg-entra-proxy' ]
  shift 2
  command install "$@"
}

# systemd, for the unit of deploy/systemd.
systemctl() {
  local unit="$STAGE/etc/systemd/system/pg-entra-proxy.service" line
  case "$*" in
  daemon-reload) [ -e "$unit" ] ;;
  'enable --now pg-entra-proxy')
    line=$(sed -n 's#^ExecStart=/usr/local/bin/##p' "$unit")
    # In words, and in this run's directory.
    ${line//\/etc\//$STAGE/etc/}
    ;;
  'reload pg-entra-proxy')
    # shellcheck disable=SC2016 # systemd's own
    [ "$(sed -n 's#^ExecReload=/bin/##p' "$unit")" = 'kill -HUP $MAINPID' ]
    kill -HUP "$server"
    logged reloaded
    ;;
  'status pg-entra-proxy') kill -0 "$server" ;;
  *)
    echo "systemctl $*: not known here" >&2
    return 2
    ;;
  esac
}

journalctl() {
  [ "$*" = '--unit pg-entra-proxy --lines 20 --output cat' ] && cat "$STAGE/log"
}
