//! Every form that people write, and what is refused.

use proptest::prelude::*;

use super::*;

fn ssh(user: &str, host: &str, port: u16, path: &str) -> RepoUrl {
    RepoUrl::Ssh { user: user.into(), host: host.into(), port, path: path.into() }
}

#[test]
fn reads_the_ssh_addresses_that_providers_give() {
    let cases = [
        ("git@github.com:team/apps.git", ssh("git", "github.com", 22, "team/apps.git")),
        ("org-123@github.com:team/apps.git", ssh("org-123", "github.com", 22, "team/apps.git")),
        ("github.com:team/apps", ssh("git", "github.com", 22, "team/apps")),
        ("git@ssh.dev.azure.com:v3/org/My Project/repo", ssh("git", "ssh.dev.azure.com", 22, "v3/org/My Project/repo")),
        (
            "ssh://git@ssh.dev.azure.com/v3/org/My%20Project/repo",
            ssh("git", "ssh.dev.azure.com", 22, "/v3/org/My Project/repo"),
        ),
        (
            "ssh://APKAEXAMPLE@git-codecommit.eu-west-1.amazonaws.com/v1/repos/apps",
            ssh("APKAEXAMPLE", "git-codecommit.eu-west-1.amazonaws.com", 22, "/v1/repos/apps"),
        ),
        ("ssh://git@git.corp.example:7999/~jo/apps.git", ssh("git", "git.corp.example", 7999, "~jo/apps.git")),
        ("ssh://git@bitbucket.corp:7999/proj/apps.git", ssh("git", "bitbucket.corp", 7999, "/proj/apps.git")),
        ("ssh://[::1]:2222/srv/apps.git", ssh("git", "::1", 2222, "/srv/apps.git")),
        ("git@[::1]:apps.git", ssh("git", "::1", 22, "apps.git")),
        ("git@[example.org:2222]:apps.git", ssh("git", "example.org", 2222, "apps.git")),
        ("host:/srv/apps.git", ssh("git", "host", 22, "/srv/apps.git")),
        ("host:/~jo/apps.git", ssh("git", "host", 22, "~jo/apps.git")),
        ("jo@corp.example@host:apps.git", ssh("jo@corp.example", "host", 22, "apps.git")),
        (
            "ssh://git@bitbucket.corp.example:7999/~jo/apps.git",
            ssh("git", "bitbucket.corp.example", 7999, "~jo/apps.git"),
        ),
        (
            "org@vs-ssh.visualstudio.com:v3/org/project/repo",
            ssh("org", "vs-ssh.visualstudio.com", 22, "v3/org/project/repo"),
        ),
        ("ssh://jo%40corp.example@host/a", ssh("jo@corp.example", "host", 22, "/a")),
        ("git@[[2001:DB8::1]:2222]:apps.git", ssh("git", "2001:db8::1", 2222, "apps.git")),
        ("git@host:team/-x.git", ssh("git", "host", 22, "team/-x.git")),
        ("git@c:\\apps", ssh("git", "c", 22, "\\apps")),
        ("git@host:./-x.git", ssh("git", "host", 22, "./-x.git")),
        ("ssh://host/-x", ssh("git", "host", 22, "/-x")),
        ("SSH://Git@GitHub.com/a/b", ssh("Git", "github.com", 22, "/a/b")),
    ];
    for (text, expected) in cases {
        assert_eq!(RepoUrl::parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn reads_https_and_paths() {
    let https = |url: &str| Ok(RepoUrl::Https { url: url.into() });
    assert_eq!(
        RepoUrl::parse("https://jo@dev.azure.com/o/p/_git/r"),
        https("https://dev.azure.com/o/p/_git/r"),
        "the user name that Azure puts there is not needed"
    );
    assert_eq!(RepoUrl::parse("https://jo@[::1]/a@b"), https("https://[::1]/a@b"));
    for url in [
        "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/apps",
        "https://dev.azure.com/org/My%20Project/_git/repo",
        "https://bitbucket.corp.example/scm/PROJ/repo.git",
    ] {
        assert_eq!(RepoUrl::parse(url), https(url));
    }
    assert_eq!(RepoUrl::parse("HTTPS://Git.Example:8443/a.git"), https("https://git.example:8443/a.git"));
    assert_eq!(RepoUrl::parse("http://127.0.0.1:80/a.git"), https("http://127.0.0.1:80/a.git"));
    assert_eq!(RepoUrl::parse("http://[::1]:3000/a.git"), https("http://[::1]:3000/a.git"));
    assert_eq!(RepoUrl::parse("file:///srv/my%20apps.git"), Ok(RepoUrl::Path("/srv/my apps.git".into())));
    assert_eq!(RepoUrl::parse("/srv/apps.git"), Ok(RepoUrl::Path("/srv/apps.git".into())));
}

#[test]
fn refuses_what_an_option_a_command_or_nothing_could_hide_in() {
    for text in [
        "",
        " ",
        "-",
        "-oProxyCommand=x:y",
        "git@-oProxyCommand=x:y",
        "ssh://-oProxyCommand=x/y",
        "ssh://git@-x/y",
        "-u@host:path",
        "ssh://-u@host/path",
        "host:-path",
        "host:",
        "@host:path",
        "git@:path",
        "ssh://host",
        "ssh://host/",
        "ssh:///path",
        "ssh://host:/x",
        "ssh://host:0/x",
        "ssh://host:99999/x",
        "ssh://git@host/a%0ab",
        "ssh://git@host/%2e%ff",
        "ssh://git@host/%zz",
        "git@host:a\nb",
        "ext::sh -c id",
        "codecommit::eu-west-1://apps",
        "git://host/x",
        "ftp://host/x",
        "http://example.org/a",
        "https://host",
        "https:///x",
        "https://host/a?b",
        "https://host/a#b",
        "https://host/a b",
        "https://-host/a",
        "apps.git",
        "./apps.git",
        "~/apps.git",
        "github.com/team/apps",
        "file://host/x",
        "file://relative",
        "/a\0b",
        "ho st:path",
        "us`er@host:path",
        "git@[:::1]:x",
        "git@[::1:x",
        "git@ho$t:x",
        "/",
        "https://host:/x",
        "host:~-x/a",
        "ssh://host/~-x/a",
        "ssh://%2doProxyCommand=x@host/a",
        "ssh://./a",
        "--upload-pack=id@host:a",
        "https://host/a%0ab",
        "https://host/a%zz",
        "ssh://git@host/a%e2%80%8bb",
        "git@host:a\u{202e}b",
        "git@host\u{feff}:a",
    ] {
        assert!(RepoUrl::parse(text).is_err(), "{text:?} was accepted");
    }
}

#[test]
fn a_password_in_the_url_is_refused_with_a_hint_and_never_shown() {
    for text in [
        "https://jo:s3cret@host/a.git",
        "https://ghp_s3cret@github.com/a.git",
        "https://s3cretaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@github.com/a.git",
        "https://jo:s3/cret@host/a.git",
        "ssh://git:s3cret@host/a.git",
        "git:s3cret@host:a.git",
        "ftp://jo:s3cret@host/a",
        "https://jo:s3c@ret@ho st/a",
        "https://jo%3As3cret@host/a.git",
        "https://jo%3as3cret@host/",
        "https://jo%253as3cret@ho st/a",
        "ssh://git%3As3cret@host/a.git",
        "https://ghp%5Fs3cret@github.com/a.git",
        "https://host/a.git?private_token=s3cret",
        "https://host/a.git#s3cret",
        "https://jo:12/s3cret@host/a.git",
    ] {
        let error = RepoUrl::parse(text).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("s3c"), "{error}");
    }
    let error = RepoUrl::parse("https://jo:s3cret@host/a.git").expect_err("a password");
    assert!(error.problem.contains("GIT_SYNC_PERSONAL_ACCESS_TOKEN"), "{error}");
}

#[test]
fn what_is_refused_is_told_what_to_write_instead() {
    for (text, wanted) in [
        ("ext::sh -c id", "they run programs"),
        ("ext::ssh git@host %S x", "they run programs"),
        ("fd::17", "they run programs"),
        ("http::https://host/x", "they run programs"),
        ("codecommit::eu-west-1://apps", "ssh://KEY-ID@git-codecommit.REGION.amazonaws.com"),
        ("codecommit://profile@apps", "ssh://KEY-ID@git-codecommit.REGION.amazonaws.com"),
        ("ssh://git@[fe80::1%25eth0]/a", "an address with a zone"),
        ("git@[fe80::1%eth0]:a", "an address with a zone"),
        ("git@[[fe80::1%eth0]:22]:a", "an address with a zone"),
        ("https://[fe80::1%25eth0]/a", "an address with a zone"),
        ("git@2001:db8::1:apps.git", "needs brackets"),
        ("2001:db8::1:/srv/a", "needs brackets"),
        ("::1:apps.git", "needs brackets"),
        ("ssh://git@2001:db8::1/a", "needs brackets"),
        ("ssh://git@github.com:team/apps.git", "has no `ssh://`"),
        ("git@github.com/team/apps.git", "write `git@host:path`"),
        ("C:\\apps", "a path of Windows"),
        ("https://gitlab.com/team/apps/-/tree/main", "the address of a page"),
        ("git://host/x", "use `ssh://` or `https://`"),
        ("http://example.org/a", "use `https://`"),
        ("git@host:-x.git", "could be taken for an option; write `./` before it"),
        ("git@host:a\u{200b}b", "write the URL anew"),
    ] {
        let error = RepoUrl::parse(text).expect_err(text);
        assert!(error.problem.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn a_colon_in_the_path_does_not_make_an_address_of_the_host() {
    for text in ["s@[202]:db8::1", "git@[fd00]:a:b.git", "git@host:a:b.git", "git@[h]::x"] {
        let url = RepoUrl::parse(text).expect(text);
        assert_eq!(RepoUrl::parse(&url.to_string()), Ok(url.clone()), "{text}: {url}");
    }
}

proptest! {
    #[test]
    fn what_was_parsed_is_shown_in_a_form_that_parses_to_the_same(
        text in r"(ssh://|https://|file://|)([a-z~@-]{0,4}@)?(\[::1\]|[a-zA-Z.]{1,5}|\[h:22\])?(:[0-9]{0,3})?[/:]?[ -~é]{0,12}"
    ) {
        if let Ok(url) = RepoUrl::parse(&text) {
            prop_assert_eq!(RepoUrl::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        if let Ok(url) = RepoUrl::parse(&text) {
            prop_assert_eq!(RepoUrl::parse(&url.to_string()), Ok(url));
        }
    }
}
