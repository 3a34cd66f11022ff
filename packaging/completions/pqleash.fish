# SPDX-License-Identifier: Apache-2.0
# fish completion for pqleash. A test compares it with what `pqleash COMMAND --help` prints.

# Whether the command is $argv[1], of caps with the word $argv[2] (- for none).
function __pqleash_in
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = "$argv[1]"; or return 1
    test "$argv[1]" = caps; or return 0
    set -l verb -
    contains -- "$words[3]" set add reset; and set verb $words[3]
    test "$verb" = "$argv[2]"
end

complete -c pqleash -f
complete -c pqleash -s h -l help -d 'Print help'
complete -c pqleash -n __fish_use_subcommand -l version -d 'Print the version'
complete -c pqleash -n __fish_use_subcommand -a run -d 'Run a program and record its connections'
complete -c pqleash -n __fish_use_subcommand -a audit -d 'Run a program and fail when it leaves connections behind'
complete -c pqleash -n __fish_use_subcommand -a attach -d 'Record the connections of a process that runs already'
complete -c pqleash -n __fish_use_subcommand -a detach -d 'End what attach has begun'
complete -c pqleash -n __fish_use_subcommand -a ps -d 'List the processes that have a ledger'
complete -c pqleash -n __fish_use_subcommand -a report -d 'Show who holds connections, what they do, and what is wrong'
complete -c pqleash -n __fish_use_subcommand -a top -d 'Watch services, call sites and connections; change caps'
complete -c pqleash -n __fish_use_subcommand -a diff -d 'Compare two saved reports'
complete -c pqleash -n __fish_use_subcommand -a whois -d 'Say which process and line of code a backend belongs to'
complete -c pqleash -n __fish_use_subcommand -a serve -d 'Serve metrics for Prometheus, the report as JSON, and a page'
complete -c pqleash -n __fish_use_subcommand -a check -d 'Check a configuration before it is deployed'
complete -c pqleash -n __fish_use_subcommand -a caps -d 'Show and change caps on connections while services run'
complete -c pqleash -n __fish_use_subcommand -a advise -d 'Propose limits from what was measured, with the arithmetic'
complete -c pqleash -n __fish_use_subcommand -a doctor -d 'Check that pqleash works here, or for one program'
complete -c pqleash -n '__pqleash_in caps -; and test (count (commandline -opc)) -eq 2' -a 'set add reset list'
complete -c pqleash -n '__pqleash_in report; or __pqleash_in diff; or __pqleash_in check; or __pqleash_in advise' -F

complete -c pqleash -n '__pqleash_in run' -l report-at-exit
complete -c pqleash -n '__pqleash_in run' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in run' -l service -x
complete -c pqleash -n '__pqleash_in run' -l library -r -F

complete -c pqleash -n '__pqleash_in audit' -l fail-on -x -a 'critical warning info proven likely'
complete -c pqleash -n '__pqleash_in audit' -l kinds -x -a 'all lost-handle fork-shared idle-in-transaction leak-suspect unfinished-failed-connect'
complete -c pqleash -n '__pqleash_in audit' -l judge-killed
complete -c pqleash -n '__pqleash_in audit' -l allow-unseen
complete -c pqleash -n '__pqleash_in audit' -l baseline -r -F
complete -c pqleash -n '__pqleash_in audit' -l write-baseline -r -F
complete -c pqleash -n '__pqleash_in audit' -l suppress -r -F
complete -c pqleash -n '__pqleash_in audit' -l format -x -a 'text json junit sarif'
complete -c pqleash -n '__pqleash_in audit' -l output -r -F
complete -c pqleash -n '__pqleash_in audit' -l linger -x
complete -c pqleash -n '__pqleash_in audit' -l keep-ledgers -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in audit' -l library-path -x
complete -c pqleash -n '__pqleash_in audit' -l native
complete -c pqleash -n '__pqleash_in audit' -l service -x
complete -c pqleash -n '__pqleash_in audit' -l library -r -F

complete -c pqleash -n '__pqleash_in attach' -l program -x
complete -c pqleash -n '__pqleash_in attach' -l all-users
complete -c pqleash -n '__pqleash_in attach' -l children
complete -c pqleash -n '__pqleash_in attach' -l force
complete -c pqleash -n '__pqleash_in attach' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in attach' -l service -x
complete -c pqleash -n '__pqleash_in attach' -l library -r -F
complete -c pqleash -n '__pqleash_in attach' -a '(__fish_complete_pids)'

complete -c pqleash -n '__pqleash_in detach' -l program -x
complete -c pqleash -n '__pqleash_in detach' -l all-users
complete -c pqleash -n '__pqleash_in detach' -l children
complete -c pqleash -n '__pqleash_in detach' -l force
complete -c pqleash -n '__pqleash_in detach' -a '(__fish_complete_pids)'

complete -c pqleash -n '__pqleash_in ps' -l all
complete -c pqleash -n '__pqleash_in ps' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in ps' -l format -x -a 'text json'

complete -c pqleash -n '__pqleash_in report' -l pid -x -a '(__fish_complete_pids)'
complete -c pqleash -n '__pqleash_in report' -l service -x
complete -c pqleash -n '__pqleash_in report' -l all
complete -c pqleash -n '__pqleash_in report' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in report' -l min-age -x
complete -c pqleash -n '__pqleash_in report' -l min-idle -x
complete -c pqleash -n '__pqleash_in report' -l top -x
complete -c pqleash -n '__pqleash_in report' -l native
complete -c pqleash -n '__pqleash_in report' -l library-path -x
complete -c pqleash -n '__pqleash_in report' -l no-scan
complete -c pqleash -n '__pqleash_in report' -l scan-time -x
complete -c pqleash -n '__pqleash_in report' -l registers
complete -c pqleash -n '__pqleash_in report' -l fail-on -x -a 'critical warning info proven likely'
complete -c pqleash -n '__pqleash_in report' -l dsn -x
complete -c pqleash -n '__pqleash_in report' -l format -x -a 'text json html folded pprof speedscope markdown prometheus'
complete -c pqleash -n '__pqleash_in report' -l output -r -F

complete -c pqleash -n '__pqleash_in diff' -l fail-on -x -a 'critical warning info proven likely'
complete -c pqleash -n '__pqleash_in diff' -l format -x -a 'text json'

complete -c pqleash -n '__pqleash_in whois' -l all
complete -c pqleash -n '__pqleash_in whois' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in whois' -l dsn -x
complete -c pqleash -n '__pqleash_in whois' -l native
complete -c pqleash -n '__pqleash_in whois' -l format -x -a 'text json'

complete -c pqleash -n '__pqleash_in check' -l no-environment
complete -c pqleash -n '__pqleash_in check' -l dsn -x
complete -c pqleash -n '__pqleash_in check' -l instances -x
complete -c pqleash -n '__pqleash_in check' -l workers -x
complete -c pqleash -n '__pqleash_in check' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in check' -l format -x -a 'text json'

complete -c pqleash -n '__pqleash_in caps -' -l service -x
complete -c pqleash -n '__pqleash_in caps -' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in caps -' -l format -x -a 'text json'

complete -c pqleash -n '__pqleash_in caps set' -l service -x
complete -c pqleash -n '__pqleash_in caps set' -l limit -x
complete -c pqleash -n '__pqleash_in caps set' -l rate -x
complete -c pqleash -n '__pqleash_in caps set' -l burst -x
complete -c pqleash -n '__pqleash_in caps set' -l on-server-full -x -a 'backoff ignore'
complete -c pqleash -n '__pqleash_in caps set' -l on-limit -x -a 'warn wait reject'
complete -c pqleash -n '__pqleash_in caps set' -l wait-timeout -x
complete -c pqleash -n '__pqleash_in caps set' -l max-waiting -x
complete -c pqleash -n '__pqleash_in caps set' -l force
complete -c pqleash -n '__pqleash_in caps set' -l dry-run
complete -c pqleash -n '__pqleash_in caps set' -l dir -r -a '(__fish_complete_directories)'

complete -c pqleash -n '__pqleash_in caps add' -l service -x
complete -c pqleash -n '__pqleash_in caps add' -l scope -x -a 'process service user'
complete -c pqleash -n '__pqleash_in caps add' -l host -x
complete -c pqleash -n '__pqleash_in caps add' -l port -x
complete -c pqleash -n '__pqleash_in caps add' -l dbname -x
complete -c pqleash -n '__pqleash_in caps add' -l user -x
complete -c pqleash -n '__pqleash_in caps add' -l application-name -x
complete -c pqleash -n '__pqleash_in caps add' -l call-site -x
complete -c pqleash -n '__pqleash_in caps add' -l async-fallback -x -a 'reject admit'
complete -c pqleash -n '__pqleash_in caps add' -l limit -x
complete -c pqleash -n '__pqleash_in caps add' -l rate -x
complete -c pqleash -n '__pqleash_in caps add' -l burst -x
complete -c pqleash -n '__pqleash_in caps add' -l on-server-full -x -a 'backoff ignore'
complete -c pqleash -n '__pqleash_in caps add' -l on-limit -x -a 'warn wait reject'
complete -c pqleash -n '__pqleash_in caps add' -l wait-timeout -x
complete -c pqleash -n '__pqleash_in caps add' -l max-waiting -x
complete -c pqleash -n '__pqleash_in caps add' -l force
complete -c pqleash -n '__pqleash_in caps add' -l dry-run
complete -c pqleash -n '__pqleash_in caps add' -l dir -r -a '(__fish_complete_directories)'

complete -c pqleash -n '__pqleash_in caps reset' -l service -x
complete -c pqleash -n '__pqleash_in caps reset' -l all
complete -c pqleash -n '__pqleash_in caps reset' -l dir -r -a '(__fish_complete_directories)'

complete -c pqleash -n '__pqleash_in doctor' -l pid -x -a '(__fish_complete_pids)'
complete -c pqleash -n '__pqleash_in doctor' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in doctor' -l library -r -F
complete -c pqleash -n '__pqleash_in doctor' -l format -x -a 'text json'

complete -c pqleash -n '__pqleash_in top' -l interval -x
complete -c pqleash -n '__pqleash_in top' -l service -x
complete -c pqleash -n '__pqleash_in top' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in top' -l once
complete -c pqleash -n '__pqleash_in top' -l sort -x -a 'service processes open use idle waiting opened closed findings'
complete -c pqleash -n '__pqleash_in top' -l scan

complete -c pqleash -n '__pqleash_in serve' -l listen -x
complete -c pqleash -n '__pqleash_in serve' -l tls-cert -r -F
complete -c pqleash -n '__pqleash_in serve' -l tls-key -r -F
complete -c pqleash -n '__pqleash_in serve' -l auth-file -r -F
complete -c pqleash -n '__pqleash_in serve' -l interval -x
complete -c pqleash -n '__pqleash_in serve' -l scan-interval -x
complete -c pqleash -n '__pqleash_in serve' -l top -x
complete -c pqleash -n '__pqleash_in serve' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in serve' -l on-finding -x
complete -c pqleash -n '__pqleash_in serve' -l on-finding-level -x -a 'critical warning info proven likely'
complete -c pqleash -n '__pqleash_in serve' -l config -r -F

complete -c pqleash -n '__pqleash_in advise' -l service -x
complete -c pqleash -n '__pqleash_in advise' -l pid -x -a '(__fish_complete_pids)'
complete -c pqleash -n '__pqleash_in advise' -l all
complete -c pqleash -n '__pqleash_in advise' -l dir -r -a '(__fish_complete_directories)'
complete -c pqleash -n '__pqleash_in advise' -l headroom -x
complete -c pqleash -n '__pqleash_in advise' -l max -x
complete -c pqleash -n '__pqleash_in advise' -l library-path -x
complete -c pqleash -n '__pqleash_in advise' -l format -x -a 'text json toml'
