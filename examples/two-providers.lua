-- Two providers behind one endpoint, for this machine alone.
--
--     OPENAI_API_KEY=... GROQ_API_KEY=... tidegate serve examples/two-providers.lua
--
-- Models and prices come from the catalogue inside the program; whichever of
-- the two has its key in the environment takes part.
return {
  listen = "127.0.0.1:8080",
  auth = "none",
  providers = { "openai", "groq" },
  timeouts = { first_token = 20 },
}
