# Puts the lines into the file of the account, and runs as that. What it needs comes in the environment.
set -u
umask 077
say() { printf "%-8s %-15s %s\n" "$1" "$2" "$3"; }
fail() { say FAIL "$1" "$2"; exit 1; }
cd "$home" || fail home "$user cannot enter $home; look at the folders above it"
file=.ssh/authorized_keys
[ ! -L .ssh ] || fail folder "$home/.ssh is a link, which is left alone; make it a folder of its own"
if [ ! -e .ssh ]; then
    mkdir -m 700 .ssh || fail folder "$home/.ssh cannot be made; look at the rights of $home and at the free space"
    say changed folder "made $home/.ssh"
elif [ ! -d .ssh ]; then
    fail folder "$home/.ssh is not a folder; move it away"
else
    mode=$(stat -c %a .ssh)
    if [ "$mode" = 700 ]; then
        say ok folder "$home/.ssh"
    else
        chmod 700 .ssh || fail folder "$home/.ssh has mode $mode; chmod 700 $home/.ssh"
        say changed folder "$home/.ssh has mode 700 now (was $mode)"
    fi
fi
[ ! -L $file ] || fail keys-file "$home/$file is a link, which is left alone; make it a file of its own"
[ ! -e $file ] || [ -f $file ] || fail keys-file "$home/$file is not a file; move it away"
new=$(mktemp .ssh/.appferry.XXXXXX) || fail keys-file "nothing can be written to $home/.ssh; look at the free space"
trap "rm -f $new" EXIT
before=/dev/null
[ ! -f $file ] || before=$file
awk "$merge" $before >$new || fail keys-file "the new $file could not be written; look at the free space, and that $home/$file can be read"
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
if awk "$twice" $file; then
    say warning keys-file "the same key stands also in a line without the mark $marker, and sshd takes the first of them; remove the other"
fi
