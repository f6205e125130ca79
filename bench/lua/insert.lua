-- insert.lua: FILES SIZE: new files of SIZE bytes, anywhere between those that `bench.fill` has made.
-- Once for each service: the next time, the names would be the same.

require("common")

local files
local count = 0

function init(arguments)
    files = tonumber(arguments[1])
    wrk.method = "PUT"
    wrk.body = noise(arguments[2])
    math.randomseed(number + 1)
end

function request()
    count = count + 1
    local place = math.random(files) - 1
    return wrk.format(nil, string.format("%s/%08d-%d-%d", wrk.path, place, number, count))
end
