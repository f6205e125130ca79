-- get.lua: PREFIX FILES: the files PREFIX-0 and so on, in turns.

require("common")

local prefix, files
local count = 0

function init(arguments)
    prefix = wrk.path .. "/" .. arguments[1]
    files = tonumber(arguments[2])
end

function request()
    count = count + 1
    return wrk.format(nil, string.format("%s-%d", prefix, count % files))
end
