# SPDX-License-Identifier: Apache-2.0
#
# Connects in the way that its argument names; no connection ever comes about.
require 'pg'

def connect
  PG.connect('host=/nonexistent port=1') # connect
rescue PG::Error
  nil
end

module Shop
  module Auditing
    def audited
      connect # audited
    end
  end

  class Orders
    include Auditing

    def place
      [1].each do |_|
        audited # block
      end # not reached by a line number
    end

    def self.open
      new.place # open
    end

    define_method(:defined) { connect } # defined
  end
end

def nested
  run = lambda { Shop::Orders.open } # lambda
  run.call # nested
end

def recurse(depth)
  depth.zero? ? connect : recurse(depth - 1) # recurse
end

case ARGV.fetch(0)
when 'nested'
  nested # main
when 'defined'
  Shop::Orders.new.defined # defined main
when 'singleton'
  object = Object.new
  def object.alone = connect # alone
  object.alone # singleton main
  anonymous = Class.new { def nameless = connect } # nameless
  anonymous.new.nameless # anonymous main
when 'eval'
  eval("def evaluated\n  connect\nend", binding, 'made_up.rb', 41)
  evaluated # eval main
when 'pending'
  begin
    raise ArgumentError, 'pending'
  rescue ArgumentError
    connect
    p $!
  end
  p $!
  value = catch(:done) do
    begin
      throw :done, 5
    ensure
      connect
    end
  end
  p value
when 'threads'
  busy = Array.new(2) { Thread.new { loop { 1 + 1 } } }
  Array.new(3) { Thread.new { connect } }.each(&:join) # thread
  busy.each(&:kill).each(&:join)
when 'killed'
  finished = false
  connected = Queue.new
  thread = Thread.new { loop { connect; connected << 1 }; finished = true }
  connected.pop
  thread.kill
  thread.join
  p finished
when 'fiber'
  Fiber.new { connect }.resume # fiber
when 'fork'
  pid = fork { connect } # fork
  Process.wait(pid)
  p $?.exitstatus
when 'at_exit'
  at_exit { connect } # at_exit
  exit 3
when 'finalizer'
  ObjectSpace.define_finalizer(String.new('x'), proc { connect }) # finalizer
when 'trap'
  Signal.trap('USR1') { connect } # trap
  Process.kill('USR1', Process.pid)
when 'recursion'
  recurse(300)
when 'stress'
  GC.stress = true
  nested
  GC.stress = false
when 'compact'
  collecting = true
  collector = Thread.new { GC.compact while collecting }
  50.times { nested }
  collecting = false
  collector.join
when 'twenty'
  recurse(20 - 5) # the driver adds three
when 'held'
  # With the lock held, and without a driver around it.
  require 'fiddle'
  held = Fiddle::Function.new(Fiddle::Handle::DEFAULT['probe_capture'], [], Fiddle::TYPE_INT, need_gvl: true)
  held.call # held
when 'allocations'
  require 'fiddle'
  # Twice: the first round fills caches.
  allocated = %w[probe_nothing probe_silent probe_nothing probe_silent].map do |name|
    call = Fiddle::Function.new(Fiddle::Handle::DEFAULT[name], [], Fiddle::TYPE_INT, need_gvl: true)
    3.times { call.call }
    before = GC.stat(:total_allocated_objects)
    call.call
    GC.stat(:total_allocated_objects) - before
  end
  puts allocated[2] == allocated[3] ? 'same' : "differs: #{allocated}"
end
