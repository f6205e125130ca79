-- delete.lua: PREFIX FILES THREADS: each of the files PREFIX-0 and so on once, by one of the threads.

require("common")

local ffi = require("ffi")
ffi.cdef [[
    struct timespec { long seconds, nanoseconds; };
    int clock_gettime(int clock, struct timespec *now);
]]

local prefix, files, threads, began, next_file

local function clock()
    local now = ffi.new("struct timespec")
    ffi.C.clock_gettime(1, now)
    return tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
end

function init(arguments)
    prefix = wrk.path .. "/" .. arguments[1]
    files = tonumber(arguments[2])
    threads = tonumber(arguments[3])
    wrk.method = "DELETE"
    next_file = number
    began = clock()
end

function request()
    local file = next_file
    next_file = next_file + threads
    if file >= files then
        took = took or clock() - began
        wrk.thread:stop()
        file = files - 1
    end
    return wrk.format(nil, string.format("%s-%d", prefix, file))
end
