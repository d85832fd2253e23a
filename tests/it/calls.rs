//! Calls of the API that go wrong, and what a page needs to know: the real program.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::instance::Instance;

/// What is answered: the status, and the body as JSON.
fn call(instance: &Instance, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
    let read = |file: &str| fs::read_to_string(instance.data.join(file)).expect(file).trim().to_owned();
    let url = format!("http://{}{path}", read("api.addr"));
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut request = client.request(method, url).bearer_auth(read("api.token"));
    if let Some(body) = body {
        request = request.json(body);
    }
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    })
}

#[test]
fn a_name_that_is_no_text_is_an_error_of_the_usual_shape() {
    let mut instance = Instance::new("calls");
    instance.start();
    for (method, path) in [
        (Method::GET, "/api/v1/tunnels/%ff"),
        (Method::POST, "/api/v1/tunnels/%ff/open"),
        (Method::DELETE, "/api/v1/tunnels/%ff"),
        (Method::POST, "/hooks/%ff"),
        (Method::GET, "/api/v1/keys/%ff"),
        (Method::DELETE, "/api/v1/shell/hosts/%ff"),
        (Method::GET, "/api/v1/shell/runs/x"),
    ] {
        let (status, answer) = call(&instance, method, path, None);
        assert_eq!((status, &answer["error"]["class"]), (400, &json!("request")), "{path}: {answer}");
        assert_ne!(answer["error"]["remedy"], "", "{path}: {answer}");
    }
}

#[test]
fn the_keys_are_there_as_data_and_nothing_secret_with_them() {
    let mut instance = Instance::new("calls");
    let public = instance.generate_key("Deploy");
    instance.start();
    let (status, keys) = call(&instance, Method::GET, "/api/v1/keys", None);
    assert_eq!((status, keys.as_array().map(Vec::len)), (200, Some(1)), "{keys}");
    let listed: Value = serde_json::from_str(&instance.cli_text(&["keys", "list", "--json"])).expect("JSON");
    assert_eq!(keys, listed, "as the command line lists them");
    assert!(keys[0]["public_key"].as_str().is_some_and(|line| public.contains(line)), "{keys}");
    assert!(!keys.to_string().contains("PRIVATE"), "{keys}");
    assert_eq!(call(&instance, Method::GET, "/api/v1/keys/Deploy", None), (200, keys[0].clone()));
    let (status, answer) = call(&instance, Method::GET, "/api/v1/keys/deploy", None);
    assert_eq!((status, &answer["error"]["class"]), (404, &json!("absent")), "{answer}");
}

#[test]
fn a_restriction_that_the_type_of_a_variable_does_not_know_is_refused() {
    let mut instance = Instance::new("calls");
    instance.start();
    let host = json!({"address": "127.0.0.1", "user": "ops", "key": "ops"});
    assert_eq!(call(&instance, Method::PUT, "/api/v1/shell/hosts/box", Some(&host)).0, 200);
    let command = json!({
        "host": "box",
        "script": "echo {{v}}",
        "variables": [{"name": "v", "type": "text", "pattern": "[a-z]+"}],
    });
    let (status, answer) = call(&instance, Method::PUT, "/api/v1/shell/commands/say", Some(&command));
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 400 && message.contains("`pattern` of the variable `v`"), "{status} {answer}");
    assert_eq!(call(&instance, Method::GET, "/api/v1/shell/commands/say", None).0, 404);
}
