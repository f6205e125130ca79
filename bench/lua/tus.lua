-- tus.lua: RUN SIZE: whole tus uploads of SIZE bytes in one request each (creation-with-upload),
-- named by RUN (six digits), thread and count.

require("common")

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local run
local count = 0

function init(arguments)
    run = tonumber(arguments[1])
    wrk.method = "POST"
    wrk.body = noise(arguments[2])
    wrk.headers["Tus-Resumable"] = "1.0.0"
    wrk.headers["Upload-Length"] = arguments[2]
    wrk.headers["Content-Type"] = "application/offset+octet-stream"
end

-- Base64 of text whose length is a multiple of three.
local function base64(text)
    return (text:gsub("...", function(three)
        local a, b, c = three:byte(1, 3)
        local bits = a * 65536 + b * 256 + c
        local coded = ""
        for _ = 1, 4 do
            local digit = bits % 64
            coded = ALPHABET:sub(digit + 1, digit + 1) .. coded
            bits = (bits - digit) / 64
        end
        return coded
    end))
end

function request()
    count = count + 1
    local name = string.format("%06d%03d%09d", run, number, count)
    wrk.headers["Upload-Metadata"] = "filename " .. base64(name)
    return wrk.format()
end
