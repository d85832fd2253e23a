//! In which form an app comes, and in which one it is wanted.

use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};

use crate::archive::Form;
use crate::http::answer::ApiError;

const KNOWN: &str = "application/json, application/x-tar, application/gzip (a compressed tar) or application/zip";

/// The form that `Content-Type` (and for a tar `Content-Encoding`) names.
pub(super) fn given(headers: &HeaderMap) -> Result<Form, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoding = text(CONTENT_ENCODING).trim().to_ascii_lowercase();
    let form = of_media_type(text(CONTENT_TYPE));
    match (form, encoding.as_str()) {
        (Some(form), "" | "identity") => Ok(form),
        (Some(Form::Tar), "gzip" | "x-gzip") => Ok(Form::TarGz),
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "request",
            "the body is of no type that is known here",
            &format!("send {KNOWN}, and say so in Content-Type"),
        )),
    }
}

/// The form that `Accept` wants most; JSON if it does not say.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Form, ApiError> {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if accept.is_empty() {
        return Ok(Form::Json);
    }
    let mut best: Option<(f32, Form)> = None;
    for range in accept.iter().flat_map(|line| line.split(',')) {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let quality = parameters.split(';').find_map(|one| one.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        let form = match name.trim() {
            "*/*" | "application/*" => Some(Form::Json),
            name => of_media_type(name),
        };
        if let Some(form) = form
            && quality > best.map_or(0.0, |(quality, _)| quality)
        {
            best = Some((quality, form));
        }
    }
    best.map(|(_, form)| form).ok_or_else(|| {
        let message = "an app cannot be given in any form that Accept names";
        ApiError::new(StatusCode::NOT_ACCEPTABLE, "request", message, &format!("accept {KNOWN}"))
    })
}

fn of_media_type(text: &str) -> Option<Form> {
    let name = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match name.as_str() {
        "application/json" => Form::Json,
        "application/x-tar" | "application/tar" => Form::Tar,
        "application/gzip" | "application/x-gzip" | "application/x-gtar" => Form::TarGz,
        "application/zip" | "application/x-zip-compressed" => Form::Zip,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_form_that_is_wanted_most_is_given() {
        for (accept, form) in [
            ("*/*", Some(Form::Json)),
            ("application/zip", Some(Form::Zip)),
            ("text/html, application/x-tar;q=0.5, application/zip;q=0.9", Some(Form::Zip)),
            ("application/zip;q=0, application/x-tar", Some(Form::Tar)),
            ("text/html, */*;q=0.8", Some(Form::Json)),
            ("text/html", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wanted(&headers).ok(), form, "{accept}");
        }
        assert_eq!(wanted(&HeaderMap::new()).ok(), Some(Form::Json));
    }

    #[test]
    fn a_compressed_tar_may_say_so_in_two_ways() {
        let headers = |kind, encoding| {
            HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static(kind)),
                (CONTENT_ENCODING, HeaderValue::from_static(encoding)),
            ])
        };
        assert_eq!(given(&headers("application/x-tar", "gzip")).ok(), Some(Form::TarGz));
        assert_eq!(given(&headers("application/gzip", "identity")).ok(), Some(Form::TarGz));
        assert_eq!(given(&headers("application/json; charset=utf-8", "")).ok(), Some(Form::Json));
        assert!(given(&headers("application/json", "gzip")).is_err() && given(&headers("text/plain", "")).is_err());
    }
}
