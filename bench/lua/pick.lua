-- pick.lua: FILES: any of the FILES that `bench.fill` has made.

require("common")

local files

function init(arguments)
    files = tonumber(arguments[1])
    math.randomseed(number + 1)
end

function request()
    return wrk.format("GET", string.format("%s/%08d", wrk.path, math.random(files) - 1))
end
