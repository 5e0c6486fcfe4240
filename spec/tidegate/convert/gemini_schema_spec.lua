local schema = require "tidegate.convert.gemini.schema"

describe("gemini_schema.to_json", function()
  for _, case in ipairs {
    { "leaves JSON Schema as it is, byte for byte", '{ "type": "object", "properties": {"b": {"type": ["string", "null"]}, "a": {"const": 1.0}} }' },
    { "makes types small, and keeps the order of members", '{"type":"OBJECT","required":["b"],"properties":{"b":{"type":"STRING"},"a":{"type":"NUMBER"}}}',
      '{"type":"object","required":["b"],"properties":{"b":{"type":"string"},"a":{"type":"number"}}}' },
    { "makes null of nullable", '{"type":"STRING","nullable":true,"enum":["a","b"]}', '{"type":["string","null"],"enum":["a","b",null]}' },
    { "drops a nullable that says nothing", '{"type":"STRING","nullable":false}', '{"type":"string"}' },
    { "allows null among alternatives", '{"anyOf":[{"type":"STRING"}],"nullable":true}', '{"anyOf":[{"type":"string"},{"type":"null"}]}' },
    { "reads counts that are strings", '{"type":"ARRAY","minItems":"1","max_items":"3","items":{"type":"INTEGER","maximum":5}}',
      '{"type":"array","minItems":1,"maxItems":3,"items":{"type":"integer","maximum":5}}' },
    { "orders properties as was asked for", '{"properties":{"a":{"type":"STRING"},"b":{},"c":{}},"propertyOrdering":["c","a"]}',
      '{"properties":{"c":{},"a":{"type":"string"},"b":{}}}' },
    { "makes a list of an example", '{"type":"STRING","example":"x"}', '{"type":"string","examples":["x"]}' },
    { "knows references by both names", '{"defs":{"x_y":{"type":"STRING"}},"ref":"#/$defs/x_y"}', '{"$defs":{"x_y":{"type":"string"}},"$ref":"#/$defs/x_y"}' },
    { "does not take properties for members", '{"properties":{"type":{"type":"STRING"},"nullable":{"type":"BOOLEAN"}}}',
      '{"properties":{"type":{"type":"string"},"nullable":{"type":"boolean"}}}' },
    { "leaves out a type that is none", '{"type":"TYPE_UNSPECIFIED","title":"x"}', '{"title":"x"}' },
    { "passes what is no object", "true" },
  } do
    it(case[1], function() assert.equal(case[3] or case[2], schema.to_json(case[2])) end)
  end
end)
