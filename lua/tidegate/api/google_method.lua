--- POST /v1beta/models/{model}:{method}, of a method of Google's that is not served.

local google_method = {}

function google_method.answer(_, _, name)
  return nil, (":%s is not served here: generateContent, streamGenerateContent, countTokens, embedContent and "
    .. "batchEmbedContents are"):format(name), 404
end

return google_method
