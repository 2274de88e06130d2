# Ends the servers of this process group and removes their directory, when the test process lets go of standard input.
# The system closes it also when that process is killed, so nothing that it started outlives it.
# $1: the directory.
directory=$1
trap '' HUP INT QUIT TERM

# Whether a process of this group runs, besides this one.
others() {
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    pid=${line%% *}
    # After the name in parentheses, which may hold spaces: state, parent, group.
    # shellcheck disable=SC2086
    set -- ${line##*) }
    if [ "$3" = "$$" ] && [ "$1" != Z ] && [ "$pid" != "$$" ]; then
      return 0
    fi
  done
  return 1
}

while read -r _; do :; done
# QUIT ends Postgres and its children at once, and whoever does not know it, too.
kill -QUIT 0
kill -CONT 0
waited=0
while others && [ "$waited" -lt 200 ]; do
  waited=$((waited + 1))
  sleep 0.05
done
rm -rf "$directory"
kill -KILL 0
