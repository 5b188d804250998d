#!/bin/sh
# Runs each fuzz target of the exposition for so many seconds, seeded with what a real Kong has sent.
#   tests/fuzz.sh SECONDS [TARGET...]
# Ends with an error when a target finds an input that fails; the input is then in sidecar/exposition/fuzz/artifacts.
set -eu

seconds=${1:?usage: tests/fuzz.sh SECONDS [TARGET...]}
shift
root=$(cd "$(dirname "$0")/.." && pwd)
captures=$root/tests/data/kong-metrics
fuzz=$root/sidecar/exposition/fuzz
cargo_fuzz=$("$root/tests/tool" cargo-fuzz)

command -v c++ >/dev/null || {
    echo "tests/fuzz.sh: libFuzzer needs a C++ compiler: install g++" >&2
    exit 1
}

# Pieces of a few dozen lines: a fuzzer learns nothing from a megabyte that it does not learn from its kinds of lines.
seed() {
    mkdir -p "$fuzz/corpus/$1"
    for capture in "$captures"/*.txt; do
        name=$(basename "$capture" .txt)
        [ -e "$fuzz/corpus/$1/$name.000" ] || split -a 3 -d -l 40 "$capture" "$fuzz/corpus/$1/$name."
    done
}
seed raw
seed cuts
seed merge

cd "$fuzz/.."
# Without a sanitizer the pinned stable compiler will do; the code forbids what a sanitizer would find.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in ${*:-$("$cargo_fuzz" list)}; do
    mkdir -p "$fuzz/corpus/$target"
    if ! "$cargo_fuzz" run --sanitizer none "$target" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -print_final_stats=1 >"$log" 2>&1; then
        grep -aE -A3 "panicked|ERROR" "$log" | cut -c1-2000 >&2
        grep -aF "artifacts" "$log" | tail -n 3 >&2
        echo "tests/fuzz.sh: $target failed" >&2
        exit 1
    fi
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, none failed"
done
