--- Reasoning of other providers inside a reasoning item of the Responses API.
--
-- What a client gives back of a reasoning item differs: some drop `content`, most drop members that they do
-- not know. `encrypted_content` all of them keep, for without it OpenAI's own reasoning could not come back. So
-- that is where Anthropic's signatures, Gemini's thought signatures and the like travel: a mark, and behind it
-- the `reasoning_details` as JSON. Pure.

local json = require("tidegate.core").json

local tag = {}

tag.MARK = "tidegate:"

--- The type of an element that is no detail but reasoning of which there is nothing but text; JSON text.
tag.PLAIN = '"reasoning"'

--- @tparam table details  elements of `reasoning_details`, JSON texts
-- @treturn string  JSON text of a string, for `encrypted_content`
function tag.write(details)
  return json.encode(tag.MARK .. "[" .. table.concat(details, ",") .. "]")
end

--- @tparam ?string content  the value of an `encrypted_content`
-- @treturn ?table  the elements as json.raw; nil when it holds somebody else's reasoning
function tag.read(content)
  if type(content) ~= "string" or content:sub(1, #tag.MARK) ~= tag.MARK then return nil end
  return json.elements(content:sub(#tag.MARK + 1))
end

return tag
