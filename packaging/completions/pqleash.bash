# SPDX-License-Identifier: Apache-2.0
# bash completion for pqleash. A test compares it with what `pqleash COMMAND --help` prints.

_pqleash_options() {
  local common='--help' change='--limit --rate --burst --on-server-full --on-limit --wait-timeout --max-waiting --force --dry-run --dir'
  case $1 in
    run) echo "$common --report-at-exit --dir --service --library" ;;
    audit)
      echo "$common --fail-on --kinds --judge-killed --allow-unseen --baseline --write-baseline --suppress --format --output" \
        "--linger --keep-ledgers --library-path --native --service --library"
      ;;
    attach) echo "$common --program --all-users --children --force --dir --service --library" ;;
    detach) echo "$common --program --all-users --children --force" ;;
    ps) echo "$common --all --dir --format" ;;
    report)
      echo "$common --pid --service --all --dir --min-age --min-idle --top --native --library-path --no-scan" \
        "--scan-time --registers --fail-on --dsn --format --output"
      ;;
    top) echo "$common --interval --service --dir --once --sort --scan" ;;
    serve)
      echo "$common --listen --tls-cert --tls-key --auth-file --interval --scan-interval --top --dir --on-finding --on-finding-level" \
        "--config"
      ;;
    advise) echo "$common --service --pid --all --dir --headroom --max --library-path --format" ;;
    diff) echo "$common --fail-on --format" ;;
    whois) echo "$common --all --dir --dsn --native --format" ;;
    check) echo "$common --no-environment --dsn --instances --workers --dir --format" ;;
    caps) echo "$common --service --dir --format" ;;
    'caps set') echo "$common --service $change" ;;
    'caps add')
      echo "$common --service --scope --host --port --dbname --user --application-name --call-site" \
        "--async-fallback $change"
      ;;
    'caps reset') echo "$common --service --all --dir" ;;
    doctor) echo "$common --pid --dir --library --format" ;;
  esac
}

# The words that an option takes, or '@file', '@dir', '@process', '@other'. Nothing: it takes none.
_pqleash_values() {
  case $2 in
    --format)
      case $1 in
        audit) echo 'text json junit sarif' ;;
        report) echo 'text json html folded pprof speedscope markdown prometheus' ;;
        advise) echo 'text json toml' ;;
        *) echo 'text json' ;;
      esac
      ;;
    --fail-on | --on-finding-level) echo 'critical warning info proven likely' ;;
    --on-limit) echo 'warn wait reject' ;;
    --on-server-full) echo 'backoff ignore' ;;
    --async-fallback) echo 'reject admit' ;;
    --scope) echo 'process service user' ;;
    --kinds) echo 'all lost-handle fork-shared idle-in-transaction leak-suspect unfinished-failed-connect' ;;
    --dir | --keep-ledgers) echo '@dir' ;;
    --library | --baseline | --write-baseline | --suppress | --output | --tls-cert | --tls-key) echo '@file' ;;
    --auth-file | --config) echo '@file' ;;
    --sort) echo 'service processes open use idle waiting opened closed findings' ;;
    --listen | --interval | --scan-interval | --on-finding | --headroom | --max) echo '@other' ;;
    --pid) echo '@process' ;;
    --service | --linger | --library-path | --min-age | --min-idle | --top | --scan-time | --dsn | --instances) echo '@other' ;;
    --workers | --limit | --rate | --burst | --wait-timeout | --max-waiting | --host | --port | --dbname) echo '@other' ;;
    --user | --application-name | --call-site) echo '@other' ;;
  esac
}

_pqleash_complete() {
  local words
  case $1 in
    @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    @dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    @process)
      words=$(cd /proc && echo [0-9]*)
      mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
      ;;
    @other) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
  esac
}

_pqleash() {
  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} previous values i
  local commands='run audit attach detach ps report top diff whois serve check caps advise doctor'
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _pqleash_complete "$commands --help --version" "$current"
    return
  fi
  # What follows two dashes is another command's.
  for ((i = 2; i < COMP_CWORD; ++i)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then
      if declare -F _command_offset >/dev/null; then _command_offset $((i + 1)); else _pqleash_complete @file "$current"; fi
      return
    fi
  done
  if [[ $command == caps ]] && ((COMP_CWORD == 2)) && [[ $current != -* ]]; then
    _pqleash_complete 'set add reset list' "$current"
    return
  fi
  if [[ $command == caps && ${COMP_WORDS[2]} == @(set|add|reset) ]]; then command="caps ${COMP_WORDS[2]}"; fi
  previous=${COMP_WORDS[COMP_CWORD - 1]}
  if [[ $previous == = ]] && ((COMP_CWORD > 3)); then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [[ $current == = ]]; then current=; fi
  values=$(_pqleash_values "$command" "$previous")
  if [[ -n $values ]]; then
    _pqleash_complete "$values" "$current"
  elif [[ $current == -* ]]; then
    _pqleash_complete "$(_pqleash_options "$command")" "$current"
  else
    case $command in
      report | diff | check | advise) _pqleash_complete @file "$current" ;;
    esac
  fi
}

complete -F _pqleash pqleash
