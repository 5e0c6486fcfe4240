--- OpenAI's chat completions, and everybody's who speaks as OpenAI does: the gateway's own format.
-- Nothing is converted; what a client sent is spliced (docs/wires/openai-chat.md).

return {
  auth    = { header = "Authorization", prefix = "Bearer " },
  targets = {
    whole = "/chat/completions", stream = "/chat/completions", completions = "/completions",
    embeddings = "/embeddings", rerank = "/rerank",
  },
  native  = "chat",
}
