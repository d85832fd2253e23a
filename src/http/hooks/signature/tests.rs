use axum::http::HeaderValue;

use super::*;

/// The secret of the examples that GitHub and Bitbucket publish.
const EVERYBODY: &str = "It's a Secret to Everybody";
const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const BITBUCKET: &str = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
/// The example of the Standard Webhooks libraries.
const STANDARD_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const STANDARD_TIME: i64 = 1_614_265_330;
const STANDARD_BODY: &[u8] = br#"{"test": 2432232314}"#;
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn check(provider: &str, pairs: &[(&'static str, &str)], body: &[u8], secret: &str) -> Result<(), &'static str> {
    check_at(STANDARD_TIME, provider, pairs, body, secret)
}

fn check_at(
    now: i64,
    provider: &str,
    pairs: &[(&'static str, &str)],
    body: &[u8],
    secret: &str,
) -> Result<(), &'static str> {
    verify(Provider::named(provider).unwrap(), &headers(pairs), body, &SecretString::from(secret), now)
}

#[test]
fn the_published_examples_are_accepted() {
    assert_eq!(check("github", &[("x-hub-signature-256", GITHUB)], b"Hello, World!", EVERYBODY), Ok(()));
    for provider in ["bitbucket", "bitbucket-server"] {
        assert_eq!(
            check(provider, &[("x-hub-signature", BITBUCKET)], b"Hello World!", EVERYBODY),
            Ok(()),
            "{provider}"
        );
    }
    // RFC 4231, test case 2.
    let rfc = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    for (provider, header) in [("gitea", "x-gitea-signature"), ("forgejo", "x-forgejo-signature")] {
        assert_eq!(check(provider, &[(header, rfc)], b"what do ya want for nothing?", "Jefe"), Ok(()), "{provider}");
    }
    assert_eq!(check("gitlab", &[("x-gitlab-token", EVERYBODY)], b"{}", EVERYBODY), Ok(()));
    // RFC 7617: user Aladdin, password `open sesame`.
    let basic = [("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")];
    assert_eq!(check("azure", &basic, b"{}", "open sesame"), Ok(()));
}

#[test]
fn what_is_wrong_missing_or_changed_is_refused() {
    let wrong = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18";
    for (provider, header) in [("github", "x-hub-signature-256"), ("bitbucket", "x-hub-signature")] {
        assert!(check(provider, &[], b"Hello, World!", EVERYBODY).is_err());
        for value in [wrong, "", "sha256=", "sha1=00", &GITHUB[7..], "sha256=zz"] {
            assert!(check(provider, &[(header, value)], b"Hello, World!", EVERYBODY).is_err(), "{provider} {value}");
        }
        assert!(check(provider, &[(header, GITHUB)], b"Hello, world!", EVERYBODY).is_err());
        assert!(check(provider, &[(header, GITHUB)], b"Hello, World!", "another").is_err());
    }
    assert!(check("github", &[("x-hub-signature", GITHUB)], b"Hello, World!", EVERYBODY).is_err());
    assert!(check("gitea", &[("x-gitea-signature", GITHUB)], b"Hello, World!", EVERYBODY).is_err(), "a prefix");
    let both = [("x-forgejo-signature", &wrong[7..]), ("x-gitea-signature", &GITHUB[7..])];
    assert!(check("forgejo", &both, b"Hello, World!", EVERYBODY).is_err(), "one is not rescued by the other");
    for token in ["", "it's a Secret to Everybody", "It's a Secret to Everybod", "It's a Secret to Everybody!"] {
        assert!(check("gitlab", &[("x-gitlab-token", token)], b"{}", EVERYBODY).is_err(), "{token}");
    }
    assert!(check("gitlab", &[], b"{}", EVERYBODY).is_err());
    for value in
        ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Bearer open sesame", "Basic", "Basic !", "Basic b3BlbiBzZXNhbWU="]
    {
        assert!(check("azure", &[("authorization", value)], b"{}", "open sesame ").is_err(), "{value}");
    }
    assert!(check("azure", &[], b"{}", "open sesame").is_err());
    assert!(Provider::named("sourceforge").is_none());
}

#[test]
fn the_signing_secret_of_gitlab_signs_id_time_and_body() {
    let time = STANDARD_TIME.to_string();
    let with = |id: &str, time: &str, signature: &str, body: &[u8], now: i64| {
        let pairs = [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
        check_at(now, "gitlab", &pairs, body, STANDARD_KEY)
    };
    assert_eq!(with(STANDARD_ID, &time, STANDARD_SIGNATURE, STANDARD_BODY, STANDARD_TIME + 299), Ok(()));
    let two = format!("v1,AAAA v1a,x {STANDARD_SIGNATURE}");
    assert_eq!(with(STANDARD_ID, &time, &two, STANDARD_BODY, STANDARD_TIME), Ok(()), "while the key is changed");
    assert!(with("msg_other", &time, STANDARD_SIGNATURE, STANDARD_BODY, STANDARD_TIME).is_err());
    assert!(with(STANDARD_ID, "1614265331", STANDARD_SIGNATURE, STANDARD_BODY, STANDARD_TIME).is_err());
    assert!(with(STANDARD_ID, &time, STANDARD_SIGNATURE, b"{}", STANDARD_TIME).is_err());
    assert!(with(STANDARD_ID, &time, STANDARD_SIGNATURE, STANDARD_BODY, STANDARD_TIME + 301).is_err(), "a late replay");
    let token_too = [("webhook-signature", "v1,AAAA"), ("x-gitlab-token", STANDARD_KEY)];
    assert!(check("gitlab", &token_too, STANDARD_BODY, STANDARD_KEY).is_err(), "a wrong signature is not rescued");
}
