--- Recorded exchanges of one provider's API, as they lie under $TIDEGATE_TEST_DATA/transcripts.

local cjson = require "cjson"

local wire_recordings = {}

local function slurp(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read "*a"
  f:close()
  return text
end

local function gunzip(path)
  local f = assert(io.popen("gzip -dc " .. path))
  local text = f:read "*a"
  f:close()
  return text
end

--- @treturn ?table  a list of { name, kind, status, body (bytes), request (text of request.json) }; nil without data
function wire_recordings.of(provider, api)
  local root = os.getenv "TIDEGATE_TEST_DATA"
  local index = root and slurp(root .. "/transcripts/index.jsonl")
  if not index then return nil end
  local list = {}
  for line in index:gmatch "[^\n]+" do
    local row = cjson.decode(line)
    if row.provider == provider and row.api == api then
      local base = root .. "/transcripts/" .. row.case
      local meta = cjson.decode(assert(slurp(base .. "/response.meta.json")))
      list[#list + 1] = {
        name = row.case, kind = row.kind, status = row.status, request = slurp(base .. "/request.json"),
        body = meta.body_on_disk == "gzip" and gunzip(base .. "/response.body") or slurp(base .. "/response.body"),
      }
    end
  end
  return list
end

return wire_recordings
