#!/bin/sh
# installed.sh BUILD SOURCE [LIBRARY-TO-PRELOAD]: what `cmake --install` puts in place is enough to
# build and run examples/c and examples/python, by the command that examples/c/chat.c itself gives.
set -eu
build=$1 source=$2 preload=${3:-}
dir=$(mktemp -d)
trap 'kill "$mock" 2>/dev/null || :; rm -rf "$dir"' EXIT
mock=

cmake --install "$build" --prefix "$dir/usr" >/dev/null
# It may be moved.
mv "$dir/usr" "$dir/elsewhere"
lib=$(dirname "$(find "$dir/elsewhere" -name libtidegate.so)")
PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
export PKG_CONFIG_PATH LD_LIBRARY_PATH
[ -L "$lib/libtidegate.so.0" ] && [ -f "$dir/elsewhere/include/tidegate.h" ]

command=$(sed -n 's/^ \*  *\(cc chat\.c .*\)/\1/p' "$source/examples/c/chat.c")
(cd "$dir" && cp "$source/examples/c/chat.c" . && eval "$command")
# So is the program that docs/c.md begins with.
awk '/^```c$/ { inside = 1; next } /^```$/ { exit } inside' "$source/docs/c.md" >"$dir/synopsis.c"
# shellcheck disable=SC2046
cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags tidegate) "$dir/synopsis.c"

"$build/tidegate" mock --listen 127.0.0.1:0 >"$dir/mock" 2>&1 &
mock=$!
for _ in $(seq 200); do
  url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$dir/mock")
  [ -z "$url" ] || break
  sleep 0.05
done
cat >"$dir/catalog.json" <<JSON
{"data": [{"id": "t/m", "name": "M", "created": 1, "context_length": 1000, "endpoints": [{"provider": "mock"}],
  "pricing": {"prompt": "0.000001", "completion": "0.000002"}}]}
JSON
cat >"$dir/tidegate.lua" <<LUA
return { auth = "none", catalog = "catalog.json",
         providers = { { slug = "mock", name = "Mock", base_url = "$url/v1" } } }
LUA
body='{"model": "t/m", "stream": true, "messages": [{"role": "user", "content": "Hello, moon."}]}'

same() { case $2 in $1) ;; *) printf 'not\n%s\nbut\n%s\n' "$1" "$2" >&2; exit 1;; esac; }
run() { LD_PRELOAD=$preload ASAN_OPTIONS=detect_leaks=0 "$@" 2>&1 || :; }

same '*moon*-- t/m of Mock, * tokens, $0.0*' "$(run "$dir/chat" "$dir/tidegate.lua" "$body")"
same 'there is no file *none.lua*' "$(run "$dir/chat" "$dir/none.lua" "$body")"
same '*invalid_request: *JSON*' "$(run "$dir/chat" "$dir/tidegate.lua" "{")"
if python3 -c "import ctypes" 2>/dev/null; then
  same '*moon*-- status 200' "$(run python3 "$source/examples/python/chat.py" "$dir/tidegate.lua" "$body")"
else
  echo "NOTICE: no python3 with ctypes: examples/python is not tested"
fi
