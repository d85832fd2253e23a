//! The same through the API.

use serde_json::{Value, json};

use super::Scene;
use crate::support::instance::Instance;

fn ask(own: &Instance, path: &str, body: &Value) -> (u16, Value) {
    let read = |file: &str| std::fs::read_to_string(own.data.join(file)).expect(file).trim().to_owned();
    let url = format!("http://{}/api/v1/{path}", read("api.addr"));
    let token = read("api.token");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let answer = reqwest::Client::new().post(url).bearer_auth(token).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    })
}

#[test]
fn a_page_finds_script_steps_and_causes_as_data() {
    let Some(mut scene) = Scene::start() else { return };
    scene.own.start();
    let wish = json!({"for": "debian", "key": "Key", "permit_open": ["db:5432"], "expires": "2199-01-01"});
    let (status, answer) = ask(&scene.own, "host/setup", &wish);
    assert_eq!((status, &answer["user"], &answer["run"]), (200, &json!("dronahq"), &Value::Null), "{answer}");
    let line = answer["lines"][0].as_str().unwrap();
    assert!(
        line.starts_with("restrict,port-forwarding,permitopen=\"db:5432\",") && line.ends_with(" appferry:Key"),
        "{line}"
    );
    assert!(
        answer["script"].as_str().unwrap().contains(line)
            && answer["fingerprint"].as_str().unwrap().starts_with("SHA256:")
    );

    let root = scene.server.login("root");
    let run = json!({"for": "debian", "key": "Key", "run": {"admin": root, "admin_key": "Admin"}});
    let (status, answer) = ask(&scene.own, "host/setup", &run);
    assert_eq!((status, &answer["run"]["ok"]), (200, &json!(true)), "{answer}");
    let changed = answer["run"]["steps"].as_array().unwrap().iter().filter(|step| step["outcome"] == "changed").count();
    assert!(changed >= 3, "{answer}");

    let check = json!({"login": scene.server.login("dronahq"), "key": "Key", "admin": root, "admin_key": "Admin"});
    let (status, report) = ask(&scene.own, "host/check", &check);
    assert_eq!((status, &report["ok"]), (200, &json!(true)), "{report}");
    scene.server.sh("chgrp users /home/dronahq; chmod g+w /home/dronahq");
    let (_, report) = ask(&scene.own, "host/check", &check); // at once: nothing warm hides it
    let last = report["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&report["ok"], &last["step"], &last["outcome"]),
        (&json!(false), &json!("cause"), &json!("failed")),
        "{report}"
    );

    for (path, body, part) in [
        ("host/setup", json!({"for": "debian", "key": "Key", "from": ["a b"]}), "request"),
        ("host/setup", json!({"for": "beos", "key": "Key"}), "request"),
        ("host/check", json!({"login": "nowhere", "key": "Key"}), "request"),
        ("host/setup", json!({"for": "debian", "key": "Nokey"}), "key"),
    ] {
        let (status, answer) = ask(&scene.own, path, &body);
        assert!(status >= 400 && answer["error"]["class"] == part, "{status} {answer}");
    }
}
