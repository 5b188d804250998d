use super::*;
use crate::ServiceRef;

const SNAPSHOT: &str = r#"{"type":"SNAPSHOT","version":41,"services":{"httproute.default.echo.0":{"namespace":"default","name":"echo"}},"upstreams":{"echo.default.80.svc":{"namespace":"default","name":"echo"}}}"#;
const DELTA: &str = r#"{"type":"DELTA","version":42,"set":{"services":{"a":{"namespace":"n","name":"s"}},"upstreams":{}},"unset":{"services":["b"],"upstreams":[]}}"#;
const AMBIGUOUS: &str = r#"{"type":"SNAPSHOT","version":1,"services":{"a":{"namespace":"n","name":"s"}},"upstreams":{},"ambiguous":{"services":["b","c"],"upstreams":["a"]}}"#;
const NOW_AMBIGUOUS: &str = r#"{"type":"DELTA","version":2,"set":{"services":{},"upstreams":{},"ambiguous":{"services":["a"],"upstreams":[]}},"unset":{"services":["b"],"upstreams":[]}}"#;
const HEARTBEAT: &str = r#"{"type":"HEARTBEAT","version":42}"#;

fn parse(json: &str) -> Result<Message, ParseError> {
    Message::parse(json.as_bytes())
}

fn error(json: &str) -> ParseError {
    parse(json).expect_err("must be refused")
}

#[test]
fn what_the_design_shows_is_read_and_written_byte_for_byte() {
    for line in [SNAPSHOT, DELTA, AMBIGUOUS, NOW_AMBIGUOUS, HEARTBEAT] {
        let message = parse(line).expect(line);
        let mut out = Vec::new();
        message.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("{line}\n"));
    }
    let Ok(Message::Snapshot(snapshot)) = parse(SNAPSHOT) else {
        panic!("a snapshot");
    };
    assert_eq!(
        snapshot.services.0["httproute.default.echo.0"],
        ServiceRef::new("default", "echo")
    );
}

#[test]
fn what_is_not_known_is_ignored_and_what_is_left_out_is_empty() {
    assert_eq!(
        parse(r#"{"type":"GOODBYE","why":[1]}"#),
        Ok(Message::Unknown)
    );
    assert_eq!(
        parse(
            r#"{"new":{"x":[]},"version":1,"type":"SNAPSHOT","services":{"k":{"name":"s","namespace":"n","port":80}}}"#
        ),
        Ok(Message::Snapshot(Snapshot {
            version: 1,
            services: [("k", ServiceRef::new("n", "s"))].into_iter().collect(),
            ..Snapshot::default()
        }))
    );
    assert_eq!(
        parse(r#"{"type":"DELTA","version":2}"#),
        Ok(Message::Delta(Delta {
            version: 2,
            ..Delta::default()
        }))
    );
}

#[test]
fn what_does_not_fit_is_refused_where_it_stands() {
    let twice = error(
        "{\"type\":\"SNAPSHOT\",\"version\":1,\"services\":{\n  \"k\":{\"namespace\":\"n\",\"name\":\"s\"},\n  \"k\":{\"namespace\":\"n\",\"name\":\"t\"}}}",
    );
    assert_eq!(twice.line, 3);
    assert!(twice.what.contains("\"k\" appears twice"), "{twice}");

    for (json, what) in [
        (
            r#"{"type":"SNAPSHOT","version":1,"services":{"":{"namespace":"n","name":"s"}}}"#,
            "empty Kong name",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"services":{"k":{"namespace":"","name":"s"}}}"#,
            "\"\" is not a Kubernetes name",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"services":{"k":{"namespace":"n","name":"a\nb"}}}"#,
            "not a Kubernetes name",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"services":{"k":{"namespace":"n"}}}"#,
            "missing field `name`",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"services":["k"]}"#,
            "an object of Kong names",
        ),
        (r#"{"type":"SNAPSHOT","version":-1}"#, "u64"),
        (r#"{"type":"SNAPSHOT"}"#, "missing field `version`"),
        (r#"{"version":1}"#, "missing field `type`"),
        (
            r#"{"type":"HEARTBEAT","version":1} x"#,
            "trailing characters",
        ),
        ("[]", "expected an object with a `type`"),
        ("1", "expected an object with a `type`"),
        (
            r#"{"type":"SNAPSHOT","version":1,"version":2}"#,
            "duplicate field `version`",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"upstreams":{},"upstreams":{}}"#,
            "duplicate field `upstreams`",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"services":{"k":{"namespace":"n","name":"s"}},"ambiguous":{"services":["k"]}}"#,
            "\"k\" appears twice",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"ambiguous":{"upstreams":{"k":{}}}}"#,
            "an array of Kong names",
        ),
        (
            r#"{"type":"SNAPSHOT","version":1,"ambiguous":{},"ambiguous":{}}"#,
            "duplicate field `ambiguous`",
        ),
        ("", "EOF"),
        ("\u{0}", "expected value"),
    ] {
        let error = error(json);
        assert!(error.what.contains(what), "{json}: {error}");
        assert!(!error.what.contains(" at line "), "{error}");
    }
}

#[test]
fn a_snapshot_is_handed_over_name_by_name() {
    let mut names = Vec::new();
    let version = Snapshot::read(SNAPSHOT.as_bytes(), |kind, kong, service| {
        let (namespace, name) = service.expect("a Service");
        names.push(format!("{kind:?} {kong} {namespace}/{name}"));
        Ok(true)
    });
    assert_eq!(version, Ok(41));
    assert_eq!(
        names,
        [
            "Service httproute.default.echo.0 default/echo",
            "Upstream echo.default.80.svc default/echo"
        ]
    );
    let mut taken = 0;
    let full = Snapshot::read(SNAPSHOT.as_bytes(), |_, _, _| {
        taken += 1;
        Err("no room".into())
    });
    assert_eq!(full.expect_err("it is full").what, "no room");
    assert_eq!(taken, 1, "nothing is read any further");
}

#[test]
fn a_file_holds_one_snapshot() {
    let pretty = SNAPSHOT.replace(',', ",\n");
    assert!(Snapshot::from_file(pretty.as_bytes()).is_ok());
    let array = Snapshot::from_file(b"[]").expect_err("an array");
    assert!(
        array.what.ends_with("expected an object with a `type`"),
        "{array}"
    );
    let error = Snapshot::from_file(DELTA.as_bytes()).expect_err("a delta");
    assert_eq!(
        error.to_string(),
        "1:1: the type is \"DELTA\", expected \"SNAPSHOT\""
    );
    let error =
        Snapshot::from_file(b"{\n  \"type\": \"SNAPSHOT\",\n  \"version\": x").expect_err("broken");
    assert_eq!((error.line, error.column), (3, 14));
}
