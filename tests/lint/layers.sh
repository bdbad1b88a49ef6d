#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks the layer rules: who may include what. Prints every breach as FILE:LINE: reason; exit 1.
#
#   base <- io <- http <- wire <- upstream <- stage <- request <- ops <- main
#   kernel sees base; policy sees base and the pure headers of bpf/; loader and user meet in base
set -u
cd "$(dirname "$0")/../.." || exit 2

declare -A sees=(
	[base]="base"
	[io]="base io"
	[http]="base io http"
	[wire]="base io http wire"
	[kernel]="base kernel"
	[policy]="base policy"
	[upstream]="base io http wire kernel policy upstream"
	[store]="base io http wire kernel policy upstream store"
	[stage]="base io http wire kernel policy upstream store quality stage"
	[request]="base io http wire kernel policy upstream store stage request"
	[quality]="base io http wire kernel policy upstream store quality"
	[ops]="base io http wire kernel policy upstream store stage request quality ops"
	[main]="base ops"
	[loader]="base loader"
)
shared_bpf=" abi.h limits.h counters.def breaker.h hash.h siphash.h "

# Libraries: header pattern -> the files or folders that may include it.
libraries=(
	'liburing\.h|user/io/'
	'openssl/|user/io/'
	'bpf/(bpf|libbpf|btf)\.h|loader/ user/kernel/'
	'libfyaml\.h|user/base/yaml.c'
	'jansson\.h|loader/document.c tests/'
	'xxhash\.h|user/request/routes.c user/policy/affinity.c user/upstream/identity.c user/store/tokenizer'
	'nettle/|user/base/digest.c'
	'nghttp2/|user/http/h2_session.c tests/'
	'hs/|user/wire/pattern.c'
	'sqlite3\.h|user/store/db.c'
	'libpq-fe\.h|user/store/postgres.c'
	'utf8proc\.h|user/store/pieces.c user/store/tokenizer_'
	'pcre2\.h|user/store/tokenizer'
	'hnswlib/|user/store/vectors_graph.cc'
)

breaches=0
breach() {
	printf '%s: %s\n' "$1" "$2"
	breaches=$((breaches + 1))
}

# Sets "layer"; no process for each of some thousand lines.
layer_of() {
	layer=
	case $1 in
	user/main.c) layer=main ;;
	user/*/*) layer=${1#user/} layer=${layer%%/*} ;;
	loader/*) layer=loader ;;
	bpf/*) layer=bpf ;;
	esac
}

# FILE:LINE:INCLUDED for each quoted include of the project's own headers.
quoted=$(grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]+"' bpf user loader --include='*.[ch]' --include='*.cc' |
	sed -E 's/#[[:space:]]*include[[:space:]]+"([^"]+)"/\1/; s/[[:space:]]//g')
while IFS=: read -r file line header; do
	[ -n "$file" ] || continue
	layer_of "$file"
	from=$layer
	at="$file:$line"
	if [ "$from" = bpf ]; then
		[[ $header == bpf/* ]] || breach "$at" "bpf/ includes $header: it may see nothing but bpf/"
		continue
	fi
	case $header in
	bpf/*)
		[[ $shared_bpf == *" ${header#bpf/} "* ]] ||
			breach "$at" "$header belongs to the BPF object alone (shared:$shared_bpf)"
		;;
	user/* | loader/*)
		layer_of "$header"
		to=$layer
		[ -n "${sees[$from]:-}" ] || { breach "$at" "layer \"$from\" is not in the list of layers"; continue; }
		[[ " ${sees[$from]} " == *" $to "* ]] ||
			breach "$at" "$from includes $header: it may see ${sees[$from]}"
		# A stage's files share the first word of their names; stage.h is what a stage is given,
		# steps.def what it may say, embed.h what several need.
		name=${file##*/} other=${header##*/}
		name=${name%.*} other=${other%.*}
		if [ "$from" = stage ] && [ "$to" = stage ] && [ "${name%%_*}" != "${other%%_*}" ] &&
			[ "$other" != stage ] && [ "$other" != steps ] && [ "$other" != embed ]; then
			breach "$at" "stages never include each other"
		fi
		;;
	*) breach "$at" "include \"$header\" is not relative to the repository's root" ;;
	esac
done <<<"$quoted"

for rule in "${libraries[@]}"; do
	pattern=${rule%|*}
	allowed=${rule##*|}
	while IFS=: read -r file line _; do
		[ -n "$file" ] || continue
		ok=0
		for place in $allowed; do
			[[ $file == "$place"* ]] && ok=1
		done
		[ "$ok" = 1 ] || breach "$file:$line" "library header $pattern belongs to $allowed"
	done < <(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]+<($pattern)" user loader --include='*.[ch]' --include='*.cc')
done

# Cycles cannot come from the table above, except within one layer: one noun a file pair keeps
# headers free of them, and the compiler finds the rest.
top=$(git ls-files | grep -v '^\.' | cut -d/ -f1 | sort -u | tr '\n' ' ')
for name in $top; do
	case " Makefile README.md LICENSE bpf user loader tests vmtest docs " in
	*" $name "*) ;;
	*) breach "$name" "not one of the top-level names" ;;
	esac
done

if [ "$breaches" -gt 0 ]; then
	echo "layers: $breaches breaches"
	exit 1
fi
echo "ok layers"
