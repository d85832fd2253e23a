//! How HTTPS remotes are reached: whom to trust beside the system's authorities, and through which proxy.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::environment::Environment;
use super::reader::{Files, Findings};
use super::variables::Setting;
use super::{ProxyConfig, WebConfig};

/// In this order: for HTTPS before for all, and in small letters before capitals, as curl and Git do.
const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
const PROXY_SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The authorities are read in any case, so that a mistake shows early; the proxy only `for_https`.
pub(super) fn read(
    ca_file: &Setting,
    environment: &Environment,
    for_https: bool,
    files: &dyn Files,
    findings: &mut Findings,
) -> WebConfig {
    WebConfig {
        authorities: authorities(ca_file, files, findings),
        proxy: if for_https { proxy(environment, findings) } else { None },
    }
}

/// The certificates in `APPFERRY_CA_FILE`. More than one part of the configuration asks; a mistake is said once.
pub(super) fn authorities(setting: &Setting, files: &dyn Files, findings: &mut Findings) -> Vec<Vec<u8>> {
    let Some(path) = findings.path(setting) else { return Vec::new() };
    let found = match files.read_bundle(&path) {
        Ok(content) => certificates(&content, &path),
        Err(error) => Err(format!("cannot be read: {error}; mount it, correct the path, or leave the variable out")),
    };
    found.unwrap_or_else(|problem| {
        findings.error(setting.name, format!("the file {} {problem}", path.display()));
        Vec::new()
    })
}

/// All certificates of a bundle, each of which can be an authority.
fn certificates(content: &[u8], path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let mut store = RootCertStore::empty();
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(content) {
        let number = found.len() + 1;
        let damaged = |why: String| format!("is damaged at certificate {number}: {why}; fetch it again");
        let certificate = certificate.map_err(|error| damaged(error.to_string()))?;
        store.add(certificate.clone()).map_err(|error| damaged(error.to_string()))?;
        found.push(certificate.to_vec());
    }
    if found.is_empty() { Err(none_in(content, path)) } else { Ok(found) }
}

fn none_in(content: &[u8], path: &Path) -> String {
    let text = String::from_utf8_lossy(content);
    if content.starts_with(b"\x30") {
        let path = path.display();
        format!("is not PEM text; convert it, for example with `openssl x509 -inform der -in {path} -out ca.pem`")
    } else if text.contains("PRIVATE KEY-----") {
        "holds a private key and no certificate; give the authority's certificate, which is public".to_owned()
    } else if text.contains("-----BEGIN TRUSTED CERTIFICATE-----") {
        "holds OpenSSL's own form of certificates; convert it with `openssl x509 -in … -out ca.pem`".to_owned()
    } else {
        "holds no certificate; give a PEM file with at least one `-----BEGIN CERTIFICATE-----`".to_owned()
    }
}

/// The value is not shown in errors: it may hold a password.
fn proxy(environment: &Environment, findings: &mut Findings) -> Option<ProxyConfig> {
    let (name, text) = first_set(environment, &PROXY)?;
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let Some(shown) = without_credentials(&url) else {
        findings.error(
            name,
            "it is not the address of a proxy; write `http://host:port` or `socks5h://host:port`, with `user:password@` \
             before the host if it wants them (special characters as `%` and two digits)",
        );
        return None;
    };
    let except = first_set(environment, &NO_PROXY).map(|(_, text)| text.to_owned()).unwrap_or_default();
    Some(ProxyConfig { url: url.into(), shown, except })
}

fn first_set<'a>(environment: &'a Environment, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
    names.iter().find_map(|name| Some((*name, environment.value(name)?.trim())))
}

fn without_credentials(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok().filter(|url| PROXY_SCHEMES.contains(&url.scheme()))?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let is_only_an_address = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    is_only_an_address.then(|| format!("{}://{host}{port}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read_proxy(pairs: &[(&str, &str)]) -> Result<Option<ProxyConfig>, String> {
        let mut findings = Findings::default();
        let found = proxy(&Environment::of(pairs.iter().copied()), &mut findings);
        findings.errors.first().map_or(Ok(found), |error| Err(error.to_string()))
    }

    #[test]
    fn proxies_are_read_as_curl_reads_them_and_shown_without_their_password() {
        let read = |pairs: &[(&str, &str)]| read_proxy(pairs).expect("valid").expect("a proxy");
        let found = read(&[
            ("HTTPS_PROXY", "http://capitals:1"),
            ("https_proxy", "http://jo:pa%40ss@proxy.corp:3128/"),
            ("ALL_PROXY", "socks5://other"),
            ("NO_PROXY", "corp.example, .internal"),
        ]);
        assert_eq!(
            (found.shown.as_str(), found.except.as_str()),
            ("http://proxy.corp:3128", "corp.example, .internal")
        );
        assert_eq!(found.url.expose_secret(), "http://jo:pa%40ss@proxy.corp:3128/");
        assert!(!format!("{found:?}").contains("pa%40ss"));
        assert_eq!(read(&[("HTTPS_PROXY", "proxy.corp:3128")]).shown, "http://proxy.corp:3128");
        assert_eq!(read(&[("https_proxy", " "), ("ALL_PROXY", "socks5h://[::1]:1080")]).shown, "socks5h://[::1]:1080");
        assert!(read_proxy(&[("HTTP_PROXY", "http://p:1")]).expect("valid").is_none(), "it is for http:// alone");
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_not_shown() {
        for bad in ["ftp://jo:s3cret@p:1", "http://jo:s3/cret@p:1", "http://", "http://jo:s3#cret@p", "p:99999", "a b"]
        {
            let error = read_proxy(&[("HTTPS_PROXY", bad)]).expect_err(bad);
            assert!(error.starts_with("HTTPS_PROXY: it is not the address of a proxy"), "{error}");
            assert!(!error.contains("s3"), "{error}");
        }
    }

    #[test]
    fn what_holds_no_certificate_is_told_apart() {
        let problem = |content: &[u8]| certificates(content, Path::new("/ca")).expect_err("none");
        assert!(problem(b"").contains("holds no certificate"));
        assert!(problem(b"\x30\x82\x01\x00").contains("openssl x509 -inform der -in /ca"));
        assert!(problem(b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n").contains("a private key"));
        assert!(
            problem(b"-----BEGIN TRUSTED CERTIFICATE-----\nAA==\n-----END TRUSTED CERTIFICATE-----\n")
                .contains("OpenSSL")
        );
        let not_one = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(problem(not_one).contains("damaged at certificate 1"), "{}", problem(not_one));
        assert!(problem(b"-----BEGIN CERTIFICATE-----\nAAAA\n").contains("damaged at certificate 1"));
    }
}
