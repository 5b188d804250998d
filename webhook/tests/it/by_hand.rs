//! `inject` without a server does what the webhook does.

use serde_json::Value;
use tagalong_webhook::InjectionSettings;
use tagalong_webhook::by_hand::rewritten;

use crate::support::{all_settings, applied, corpus, injected, settings};

fn read(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_corpus_comes_out_as_the_webhook_would_make_it() {
    for settings in all_settings() {
        let objects: Vec<Value> = corpus().into_iter().map(|(_, object)| object).collect();
        let dated = InjectionSettings {
            started: 7,
            ..settings.clone()
        };
        let (text, _) = rewritten(objects.clone(), &dated, false).expect("it fits");
        let expected: Vec<Value> = objects
            .iter()
            .map(|object| applied(object, &injected(object, &settings)))
            .collect();
        assert_eq!(read(&text), expected);
        let (again, _) = rewritten(read(&text), &dated, false).expect("it fits");
        assert_eq!(again, text);
        let (without, warnings) = rewritten(read(&text), &dated, true).expect("it fits");
        assert_eq!(read(&without), objects);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn lists_and_what_is_not_ours_pass_through() {
    let text = "---\napiVersion: v1\nkind: ConfigMap\ndata: {a: \"off\"}\n---\n---\napiVersion: v1\nkind: List\nitems:\n- kind: Service\n";
    let (text, warnings) = rewritten(read(text), &settings(), false).expect("it fits");
    assert_eq!(
        text,
        "apiVersion: v1\ndata:\n  a: \"off\"\nkind: ConfigMap\n---\napiVersion: v1\nitems:\n- kind: Service\nkind: List\n"
    );
    assert!(warnings.is_empty());
}

#[test]
fn the_program_takes_a_file_and_says_what_it_cannot_do() -> Result<(), Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/smallest.yaml");
    let inject = |flags: &[&str], file: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_tagalong-webhook"))
            .args(flags)
            .args(["inject", "-f", file])
            .output()
    };
    let image = format!("--sidecar-image={}", settings().image);
    let labels = format!("--labels-url={}", settings().labels_url);
    let done = inject(&[&image, &labels], path)?;
    let said = String::from_utf8(done.stderr)?;
    assert!(done.status.success(), "{said}");
    let object = crate::support::object("smallest");
    let expected = applied(&object, &injected(&object, &settings()));
    assert_eq!(read(&String::from_utf8(done.stdout)?), [expected]);
    for (flags, file, part) in [
        (
            vec![image.as_str(), labels.as_str()],
            "/nowhere",
            "/nowhere",
        ),
        (vec![image.as_str()], path, "labels"),
    ] {
        let refused = inject(&flags, file)?;
        let said = String::from_utf8(refused.stderr)?;
        assert!(!refused.status.success() && said.contains(part), "{said}");
    }
    Ok(())
}
