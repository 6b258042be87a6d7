#!/bin/sh
# sudo of a local instance: everything runs as root already, nothing is asked, and the environment stays, for the way to package registries
# is in it. -u USER is honoured where more than one user id exists; HOME, USER and LOGNAME are the user's in any case.
user=root login='' shell='' folder=''

value() { # take the value of an option: what stands behind its letter or sign, or else the next argument
  case "$1" in
    u|user) user=${2#\#} ;;
    D|chdir) folder=$2 ;;
  esac
}

while [ $# -gt 0 ]; do
  case "$1" in
    --) shift; break ;;
    --login) login=yes; shift ;;
    --shell) shell=yes; shift ;;
    --*=*) option=${1#--}; value "${option%%=*}" "${option#*=}"; shift ;;
    --user|--group|--host|--prompt|--chdir|--chroot|--close-from|--command-timeout|--other-user|--role|--type)
      value "${1#--}" "${2-}"; shift; [ $# -eq 0 ] || shift ;;
    --*) shift ;;
    -?*)
      letters=${1#-}; shift
      while [ -n "$letters" ]; do
        rest=${letters#?} letter=${letters%"${letters#?}"} letters=${letters#?}
        case "$letter" in
          i) login=yes ;;
          s) shell=yes ;;
          u|g|h|p|D|R|C|T|U|r|t)
            if [ -n "$rest" ]; then value "$letter" "$rest"; elif [ $# -gt 0 ]; then value "$letter" "$1"; shift; fi
            letters='' ;;
        esac
      done ;;
    *=*) export "${1?}"; shift ;;
    *) break ;;
  esac
done
entry=$(getent passwd "$user") || { echo "sudo: unknown user $user" >&2; exit 1; }
USER=${entry%%:*} HOME=$(echo "$entry" | cut -d: -f6)
LOGNAME=$USER
export HOME USER LOGNAME
[ -z "$login" ] || [ -n "$folder" ] || cd -- "$HOME" || true
[ -z "$folder" ] || cd -- "$folder" || exit 1
if [ -n "$login$shell" ]; then # a command is given to a shell of the user, as it is
  [ $# -eq 0 ] || set -- -c '"$@"' sudo "$@"
  set -- /bin/bash ${login:+-l} "$@"
fi
[ $# -gt 0 ] || exit 0
if [ "$USER" != "$(id -un)" ] && ! grep -q ' 1$' /proc/self/uid_map; then
  exec setpriv --reuid "$USER" --regid "$(id -g "$USER")" --init-groups -- "$@"
fi
exec "$@"
