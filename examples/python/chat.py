"""Ask a model through libtidegate, with nothing but ctypes.

    python3 chat.py tidegate.lua '{"model": "demo/tide-large", "stream": true, "messages":
        [{"role": "user", "content": "Hello, moon."}]}'
"""
from ctypes import (CDLL, POINTER, Structure, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p,
                    byref, create_string_buffer, sizeof)
import sys


class Str(Structure):
    _fields_ = [("at", c_char_p), ("len", c_size_t)]


class Options(Structure):
    _fields_ = [("size", c_size_t), ("config", c_char_p), ("config_text", c_char_p), ("log", c_char_p)]


class Request(Structure):
    _fields_ = [("size", c_size_t), ("body", c_char_p), ("body_len", c_size_t), ("api", c_int),
                ("flags", c_uint), ("user", c_void_p), ("fields", c_void_p), ("fields_count", c_size_t),
                ("seed", c_uint64)]


class Event(Structure):                 # as far as it is used: the library makes them
    _fields_ = [("id", c_uint64), ("user", c_void_p), ("kind", c_int), ("status", c_int), ("text", Str)]


DELTA, END = 2, 4
lib = CDLL("libtidegate.so.0")
lib.tidegate_open.restype = c_void_p
lib.tidegate_open.argtypes = [POINTER(Options), c_char_p, c_size_t]
lib.tidegate_ask.restype = c_uint64
lib.tidegate_ask.argtypes = [c_void_p, POINTER(Request)]
lib.tidegate_poll.argtypes = [c_void_p, c_int]
lib.tidegate_next.restype = POINTER(Event)
lib.tidegate_next.argtypes = [c_void_p]
lib.tidegate_close.argtypes = [c_void_p]

config, body = (argument.encode() for argument in sys.argv[1:3])
why = create_string_buffer(1024)
t = lib.tidegate_open(byref(Options(sizeof(Options), config)), why, len(why))
if not t:
    sys.exit(why.value.decode())
lib.tidegate_ask(t, byref(Request(sizeof(Request), body)))
while lib.tidegate_poll(t, -1) >= 0:
    while event := lib.tidegate_next(t):
        if event[0].kind == DELTA:
            print(event[0].text.at.decode(), end="", flush=True)
        elif event[0].kind == END:
            print(f"\n-- status {event[0].status}")
lib.tidegate_close(t)
