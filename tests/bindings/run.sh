#!/usr/bin/env bash
# Checks that other languages' toolchains accept wit/ as it is: builds a worker in JavaScript and one in Python
# and has the host run them, and compiles one in C against its generated bindings. Needs cargo, node, python3 and
# gcc, and fetches the toolchains, pinned, into target/bindings. Minutes at the first run, so not part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/bindings
work=target/bindings
mkdir -p "$work/c"

echo "C: wit-bindgen 0.61.1"
[ -x "$work/cargo/bin/wit-bindgen" ] ||
  CARGO_TARGET_DIR=$work/build cargo install --quiet wit-bindgen-cli@0.61.1 --locked --root "$work/cargo" \
    --no-default-features --features c
"$work/cargo/bin/wit-bindgen" c wit --world worker --out-dir "$work/c" >"$work/c/log"
gcc -fsyntax-only -Wall -Werror -Wno-attributes -I "$work/c" "$here/worker.c" "$work/c/worker.c"

echo "JavaScript: componentize-js 0.23.0"
[ -d "$work/js/node_modules" ] ||
  npm install --silent --no-audit --no-fund --prefix "$work/js" @bytecodealliance/componentize-js@0.23.0
cp "$here/componentize.mjs" "$work/js/"
node "$work/js/componentize.mjs" "$here/worker.js" wit "$work/js.wasm"

echo "Python: componentize-py 0.25.1"
[ -x "$work/py/bin/componentize-py" ] ||
  { python3 -m venv "$work/py" && "$work/py/bin/pip" install --quiet componentize-py==0.25.1; }
"$work/py/bin/componentize-py" -d wit -w worker componentize -p "$here" worker -o "$work/py.wasm" >"$work/py.log"

# Start the host with a worker, and look for its greeting and for the 101 of its WebSocket.
serve() {
  target/release/pairway serve "$work/$1.wasm" --addr 127.0.0.1:0 >"$work/$1.out" 2>"$work/$1.err" &
  host=$!
  trap 'kill "$host" 2>/dev/null || true' EXIT
  until grep -q http:// "$work/$1.out"; do
    kill -0 "$host" 2>/dev/null || { cat "$work/$1.err"; exit 1; }
    sleep 0.1
  done
  url=$(grep -o 'http://[0-9.:]*' "$work/$1.out")
  curl --silent --fail --max-time 10 "$url/" | grep "$2"
  { curl --silent --include --max-time 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
    -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$url/" || true; } |
    grep --text '101 Switching'
  kill "$host"
  wait "$host" || true
}
serve js 'hello from JavaScript'
serve py 'hello from Python'
echo "all accepted"
