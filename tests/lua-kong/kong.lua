-- The stand-in's Lua: what the function under test finds in a Kong, and no more (Kong's sandbox: kong/tools/sandbox).

local M = {}

local dictionary, configuration = ngx.shared.prometheus_metrics, ngx.shared.configuration

local function text(name)
  local file = assert(io.open(ngx.config.prefix() .. name))
  local all = file:read("*a")
  file:close()
  return all
end

-- The names that Kong's default sandbox lends to a function. `load` with such an environment is how Kong makes it.
local function sandbox()
  return {
    _VERSION = _VERSION, assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, pcall = pcall,
    select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, xpcall = xpcall,
    math = math, string = string, table = table,
    os = { clock = os.clock, date = os.date, difftime = os.difftime, time = os.time },
    ngx = setmetatable({
      shared = { prometheus_metrics = dictionary }, timer = { at = ngx.timer.at }, now = ngx.now, log = ngx.log,
      ERR = ngx.ERR, worker = { count = ngx.worker.count, id = ngx.worker.id, exiting = ngx.worker.exiting },
    }, {
      -- These belong to the request in hand.
      __index = function(_, key)
        if key == "ctx" or key == "status" or key == "var" then return ngx[key] end
      end,
    }),
  }
end

-- As Kong: the text is run once, and what it returns runs for each request.
local function make()
  local code = assert(loadstring(text("function.lua"), "=post-function"))
  setfenv(code, sandbox())
  return code()
end

local made, version

local function current()
  local now = configuration:get("version") or 0
  if version ~= now then made, version = make(), now end
  return made
end

local function field(value)
  if value ~= "" then return value end
end

function M.answer()
  local args = ngx.req.get_uri_args()
  if args.seconds then ngx.sleep(tonumber(args.seconds)) end
  ngx.status = tonumber(args.status) or 200
  ngx.header["X-Worker"] = ngx.worker.pid()
  ngx.print("ok")
end

function M.log()
  local args, ctx = ngx.req.get_uri_args(), ngx.ctx
  -- What is not in the query is not in the context either: Kong sets these for proxied requests only.
  ctx.KONG_WAITING_TIME = tonumber(args.ms)
  if args.ip then ctx.balancer_data = { ip = field(args.ip), port = tonumber(args.port) } end
  if args.service then ctx.service = { name = field(args.service), host = args.host } end
  if args.route then ctx.route = { name = field(args.route), id = args.id } end
  current()()
end

function M.push()
  configuration:incr("version", 1, 0)
  ngx.print("ok")
end

function M.fill()
  local args = ngx.req.get_uri_args()
  local put = 0
  for i = 1, tonumber(args.keys) do
    local key = string.format('%s{service="svc-%06d",route="route-%06d",code="200"}', args.family or "http_requests_total", i, i)
    if dictionary:safe_set(key, i) then put = put + 1 end
  end
  ngx.print(put)
end

-- As kong/plugins/prometheus/prometheus.lua prints: every key, sorted, the bounds of buckets without their leading zeros.
function M.metrics()
  local keys = dictionary:get_keys(0)
  table.sort(keys)
  local lines = {}
  for _, key in ipairs(keys) do
    local value = dictionary:get(key)
    if value then
      local before, bound, after = string.match(key, '(.*[,{]le=")(.*)(".*)')
      if bound == "Inf" then bound = "+Inf" elseif bound then bound = tostring(tonumber(bound)) end
      lines[#lines + 1] = "kong_" .. (bound and before .. bound .. after or key) .. " " .. value .. "\n"
    end
  end
  ngx.print(lines)
end

return M
