# Tells what decides about a login of one account with one key, and changes nothing.
set -u
LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export LC_ALL PATH
user=@USER@
blob=@BLOB@
address=@ADDRESS@

fact() { printf '%s=%s\n' "$1" "$2"; }

# Owner, group, mode and kind of what sshd looks at, from the file up to the home folder (or to the root, for a file elsewhere).
look_at() {
    here=$1
    while :; do
        if [ -e "$here" ]; then fact path "$(stat -L -c '%u %g %a %F' "$here" | tr ' ' '_' | sed 's/_/ /; s/_/ /; s/_/ /') $here"; fi
        [ "$here" != / ] && [ "$here" != "$home" ] || return
        here=$(dirname "$here")
    done
}

facts() {
    fact uid "$(id -u)"
    fact time "$(date +%Y%m%d%H%M%S)"
    fact utc "$(date -u +%Y%m%d%H%M%S)"
    [ -n "$address" ] || address=${SSH_CONNECTION%% *}
    fact address "$address"
    entry=$(getent passwd "$user") || return
    home=$(printf '%s' "$entry" | cut -d: -f6)
    fact account "$(printf '%s' "$entry" | cut -d: -f3)"
    fact shell "$(printf '%s' "$entry" | cut -d: -f7)"
    fact home "$home"
    fact groups "$(id -Gn "$user")"
    # Debian's sshd lets a group write that has no other member than the account.
    group=$(printf '%s' "$entry" | cut -d: -f4)
    others=$(getent group "$group" | cut -d: -f4 | tr ',' '\n' | grep -vxF -e "$user" -e '')
    same=$(getent passwd | awk -F: -v group="$group" '$4 == group' | wc -l)
    if [ -e /etc/debian_version ] && [ -z "$others" ] && [ "$same" -le 1 ]; then fact private "$group"; fi
    case $(getent shadow "$user" | cut -d: -f2) in
    '!'*) fact locked yes ;;
    esac
    ends=$(getent shadow "$user" | cut -d: -f8)
    if [ -n "$ends" ] && [ "$ends" -le $(($(date +%s) / 86400)) ]; then fact ended yes; fi
    home=$(cd -P "$home" 2>/dev/null && pwd -P) || return
    if sshd=$(command -v sshd) && config=$("$sshd" -T -C "user=$user,host=${address:-localhost},addr=${address:-127.0.0.1}" 2>/dev/null); then
        printf '%s\n' "$config" | grep -E '^(usepam|strictmodes|pubkeyauthentication|authorizedkeysfile|authorizedkeyscommand|allowusers|denyusers|allowgroups|denygroups|permitrootlogin|allowtcpforwarding|disableforwarding|permitopen|forcecommand|authenticationmethods) ' | sed 's/^/sshd=/'
        places=$(printf '%s\n' "$config" | sed -n 's/^authorizedkeysfile //p')
    else
        places='.ssh/authorized_keys .ssh/authorized_keys2'
    fi
    if [ -e "$home/.ssh/authorized_keys" ]; then fact usual "$(grep -cF -e "$blob" "$home/.ssh/authorized_keys")"; fi
    set -f
    for place in $places; do
        place=$(printf '%s' "$place" | sed "s|%h|$home|g; s|%u|$user|g; s|%U|$(id -u "$user")|g; s|%%|%|g")
        case $place in
        none) continue ;;
        /*) ;;
        *) place=$home/$place ;;
        esac
        [ -e "$place" ] || continue
        place=$(readlink -f "$place")
        fact file "$place"
        look_at "$place"
        grep -F -e "$blob" "$place" | sed 's/^/line=/'
    done
}

facts
fact end yes
