#!/bin/sh
# Lets an SSH key in, for one account: makes the account without a password if it is not there, and writes the key's line into its
# authorized_keys. Safe to run twice. Only lines with the same mark at their end are ever replaced. Run it as root.
set -u
umask 022
LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

user=@USER@
marker=@MARKER@
install=@INSTALL@
lines=@LINES@
export LC_ALL PATH user marker lines

say() { printf '%-8s %-15s %s\n' "$1" "$2" "$3"; }
fail() {
    say FAIL "$1" "$2"
    exit 1
}

# The value of one setting of sshd for this account, a line for each time that it is given.
setting() { printf '%s\n' "$config" | sed -n "s/^$1 //p"; }

must_be_root() {
    [ "$(id -u)" = 0 ] || fail root "this account is not root; run the script as root, or with sudo"
}

account() {
    if entry=$(getent passwd "$user"); then
        say ok account "$user is there"
    else
        group=-U
        if getent group "$user" >/dev/null; then group="-g $user"; fi
        # `*` is no password and no lock: the `!` of useradd is one that sshd refuses when it runs without PAM.
        # shellcheck disable=SC2086
        said=$(useradd -m $group -s /bin/sh -p '*' "$user" 2>&1) || fail account "useradd failed: $said; mend that, then run this again"
        entry=$(getent passwd "$user") || fail account "$user is not there after useradd; look at the name service of this server"
        say changed account "made $user, without a password"
    fi
    uid=$(printf '%s' "$entry" | cut -d: -f3)
    home=$(printf '%s' "$entry" | cut -d: -f6)
    shell=$(printf '%s' "$entry" | cut -d: -f7)
    group=$(id -gn "$user")
    case $shell in
    */nologin | */false) say warning shell "$user has the shell $shell, so that no command runs; usermod -s /bin/sh $user" ;;
    esac
    case $home in
    /*) ;;
    *) fail home "$user has no home folder; usermod -d /home/$user $user" ;;
    esac
    case $home in
    *[!A-Za-z0-9/._@+-]*) fail home "the path $home has characters that this script does not handle; usermod -d /home/$user $user" ;;
    esac
}

# Rules of Match in sshd_config want to know all about a login; an sshd before 7.8 does not know rdomain.
server() {
    sshd=$(command -v sshd) || fail server "no SSH server is installed; $install"
    # shellcheck disable=SC2086
    set -- ${SSH_CONNECTION:-127.0.0.1 0 127.0.0.1 22}
    whose="user=$user,host=localhost,addr=$1,laddr=$3,lport=$4"
    if config=$("$sshd" -T -C "$whose,rdomain=" 2>&1) || config=$("$sshd" -T -C "$whose" 2>&1); then
        say ok server "$sshd"
    else
        said=$(printf '%s' "$config" | head -n 1)
        config=
        say warning server "sshd -T does not tell its settings ($said), the usual ones are assumed; look at what sshd -t says"
    fi
}

password() {
    field=$(getent shadow "$user" | cut -d: -f2)
    case $field in
    '!' | '!!')
        if [ "$(setting usepam)" = no ]; then
            usermod -p '*' "$user" || fail password "the lock of $user could not be taken off; usermod -p '*' $user"
            say changed password "there is none, and the lock that sshd refuses without PAM is gone"
        else
            say ok password "there is none"
        fi
        ;;
    '*') say ok password "there is none" ;;
    '!'*) say warning password "somebody locked $user; usermod -U $user, if it shall log in" ;;
    '') say warning password "$user has an empty password; usermod -p '*' $user" ;;
    *) say ok password "$user keeps the one that it has" ;;
    esac
}

# Where sshd looks. A file elsewhere belongs to somebody who manages it: it is named and left alone.
keys_place() {
    places=$(setting authorizedkeysfile)
    [ -n "$places" ] || places=.ssh/authorized_keys
    set -f
    for place in $places; do
        place=$(printf '%s' "$place" | sed "s|%h|$home|g; s|%u|$user|g; s|%U|$uid|g")
        case $place in
        .ssh/authorized_keys | "$home/.ssh/authorized_keys")
            set +f
            return
            ;;
        esac
    done
    set +f
    fail keys-file "sshd reads the keys of $user from $places and not from ~/.ssh/authorized_keys; add .ssh/authorized_keys to AuthorizedKeysFile in sshd_config, or put this there: $lines"
}

home_folder() {
    if [ ! -e "$home" ] && [ ! -L "$home" ]; then
        { mkdir -p "$(dirname "$home")" && mkdir -m 700 "$home" && chown "$user:$group" "$home"; } || fail home "$home cannot be made; make it, owned by $user"
        say changed home "made $home"
    fi
    home=$(cd -P "$home" 2>/dev/null && pwd -P) || fail home "the home folder of $user cannot be entered; make it a folder, owned by $user"
    export home
    owner=$(stat -c %u "$home")
    if [ "$owner" != "$uid" ] && [ "$owner" != 0 ]; then
        fail home "$home belongs to user $owner, which sshd refuses; chown $user:$group $home"
    fi
    mode=$(stat -c %a "$home")
    case $mode in
    *[2367]? | *[2367])
        if [ "$(setting strictmodes)" = no ]; then
            say warning home "others may write to $home (mode $mode), and sshd is set to allow it; chmod go-w $home"
        else
            chmod go-w "$home" || fail home "others may write to $home (mode $mode), which sshd refuses; chmod go-w $home"
            say changed home "nobody else may write to $home any more (mode was $mode), as sshd wants it"
        fi
        ;;
    *) say ok home "$home" ;;
    esac
    # What root once made there by mistake is given back. The folder is entered first, so that no link leads elsewhere, now or later; the
    # file comes before the folder, as long as nobody but root can exchange it. No second name of another file is taken.
    (
        [ -d "$home/.ssh" ] && cd -P "$home/.ssh" && [ "$(pwd -P)" = "${home%/}/.ssh" ] || exit 0
        for path in authorized_keys .; do
            [ -e "$path" ] && [ ! -L "$path" ] && [ "$(stat -c %u "$path")" != "$uid" ] || continue
            [ "$path" = . ] || { [ -f "$path" ] && [ "$(stat -c %h "$path")" = 1 ]; } || continue
            chown -h "$user:$group" "$path" && say changed owner "${home%/}/.ssh/${path#.} belongs to $user now"
        done
    )
}

# Keeps every line but those with our mark, whose place the wanted lines take. Blanks and a carriage return behind a mark make it no other.
merge='
BEGIN { marker = ENVIRON["marker"]; lines = ENVIRON["lines"] }
{ whole = $0; sub(/[ \t\r]+$/, "") }
$NF == marker && $1 !~ /^#/ { if (!done) print lines; done = 1; next }
{ print whole }
END { if (!done) print lines }'

# Which lines without our mark hold one of our keys, and how: sshd takes the first line that fits.
twice='
BEGIN { n = split(ENVIRON["lines"], ours, "\n"); for (i = 1; i <= n; i++) { m = split(ours[i], word, " "); blob[word[m - 1]] = 1 } }
{ sub(/[ \t\r]+$/, "") }
$1 ~ /^#/ { next }
$NF == ENVIRON["marker"] { behind = 1; next }
{ for (i = 1; i <= NF; i++) if ($i in blob) print NR, (behind ? "behind" : i == 2 ? "unlimited" : "before") }'

# Runs as the account itself, so that nothing that it put there leads root astray.
as_the_account=@AS_THE_ACCOUNT@

keys() {
    export merge twice
    if [ "$uid" = 0 ]; then
        sh -c "$as_the_account"
    elif command -v runuser >/dev/null 2>&1; then
        runuser -u "$user" -- sh -c "$as_the_account"
    else
        su -s /bin/sh "$user" -c "$as_the_account"
    fi || exit 1
}

selinux() {
    if command -v restorecon >/dev/null 2>&1 && selinuxenabled 2>/dev/null; then
        restorecon -RF "$home/.ssh" || fail selinux "the SELinux context of $home/.ssh could not be set; restorecon -RFv $home/.ssh"
        say ok selinux "the context of $home/.ssh is the one that the policy has for it"
    fi
}

# Whether a list in sshd_config has one of these names: `yes`, `no`, or `hosts` where it depends on the host that the login comes from.
listed() {
    answer=no
    set -f
    for pattern in $(setting "$1"); do
        for name in $2; do
            # A pattern of sshd is one of the shell, too.
            # shellcheck disable=SC2254
            case $name in
            ${pattern%%@*})
                case $pattern in
                *@*) [ $answer = yes ] || answer=hosts ;;
                *) answer=yes ;;
                esac
                ;;
            esac
        done
    done
    set +f
    printf '%s' $answer
}

refused_by() { say warning login "$1 in sshd_config $2; change it, and reload sshd"; }

# What else would keep the login out; nothing of it is changed here.
admission() {
    ends=$(getent shadow "$user" | cut -d: -f8)
    if [ -n "$ends" ] && [ "$ends" -le $(($(date +%s) / 86400)) ]; then say warning login "the account $user has expired; chage -E -1 $user, if it shall log in"; fi
    case $(listed denyusers "$user") in
    yes) refused_by DenyUsers "keeps $user out" ;;
    hosts) refused_by DenyUsers "keeps $user out from some hosts" ;;
    esac
    if [ -n "$(setting allowusers)" ]; then
        case $(listed allowusers "$user") in
        no) refused_by AllowUsers "does not name $user" ;;
        hosts) refused_by AllowUsers "lets $user in from some hosts only" ;;
        esac
    fi
    groups=$(id -Gn "$user")
    [ "$(listed denygroups "$groups")" = no ] || refused_by DenyGroups "keeps a group of $user out"
    [ -z "$(setting allowgroups)" ] || [ "$(listed allowgroups "$groups")" != no ] || refused_by AllowGroups "names no group of $user"
    [ "$(setting pubkeyauthentication)" != no ] || refused_by PubkeyAuthentication "is off"
    case " $(setting authenticationmethods | tr '\n' ' ') " in
    '  ' | *' any '* | *' publickey '*) ;;
    *) refused_by AuthenticationMethods "wants more than a key" ;;
    esac
    case $lines in
    *,port-forwarding*)
        case $(setting allowtcpforwarding) in
        no | remote) say warning tunnels "AllowTcpForwarding in sshd_config lets no tunnel through; set it to local, and reload sshd" ;;
        esac
        ;;
    esac
}

main() {
    must_be_root
    account
    server
    password
    keys_place
    home_folder
    keys
    selinux
    admission
    say ok done "the line marked $marker is in place"
}

# The last line, so that a script that was cut off does nothing.
main
