-- put.lua: PREFIX SIZE: new files PREFIX-THREAD-COUNT of SIZE bytes.

require("common")

local prefix
local count = 0

function init(arguments)
    prefix = wrk.path .. "/" .. arguments[1]
    wrk.method = "PUT"
    wrk.body = noise(arguments[2])
end

function request()
    count = count + 1
    return wrk.format(nil, string.format("%s-%d-%d", prefix, number, count))
end
