#!/bin/sh
# exports.sh LIBRARY HEADER MAP: what the library shows is what the header declares, and
# each has a version.
set -eu
lib=$1 header=$2 map=$3
same() {
  [ "$2" = "$3" ] && return
  printf '%s\n--- the header declares\n%s\n--- instead there is\n%s\n' "$1" "$2" "$3" >&2
  exit 1
}

declared=$(grep -A2 '^TIDEGATE_API' "$header" | grep -o 'tidegate_[a-z_]*(' | tr -d '(' | sort -u)
shown=$(nm -D --defined-only "$lib" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort -u)
others=$(nm -D --defined-only "$lib" | awk '$2 != "T" && $2 != "A" { print $3 }')
mapped=$(grep -o 'tidegate_[a-z_]*' "$map" | sort -u)

same "The library's functions" "$declared" "$shown"
same "The version script" "$declared" "$mapped"
same "Other symbols" "" "$others"
unversioned=$(nm -D --defined-only "$lib" | awk '$2 == "T" && $3 !~ /@@TIDEGATE_[0-9]/ { print $3 }')
same "Functions without a version" "" "$unversioned"
objdump -p "$lib" | grep -q 'SONAME *libtidegate\.so\.[0-9][0-9]*$' || { echo "no soname" >&2; exit 1; }
! objdump -p "$lib" | grep 'NEEDED.*lua' >&2 || exit 1
echo "$(echo "$shown" | wc -l) functions"
