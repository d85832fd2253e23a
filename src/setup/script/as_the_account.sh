# Puts the lines into the file of the account, and runs as that. What it needs comes in the environment.
set -u
umask 077
say() { printf "%-8s %-15s %s\n" "$1" "$2" "$3"; }
fail() {
    say FAIL "$1" "$2"
    exit 1
}
file=.ssh/authorized_keys

folder() {
    cd "$home" || fail home "$user cannot enter $home; look at its rights, and at the folders above it"
    [ ! -L .ssh ] || fail folder "$home/.ssh is a link, which is left alone; make it a folder of its own"
    if [ ! -e .ssh ] && mkdir -m 700 .ssh 2>/dev/null; then
        say changed folder "made $home/.ssh"
        return
    fi
    # Another run may have made it just now.
    [ -e .ssh ] || fail folder "$home/.ssh cannot be made; look at the rights of $home and at the free space"
    [ -d .ssh ] || fail folder "$home/.ssh is not a folder; move it away"
    mode=$(stat -c %a .ssh)
    if [ "$mode" = 700 ]; then
        say ok folder "$home/.ssh"
    else
        chmod 700 .ssh || fail folder "$home/.ssh has mode $mode; chmod 700 $home/.ssh"
        say changed folder "$home/.ssh has mode 700 now (was $mode)"
    fi
}

# One run at a time, until this one ends: two that read the same file would lose the line of one of them. Where there is no flock, or the
# file system knows no locks (a home folder on NFS), it goes on without, and leaves alone what another run may be writing.
lock() {
    command -v flock >/dev/null 2>&1 || return 0
    exec 9<.ssh
    flock -w 60 9 2>/dev/null
    case $? in
    0) rm -f .ssh/.appferry.?????? ;; # of runs that were killed
    1) fail keys-file "another run has been at work in $home/.ssh for a minute; look at what it hangs in" ;;
    esac
}

# Whether the new file is what it should be: an awk that cannot write may say nothing (that of busybox). A pipe needs no space.
whole() {
    [ "$(awk "$merge" $before | cksum)" = "$(cksum <$new)" ] && printf "%s\n" "$lines" | while IFS= read -r line; do
        grep -qxF -e "$line" $new || exit 1
    done
}

write() {
    [ ! -L $file ] || fail keys-file "$home/$file is a link, which is left alone; make it a file of its own"
    [ ! -e $file ] || [ -f $file ] || fail keys-file "$home/$file is not a file; move it away"
    new=$(mktemp .ssh/.appferry.XXXXXX) || fail keys-file "nothing can be written to $home/.ssh; look at the free space"
    trap "rm -f $new" EXIT
    before=/dev/null
    [ ! -f $file ] || before=$file
    awk "$merge" $before >$new || fail keys-file "the new $file could not be written; look at the free space, and that $home/$file can be read"
    whole || fail keys-file "the new $file is not whole, and the old one stays; look at the free space"
    if [ -f $file ] && [ "$(cksum <$file)" = "$(cksum <$new)" ]; then
        mode=$(stat -c %a $file)
        if [ "$mode" = 600 ]; then
            say ok keys-file "the line is in $home/$file"
        else
            chmod 600 $file || fail keys-file "$home/$file has mode $mode; chmod 600 it"
            say changed keys-file "$home/$file has mode 600 now (was $mode)"
        fi
    else
        { chmod 600 $new && mv -f $new $file; } || fail keys-file "$home/$file cannot be replaced; look at its rights and attributes (lsattr)"
        say changed keys-file "wrote the line to $home/$file"
    fi
}

# sshd takes the first line that fits: one that stands before ours and limits nothing would keep all that ours does from counting.
others() {
    awk "$twice" $file | while read -r number how; do
        at="line $number of $home/$file"
        case $how in
        unlimited) fail keys-file "$at holds the same key without limits and stands before the line marked $marker, so that sshd takes it; remove it" ;;
        before) say warning keys-file "$at holds the same key with options of its own, and sshd takes it where it fits; remove it" ;;
        *) say warning keys-file "$at holds the same key, and sshd takes it where the line marked $marker does not fit; remove it" ;;
        esac
    done || exit 1
}

folder
lock
write
others
