# SPDX-License-Identifier: Apache-2.0
#
# A forked child that ends with a plain exit: the finalisers close what the parent opened, and with it its sessions.
require 'pg'

REPORTS = []

def open_report
  connection = PG.connect(application_name: 'report_service') # LEAK
  REPORTS << connection
end

def load_user
  connection = PG.connect(application_name: 'report_service')
  puts "user #{connection.exec('SELECT current_user').getvalue(0, 0)}"
  connection.close
end

2.times { open_report }
load_user
$stdout.flush
Process.wait(fork { exit })
puts "child #{$?.exitstatus}", 'ready'
$stdout.flush
$stdin.gets
puts 'done'
