# SPDX-License-Identifier: Apache-2.0
# As told.cc.
require "pg"

$stdout.sync = true
connections = []

def open_one
  PG.connect(host: ENV["PGHOST"])
end

puts "ready"
while (line = $stdin.gets)
  word, count = line.split
  case word
  when "open" then count.to_i.times { connections << open_one }
  when "exec" then connections.last.exec("select 1")
  when "close" then connections.pop.close
  end
  puts "ok #{word}"
end
connections.each(&:close)
puts "end"
exit 7
