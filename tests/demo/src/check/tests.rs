use super::*;

const BEFORE: &str = "# TYPE kong_x counter\n\
    kong_x{service=\"a.0\",route=\"r\"} 1\n\
    kong_x{service=\"b.0\",route=\"r\"} 1\n\
    kong_upstream_target_health{upstream=\"a.0\",target=\"t\"} 1\n";
const AFTER: &str = "# TYPE kong_x counter\n\
    kong_x{namespace=\"n\",service=\"s\",kubernetes_apiversion=\"v1\",kubernetes_kind=\"service\",\
    kubernetes_name=\"s\",kubernetes_namespace=\"n\",kong_service=\"a.0\",route=\"r\"} 1\n\
    kong_x{service=\"b.0\",route=\"r\"} 1\n\
    kong_upstream_target_health{namespace=\"n\",service=\"s\",kubernetes_apiversion=\"v1\",\
    kubernetes_kind=\"service\",kubernetes_name=\"s\",kubernetes_namespace=\"n\",upstream=\"a.0\",target=\"t\"} 1\n";
const OWN: &str = "# HELP tagalong_sidecar_x About itself.\ntagalong_sidecar_x 1\n";

fn table() -> Table {
    let service = Service {
        namespace: "n".to_owned(),
        name: "s".to_owned(),
    };
    Table {
        services: [("a.0".to_owned(), service)].into(),
        ..Table::default()
    }
}

#[test]
fn the_contract_is_accepted_and_counted() {
    let after = format!("{AFTER}{OWN}");
    let verdict = check(&table(), BEFORE.as_bytes(), after.as_bytes()).unwrap();
    assert_eq!(
        verdict,
        Verdict {
            enriched: 2,
            untouched: 2,
            own: 2
        }
    );
}

#[test]
fn anything_else_is_not() {
    for (wrong, line) in [
        (BEFORE.to_owned(), 2),
        (AFTER.replacen("r\"} 1", "r\"} 2", 1), 2),
        (AFTER.replace("b.0", "c.0"), 3),
        (AFTER.replace("# TYPE", "#  TYPE"), 1),
        (AFTER.trim_end().to_owned(), 4),
        (format!("{AFTER}kong_more 1\n"), 5),
    ] {
        let difference = check(&table(), BEFORE.as_bytes(), wrong.as_bytes()).unwrap_err();
        assert_eq!(difference.line, line, "{difference}");
    }
}

#[test]
fn an_empty_table_is_no_success() {
    assert!(check(&Table::default(), BEFORE.as_bytes(), BEFORE.as_bytes()).is_err());
}
