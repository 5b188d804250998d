use super::*;
use serde_json::{Value, json};
use tagalong_index::{Object, Settings};

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

fn extension(services: &[&str]) -> Object {
    let names: Vec<_> = services.iter().map(|name| json!({"name": name})).collect();
    Object::Extension(parse(json!({
        "metadata": {"namespace": "default", "name": "x", "uid": "u", "generation": 3},
        "spec": {"serviceSelector": {"matchNames": names}},
    })))
}

fn control_plane(name: &str) -> Object {
    Object::ControlPlane(parse(json!({
        "metadata": {"namespace": "default", "name": name},
        "spec": {"dataplane": "kong", "extensions": [
            {"kind": "DataPlaneMetricsExtension", "name": "x"},
        ]},
    })))
}

fn dataplane() -> Object {
    Object::DataPlane(parse(
        json!({"metadata": {"namespace": "default", "name": "kong"}}),
    ))
}

fn service(name: &str) -> Object {
    Object::Service(parse(
        json!({"metadata": {"namespace": "default", "name": name}}),
    ))
}

fn said(objects: Vec<Object>, result: &PassResult) -> (Vec<Problem>, MetricsExtensionStatus) {
    let mut index = Index::new(Settings::default());
    for object in objects {
        index.apply(object);
    }
    let plan = index.plan(&Key::new("default", "x"));
    let problems = problems(&plan, &index, result);
    let status = status(&plan, &problems, None, Timestamp::UNIX_EPOCH);
    (problems, status)
}

fn conditions(status: &MetricsExtensionStatus) -> Vec<String> {
    let say = |condition: &Condition| {
        format!(
            "{} {} {}",
            condition.type_, condition.status, condition.reason
        )
    };
    status.conditions.iter().map(say).collect()
}

#[test]
fn all_is_well() {
    let objects = vec![
        extension(&["echo"]),
        control_plane("cp"),
        dataplane(),
        service("echo"),
    ];
    let (problems, status) = said(objects, &PassResult::default());
    assert_eq!(problems, []);
    assert_eq!(
        conditions(&status),
        [
            "Accepted True Accepted",
            "ResolvedRefs True ResolvedRefs",
            "Programmed True Programmed",
            "NamesResolved True NamesResolved",
            "Ready True Ready"
        ]
    );
    let control_plane = status.control_plane_ref.expect("attached");
    assert_eq!(
        (
            control_plane.name.as_str(),
            control_plane.namespace.as_deref()
        ),
        ("cp", Some("default"))
    );
    assert_eq!(status.observed_generation, Some(3));
}

#[test]
fn an_ambiguous_name_shows_on_the_extension_that_it_concerns_and_takes_nothing_from_ready() {
    let objects = vec![
        extension(&["echo"]),
        control_plane("cp"),
        dataplane(),
        service("echo"),
    ];
    let ambiguous = |service: &str| {
        let sentences = Sentences {
            first: vec!["n is left out: it could stand for two Services".to_owned()],
            more: 2,
        };
        let states = [(Lack::Ambiguous, sentences)].into();
        PassResult {
            unlabelled: [(Key::new("default", service), states)].into(),
            ..PassResult::default()
        }
    };
    let (problems, status) = said(objects.clone(), &ambiguous("echo"));
    let says = conditions(&status);
    assert!(says.contains(&"NamesResolved False AmbiguousName".to_owned()));
    assert!(says.contains(&"Programmed True Programmed".to_owned()));
    assert!(says.contains(&"Ready True Ready".to_owned()));
    assert_eq!(
        problems[0].message,
        "Service default/echo: n is left out: it could stand for two Services; and 2 more"
    );
    let mut refused = ambiguous("echo");
    for states in refused.unlabelled.values_mut() {
        let sentences = states.remove(&Lack::Ambiguous).expect("sentences");
        states.insert(Lack::Refused, sentences);
    }
    let (_, status) = said(objects.clone(), &refused);
    assert!(conditions(&status).contains(&"NamesResolved False ChangeRefused".to_owned()));
    let (problems, _) = said(objects, &ambiguous("another"));
    assert_eq!(problems, [], "that Service is not this extension's");
}

#[test]
fn a_split_rule_is_told_and_makes_nothing_false() {
    let objects = vec![
        extension(&["canary", "echo"]),
        control_plane("cp"),
        dataplane(),
        service("echo"),
        service("canary"),
    ];
    let sentences = |sentence: &str| Sentences {
        first: vec![sentence.to_owned()],
        more: 0,
    };
    let split: BTreeMap<_, _> = [(Lack::Split, sentences("n is split"))].into();
    let mut result = PassResult::default();
    let canary = Key::new("default", "canary");
    result.unlabelled.insert(canary, split);
    let (problems, status) = said(objects.clone(), &result);
    assert!(problems.iter().all(Problem::is_intended) && problems.len() == 1);
    let says = conditions(&status);
    assert!(
        says.contains(&"NamesResolved True SplitRule".to_owned()),
        "{says:?}"
    );
    let resolved = |status: &MetricsExtensionStatus| {
        let mut conditions = status.conditions.iter();
        let resolved = conditions.find(|condition| condition.type_ == NAMES_RESOLVED);
        resolved.map(|condition| condition.message.clone())
    };
    let message = resolved(&status);
    assert_eq!(
        message.as_deref(),
        Some("Service default/canary: n is split")
    );
    // What is wrong comes first, whichever Service it is about.
    let ambiguous = [(Lack::Ambiguous, sentences("m could be two"))].into();
    let echo = Key::new("default", "echo");
    result.unlabelled.insert(echo, ambiguous);
    let (_, status) = said(objects, &result);
    let says = conditions(&status);
    assert!(
        says.contains(&"NamesResolved False AmbiguousName".to_owned()),
        "{says:?}"
    );
    let both = "Service default/echo: m could be two; Service default/canary: n is split";
    assert_eq!(resolved(&status).as_deref(), Some(both));
}

#[test]
fn each_problem_has_its_reason() {
    for (objects, expected) in [
        (vec![extension(&[])], "Accepted False NotAttached"),
        (
            vec![extension(&["echo"]), control_plane("cp"), dataplane()],
            "ResolvedRefs False ServiceNotFound",
        ),
        (
            vec![extension(&[]), control_plane("cp")],
            "ResolvedRefs False DataPlaneNotFound",
        ),
    ] {
        let (_, status) = said(objects, &PassResult::default());
        let said = conditions(&status);
        assert!(
            said.iter().any(|condition| condition == expected),
            "{said:?}"
        );
        assert!(
            said.last()
                .is_some_and(|ready| ready.starts_with("Ready False")),
            "{said:?}"
        );
    }
}

#[test]
fn two_control_planes_are_worth_an_event_and_no_more() {
    let objects = vec![
        extension(&[]),
        control_plane("a"),
        control_plane("b"),
        dataplane(),
    ];
    let (problems, status) = said(objects, &PassResult::default());
    assert_eq!(problems.len(), 1);
    assert_eq!(
        (problems[0].reason, problems[0].condition),
        ("AttachedTwice", None)
    );
    assert!(conditions(&status).contains(&"Ready True Ready".to_owned()));
}

#[test]
fn a_failed_write_shows() {
    let objects = vec![
        extension(&["echo"]),
        control_plane("cp"),
        dataplane(),
        service("echo"),
    ];
    let failed = |key: &str| {
        let subject = SubjectKind::Service.at(&Key::new("default", key));
        PassResult {
            failed: [(subject, "too long".to_owned())].into(),
            ..PassResult::default()
        }
    };
    let (_, status) = said(objects.clone(), &failed("echo"));
    assert!(conditions(&status).contains(&"Programmed False WriteFailed".to_owned()));
    let (problems, _) = said(objects, &failed("other"));
    assert_eq!(problems, [], "somebody else's Service");
}

#[test]
fn pods_without_a_sidecar_show() {
    let objects = vec![extension(&[]), control_plane("cp"), dataplane()];
    let uninjected = |pods: &[&str]| {
        let pods = pods.iter().map(|pod| Key::new("default", *pod)).collect();
        PassResult {
            uninjected: [(Key::new("default", "kong"), pods)].into(),
            ..PassResult::default()
        }
    };
    let (first, status) = said(objects.clone(), &uninjected(&["pod"]));
    assert!(conditions(&status).contains(&"Programmed False SidecarMissing".to_owned()));
    let detail = first[0].detail.as_deref();
    assert_eq!(detail, Some("at present 1: pod"), "which, for the Event");
    let (_, later) = said(objects, &uninjected(&["another", "one"]));
    assert_eq!(later, status, "pods that come and go are no news");
}

#[test]
fn times_change_only_with_the_status_and_others_conditions_stay() {
    let mut index = Index::new(Settings::default());
    index.apply(extension(&[]));
    let plan = index.plan(&Key::new("default", "x"));
    let problems = problems(&plan, &index, &PassResult::default());
    let mut stands = status(&plan, &problems, None, Timestamp::UNIX_EPOCH);
    let mut theirs = stands.conditions[0].clone();
    theirs.type_ = "example.com/Theirs".into();
    stands.conditions.push(theirs);
    let later = status(&plan, &problems, Some(&stands), Timestamp::MAX);
    assert_eq!(later, stands);
    let turned = status(&plan, &[], Some(&stands), Timestamp::MAX);
    assert_eq!(
        turned.conditions[0].last_transition_time,
        Time(Timestamp::MAX)
    );
    assert_eq!(
        turned.conditions[1].last_transition_time,
        Time(Timestamp::UNIX_EPOCH)
    );
}

#[test]
fn no_kind_of_write_fails_untold() {
    use SubjectKind::{ConfigMap, Configuration, DataPlane, Extension, Plugin, Policy, Service};
    for kind in [
        Plugin,
        Service,
        DataPlane,
        Configuration,
        Extension,
        ConfigMap,
        Policy,
    ] {
        let name = match kind {
            Plugin => "x-metrics-prometheus",
            Service => "echo",
            DataPlane => "kong",
            Configuration => "source",
            Extension => "x",
            ConfigMap => "tagalong-ca",
            Policy => "some-policy",
        };
        let failed = |namespace: &str| PassResult {
            failed: [(kind.at(&Key::new(namespace, name)), "no".to_owned())].into(),
            ..PassResult::default()
        };
        let objects = [
            extension(&["echo"]),
            control_plane("cp"),
            dataplane(),
            service("echo"),
            configuration("source"),
        ];
        // What cannot be had from above is had below: all is in place.
        let condition = match kind {
            Configuration => "InjectedAtSource",
            _ => "Programmed",
        };
        let (problems, status) = said(objects.to_vec(), &failed("default"));
        assert_eq!(problems.len(), 1, "{kind:?}");
        assert!(
            conditions(&status).contains(&format!("{condition} False WriteFailed")),
            "{kind:?}"
        );
        let (problems, _) = said(objects.to_vec(), &failed("elsewhere"));
        assert_eq!(problems, [], "{kind:?} of somebody else");
    }
}

fn configuration(name: &str) -> Object {
    Object::GatewayConfiguration(parse(json!({
        "metadata": {"namespace": "default", "name": name},
        "spec": {"extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]},
    })))
}

/// It is said as long as it is so, and `Ready` all the same.
#[test]
fn a_dataplane_that_needs_the_webhook_at_each_reconcile_is_told_of() {
    let objects = vec![
        extension(&["echo"]),
        control_plane("cp"),
        dataplane(),
        service("echo"),
    ];
    let dataplane = Key::new("default", "kong");
    for (lacking, reason) in [
        (Some(Key::new("other", "source")), "SourceNotInjected"),
        (None, "SourceNotCopied"),
    ] {
        let result = PassResult {
            fallen_back: [(dataplane.clone(), lacking)].into(),
            ..PassResult::default()
        };
        let (problems, status) = said(objects.clone(), &result);
        assert_eq!(problems.len(), 1);
        let says = conditions(&status);
        assert!(
            says.contains(&format!("InjectedAtSource False {reason}")),
            "{says:?}"
        );
        assert!(says.contains(&"Ready True Ready".to_owned()), "{says:?}");
    }
    let result = PassResult {
        fallen_back: [(Key::new("default", "another"), None)].into(),
        ..PassResult::default()
    };
    let (problems, status) = said(objects, &result);
    assert_eq!(problems, []);
    assert!(
        conditions(&status)
            .iter()
            .all(|one| !one.contains("InjectedAtSource"))
    );
}
