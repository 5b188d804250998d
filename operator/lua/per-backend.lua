-- Counts, for each address that served a request, what Kong's prometheus plugin counts for the whole upstream. It runs as
-- the `log` function of a `post-function` plugin: each worker adds up by itself and, once a second, writes into the shared
-- dictionary whose every key Kong prints on /metrics, so Kong's own page carries the families below.
--
-- Their names sort directly behind Kong's families of the same kind, so that whoever rewrites the page as it streams by
-- needs to look at no line twice. Whatever is missing or fails here, the request and Kong's own log phase go on.

local HISTOGRAM, REQUESTS = "upstream_latency_ms_target", "http_requests_with_target_total"
-- These two sort behind _bucket, _count and _sum, so they tear no family: requests that found no room, and what the series
-- of all workers take of the dictionary.
local UNRECORDED, BYTES = "upstream_latency_ms_target_unrecorded", "upstream_latency_ms_target_used_bytes"
local BOUNDS = { 25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000 } -- Kong's, in milliseconds
local INF, COUNT, SUM = #BOUNDS + 1, #BOUNDS + 2, #BOUNDS + 3

local TTL = 3600           -- seconds that an address may be idle before its series go
local MAX_SERIES = 500     -- addresses that one worker tells apart; the others count under `other`
local RESERVE = 1 / 4      -- of the dictionary: no new key below it, it is kept for Kong's own
local SHARE = 1 / 8        -- of the dictionary: no new series when those of all workers hold as much
local CENSUS_SECONDS = 60  -- expired keys are found out about this often, by whoever needs room

-- `untrusted_lua = strict` has neither.
local dictionary = ngx.shared and ngx.shared.prometheus_metrics
local timer_at = ngx.timer and ngx.timer.at
if not dictionary or not timer_at then return function() end end

local format, find, now, pcall, pairs, tostring = string.format, string.find, ngx.now, pcall, pairs, tostring
local reserve, share = dictionary:capacity() * RESERVE, dictionary:capacity() * SHARE

local tree = {}            -- service -> route -> address -> series
local all = {}             -- the same series as a list
local armed = false        -- a flush is due
local unrecorded = 0       -- requests that found no room, not yet written
local counted_at           -- the last census of this worker

-- What a key takes in the dictionary, whose allocator rounds up to powers of two: 72 bytes of node and value, and its name.
local function bytes(key)
  local size = 64
  while size < #key + 72 do size = size * 2 end
  return size
end

-- What the keys of all workers take. A dictionary does not tell when a key expires, so it is read as a whole now and then,
-- as Kong does for each scrape.
local function used()
  local t, sum = now(), dictionary:get(BYTES)
  if sum and counted_at and t - counted_at < CENSUS_SECONDS then return sum end
  counted_at, sum = t, 0
  for _, key in pairs(dictionary:get_keys(0)) do
    if find(key, HISTOGRAM, 1, true) == 1 or find(key, REQUESTS, 1, true) == 1 then sum = sum + bytes(key) end
  end
  if not dictionary:replace(BYTES, sum) then dictionary:safe_add(BYTES, sum) end
  return sum
end

local function escape(value)
  return (tostring(value):gsub('[\\"\n]', { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

local function series_of(service, route, address)
  local labels = format('{service="%s",route="%s",address="%s"', escape(service), escape(route), escape(address))
  local series = {
    place = { service, route, address }, labels = labels,
    n = 0, sum = 0, codes = {}, code_keys = {}, keys = {}, born = false, extended = 0, last = now(),
  }
  for i = 1, #BOUNDS do
    series[i] = 0
    series.keys[i] = format('%s_bucket%s,le="%07.1f"}', HISTOGRAM, labels, BOUNDS[i]) -- Kong prints "00025.0" as "25"
  end
  series[INF] = 0
  series.keys[INF] = HISTOGRAM .. "_bucket" .. labels .. ',le="Inf"}'
  series.keys[COUNT] = HISTOGRAM .. "_count" .. labels .. "}"
  series.keys[SUM] = HISTOGRAM .. "_sum" .. labels .. "}"
  all[#all + 1] = series
  return series
end

-- Makes a key if there is room for it. Nothing is ever evicted for ours.
local function make(key, value)
  if dictionary:free_space() < reserve then return false end
  local made, err = dictionary:safe_add(key, value, TTL)
  if made then
    dictionary:incr(BYTES, bytes(key))
    return true
  end
  return err == "exists" and (value == 0 or dictionary:incr(key, value) ~= nil)
end

-- Whether all keys of a histogram are there. They are made together, the count last, so that none can be lacking later.
local function bear(series)
  if dictionary:get(series.keys[COUNT]) then return true end
  local size = 0
  for i = 1, SUM do size = size + bytes(series.keys[i]) end
  if used() + size > share then return false end
  for i = 1, INF do
    if not make(series.keys[i], 0) then return false end
  end
  return make(series.keys[SUM], 0) and make(series.keys[COUNT], 0)
end

local function add(key, value) return dictionary:incr(key, value) or make(key, value) end

local function write_codes(series)
  for code, n in pairs(series.codes) do
    local key = series.code_keys[code]
    if not key then
      key = REQUESTS .. series.labels .. format(',code="%s"}', code)
      series.code_keys[code] = key
    end
    if not add(key, n) then unrecorded = unrecorded + n end
    series.codes[code] = nil
  end
end

-- All keys of a series live and die together, so each worker that adds to it extends all.
local function extend(series, t)
  series.extended = t
  for i = 1, SUM do dictionary:expire(series.keys[i], TTL) end
  for _, key in pairs(series.code_keys) do dictionary:expire(key, TTL) end
end

local function write(series, t)
  local found = series.born and dictionary:incr(series.keys[COUNT], series.n)
  if not found then
    series.born = bear(series)
    found = series.born and dictionary:incr(series.keys[COUNT], series.n)
  end
  if not found then
    unrecorded = unrecorded + series.n
    for i = 1, INF do series[i] = 0 end
    series.codes = {}
    return
  end
  add(series.keys[SUM], series.sum)
  local below = 0
  for i = 1, INF do
    below = below + series[i]
    if below > 0 then add(series.keys[i], below) end
    series[i] = 0
  end
  write_codes(series)
  -- At the first time, too: each push of configuration makes this function anew, and may come more often than the TTL.
  if t - series.extended > TTL / 4 then extend(series, t) end
end

local function flush()
  local t, i = now(), 1
  while i <= #all do
    local series = all[i]
    if series.n > 0 then
      write(series, t)
      series.n, series.sum, series.last = 0, 0, t
    end
    if t - series.last > TTL then
      local place = series.place
      tree[place[1]][place[2]][place[3]] = nil
      all[i] = all[#all]
      all[#all] = nil
    else
      i = i + 1
    end
  end
  if unrecorded > 0 and (dictionary:incr(UNRECORDED, unrecorded) or dictionary:safe_add(UNRECORDED, unrecorded)) then
    unrecorded = 0
  end
end

local function tick()
  armed = false
  pcall(flush)
end

local function observe()
  local ctx = ngx.ctx
  -- Set for proxied requests only; the number that Kong's own histogram gets, under the address of the last try.
  local waited, balancer, service, route = ctx.KONG_WAITING_TIME, ctx.balancer_data, ctx.service, ctx.route
  if not waited or waited < 0 or not balancer or not balancer.ip or not service or not route then return end
  local service_name, route_name = service.name or service.host, route.name or route.id
  local address = balancer.ip .. ":" .. balancer.port

  local routes = tree[service_name]
  if not routes then routes = {}; tree[service_name] = routes end
  local addresses = routes[route_name]
  if not addresses then addresses = {}; routes[route_name] = addresses end
  local series = addresses[address]
  if not series then
    if #all >= MAX_SERIES then
      address = "other"
      series = addresses[address]
    end
    if not series then
      series = series_of(service_name, route_name, address)
      addresses[address] = series
    end
  end

  series.n, series.sum = series.n + 1, series.sum + waited
  local i = 1
  while i < INF and waited > BOUNDS[i] do i = i + 1 end
  series[i] = series[i] + 1
  local code = ngx.status
  series.codes[code] = (series.codes[code] or 0) + 1

  if not armed then
    armed = true
    if not timer_at(1, tick) then tick() end -- a worker that is exiting gets no timer
  end
end

-- An error here would keep the later loggers, and Kong's own work after them, from this request.
return function() pcall(observe) end
