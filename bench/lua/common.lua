-- What all scripts share: threads that know their number, and the result as JSON.

local threads = {}

function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
end

-- The longest that a thread took, if threads end by themselves; else the time that wrk was given.
local function elapsed(summary)
    local longest
    for _, thread in ipairs(threads) do
        local took = thread:get("took")
        if took and took > (longest or 0) then longest = took end
    end
    return longest or summary.duration / 1e6
end

function done(summary, latency)
    local e = summary.errors
    print(string.format(
        '{"amount": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}',
        summary.requests, elapsed(summary),
        latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        e.connect + e.read + e.write + e.status + e.timeout
    ))
end

-- So many bytes that nobody can compress.
function noise(size)
    local file = assert(io.open("/dev/urandom", "rb"))
    local bytes = file:read(tonumber(size))
    file:close()
    return bytes
end
