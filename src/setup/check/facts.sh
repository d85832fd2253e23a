# Tells what decides about a login of one account with one key, and changes nothing.
set -u
LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export LC_ALL PATH
user=@USER@
blob=@BLOB@
address=@ADDRESS@

fact() { printf '%s=%s\n' "$1" "$2"; }

# Owner, group, mode and kind of a folder or file.
place_of() { printf '%s %s' "$(stat -L -c '%u %g %a %F' "$1" | tr ' ' '_' | sed 's/_/ /; s/_/ /; s/_/ /')" "$1"; }

# What sshd looks at, from the file up to the home folder (or to the root, for a file elsewhere).
look_at() {
    here=$1
    while :; do
        fact path "$(place_of "$here")"
        [ "$here" != / ] && [ "$here" != "$home" ] || return
        here=$(dirname "$here")
    done
}

# Goes to the file as sshd does, which takes the account's rights for it, and prints what it cannot enter or read. Root would not notice.
go='
way() {
    case $1 in
    / | .) ;;
    *) way "$(dirname "$1")" ;;
    esac
    [ -x "$1" ] || { printf "%s\n" "$1"; exit; }
}
way "$(dirname "$real")"
way "$(dirname "$place")"
[ -r "$real" ] || printf "%s\n" "$real"'

closed_to_it() {
    if [ "$(id -u "$user")" = 0 ]; then
        return
    elif command -v runuser >/dev/null; then
        runuser -u "$user" -- sh -c "$go" 2>/dev/null
    else
        su -s /bin/sh "$user" -c "$go" 2>/dev/null
    fi
}

account() {
    fact account "$(printf '%s' "$entry" | cut -d: -f3)"
    fact home "$given"
    fact inside "$home"
    shell=$(printf '%s' "$entry" | cut -d: -f7)
    fact shell "${shell:=/bin/sh}"
    if [ ! -e "$shell" ]; then
        fact no_shell 'is not there'
    elif [ ! -f "$shell" ] || [ ! -x "$shell" ]; then
        fact no_shell 'is no program'
    fi
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
}

# What sshd has set for this account when it comes from where we come from. Rules of Match want to know all of that; an sshd before 7.8
# does not know rdomain.
settings() {
    places='.ssh/authorized_keys .ssh/authorized_keys2'
    sshd=$(command -v sshd) || return
    # shellcheck disable=SC2086
    set -- ${SSH_CONNECTION:-127.0.0.1 0 127.0.0.1 22}
    whose="user=$user,host=${address:-localhost},addr=${address:-127.0.0.1},laddr=$3,lport=$4"
    if config=$("$sshd" -T -C "$whose,rdomain=" 2>&1) || config=$("$sshd" -T -C "$whose" 2>&1); then
        printf '%s\n' "$config" | grep -E '^(usepam|strictmodes|pubkeyauthentication|pubkeyacceptedalgorithms|pubkeyacceptedkeytypes|authorizedkeysfile|authorizedkeyscommand|allowusers|denyusers|allowgroups|denygroups|permitrootlogin|allowtcpforwarding|disableforwarding|permitopen|forcecommand|authenticationmethods) ' | sed 's/^/sshd=/'
        places=$(printf '%s\n' "$config" | sed -n 's/^authorizedkeysfile //p')
    else
        fact untold "$(printf '%s' "$config" | head -n 1)"
    fi
}

# A file that is none is not read: a pipe would hold us up. A line that the account cannot read is none for sshd.
files() {
    set -f
    for place in $places; do
        place=$(printf '%s' "$place" | sed "s|%h|$given|g; s|%u|$user|g; s|%U|$(id -u "$user")|g; s|%%|%|g")
        case $place in
        none) continue ;;
        /*) ;;
        *) place=$given/$place ;;
        esac
        [ -e "$place" ] || continue
        real=$(readlink -f "$place")
        export place real
        if [ ! -f "$real" ]; then
            fact odd "$real"
            continue
        fi
        fact file "$real"
        look_at "$real"
        lines=$(grep -F -e "$blob" "$real") || continue
        closed=$(closed_to_it)
        if [ -n "$closed" ]; then
            fact closed "$(place_of "$closed")"
        else
            printf '%s\n' "$lines" | sed 's/^/line=/'
        fi
    done
    set +f
}

facts() {
    fact uid "$(id -u)"
    fact time "$(date +%Y%m%d%H%M%S)"
    fact utc "$(date -u +%Y%m%d%H%M%S)"
    [ -n "$address" ] || address=${SSH_CONNECTION%% *}
    fact address "$address"
    entry=$(getent passwd "$user") || return
    given=$(printf '%s' "$entry" | cut -d: -f6)
    home=$(cd -P "$given" 2>/dev/null && pwd -P) || home=$given
    account
    settings
    if [ -f "$home/.ssh/authorized_keys" ]; then fact usual "$(grep -cF -e "$blob" "$home/.ssh/authorized_keys")"; fi
    files
}

facts
fact end yes
