--- Do the values that are looked into have the types that they are looked into as? Asked once, of a whole request or
-- answer, so that nothing behind it has to. Members that are only passed on may be anything.
--
-- A shape is a type's name, or a table: { members = { name = shape }, each = shape of a list's elements, or_string }.
-- What is absent has every shape. Pure.

local json = require("tidegate.core").json

local shapes = {}

--- @treturn ?string  where the first value of another type is: "messages.0.content"
function shapes.misfit(value, shape, path)
  if value == nil then return nil end
  if type(shape) == "string" then return type(value) ~= shape and path or nil end
  if shape.or_string and type(value) == "string" then return nil end
  if type(value) ~= "table" or json.is_raw(value) then return path end
  for i, element in ipairs(shape.each and value or {}) do
    local misfit = shapes.misfit(element, shape.each, path .. "." .. i - 1)
    if misfit then return misfit end
  end
  for name, inner in pairs(shape.members or {}) do
    local misfit = shapes.misfit(value[name], inner, (path ~= "" and path .. "." or "") .. name)
    if misfit then return misfit end
  end
end

local function object(members) return { members = members } end
local function list_of(shape)  return { each = shape } end

local OBJECT = object {}

-- ---- a chat request ----

local PART = object { title = "string", content = { or_string = true, each = object { text = "string" } } }

local MESSAGE = object {
  content = { or_string = true, each = PART }, images = OBJECT,
  reasoning_details = list_of(object { signature = "string", data = "string" }),
}

--- What chat.read() does not look at already.
shapes.REQUEST = object {
  messages = list_of(MESSAGE), temperature = "number", top_p = "number", verbosity = "string", service_tier = "string",
  response_format = object { json_schema = OBJECT }, additionalModelRequestFields = OBJECT,
}

-- ---- a whole answer ----

local SOURCE = object { bytes = "string", s3Location = object { uri = "string" } }

--- One block of its message.
shapes.BLOCK = object {
  text = "string", image = object { format = "string", source = SOURCE },
  reasoningContent = object { redactedContent = "string", text = "string", signature = "string",
                              reasoningText = object { text = "string", signature = "string" } },
  toolUse = object { toolUseId = "string", name = "string", type = "string" }, toolResult = OBJECT,
  citationsContent = object { content = list_of(object { text = "string" }), citations = OBJECT },
}

return shapes
