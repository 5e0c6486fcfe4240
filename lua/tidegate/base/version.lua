--- The version that the Lua half is written for; the core's must be the same.
return "0.1.0"
