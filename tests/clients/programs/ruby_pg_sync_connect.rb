# SPDX-License-Identifier: Apache-2.0
require 'pg'

REPORTS = []

def open_report
  connection = PG::Connection.sync_connect(application_name: 'report_service') # LEAK
  REPORTS << connection
end

def load_user
  connection = PG::Connection.sync_connect(application_name: 'report_service')
  puts "user #{connection.exec('SELECT current_user').getvalue(0, 0)}"
  connection.close
end

2.times { open_report }
load_user
puts 'ready'
$stdout.flush
$stdin.gets
puts 'done'
