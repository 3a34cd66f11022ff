-- SPDX-License-Identifier: Apache-2.0
local postgres = require("luasql.postgres").postgres()
local reports = {}

local function open_report()
  local connection = assert(postgres:connect("application_name=report_service")) -- LEAK
  reports[#reports + 1] = connection
end

local function load_user()
  local connection = assert(postgres:connect("application_name=report_service"))
  local cursor = assert(connection:execute("SELECT current_user"))
  print("user " .. cursor:fetch())
  cursor:close()
  connection:close()
end

for _ = 1, 2 do
  open_report()
end
load_user()
print("ready")
io.stdout:flush()
io.read()
print("done")
