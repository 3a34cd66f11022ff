# SPDX-License-Identifier: Apache-2.0
require 'pg'

def elapsed
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

puts 'ready'
$stdout.flush
$stdin.gets
begin_time = elapsed
begin
  connection = PG::Connection.public_send(ARGV.fetch(0), application_name: 'at_limit')
  answer = "value #{connection.exec('SELECT 42').getvalue(0, 0)}"
rescue PG::ConnectionBad => e
  answer = "error #{e.message.strip}"
end
puts format('after %.3f', elapsed - begin_time)
puts answer
puts 'done'
