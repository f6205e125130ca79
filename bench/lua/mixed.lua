-- mixed.lua: PREFIX FILES SIZE...: of ten requests seven read one of the files kept-SIZE-0 and so
-- on, two store a new file, and one deletes a file that was stored a while before.

require("common")

local LAG = 200 -- requests of a thread, so that the file has been stored by then
local base, prefix, files
local sizes, bodies = {}, {}
local count, stored, deleted = 0, 0, 0
local when = {}

function init(arguments)
    base = wrk.path .. "/"
    prefix = base .. arguments[1]
    files = tonumber(arguments[2])
    for place = 3, #arguments do
        table.insert(sizes, tonumber(arguments[place]))
        table.insert(bodies, noise(arguments[place]))
    end
    math.randomseed(number + 1)
end

local function name(file)
    return string.format("%s-%d-%d", prefix, number, file)
end

function request()
    count = count + 1
    local chance = math.random()
    local choice = math.random(#sizes)
    if chance < 0.1 and deleted < stored and when[deleted + 1] < count - LAG then
        deleted = deleted + 1
        return wrk.format("DELETE", name(deleted))
    end
    if chance < 0.3 then
        stored = stored + 1
        when[stored] = count
        return wrk.format("PUT", name(stored), nil, bodies[choice])
    end
    return wrk.format("GET", string.format("%skept-%d-%d", base, sizes[choice], count % files))
end
